//! Headers of requests and responses, with everything nginx keeps special about them.
//!
//! nginx keeps headers in lists whose elements never move, and points to some of them from elsewhere:
//! who sets or removes one keeps those pointers true.
#![allow(unsafe_code)]
pub(crate) mod request;
pub(crate) mod response;

use super::Request;
use super::sys::{self, ngx_list_part_t, ngx_list_t, ngx_str_t, ngx_table_elt_t};

/// nginx had no memory, or the value is not one the header can have.
#[derive(Debug)]
pub(crate) struct NotSet;

/// Whether a value replaces what is there or joins it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Replace,
    Add,
}

/// A header being written: its strings live in the request's pool.
struct Entry {
    name: ngx_str_t,
    lowercase: *mut u8,
    hash: usize,
    value: ngx_str_t,
}

impl Entry {
    /// Copies of both strings, with the bytes escaped that would break the message.
    fn new(r: Request, name: &[u8], value: &[u8]) -> Option<Self> {
        let name = copy_escaped(r, name, IN_NAME)?;
        let value = copy_escaped(r, value, IN_VALUE)?;
        let lowercase = r.pool().bytes(name.len)?.as_ptr();
        // SAFETY: both have `name.len` bytes.
        let hash = unsafe { sys::ngx_hash_strlow(lowercase, name.data, name.len) };
        Some(Self { name, lowercase, hash, value })
    }

    /// The element that nginx lists: an empty value marks it as removed.
    fn element(&self) -> ngx_table_elt_t {
        // SAFETY: all-zero is a valid value of this struct.
        let mut h: ngx_table_elt_t = unsafe { core::mem::zeroed() };
        h.key = self.name;
        h.lowcase_key = self.lowercase;
        h.value = self.value;
        h.hash = if self.value.len == 0 { 0 } else { self.hash };
        h
    }

    /// # Safety
    /// `list` is a list of headers of a live request.
    unsafe fn push(&self, list: *mut ngx_list_t) -> Result<*mut ngx_table_elt_t, NotSet> {
        // SAFETY: the caller's contract; nginx returns room for one element.
        unsafe {
            let h = sys::ngx_list_push(list).cast::<ngx_table_elt_t>();
            if h.is_null() {
                return Err(NotSet);
            }
            h.write(self.element());
            Ok(h)
        }
    }
}

/// The elements of a list, in order; those that are marked as removed (hash 0) included.
struct Elements {
    part: *const ngx_list_part_t,
    next: usize,
}

impl Elements {
    /// # Safety
    /// `list` is a list of headers of a live request, from which nothing is removed meanwhile.
    unsafe fn of(list: *const ngx_list_t) -> Self {
        // SAFETY: the caller's contract.
        Self { part: unsafe { &raw const (*list).part }, next: 0 }
    }
}

impl Iterator for Elements {
    type Item = *mut ngx_table_elt_t;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the contract of `of`; lists are chains of parts of `nelts` elements.
        unsafe {
            while !self.part.is_null() {
                if self.next < (*self.part).nelts {
                    let element = (*self.part).elts.cast::<ngx_table_elt_t>().add(self.next);
                    self.next += 1;
                    return Some(element);
                }
                self.part = (*self.part).next;
                self.next = 0;
            }
        }
        None
    }
}

/// How many elements a list has.
///
/// # Safety
/// `list` is a list of headers of a live request.
unsafe fn count(list: *const ngx_list_t) -> usize {
    let mut total = 0;
    // SAFETY: the caller's contract.
    unsafe {
        let mut part = &raw const (*list).part;
        while let Some(p) = part.as_ref() {
            total += p.nelts;
            part = p.next;
        }
    }
    total
}

/// # Safety
/// `h` is an element of a live request's headers.
unsafe fn has_name(h: *const ngx_table_elt_t, name: &[u8]) -> bool {
    // SAFETY: the caller's contract.
    unsafe { sys::str_bytes((*h).key) }.eq_ignore_ascii_case(name)
}

/// The bytes that are escaped in names (not those of tokens), and in values (control bytes but tab).
const IN_NAME: u8 = 1;
const IN_VALUE: u8 = 2;

const ESCAPED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte <= 0x20 || byte >= 0x7f {
            table[byte] |= IN_NAME;
        }
        if byte < 0x20 && byte != 0x09 || byte == 0x7f {
            table[byte] |= IN_VALUE;
        }
        byte += 1;
    }
    let separators = b"\"(),/:;<=>?@[\\]{}";
    let mut i = 0;
    while i < separators.len() {
        table[separators[i] as usize] |= IN_NAME;
        i += 1;
    }
    table
};

fn is_clean(text: &[u8], place: u8) -> bool {
    text.iter().fold(0, |seen, byte| seen | ESCAPED[usize::from(*byte)]) & place == 0
}

/// A copy of `text` in the request's pool, NUL-terminated, with unsafe bytes as `%XX`.
fn copy_escaped(r: Request, text: &[u8], place: u8) -> Option<ngx_str_t> {
    if is_clean(text, place) {
        return r.pool().copy_with_nul(text);
    }
    r.pool().copy_with_nul(&escape(text, place))
}

fn escape(text: &[u8], place: u8) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = Vec::with_capacity(text.len() * 2);
    for &byte in text {
        if ESCAPED[usize::from(byte)] & place == 0 {
            escaped.push(byte);
        } else {
            escaped.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(escape(b"X-A b\n\xe9", IN_NAME), b"X-A%20b%0A%E9");
        assert_eq!(escape(b"a\r\n\tb\x7f\xe9", IN_VALUE), b"a%0D%0A\tb%7F\xe9");
        assert!(is_clean(b"x-a|b~!", IN_NAME) && !is_clean(b"a:", IN_NAME));
        assert!(is_clean(b"text/html; q=\"1\" \xe9", IN_VALUE) && !is_clean(b"a\0", IN_VALUE));
    }
}
