//! The body of a request, as far as nginx has read it.
#![allow(unsafe_code)]
use std::borrow::Cow;

use super::Request;
use super::sys::{self, ngx_http_request_t};

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
                return Self::InMemory(Cow::Borrowed(bytes(first.buf)));
            }
            let mut text = Vec::new();
            let mut link = body.bufs;
            while let Some(l) = link.as_ref() {
                text.extend_from_slice(bytes(l.buf));
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
