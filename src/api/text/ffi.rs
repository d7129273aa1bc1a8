//! What lua-resty-core calls.
#![allow(unsafe_code)]
use core::ffi::{c_int, c_uint};

use super::{base64, escape};
use crate::api::ffi::{self, Out};
use crate::nginx::digest;

/// The length of `src` escaped for `kind`, an `NGX_ESCAPE_*`.
///
/// # Safety
/// `src` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_uri_escaped_length(
    src: *const u8,
    len: usize,
    kind: c_int,
) -> usize {
    // SAFETY: the caller's contract.
    let text = unsafe { ffi::bytes(src, len) };
    escape::with_escape_type!(kind, S => escape::escaped_len::<S>(text))
}

/// # Safety
/// `src` holds `len` bytes, and `dst` has room for `ngx_http_lua_ffi_uri_escaped_length` of them.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_escape_uri(
    src: *const u8,
    len: usize,
    dst: *mut u8,
    kind: c_int,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let text = ffi::bytes(src, len);
        escape::with_escape_type!(kind, S => escape::escape::<S>(text, dst));
    }
}

/// Returns the length written.
///
/// # Safety
/// `src` holds `len` bytes, and `dst` has room for as many.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_unescape_uri(
    src: *const u8,
    len: usize,
    dst: *mut u8,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { escape::unescape(ffi::bytes(src, len), dst) }
}

/// Returns the length written.
///
/// # Safety
/// `src` holds `len` bytes, and `dst` has room for them encoded.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_encode_base64(
    src: *const u8,
    len: usize,
    dst: *mut u8,
    no_padding: c_int,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { base64::encode(ffi::bytes(src, len), dst, no_padding == 0) }
}

/// Returns 1 if `src` is base64.
///
/// # Safety
/// `src` holds `len` bytes, and `dst` has room for three bytes for each four of them, begun ones
/// included.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_decode_base64(
    src: *const u8,
    len: usize,
    dst: *mut u8,
    written: Out<usize>,
) -> c_int {
    // SAFETY: the caller's contract.
    match unsafe { base64::decode(ffi::bytes(src, len), dst) } {
        Ok(len) => written.set(len),
        Err(base64::Malformed) => return 0,
    }
    1
}

/// As [`ngx_http_lua_ffi_decode_base64`], for text between which anything may stand.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_decode_base64mime(
    src: *const u8,
    len: usize,
    dst: *mut u8,
    written: Out<usize>,
) -> c_int {
    // SAFETY: the caller's contract.
    match unsafe { base64::decode_mime(ffi::bytes(src, len), dst) } {
        Ok(len) => written.set(len),
        Err(base64::Malformed) => return 0,
    }
    1
}

/// # Safety
/// `src` holds `len` bytes, and `dst` has room for 16.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_md5_bin(src: *const u8, len: usize, dst: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { dst.cast::<digest::Md5>().write(digest::md5(ffi::bytes(src, len))) };
}

/// # Safety
/// `src` holds `len` bytes, and `dst` has room for 32.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_md5(src: *const u8, len: usize, dst: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe { dst.cast::<[u8; 32]>().write(digest::md5_hex(ffi::bytes(src, len))) };
}

/// Returns 1: nginx always has SHA-1.
///
/// # Safety
/// `src` holds `len` bytes, and `dst` has room for 20.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_sha1_bin(src: *const u8, len: usize, dst: *mut u8) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { dst.cast::<digest::Sha1>().write(digest::sha1(ffi::bytes(src, len))) };
    1
}

/// # Safety
/// `src` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_crc32_short(src: *const u8, len: usize) -> c_uint {
    // SAFETY: the caller's contract.
    crc32fast::hash(unsafe { ffi::bytes(src, len) })
}

/// The same sum: nginx only has two ways to it.
///
/// # Safety
/// `src` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_crc32_long(src: *const u8, len: usize) -> c_uint {
    // SAFETY: the caller's contract.
    crc32fast::hash(unsafe { ffi::bytes(src, len) })
}

/// # Safety
/// `buf` holds `len` bytes that only the caller sees.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_str_replace_char(
    buf: *mut u8,
    len: usize,
    find: u8,
    replace: u8,
) {
    if len == 0 {
        return;
    }
    // SAFETY: the caller's contract.
    let text = unsafe { core::slice::from_raw_parts_mut(buf, len) };
    for byte in text {
        *byte = if *byte == find { replace } else { *byte };
    }
}
