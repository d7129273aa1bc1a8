//! The places of the capture filters among nginx's filters, and what they do to the chains they take.
//!
//! They stand behind the filters for Lua code, which see a subrequest's response as any other.
#![allow(unsafe_code)]
use super::Request;
use super::filter::{BodyFilter, HeaderFilter};
use super::sys::{self, ngx_chain_t, ngx_int_t};

/// The filters behind ours.
static mut NEXT_HEADER: Option<HeaderFilter> = None;
static mut NEXT_BODY: Option<BodyFilter> = None;

// SAFETY (of the blocks below): [single-thread]: the statics, ours and nginx's, are written while a
// configuration is read.

/// Makes the filters see responses before the filters that are there.
pub(crate) fn add_filters(headers: HeaderFilter, body: BodyFilter) {
    // SAFETY: see above.
    unsafe {
        NEXT_HEADER = sys::ngx_http_top_header_filter;
        sys::ngx_http_top_header_filter = Some(headers);
        NEXT_BODY = sys::ngx_http_top_body_filter;
        sys::ngx_http_top_body_filter = Some(body);
    }
}

/// Hands the headers on.
pub(crate) fn next_header(r: Request) -> ngx_int_t {
    // SAFETY: see above; [request-alive].
    unsafe { NEXT_HEADER.map_or(sys::ERROR, |next| next(r.as_ptr())) }
}

/// Hands body data on; without any, the filters go on with what they hold.
pub(crate) fn next_body(r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: see above; [request-alive].
    unsafe { NEXT_BODY.map_or(sys::ERROR, |next| next(r.as_ptr(), chain)) }
}

/// Takes what a chain holds in memory: `take` gets each piece, and the buffers are empty afterwards.
/// Returns whether it is the last chain of its response.
///
/// # Safety
/// `chain` is what a body filter was called with.
pub(crate) unsafe fn take_chain(mut chain: *mut ngx_chain_t, mut take: impl FnMut(&[u8])) -> bool {
    let mut last = false;
    // SAFETY: the caller's contract.
    unsafe {
        while let Some(link) = chain.as_ref() {
            let b = link.buf;
            if (*b).temporary() != 0 || (*b).memory() != 0 || (*b).mmap() != 0 {
                let len = (*b).last.addr().saturating_sub((*b).pos.addr());
                if len > 0 {
                    take(core::slice::from_raw_parts((*b).pos, len));
                }
            }
            last |= (*b).last_in_chain() != 0 || (*b).last_buf() != 0;
            (*b).pos = (*b).last;
            (*b).file_pos = (*b).file_last;
            chain = link.next;
        }
    }
    last
}
