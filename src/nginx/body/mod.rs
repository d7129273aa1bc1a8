//! The body of a request: reading it, and what has been read. How it is replaced: [`replace`].
//!
//! nginx reads a body once; whoever asks again gets what is there.
#![allow(unsafe_code)]
pub(crate) mod replace;

use std::borrow::Cow;

use super::Request;
use super::sys::{self, ngx_http_request_t};

/// What nginx calls when it has read a body.
pub(crate) type OnRead = unsafe extern "C" fn(*mut ngx_http_request_t);

/// How far nginx came with reading a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// All of it is there; the callback has been called.
    Done,
    /// The callback will be called, unless nginx ends the request for want of the rest.
    Waiting,
    /// It cannot be read: a status for the client, or one of nginx's codes.
    Failed(isize),
}

/// Reads the body, into one buffer if it can. `on_read` is called once, also before this returns; the
/// holds on the request are the same before and after.
pub(crate) fn read(r: Request, on_read: OnRead) -> Reading {
    // SAFETY: [request-alive]
    let code = unsafe {
        let raw = r.as_ptr();
        ngx_http_request_t::set_request_body_in_single_buf_raw(raw, 1);
        ngx_http_request_t::set_request_body_in_persistent_file_raw(raw, 1);
        ngx_http_request_t::set_request_body_in_clean_file_raw(raw, 1);
        if ngx_http_request_t::request_body_in_file_only_raw(raw) != 0 {
            // What is asked for is no reason to warn.
            ngx_http_request_t::set_request_body_file_log_level_raw(raw, 0);
        }
        sys::ngx_http_read_client_request_body(raw, Some(on_read))
    };
    // nginx takes a hold for the callback, and gives it up itself only when it fails with a status.
    if code < sys::NGX_HTTP_SPECIAL_RESPONSE as isize {
        r.release();
    }
    match code {
        sys::OK => Reading::Done,
        sys::AGAIN => Reading::Waiting,
        code => Reading::Failed(code),
    }
}

/// Nobody waits for the rest of the body any more: it is left unread, and the connection cannot be used
/// again.
pub(crate) fn abandon(r: Request) {
    // SAFETY: [request-alive]; the connection's events live as long as it does.
    unsafe {
        let rev = (*r.connection()).read;
        if (*rev).timer_set() != 0 {
            sys::ngx_del_timer(rev);
        }
        ngx_http_request_t::set_keepalive_raw(r.as_ptr(), 0);
    }
    r.ignore_reads();
}

/// Whether reading the body needs nothing from the client: it has been read or discarded, or there is none.
pub(crate) fn is_at_hand(r: Request) -> bool {
    // SAFETY: [request-alive]
    unsafe {
        let raw = r.as_ptr();
        let (headers, body) = (&(*raw).headers_in, (*raw).request_body);
        let has_read = !body.is_null() && (*body).rest == 0;
        let has_none = headers.content_length_n <= 0 && headers.chunked() == 0;
        has_read || has_none || (*raw).discard_body() != 0 || !r.is_main()
    }
}

/// Whether somebody has asked nginx to read the body.
pub(crate) fn is_asked_for(r: Request) -> bool {
    // SAFETY: [request-alive]
    unsafe { !(*r.as_ptr()).request_body.is_null() }
}

/// The name of the file that the body is in.
pub(crate) fn file_name(r: Request) -> Option<&'static [u8]> {
    // SAFETY: [request-alive]; the name lies in the request's pool.
    unsafe {
        let body = (*r.as_ptr()).request_body.as_ref()?;
        body.temp_file.as_ref().map(|temp| sys::str_bytes(temp.file.name))
    }
}

/// Where the body of a request is.
pub(crate) enum Body {
    /// Nobody asked nginx to read it.
    Unread,
    Discarded,
    InFile,
    /// Its bytes, which are put together only if they lie in several buffers.
    InMemory(Cow<'static, [u8]>),
}

impl Body {
    pub(crate) fn of(r: Request) -> Self {
        Self::up_to(r, usize::MAX)
    }

    /// As [`Body::of`], with `max` bytes of it at most.
    pub(crate) fn up_to(r: Request, max: usize) -> Self {
        // SAFETY: [request-alive]; the buffers of a body lie in the request's pool.
        unsafe {
            let r = r.as_ptr();
            if ngx_http_request_t::discard_body_raw(r) != 0 {
                return Self::Discarded;
            }
            let Some(body) = (*r).request_body.as_ref() else { return Self::Unread };
            if !body.temp_file.is_null() {
                return Self::InFile;
            }
            let Some(first) = body.bufs.as_ref() else { return Self::InMemory(Cow::Borrowed(&[])) };
            if first.next.is_null() {
                let text = bytes(first.buf);
                return Self::InMemory(Cow::Borrowed(&text[..text.len().min(max)]));
            }
            let mut text = Vec::new();
            let mut link = body.bufs;
            while let Some(l) = link.as_ref().filter(|_| text.len() < max) {
                let more = bytes(l.buf);
                text.extend_from_slice(&more[..more.len().min(max - text.len())]);
                link = l.next;
            }
            Self::InMemory(Cow::Owned(text))
        }
    }
}

/// # Safety
/// `b` is a buffer in memory that lives as long as its request.
unsafe fn bytes(b: *const sys::ngx_buf_t) -> &'static [u8] {
    // SAFETY: the caller's contract.
    unsafe {
        match (*b).last.addr().saturating_sub((*b).pos.addr()) {
            0 => &[],
            len => core::slice::from_raw_parts((*b).pos, len),
        }
    }
}
