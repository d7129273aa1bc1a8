//! Request headers: setting, clearing and reading them, with what nginx derives from them.
//!
//! nginx knows no mark for removed request headers: what is removed is taken out of the list.
#![allow(unsafe_code)]
use core::mem::offset_of;
use core::ptr;

use super::{Elements, Entry, Mode, NotSet, count as count_of, has_name, init_list};
use crate::nginx::request::InTransit;
use crate::nginx::sys::{self, ngx_http_headers_in_t as HeadersIn, ngx_list_part_t, ngx_list_t};
use crate::nginx::sys::{ngx_str_t, ngx_table_elt_t};
use crate::nginx::{Request, browser::Browser, variable};

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
    ($name:expr; $($(#[$cfg:meta])* $($text:literal)|+ => $place:ident($field:ident) $meaning:ident,)*) => {
        match $name {
            $($(#[$cfg])* $($text)|+ => {
                (Place::$place(offset_of!(HeadersIn, $field)), Meaning::$meaning)
            })*
            _ => (Place::List, Meaning::Nothing),
        }
    };
}

/// What nginx knows of the header with this name in lower case.
#[rustfmt::skip]
fn known(name: &[u8]) -> (Place, Meaning) {
    known! { name;
        b"host" => Slot(host) Host,
        b"connection" => Slot(connection) Connection,
        b"if-modified-since" => Slot(if_modified_since) Nothing,
        b"if-unmodified-since" => Slot(if_unmodified_since) Nothing,
        b"if-match" => Slot(if_match) Nothing,
        b"if-none-match" => Slot(if_none_match) Nothing,
        b"user-agent" => Slot(user_agent) UserAgent,
        b"referer" => Slot(referer) Nothing,
        b"content-length" => Slot(content_length) ContentLength,
        b"content-type" => Slot(content_type) Nothing,
        b"range" => Slot(range) Nothing,
        b"if-range" => Slot(if_range) Nothing,
        b"transfer-encoding" => Slot(transfer_encoding) Nothing,
        b"expect" => Slot(expect) Nothing,
        b"upgrade" => Slot(upgrade) Nothing,
        #[cfg(ngx_feature = "http_gzip")]
        b"accept-encoding" => Slot(accept_encoding) Nothing,
        #[cfg(ngx_feature = "http_gzip")]
        b"via" => Slot(via) Nothing,
        b"authorization" => Slot(authorization) Nothing,
        b"keep-alive" => Slot(keep_alive) Nothing,
        #[cfg(ngx_feature = "http_x_forwarded_for")]
        b"x-forwarded-for" => Several(x_forwarded_for) Nothing,
        #[cfg(ngx_feature = "http_realip")]
        b"x-real-ip" => Slot(x_real_ip) Nothing,
        #[cfg(ngx_feature = "http_dav")]
        b"depth" => Slot(depth) Nothing,
        #[cfg(ngx_feature = "http_dav")]
        b"destination" => Slot(destination) Nothing,
        #[cfg(ngx_feature = "http_dav")]
        b"overwrite" => Slot(overwrite) Nothing,
        #[cfg(ngx_feature = "http_dav")]
        b"date" => Slot(date) Nothing,
        #[cfg(ngx_linked_headers)]
        b"cookie" => Several(cookie) Nothing,
        #[cfg(not(ngx_linked_headers))]
        b"cookie" => Several(cookies) Nothing,
    }
}

/// How many headers the request has.
pub(crate) fn count(r: Request) -> usize {
    // SAFETY: [request-alive]
    unsafe { count_of(list(r)) }
}

/// How names are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    AsSent,
    Lower,
}

/// The headers in the order they came in, by name and value; both live as long as the request.
pub(crate) fn all(r: Request, case: Case) -> impl Iterator<Item = (ngx_str_t, ngx_str_t)> {
    // SAFETY: [request-alive]; nginx lowers the case of names into memory of the same length.
    unsafe {
        Elements::of(list(r)).map(move |h| {
            let mut name = (*h).key;
            if case == Case::Lower && !(*h).lowcase_key.is_null() {
                name.data = (*h).lowcase_key;
            }
            (name, (*h).value)
        })
    }
}

/// Sets a request header; an empty value in the place of others removes it. A request that nginx has
/// refused to read is left as it is, and a header without a name is none.
pub(crate) fn set(r: Request, name: &[u8], value: &[u8], mode: Mode) -> Result<(), NotSet> {
    // SAFETY: [request-alive]
    unsafe {
        if name.is_empty()
            || r.status() == sys::NGX_HTTP_BAD_REQUEST as usize
            || (*list(r)).last.is_null()
        {
            return Ok(());
        }
        own_list(r)?;
        let mut entry = Entry::new(r, name, value).ok_or(NotSet)?;
        entry.hash = sys::ngx_hash_key(entry.lowercase, entry.name.len);
        let (place, meaning) = known(entry.key());
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

/// Room for headers that a subrequest adds.
const SPARE: usize = 2;

/// Gives a subrequest the headers of its parent, in a list of its own: what one of them changes, the
/// other does not see. The subrequest is not chunked, whatever the parent is.
pub(crate) fn inherit(r: Request, parent: Request) -> Result<(), NotSet> {
    // SAFETY: [request-alive]; header elements are plain values, and their strings live as long as the
    // main request.
    unsafe {
        let (own, from) = (headers(r), headers(parent));
        own.copy_from_nonoverlapping(from, 1);
        HeadersIn::set_chunked_raw(own, 0);
        (*own).user = sys::NO_STR;
        (*own).passwd = sys::NO_STR;
        let room = count_of(&raw const (*from).headers) + SPARE;
        if !init_list(&raw mut (*own).headers, r.pool(), room) {
            return Err(NotSet);
        }
        let first = (*own).headers.part.elts.cast::<ngx_table_elt_t>();
        let mut copied = 0;
        let mut part = &raw const (*from).headers.part;
        while let Some(p) = part.as_ref() {
            let old = p.elts.cast::<ngx_table_elt_t>();
            let new = first.add(copied);
            if p.nelts > 0 {
                new.copy_from_nonoverlapping(old, p.nelts);
            }
            repoint(own, old, new, p.nelts);
            copied += p.nelts;
            part = p.next;
        }
        (*own).headers.part.nelts = copied;
        own_arrays(r, own, from, first)
    }
}

/// Makes everything of `own` that points to one of the `n` elements at `old` point to its copy at `new`.
unsafe fn repoint(
    own: *mut HeadersIn,
    old: *const ngx_table_elt_t,
    new: *mut ngx_table_elt_t,
    n: usize,
) {
    const FIRST: usize = offset_of!(HeadersIn, host) / size_of::<usize>();
    const END: usize = offset_of!(HeadersIn, server) / size_of::<usize>();
    let range = old.addr()..old.addr() + n * size_of::<ngx_table_elt_t>();
    // SAFETY: see below; between `host` and `server` there are only words: pointers, arrays, strings that are empty.
    unsafe {
        for at in FIRST..END {
            let slot = own.cast::<*mut ngx_table_elt_t>().add(at);
            if range.contains(&(*slot).addr()) {
                *slot = new.byte_add((*slot).addr() - old.addr());
            }
        }
    }
}

/// Gives a subrequest arrays of its own of the headers that may stand several times.
#[cfg(not(ngx_linked_headers))]
unsafe fn own_arrays(
    r: Request,
    own: *mut HeadersIn,
    from: *const HeadersIn,
    first: *mut ngx_table_elt_t,
) -> Result<(), NotSet> {
    let arrays = [
        #[cfg(ngx_feature = "http_x_forwarded_for")]
        offset_of!(HeadersIn, x_forwarded_for),
        offset_of!(HeadersIn, cookies),
    ];
    // SAFETY: see below; at these offsets there are arrays of pointers to elements.
    unsafe {
        for at in arrays {
            let array = own.byte_add(at).cast::<sys::ngx_array_t>();
            let n = (*array).nelts;
            if n == 0 {
                // nginx makes the array anew when it is needed.
                (*array).elts = ptr::null_mut();
                (*array).nalloc = 0;
                continue;
            }
            let copies = sys::ngx_palloc(r.pool().as_ptr(), n * size_of::<usize>())
                .cast::<*mut ngx_table_elt_t>();
            if copies.is_null() {
                return Err(NotSet);
            }
            let pointers = (*array).elts.cast::<*mut ngx_table_elt_t>();
            for i in 0..n {
                let place =
                    Elements::of(&raw const (*from).headers).position(|h| h == *pointers.add(i));
                *copies.add(i) = place.map_or(*pointers.add(i), |place| first.add(place));
            }
            (*array).elts = copies.cast();
            (*array).nalloc = n;
        }
    }
    Ok(())
}

/// Gives a subrequest chains of its own of the headers that may stand several times.
#[cfg(ngx_linked_headers)]
unsafe fn own_arrays(
    _: Request,
    own: *mut HeadersIn,
    from: *const HeadersIn,
    first: *mut ngx_table_elt_t,
) -> Result<(), NotSet> {
    // SAFETY: see below; the copies are in the order of the originals.
    unsafe {
        for i in 0..(*own).headers.part.nelts {
            let next = &raw mut (*first.add(i)).next;
            if !(*next).is_null() {
                let place = Elements::of(&raw const (*from).headers).position(|h| h == *next);
                if let Some(place) = place {
                    *next = first.add(place);
                }
            }
        }
    }
    Ok(())
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

/// nginx goes by this number when it throws a body away: it reads that much of what the client sends, into a buffer that
/// is no larger.
///
/// Reference: changes the number also while nginx counts with it.
unsafe fn derive_length(r: Request, value: ngx_str_t) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let length = match value.len {
            0 => -1,
            len => match sys::ngx_atoof(value.data, len) {
                n if n == sys::ERROR as sys::off_t => return Err(NotSet),
                n => n,
            },
        };
        match r.body_in_transit() {
            InTransit::Discarded => return Ok(()),
            // How much the client sends of it is not known any more.
            InTransit::Unread if length != (*headers(r)).content_length_n => r.close_afterwards(),
            _ => {}
        }
        (*headers(r)).content_length_n = length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names() {
        assert!(matches!(known(b"host"), (Place::Slot(_), Meaning::Host)));
        assert!(matches!(known(b"cookie"), (Place::Several(_), Meaning::Nothing)));
        assert!(matches!(known(b"x-host"), (Place::List, Meaning::Nothing)));
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
