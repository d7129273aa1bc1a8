//! The filters that every response passes, and the module's places among them.
//!
//! nginx keeps only the first filter of each kind; every filter remembers the one behind it. The chains
//! are built anew whenever a configuration is read, even one that is then refused.
#![allow(unsafe_code)]
use super::sys::{self, ngx_chain_t, ngx_http_request_t, ngx_int_t};
use super::{Request, slot};

pub(crate) type HeaderFilter = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;
pub(crate) type BodyFilter =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_chain_t) -> ngx_int_t;

/// The filters behind ours.
static mut NEXT_HEADER: Option<HeaderFilter> = None;
static mut NEXT_BODY: Option<BodyFilter> = None;

// SAFETY (of the blocks below): [single-thread]: the statics, ours and nginx's, are written while a
// configuration is read.

/// Makes `filter` see the headers of responses before the filters that are there.
pub(crate) fn add_header_filter(filter: HeaderFilter) {
    // SAFETY: see above.
    unsafe {
        NEXT_HEADER = sys::ngx_http_top_header_filter;
        sys::ngx_http_top_header_filter = Some(filter);
    }
}

/// Makes `filter` see the bodies of responses before the filters that are there.
pub(crate) fn add_body_filter(filter: BodyFilter) {
    // SAFETY: see above.
    unsafe {
        NEXT_BODY = sys::ngx_http_top_body_filter;
        sys::ngx_http_top_body_filter = Some(filter);
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

/// Puts the response of `status` in the place of the one whose headers are being filtered. The request
/// loses every context but ours.
pub(crate) fn replace_response(r: Request, status: ngx_int_t) -> ngx_int_t {
    // SAFETY: [request-alive]
    unsafe { sys::ngx_http_filter_finalize_request(r.as_ptr(), slot::module(), status) }
}

/// Asks the filters before ours to read files into memory.
pub(crate) fn need_in_memory(r: Request) {
    // SAFETY: [request-alive]
    unsafe { ngx_http_request_t::set_filter_need_in_memory_raw(r.as_ptr(), 1) }
}
