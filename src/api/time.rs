//! `ngx.now`, `ngx.time`, `ngx.today`, `ngx.localtime`, `ngx.utctime`, `ngx.update_time`, and the
//! formats of HTTP and cookie dates.
#![allow(unsafe_code)]
use core::ffi::{c_int, c_long};

use super::ffi::Out;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::time::{self, Date};

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_now() -> f64 {
    time::now()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_time() -> c_long {
    time::seconds()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_monotonic_msec() -> c_long {
    c_long::try_from(time::monotonic_msec()).unwrap_or(c_long::MAX)
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_update_time() {
    time::update();
}

/// Seconds since the epoch, with milliseconds, when the request began.
///
/// # Safety
/// `r` is a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_start_time(r: *mut ngx_http_request_t) -> f64 {
    // SAFETY: the caller's contract.
    unsafe { (*r).start_sec as f64 + (*r).start_msec as f64 / 1000.0 }
}

/// # Safety
/// `buf` has room for `text`.
unsafe fn write(buf: *mut u8, text: &str) {
    // SAFETY: the caller's contract.
    unsafe { buf.copy_from_nonoverlapping(text.as_ptr(), text.len()) }
}

/// # Safety
/// `buf` has room for 10 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_today(buf: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { write(buf, &Date::local().day_text()) }
}

/// # Safety
/// `buf` has room for 19 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_localtime(buf: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { write(buf, &Date::local().text()) }
}

/// # Safety
/// `buf` has room for 19 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_utctime(buf: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { write(buf, &Date::utc().text()) }
}

/// Returns the length written.
///
/// # Safety
/// `buf` has room for 30 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_cookie_time(buf: *mut u8, time: c_long) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { time::cookie_time(buf, time) as c_int }
}

/// # Safety
/// `buf` has room for 30 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_http_time(buf: *mut u8, time: c_long) {
    // SAFETY: the caller's contract.
    unsafe { time::http_time(buf, time) };
}

/// Writes seconds since the epoch, or -1 if the text is no HTTP date.
///
/// # Safety
/// `text` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_parse_http_time(
    text: *const u8,
    len: usize,
    time: Out<c_long>,
) {
    // SAFETY: the caller's contract.
    let text = unsafe { super::ffi::bytes(text, len) };
    time.set(time::parse_http_time(text).unwrap_or(-1));
}
