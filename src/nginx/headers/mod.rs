//! Headers of requests and responses, with everything nginx keeps special about them.
//!
//! nginx keeps headers in lists whose elements never move, and points to some of them from elsewhere:
//! who sets or removes one keeps those pointers true.
#![allow(unsafe_code)]
pub(crate) mod request;
pub(crate) mod response;

use super::Request;
use super::pool::Pool;
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

/// A header being written: its strings live in the request's pool, and end in NULs.
struct Entry {
    name: ngx_str_t,
    lowercase: *mut u8,
    /// Of the name in lower case: nginx looks request headers up by it. Response headers have 1, as
    /// those that nginx itself adds.
    hash: usize,
    value: ngx_str_t,
}

impl Entry {
    /// Copies of both strings, with the bytes escaped that would break the message.
    fn new(r: Request, name: &[u8], value: &[u8]) -> Option<Self> {
        if is_clean(value) {
            Self::with_clean_value(r, name, value)
        } else {
            Self::with_clean_value(
                r,
                name,
                &escape(value, |byte| CLEAN[usize::from(byte)] & VALUE != 0),
            )
        }
    }

    fn with_clean_value(r: Request, name: &[u8], value: &[u8]) -> Option<Self> {
        let room = r.pool().bytes(2 * name.len() + value.len() + 2)?.as_ptr();
        // SAFETY: there is room for the name twice and the value, two of them with a NUL.
        unsafe {
            let name_copy = room;
            let value_copy = name_copy.add(name.len() + 1);
            let lowercase = value_copy.add(value.len() + 1);
            let mut clean = NAME;
            for (i, byte) in name.iter().enumerate() {
                clean &= CLEAN[usize::from(*byte)];
                lowercase.add(i).write(byte.to_ascii_lowercase());
            }
            if clean == 0 {
                let name = escape(name, |byte| CLEAN[usize::from(byte)] & NAME != 0);
                return Self::with_clean_value(r, &name, value);
            }
            name_copy.copy_from_nonoverlapping(name.as_ptr(), name.len());
            name_copy.add(name.len()).write(0);
            value_copy.copy_from_nonoverlapping(value.as_ptr(), value.len());
            value_copy.add(value.len()).write(0);
            Some(Self {
                name: ngx_str_t { len: name.len(), data: name_copy },
                lowercase,
                hash: 1,
                value: ngx_str_t { len: value.len(), data: value_copy },
            })
        }
    }

    /// The name in lower case.
    fn key(&self) -> &'static [u8] {
        // SAFETY: made by `new`; the request's pool outlives its use.
        unsafe { core::slice::from_raw_parts(self.lowercase, self.name.len) }
    }

    /// The element that nginx lists: an empty value marks it as removed.
    fn element(&self) -> ngx_table_elt_t {
        ngx_table_elt_t {
            hash: if self.value.len == 0 { 0 } else { self.hash },
            key: self.name,
            value: self.value,
            lowcase_key: self.lowercase,
            #[cfg(ngx_linked_headers)]
            next: core::ptr::null_mut(),
        }
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
    /// What is left of a part.
    next: *mut ngx_table_elt_t,
    end: *mut ngx_table_elt_t,
    /// The part behind it.
    part: *const ngx_list_part_t,
}

impl Elements {
    /// # Safety
    /// `list` is a list of headers of a live request, that nobody changes meanwhile.
    unsafe fn of(list: *const ngx_list_t) -> Self {
        let none = core::ptr::null_mut();
        // SAFETY: the caller's contract.
        Self { next: none, end: none, part: unsafe { &raw const (*list).part } }
    }
}

impl Iterator for Elements {
    type Item = *mut ngx_table_elt_t;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the contract of `of`; lists are chains of parts of `nelts` elements.
        unsafe {
            while self.next == self.end {
                let part = self.part.as_ref()?;
                self.next = part.elts.cast();
                self.end = self.next.add(part.nelts);
                self.part = part.next;
            }
            let element = self.next;
            self.next = element.add(1);
            Some(element)
        }
    }
}

/// Makes an empty list with room for `room` headers; whether there was memory.
///
/// # Safety
/// `list` is in a live request that has no list there yet; `pool` is its pool.
pub(super) unsafe fn init_list(list: *mut ngx_list_t, pool: Pool, room: usize) -> bool {
    let size = size_of::<ngx_table_elt_t>();
    // SAFETY: the caller's contract.
    unsafe {
        let elts = sys::ngx_palloc(pool.as_ptr(), room * size);
        (*list).part = ngx_list_part_t { elts, nelts: 0, next: core::ptr::null_mut() };
        (*list).last = &raw mut (*list).part;
        (*list).size = size;
        (*list).nalloc = room;
        (*list).pool = pool.as_ptr();
        !elts.is_null()
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

/// The bytes that stay as they are in names (those of tokens), and in values (all but control bytes,
/// of which a tab stays as well).
const NAME: u8 = 1;
const VALUE: u8 = 2;

static CLEAN: [u8; 256] = {
    let mut table = [NAME | VALUE; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte <= 0x20 || byte >= 0x7f {
            table[byte] &= VALUE;
        }
        if byte < 0x20 && byte != 0x09 || byte == 0x7f {
            table[byte] = 0;
        }
        byte += 1;
    }
    let separators = b"\"(),/:;<=>?@[\\]{}";
    let mut i = 0;
    while i < separators.len() {
        table[separators[i] as usize] = VALUE;
        i += 1;
    }
    table
};

/// Whether `value` can be sent as it is.
fn is_clean(value: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    // Eight bytes at a time: none may be below 0x20 or be 0x7f.
    let (words, rest) = value.as_chunks::<8>();
    let mut suspects = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let del = word ^ (ONES * 0x7f);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        suspects |= (low | (del.wrapping_sub(ONES) & !del)) & (ONES * 0x80);
    }
    let plain = rest.iter().all(|byte| CLEAN[usize::from(*byte)] & VALUE != 0);
    plain && (suspects == 0 || value.iter().all(|byte| CLEAN[usize::from(*byte)] & VALUE != 0))
}

fn escape(text: &[u8], stays: impl Fn(u8) -> bool) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = Vec::with_capacity(text.len() * 2);
    for &byte in text {
        if stays(byte) {
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

    fn escaped(text: &[u8], place: u8) -> Vec<u8> {
        escape(text, |byte| CLEAN[usize::from(byte)] & place != 0)
    }

    #[test]
    fn escapes() {
        assert_eq!(escaped(b"X-A b\n\xe9", NAME), b"X-A%20b%0A%E9");
        assert_eq!(escaped(b"x-a|b~!", NAME), b"x-a|b~!");
        assert_eq!(escaped(b"a\r\n\tb\x7f\xe9", VALUE), b"a%0D%0A\tb%7F\xe9");
    }

    #[test]
    fn clean_values() {
        for byte in 0..=255u8 {
            for at in 0..18 {
                let mut value = *b"text/html; \xe9\x80\xff~!@ ";
                value[at] = byte;
                let expected = CLEAN[usize::from(byte)] & VALUE != 0;
                assert_eq!(is_clean(&value), expected, "{byte} at {at}");
            }
        }
        assert!(is_clean(b"") && is_clean(b"a\tb") && !is_clean(b"\0"));
    }
}
