//! Request headers: setting, clearing and reading them, with what nginx derives from them.
//!
//! nginx knows no mark for removed request headers: what is removed is taken out of the list.
#![allow(unsafe_code)]
use core::mem::offset_of;
use core::ptr;

use super::{Elements, Entry, Mode, NotSet, count as count_of, has_name};
use crate::nginx::sys::{self, ngx_http_headers_in_t as HeadersIn, ngx_list_part_t, ngx_list_t};
use crate::nginx::sys::{ngx_str_t, ngx_table_elt_t};
use crate::nginx::{Request, browser::Browser, variable};

/// A header that nginx knows.
struct Known {
    name: &'static str,
    place: Place,
    meaning: Meaning,
}

/// Where nginx keeps a header besides the list.
#[derive(Clone, Copy)]
enum Place {
    /// Nowhere.
    List,
    /// In the pointer at this offset of `headers_in`.
    Slot(usize),
    /// It may stand several times: in the array, or chain, at this offset.
    Several(usize),
}

/// What nginx derives from a header.
#[derive(Clone, Copy)]
enum Meaning {
    Nothing,
    Host,
    Connection,
    UserAgent,
    ContentLength,
}

macro_rules! known {
    ($name:literal, $place:ident($field:ident) $(, $meaning:ident)?) => {
        Known {
            name: $name,
            place: Place::$place(offset_of!(HeadersIn, $field)),
            meaning: known!(@ $($meaning)?),
        }
    };
    (@) => { Meaning::Nothing };
    (@ $meaning:ident) => { Meaning::$meaning };
}

const KNOWN: &[Known] = &[
    known!("host", Slot(host), Host),
    known!("connection", Slot(connection), Connection),
    known!("if-modified-since", Slot(if_modified_since)),
    known!("if-unmodified-since", Slot(if_unmodified_since)),
    known!("if-match", Slot(if_match)),
    known!("if-none-match", Slot(if_none_match)),
    known!("user-agent", Slot(user_agent), UserAgent),
    known!("referer", Slot(referer)),
    known!("content-length", Slot(content_length), ContentLength),
    known!("content-type", Slot(content_type)),
    known!("range", Slot(range)),
    known!("if-range", Slot(if_range)),
    known!("transfer-encoding", Slot(transfer_encoding)),
    known!("expect", Slot(expect)),
    known!("upgrade", Slot(upgrade)),
    #[cfg(ngx_feature = "http_gzip")]
    known!("accept-encoding", Slot(accept_encoding)),
    #[cfg(ngx_feature = "http_gzip")]
    known!("via", Slot(via)),
    known!("authorization", Slot(authorization)),
    known!("keep-alive", Slot(keep_alive)),
    #[cfg(ngx_feature = "http_x_forwarded_for")]
    known!("x-forwarded-for", Several(x_forwarded_for)),
    #[cfg(ngx_feature = "http_realip")]
    known!("x-real-ip", Slot(x_real_ip)),
    #[cfg(ngx_feature = "http_dav")]
    known!("depth", Slot(depth)),
    #[cfg(ngx_feature = "http_dav")]
    known!("destination", Slot(destination)),
    #[cfg(ngx_feature = "http_dav")]
    known!("overwrite", Slot(overwrite)),
    #[cfg(ngx_feature = "http_dav")]
    known!("date", Slot(date)),
    #[cfg(ngx_linked_headers)]
    known!("cookie", Several(cookie)),
    #[cfg(not(ngx_linked_headers))]
    known!("cookie", Several(cookies)),
];

fn known(name: &[u8]) -> (Place, Meaning) {
    let found = KNOWN.iter().find(|known| known.name.as_bytes().eq_ignore_ascii_case(name));
    found.map_or((Place::List, Meaning::Nothing), |known| (known.place, known.meaning))
}

/// How many headers the request has.
pub(crate) fn count(r: Request) -> usize {
    // SAFETY: [request-alive]
    unsafe { count_of(list(r)) }
}

/// A request header; its strings live as long as the request.
pub(crate) struct Header {
    pub(crate) name: &'static [u8],
    pub(crate) lowercase: &'static [u8],
    pub(crate) value: &'static [u8],
}

/// The headers in the order they came in.
pub(crate) fn all(r: Request) -> impl Iterator<Item = Header> {
    // SAFETY: [request-alive]; nginx lowers the case of names into memory of the same length.
    unsafe {
        Elements::of(list(r)).map(|h| {
            let name = sys::str_bytes((*h).key);
            let lowercase = match (*h).lowcase_key {
                lowercase if lowercase.is_null() => name,
                data => sys::str_bytes(ngx_str_t { data, len: name.len() }),
            };
            Header { name, lowercase, value: sys::str_bytes((*h).value) }
        })
    }
}

/// Sets a request header; an empty value in the place of others removes it. A request that nginx has
/// refused to read is left as it is.
pub(crate) fn set(r: Request, name: &[u8], value: &[u8], mode: Mode) -> Result<(), NotSet> {
    // SAFETY: [request-alive]
    unsafe {
        if r.status() == sys::NGX_HTTP_BAD_REQUEST as usize || (*list(r)).last.is_null() {
            return Ok(());
        }
        own_list(r)?;
        let entry = Entry::new(r, name, value).ok_or(NotSet)?;
        let (place, meaning) = known(sys::str_bytes(entry.name));
        match meaning {
            Meaning::Nothing => {}
            Meaning::Host => derive_host(r, entry.value)?,
            Meaning::Connection => derive_connection(r, sys::str_bytes(entry.value)),
            Meaning::UserAgent => Browser::of(sys::str_bytes(entry.value)).note(r),
            Meaning::ContentLength => derive_length(r, entry.value)?,
        }
        match place {
            Place::List => set_plain(r, &entry, mode).map(|_| ()),
            Place::Slot(at) => set_slot(r, &entry, at, mode),
            Place::Several(at) => set_several(r, &entry, at, mode),
        }
    }
}

fn headers(r: Request) -> *mut HeadersIn {
    // SAFETY: [request-alive]
    unsafe { &raw mut (*r.as_ptr()).headers_in }
}

fn list(r: Request) -> *mut ngx_list_t {
    // SAFETY: [request-alive]
    unsafe { &raw mut (*headers(r)).headers }
}

// SAFETY (of the functions below): [request-alive]; `Entry` strings live in the request's pool, and header
// elements are never freed before the request.

/// A subrequest starts with a copy of the parent's `headers_in`, whose `last` is the parent's own part:
/// what it adds goes to a part of its own.
unsafe fn own_list(r: Request) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let list = list(r);
        let first = &raw mut (*list).part;
        if (*first).next.is_null() && (*list).last != first {
            (*list).last = first;
            close_part(r, list)?;
        }
    }
    Ok(())
}

/// Makes the last part full: nginx adds another one for the next header.
unsafe fn close_part(r: Request, list: *mut ngx_list_t) -> Result<(), NotSet> {
    /// The size of the part that nginx adds is that of the last one: never none.
    const FRESH: usize = 4;
    // SAFETY: see above; only the first part may be empty, and gets room of its own then.
    unsafe {
        let last = (*list).last;
        if (*last).nelts != 0 {
            (*list).nalloc = (*last).nelts;
            return Ok(());
        }
        let room = sys::ngx_palloc(r.pool().as_ptr(), FRESH * (*list).size);
        if room.is_null() {
            return Err(NotSet);
        }
        (*last).elts = room;
        (*list).nalloc = FRESH;
    }
    Ok(())
}

/// Replaces all headers of that name by one, or removes them, or adds one. Returns the element, if
/// there is one now.
unsafe fn set_plain(
    r: Request,
    entry: &Entry,
    mode: Mode,
) -> Result<Option<*mut ngx_table_elt_t>, NotSet> {
    // SAFETY: see above.
    unsafe {
        if mode == Mode::Add {
            return entry.push(list(r)).map(Some);
        }
        let mut kept = None;
        let name = sys::str_bytes(entry.name);
        let mut part = &raw mut (*list(r)).part;
        let mut i = 0;
        while !part.is_null() {
            if i >= (*part).nelts {
                part = (*part).next;
                i = 0;
                continue;
            }
            let h = (*part).elts.cast::<ngx_table_elt_t>().add(i);
            if !has_name(h, name) {
                i += 1;
            } else if entry.value.len == 0 || kept.is_some() {
                (*h).hash = 0;
                remove(r, part, i)?;
            } else {
                (*h).value = entry.value;
                kept = Some(h);
                i += 1;
            }
        }
        if kept.is_none() && entry.value.len != 0 {
            kept = Some(entry.push(list(r))?);
        }
        Ok(kept)
    }
}

/// Takes the element `i` out of `part`, which goes on with the one behind it at the same index. No
/// element moves.
unsafe fn remove(r: Request, part: *mut ngx_list_part_t, i: usize) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let list = list(r);
        let elements = (*part).elts.cast::<ngx_table_elt_t>();
        let is_last = part == (*list).last;
        let behind = (*part).nelts - i - 1;
        if behind == 0 {
            (*part).nelts = i;
            if i == 0 && part != &raw mut (*list).part {
                unlink(list, part);
            }
            if is_last {
                close_part(r, list)?;
            }
        } else if i == 0 {
            (*part).elts = elements.add(1).cast();
            (*part).nelts = behind;
            (*list).nalloc -= usize::from(is_last);
        } else {
            let rest = sys::ngx_palloc(r.pool().as_ptr(), size_of::<ngx_list_part_t>())
                .cast::<ngx_list_part_t>();
            if rest.is_null() {
                return Err(NotSet);
            }
            rest.write(ngx_list_part_t {
                elts: elements.add(i + 1).cast(),
                nelts: behind,
                next: (*part).next,
            });
            (*part).nelts = i;
            (*part).next = rest;
            if is_last {
                (*list).last = rest;
                (*list).nalloc -= i + 1;
            }
        }
    }
    Ok(())
}

/// Takes an empty part out of the list: nginx takes every part but the first for non-empty.
unsafe fn unlink(list: *mut ngx_list_t, part: *mut ngx_list_part_t) {
    // SAFETY: see above; the removed part keeps its `next`.
    unsafe {
        let mut before = &raw mut (*list).part;
        while (*before).next != part {
            before = (*before).next;
            if before.is_null() {
                return;
            }
        }
        (*before).next = (*part).next;
        if (*list).last == part {
            (*list).last = before;
        }
    }
}

unsafe fn set_slot(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above; `at` is the offset of a pointer to an element.
    unsafe {
        let slot = headers(r).byte_add(at).cast::<*mut ngx_table_elt_t>();
        if let Some(h) = (*slot).as_mut() {
            if entry.value.len != 0 {
                h.hash = entry.hash;
                h.value = entry.value;
                return Ok(());
            }
            h.value = entry.value;
            *slot = ptr::null_mut();
            return set_plain(r, entry, Mode::Replace).map(|_| ());
        }
        if let Some(h) = set_plain(r, entry, mode)? {
            *slot = h;
        }
        Ok(())
    }
}

#[cfg(ngx_linked_headers)]
unsafe fn set_several(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above; `at` is the offset of the first element's pointer.
    unsafe {
        let mut slot = headers(r).byte_add(at).cast::<*mut ngx_table_elt_t>();
        if mode == Mode::Replace {
            *slot = ptr::null_mut();
        }
        let kept = set_plain(r, entry, mode)?;
        let Some(h) = kept.filter(|_| entry.value.len != 0) else { return Ok(()) };
        while let Some(before) = (*slot).as_mut() {
            slot = &raw mut before.next;
        }
        (*h).next = ptr::null_mut();
        *slot = h;
        Ok(())
    }
}

#[cfg(not(ngx_linked_headers))]
unsafe fn set_several(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above; `at` is the offset of an array of pointers to elements.
    unsafe {
        let array = headers(r).byte_add(at).cast::<sys::ngx_array_t>();
        if (*array).nalloc == 0 || (mode == Mode::Replace && (*array).nelts > 0) {
            let size = size_of::<*mut ngx_table_elt_t>();
            let pool = r.pool().as_ptr();
            let elts = sys::ngx_palloc(pool, 2 * size);
            if elts.is_null() {
                return Err(NotSet);
            }
            array.write(sys::ngx_array_t { elts, nelts: 0, size, nalloc: 2, pool });
        }
        let kept = set_plain(r, entry, mode)?;
        let Some(h) = kept.filter(|_| entry.value.len != 0) else { return Ok(()) };
        let slot = sys::ngx_array_push(array).cast::<*mut ngx_table_elt_t>();
        if slot.is_null() {
            return Err(NotSet);
        }
        *slot = h;
        Ok(())
    }
}

/// `headers_in.server` and `$host` follow the Host header.
unsafe fn derive_host(r: Request, value: ngx_str_t) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let text = sys::str_bytes(value);
        let mut server = value;
        if !text.is_empty() {
            server.len = host_len(text).ok_or(NotSet)?;
            if text.iter().any(u8::is_ascii_uppercase) {
                server.data = r.pool().bytes(server.len).ok_or(NotSet)?.as_ptr();
                sys::ngx_strlow(server.data, value.data, server.len);
            }
        }
        (*headers(r)).server = server;
    }
    variable::forget(r, b"host");
    Ok(())
}

/// How much of a Host header's value is the host: without the port and a dot at the end. `None` if it
/// is none.
fn host_len(host: &[u8]) -> Option<usize> {
    let mut len = host.len();
    let (mut in_literal, mut done) = (false, false);
    let mut last_dot = None;
    for (i, byte) in host.iter().enumerate() {
        match byte {
            b'.' => {
                if i > 0 && last_dot == Some(i - 1) {
                    return None;
                }
                last_dot = Some(i);
            }
            b':' if !done && !in_literal => (len, done) = (i, true),
            b'[' if i == 0 => in_literal = true,
            b']' if in_literal && !done => (len, done) = (i + 1, true),
            b'/' | 0 => return None,
            _ => {}
        }
    }
    if len > 0 && last_dot == Some(len - 1) {
        len -= 1;
    }
    (len > 0).then_some(len)
}

unsafe fn derive_connection(r: Request, value: &[u8]) {
    let (kind, keep_alive) = if contains_ignoring_case(value, b"close") {
        (sys::NGX_HTTP_CONNECTION_CLOSE, Some(-1))
    } else if contains_ignoring_case(value, b"keep-alive") {
        (sys::NGX_HTTP_CONNECTION_KEEP_ALIVE, None)
    } else {
        (0, None)
    };
    // SAFETY: see above.
    unsafe {
        HeadersIn::set_connection_type_raw(headers(r), kind);
        if let Some(keep_alive) = keep_alive {
            (*headers(r)).keep_alive_n = keep_alive;
        }
    }
}

fn contains_ignoring_case(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

unsafe fn derive_length(r: Request, value: ngx_str_t) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        (*headers(r)).content_length_n = match value.len {
            0 => -1,
            len => match sys::ngx_atoof(value.data, len) {
                n if n == sys::ERROR as sys::off_t => return Err(NotSet),
                n => n,
            },
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_in_any_case() {
        assert!(matches!(known(b"HOST"), (Place::Slot(_), Meaning::Host)));
        assert!(matches!(known(b"Cookie"), (Place::Several(_), Meaning::Nothing)));
        assert!(matches!(known(b"X-Host"), (Place::List, Meaning::Nothing)));
    }

    #[test]
    fn hosts() {
        for (host, len) in [
            ("a.example", Some(9)),
            ("a.example.", Some(9)),
            ("a.example:80", Some(9)),
            ("a.example.:80", Some(9)),
            ("[::1]:80", Some(5)),
            ("[::1]", Some(5)),
            ("a:1:2", Some(1)),
            (":80", None),
            (".", None),
            ("a..b", None),
            ("a/b", None),
            ("a\0b", None),
        ] {
            assert_eq!(host_len(host.as_bytes()), len, "{host:?}");
        }
    }
}
