//! nginx's C API: nginx-sys, and the headers it leaves out.
#![allow(unsafe_code, unreachable_pub, dead_code, missing_docs)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all)]

pub use nginx_sys::*;

include!(concat!(env!("OUT_DIR"), "/nginx_extra.rs"));

pub const OK: ngx_int_t = NGX_OK as ngx_int_t;
pub const ERROR: ngx_int_t = NGX_ERROR as ngx_int_t;
pub const AGAIN: ngx_int_t = NGX_AGAIN as ngx_int_t;
pub const BUSY: ngx_int_t = NGX_BUSY as ngx_int_t;
pub const DONE: ngx_int_t = NGX_DONE as ngx_int_t;
pub const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;

/// The bytes of an nginx string.
///
/// # Safety
/// `s` is a valid string that outlives the use of the result.
pub unsafe fn str_bytes<'a>(s: ngx_str_t) -> &'a [u8] {
    if s.len == 0 || s.data.is_null() {
        return &[];
    }
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts(s.data, s.len) }
}

/// No string, which nginx tells from an empty one.
pub const NO_STR: ngx_str_t = ngx_str_t { len: 0, data: core::ptr::null_mut() };

/// An nginx string over bytes that live long enough; nginx declares even what it only reads mutable.
/// An empty one is there all the same: see [`NO_STR`].
pub const fn str_of(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}
