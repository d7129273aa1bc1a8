//! The client's connection in the hands of Lua: the rest of a request's body, or everything.
//!
//! What nginx has read already comes first (`header_in`). Who claims the body keeps nginx from reading it;
//! who claims the connection keeps nginx from using it again.
#![allow(unsafe_code)]
use super::log::debug;
use super::request::Request;
use super::sys::{self, ngx_http_request_t};

/// Why the body, or the connection, cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Chunked,
    BodyExists,
    Discarded,
    NoBody,
    Expect,
    PendingBody,
    PendingWrite,
    NoMemory,
}

impl Taken {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Chunked => "chunked request bodies not supported yet",
            Self::BodyExists => "request body already exists",
            Self::Discarded => "request body discarded",
            Self::NoBody => "no body",
            Self::Expect => "test expect failed",
            Self::PendingBody => "pending request body reading in some other thread",
            Self::PendingWrite => "pending data to write",
            Self::NoMemory => "no memory",
        }
    }
}

// SAFETY (of the blocks below): [request-alive]; buffers and structs are the request's.

/// Makes the body one that only the caller reads.
pub(crate) fn claim_body(r: Request) -> Result<(), Taken> {
    // SAFETY: see above.
    unsafe {
        let raw = r.as_ptr();
        let head = &raw const (*raw).headers_in;
        if (*head).chunked() != 0 {
            return Err(Taken::Chunked);
        }
        if !(*raw).request_body.is_null() {
            return Err(Taken::BodyExists);
        }
        if ngx_http_request_t::discard_body_raw(raw) != 0 {
            return Err(Taken::Discarded);
        }
        let length = (*head).content_length_n;
        if length <= 0 {
            return Err(Taken::NoBody);
        }
        if !answer_expectation(r) {
            return Err(Taken::Expect);
        }
        let body = new_body(r).ok_or(Taken::NoMemory)?;
        (*body).rest = length;
        // Reference: does not set it; a connection whose body was not read to its end would be used for
        // another request.
        ngx_http_request_t::set_reading_body_raw(raw, 1);
        clear_timer((*r.connection()).read);
    }
    Ok(())
}

/// Makes the connection one that only the caller uses, when it has sent what it was about to.
pub(crate) fn claim_connection(r: Request) -> Result<(), Taken> {
    // SAFETY: see above.
    unsafe {
        let raw = r.as_ptr();
        match (*raw).request_body.as_ref() {
            Some(body) if body.rest > 0 => return Err(Taken::PendingBody),
            Some(_) => {}
            None => {
                new_body(r).ok_or(Taken::NoMemory)?;
            }
        }
        if super::connection::Connection::of_client(r).is_writing() {
            return Err(Taken::PendingWrite);
        }
    }
    Ok(())
}

/// The connection is not nginx's any more.
pub(crate) fn keep_connection(r: Request) {
    // SAFETY: see above.
    unsafe {
        let raw = r.as_ptr();
        ngx_http_request_t::set_header_sent_raw(raw, 1);
        ngx_http_request_t::set_keepalive_raw(raw, 0);
        ngx_http_request_t::set_lingering_close_raw(raw, 1);
        let c = r.connection();
        clear_timer((*c).read);
        clear_timer((*c).write);
    }
}

fn new_body(r: Request) -> Option<*mut sys::ngx_http_request_body_t> {
    // SAFETY: see above; zeroes are nginx's own initial state.
    unsafe {
        let size = size_of::<sys::ngx_http_request_body_t>();
        let body = sys::ngx_pcalloc(r.pool().as_ptr(), size).cast();
        (*r.as_ptr()).request_body = body;
        (!body.is_null()).then_some(body)
    }
}

unsafe fn clear_timer(ev: *mut sys::ngx_event_t) {
    // SAFETY: see above.
    unsafe {
        if (*ev).timer_set() != 0 {
            sys::ngx_del_timer(ev);
        }
    }
}

/// Tells a client that asked for it to send the body.
fn answer_expectation(r: Request) -> bool {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    // SAFETY: see above.
    unsafe {
        let raw = r.as_ptr();
        let expect = (*raw).headers_in.expect;
        let is_old = r.http_version() < sys::NGX_HTTP_VERSION_11 as usize;
        if ngx_http_request_t::expect_tested_raw(raw) != 0 || expect.is_null() || is_old {
            return true;
        }
        ngx_http_request_t::set_expect_tested_raw(raw, 1);
        if !sys::str_bytes((*expect).value).eq_ignore_ascii_case(b"100-continue") {
            return true;
        }
        debug!(r.log(), "send 100 Continue");
        let sent = super::connection::Connection::of_client(r).send(CONTINUE);
        sent == super::connection::Sent::Bytes(CONTINUE.len())
    }
}

/// How much of a claimed body has not been taken yet.
pub(crate) fn body_rest(r: Request) -> usize {
    // SAFETY: see above.
    unsafe {
        let body = (*r.as_ptr()).request_body;
        body.as_ref().map_or(0, |body| usize::try_from(body.rest).unwrap_or(0))
    }
}

/// Hands what nginx has read already, and at most `limit` bytes of it, to `take`; `false` if there is
/// nothing.
pub(crate) fn take_preread(r: Request, limit: usize, take: impl FnOnce(&[u8])) -> bool {
    // SAFETY: see above.
    unsafe {
        let Some(b) = (*r.as_ptr()).header_in.as_mut() else { return false };
        let len = b.last.offset_from(b.pos).unsigned_abs().min(limit);
        if len == 0 {
            return false;
        }
        take(core::slice::from_raw_parts(b.pos, len));
        b.pos = b.pos.add(len);
    }
    true
}

/// `n` more bytes of the body have been taken.
pub(crate) fn count_body(r: Request, n: usize) {
    // SAFETY: see above.
    unsafe {
        let raw = r.as_ptr();
        (*raw).request_length += n.cast_signed() as sys::off_t;
        let body = (*raw).request_body;
        if !body.is_null() {
            (*body).rest -= n.cast_signed() as sys::off_t;
            if (*body).rest <= 0 {
                ngx_http_request_t::set_reading_body_raw(raw, 0);
            }
        }
    }
}

/// Has nginx call `handler` when the client's connection can be read from.
pub(crate) fn on_read(r: Request, handler: unsafe extern "C" fn(*mut ngx_http_request_t)) {
    // SAFETY: see above.
    unsafe { (*r.as_ptr()).read_event_handler = Some(handler) }
}
