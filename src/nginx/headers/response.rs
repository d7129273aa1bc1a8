//! Response headers: setting, clearing and reading them with everything nginx keeps special.
#![allow(unsafe_code)]
use core::mem::offset_of;
use core::ptr;

use super::{Elements, Entry, Mode, NotSet, count as count_of, has_name};
use crate::nginx::sys::{self, ngx_http_headers_out_t as HeadersOut, ngx_list_t, ngx_table_elt_t};
use crate::nginx::{Request, time};

/// What a header's name means to nginx.
#[derive(Clone, Copy)]
enum Special {
    /// Kept in a pointer of `headers_out` as well.
    Slot(usize),
    Location,
    LastModified,
    ContentLength,
    ContentType,
    /// May stand several times, and nginx keeps a list of them.
    Several(usize),
}

macro_rules! slot {
    ($field:ident) => {
        Special::Slot(offset_of!(HeadersOut, $field))
    };
}

/// What nginx makes of the header with this name in lower case.
fn special(name: &[u8]) -> Option<Special> {
    Some(match name {
        b"server" => slot!(server),
        b"date" => slot!(date),
        b"content-encoding" => slot!(content_encoding),
        b"location" => Special::Location,
        b"refresh" => slot!(refresh),
        b"last-modified" => Special::LastModified,
        b"content-range" => slot!(content_range),
        b"accept-ranges" => slot!(accept_ranges),
        b"www-authenticate" => slot!(www_authenticate),
        b"expires" => slot!(expires),
        b"e-tag" | b"etag" => slot!(etag),
        b"content-length" => Special::ContentLength,
        b"content-type" => Special::ContentType,
        b"cache-control" => Special::Several(offset_of!(HeadersOut, cache_control)),
        b"link" => Special::Several(offset_of!(HeadersOut, link)),
        _ => return None,
    })
}

/// Whether `name` is the header that names the type of the body.
pub(crate) fn is_content_type(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-type")
}

/// Sets a response header; an empty value removes it. One without a name is none.
pub(crate) fn set(r: Request, name: &[u8], value: &[u8], mode: Mode) -> Result<(), NotSet> {
    if name.is_empty() {
        return Ok(());
    }
    let entry = Entry::new(r, name, value).ok_or(NotSet)?;
    if r.http_version() >= sys::NGX_HTTP_VERSION_20 as usize && is_of_connection(entry.key()) {
        return Ok(());
    }
    // SAFETY: [request-alive]; the entry's strings live in the request's pool.
    unsafe {
        match special(entry.key()) {
            None => set_plain(r, &entry, ptr::null_mut(), mode, true),
            Some(Special::Slot(at)) => set_slot(r, &entry, at, mode),
            Some(Special::Several(at)) => set_several(r, &entry, at, mode),
            Some(Special::Location) => set_location(r, &entry, mode),
            Some(Special::LastModified) => set_last_modified(r, &entry, mode),
            Some(Special::ContentLength) => set_content_length(r, &entry, mode),
            Some(Special::ContentType) => set_content_type(r, entry, mode),
        }
    }
}

/// Whether it is about an HTTP/1 connection: over later protocols a response with it is malformed.
///
/// Reference: sends it.
fn is_of_connection(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] =
        [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];
    NAMES.contains(&name)
}

fn out(r: Request) -> *mut HeadersOut {
    // SAFETY: [request-alive]
    unsafe { &raw mut (*r.as_ptr()).headers_out }
}

fn list(r: Request) -> *mut ngx_list_t {
    // SAFETY: [request-alive]
    unsafe { &raw mut (*out(r)).headers }
}

/// The headers in order of sending, removed ones (hash 0) included.
fn elements(r: Request) -> Elements {
    // SAFETY: [request-alive]; response headers are marked as removed, not taken out.
    unsafe { Elements::of(list(r)) }
}

/// How many headers are listed, removed ones included.
pub(crate) fn count(r: Request) -> usize {
    // SAFETY: [request-alive]
    unsafe { count_of(list(r)) }
}

/// The headers that will be sent as they are listed, by name and value; nginx keeps a few of its own
/// outside of the list.
pub(crate) fn all(r: Request) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    // SAFETY: [request-alive]; headers live as long as the request.
    elements(r)
        .filter(|h| unsafe { (**h).hash } != 0)
        .map(|h| unsafe { (sys::str_bytes((*h).key), sys::str_bytes((*h).value)) })
}

/// Calls `see` with the headers that nginx sends without having them in its list.
pub(crate) fn unlisted(r: Request, mut see: impl FnMut(&[u8], &[u8])) {
    // SAFETY: [request-alive]
    unsafe {
        let h = out(r);
        if (*h).content_type.len != 0 {
            see(b"content-type", sys::str_bytes((*h).content_type));
        }
        if (*h).content_length.is_null() && (*h).content_length_n >= 0 {
            see(b"content-length", (*h).content_length_n.to_string().as_bytes());
        }
        let connection: &[u8] = if r.status() == sys::NGX_HTTP_SWITCHING_PROTOCOLS as usize {
            b"upgrade"
        } else if sys::ngx_http_request_t::keepalive_raw(r.as_ptr()) != 0 {
            b"keep-alive"
        } else {
            b"close"
        };
        see(b"connection", connection);
        if sys::ngx_http_request_t::chunked_raw(r.as_ptr()) != 0 {
            see(b"transfer-encoding", b"chunked");
        }
    }
}

/// Marks a header as removed that nginx points to.
///
/// # Safety
/// `slot` is one of the pointers in a live request's `headers_out`.
pub(in crate::nginx) unsafe fn clear_slot(slot: *mut *mut ngx_table_elt_t) {
    // SAFETY: the caller's contract.
    unsafe {
        if let Some(h) = (*slot).as_mut() {
            h.hash = 0;
            *slot = ptr::null_mut();
        }
    }
}

/// Calls `see` with what the response of an ended subrequest says besides the headers in its list; each
/// replaces one of the list. Content-Length comes as a number.
pub(crate) fn derived(r: Request, mut see: impl FnMut(&[u8], Derived<'_>)) {
    // SAFETY: [request-alive]
    unsafe {
        let h = out(r);
        if (*h).content_type.len != 0 {
            see(b"Content-Type", Derived::Text(sys::str_bytes((*h).content_type)));
        }
        if (*h).content_length.is_null() && (*h).content_length_n >= 0 {
            see(b"Content-Length", Derived::Number((*h).content_length_n));
        }
        if let Some(location) = (*h).location.as_ref().filter(|h| h.value.len != 0) {
            see(b"Location", Derived::Text(sys::str_bytes(location.value)));
        }
        const DATED: [u32; 4] = [
            sys::NGX_HTTP_OK,
            sys::NGX_HTTP_PARTIAL_CONTENT,
            sys::NGX_HTTP_NOT_MODIFIED,
            sys::NGX_HTTP_NO_CONTENT,
        ];
        let dated = DATED.iter().any(|status| *status as usize == (*h).status);
        if dated && (*h).last_modified.is_null() && (*h).last_modified_time != -1 {
            let mut text = [0; 29];
            sys::ngx_http_time(text.as_mut_ptr(), (*h).last_modified_time);
            see(b"Last-Modified", Derived::Text(&text));
        }
    }
}

/// The value of a header that nginx derives when it sends a response.
pub(crate) enum Derived<'a> {
    Text(&'a [u8]),
    Number(i64),
}

/// Adds a Location header for a redirect. nginx learns of it unless it is a path, which nginx would
/// make absolute.
pub(crate) fn add_location(r: Request, uri: &[u8]) -> Result<(), NotSet> {
    let entry = Entry {
        name: sys::str_of(b"Location"),
        lowercase: b"location".as_ptr().cast_mut(),
        hash: 1,
        value: r.pool().copy_with_nul(uri).ok_or(NotSet)?,
    };
    // SAFETY: [request-alive]; nginx does not write to a header's name.
    unsafe {
        let h = entry.push(list(r))?;
        // Also if it leads nowhere.
        (*h).hash = 1;
        if !uri.is_empty() && uri[0] != b'/' {
            (*out(r)).location = h;
        }
    }
    Ok(())
}

/// nginx leaves the key and hash of its own relative redirects unset; they are needed to find them.
unsafe fn complete_location(r: Request) {
    // SAFETY: [request-alive]
    unsafe {
        if let Some(location) = (*out(r)).location.as_mut()
            && sys::str_bytes(location.value).first() == Some(&b'/')
        {
            location.key = sys::str_of(b"Location");
            location.hash = 1;
        }
    }
}

// SAFETY (of the functions below): [request-alive]; `Entry` strings live in the request's pool, and header
// elements are never freed before the request.

/// Replaces every header of that name by one, or adds one. `slot` learns where it is.
unsafe fn set_plain(
    r: Request,
    entry: &Entry,
    slot: *mut *mut ngx_table_elt_t,
    mode: Mode,
    create_empty: bool,
) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        if mode == Mode::Replace {
            complete_location(r);
            let name = sys::str_bytes(entry.name);
            let mut matched = false;
            for h in elements(r) {
                if (*h).hash == 0 || !has_name(h, name) {
                    continue;
                }
                if entry.value.len == 0 || matched {
                    (*h).value.len = 0;
                    (*h).hash = 0;
                } else {
                    (*h).value = entry.value;
                    (*h).hash = entry.hash;
                }
                if let Some(slot) = slot.as_mut() {
                    *slot = h;
                }
                matched = true;
            }
            if matched || (!create_empty && entry.value.len == 0) {
                return Ok(());
            }
        }
        let h = entry.push(list(r))?;
        if let Some(slot) = slot.as_mut() {
            *slot = h;
        }
        Ok(())
    }
}

unsafe fn slot_at(r: Request, at: usize) -> *mut *mut ngx_table_elt_t {
    // SAFETY: `at` is the offset of such a field.
    unsafe { out(r).byte_add(at).cast() }
}

unsafe fn set_slot(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let slot = slot_at(r, at);
        let Some(h) = (*slot).as_mut() else { return set_plain(r, entry, slot, mode, true) };
        if entry.value.len == 0 {
            h.hash = 0;
        } else {
            h.hash = entry.hash;
            h.key = entry.name;
        }
        h.value = entry.value;
        Ok(())
    }
}

/// A relative location is kept from nginx, which would make it absolute.
unsafe fn set_location(r: Request, entry: &Entry, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let at = offset_of!(HeadersOut, location);
        set_slot(r, entry, at, mode)?;
        let slot = slot_at(r, at);
        if let Some(h) = (*slot).as_ref()
            && sys::str_bytes(h.value).first() == Some(&b'/')
        {
            *slot = ptr::null_mut();
        }
        Ok(())
    }
}

unsafe fn set_last_modified(r: Request, entry: &Entry, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let text = sys::str_bytes(entry.value);
        let time = if text.is_empty() { None } else { time::parse_http_time(text) };
        (*out(r)).last_modified_time = time.unwrap_or(-1);
        set_slot(r, entry, offset_of!(HeadersOut, last_modified), mode)
    }
}

unsafe fn set_content_length(r: Request, entry: &Entry, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let length = match entry.value.len {
            0 => -1,
            len => match sys::ngx_atoof(entry.value.data, len) {
                n if n == sys::ERROR as sys::off_t => return Err(NotSet),
                n => n,
            },
        };
        (*out(r)).content_length_n = length;
        set_slot(r, entry, offset_of!(HeadersOut, content_length), mode)
    }
}

unsafe fn set_content_type(r: Request, mut entry: Entry, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above.
    unsafe {
        let text = sys::str_bytes(entry.value);
        let len = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        let out = out(r);
        (*out).content_type_len = len;
        (*out).content_type = entry.value;
        (*out).content_type_hash = entry.hash;
        (*out).content_type_lowcase = ptr::null_mut();
        entry.value.len = 0;
        set_plain(r, &entry, ptr::null_mut(), mode, false)
    }
}

#[cfg(ngx_linked_headers)]
unsafe fn set_several(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above; the headers of one name are linked.
    unsafe {
        let mut slot = slot_at(r, at);
        if mode == Mode::Replace
            && let Some(first) = (*slot).as_mut()
        {
            let mut rest = first.next;
            while let Some(h) = rest.as_mut() {
                h.hash = 0;
                h.value.len = 0;
                rest = h.next;
            }
            first.value = entry.value;
            first.hash = if entry.value.len == 0 { 0 } else { entry.hash };
            return Ok(());
        }
        while let Some(h) = (*slot).as_mut() {
            if mode == Mode::Add && h.hash == 0 {
                h.value = entry.value;
                h.hash = entry.hash;
                return Ok(());
            }
            slot = &raw mut h.next;
        }
        *slot = entry.push(list(r))?;
        Ok(())
    }
}

#[cfg(not(ngx_linked_headers))]
unsafe fn set_several(r: Request, entry: &Entry, at: usize, mode: Mode) -> Result<(), NotSet> {
    // SAFETY: see above; the headers of one name are kept in an array of pointers.
    unsafe {
        let array = out(r).byte_add(at).cast::<sys::ngx_array_t>();
        let pointer_size = size_of::<*mut ngx_table_elt_t>();
        if (*array).elts.is_null() {
            array.write(sys::ngx_array_t {
                elts: sys::ngx_palloc(r.pool().as_ptr(), 2 * pointer_size),
                nelts: 0,
                size: pointer_size,
                nalloc: 2,
                pool: r.pool().as_ptr(),
            });
            if (*array).elts.is_null() {
                return Err(NotSet);
            }
        }
        let all = (*array).elts.cast::<*mut ngx_table_elt_t>();
        let all = core::slice::from_raw_parts(all, (*array).nelts);
        match (mode, all.first()) {
            (Mode::Replace, Some(first)) => {
                for h in &all[1..] {
                    (**h).hash = 0;
                    (**h).value.len = 0;
                }
                (**first).value = entry.value;
                (**first).hash = if entry.value.len == 0 { 0 } else { entry.hash };
                return Ok(());
            }
            (Mode::Add, _) => {
                if let Some(h) = all.iter().find(|h| (***h).hash == 0) {
                    (**h).value = entry.value;
                    (**h).hash = entry.hash;
                    return Ok(());
                }
            }
            _ => {}
        }
        let slot = sys::ngx_array_push(array).cast::<*mut ngx_table_elt_t>();
        if slot.is_null() {
            return Err(NotSet);
        }
        *slot = entry.push(list(r))?;
        Ok(())
    }
}

/// The values of a response header, at most `max`.
pub(crate) fn get(r: Request, name: &[u8], max: usize) -> Option<Vec<&'static [u8]>> {
    // SAFETY: [request-alive]; copies go to the request's pool.
    unsafe {
        let h = out(r);
        if name.eq_ignore_ascii_case(b"content-length") {
            if (*h).content_length.is_null() && (*h).content_length_n >= 0 {
                let text = (*h).content_length_n.to_string();
                return Some(vec![sys::str_bytes(r.pool().copy(text.as_bytes())?)]);
            }
        } else if is_content_type(name) {
            if (*h).content_type.len != 0 {
                return Some(vec![sys::str_bytes((*h).content_type)]);
            }
        } else if name.eq_ignore_ascii_case(b"last-modified") {
            if (*h).last_modified_time < 0 {
                return Some(Vec::new());
            }
            let text = r.pool().bytes(32)?.as_ptr();
            let len = time::http_time(text, (*h).last_modified_time);
            return Some(vec![core::slice::from_raw_parts(text, len)]);
        }
        complete_location(r);
        let same = |h: &*mut ngx_table_elt_t| (**h).hash != 0 && has_name(*h, name);
        Some(elements(r).filter(same).take(max).map(|h| sys::str_bytes((*h).value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_names() {
        assert!(special(b"content-type").is_some_and(|s| matches!(s, Special::ContentType)));
        assert!(special(b"cache-control").is_some_and(|s| matches!(s, Special::Several(_))));
        assert!(special(b"x-content-type").is_none());
    }
}
