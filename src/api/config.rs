//! `ngx.config`, the constants of the `ngx` table, `ngx.get_phase`.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int};

use super::Domain;
use super::ffi::{self, ErrOut, FfiError};
use super::resty_core::Found;
use crate::coroutine::{RequestCtx, request_of};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Request, process};
use crate::vm::{Call, Result, Stack, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"", c"_phase_ctx", lua_fn!(raw_phase)),
        (c"config", c"prefix", lua_fn!(prefix)),
        (c"config", c"nginx_configure", lua_fn!(nginx_configure)),
    ],
    setup: Some(setup),
};

/// nginx's codes and methods, and HTTP's statuses, by the names Lua has for them.
const CONSTANTS: &[(&CStr, isize)] = &[
    (c"OK", 0),
    (c"ERROR", -1),
    (c"AGAIN", -2),
    (c"DONE", -4),
    (c"DECLINED", -5),
    (c"HTTP_GET", 0x0002),
    (c"HTTP_HEAD", 0x0004),
    (c"HTTP_POST", 0x0008),
    (c"HTTP_PUT", 0x0010),
    (c"HTTP_DELETE", 0x0020),
    (c"HTTP_MKCOL", 0x0040),
    (c"HTTP_COPY", 0x0080),
    (c"HTTP_MOVE", 0x0100),
    (c"HTTP_OPTIONS", 0x0200),
    (c"HTTP_PROPFIND", 0x0400),
    (c"HTTP_PROPPATCH", 0x0800),
    (c"HTTP_LOCK", 0x1000),
    (c"HTTP_UNLOCK", 0x2000),
    (c"HTTP_PATCH", 0x4000),
    (c"HTTP_TRACE", 0x8000),
    (c"HTTP_CONTINUE", 100),
    (c"HTTP_SWITCHING_PROTOCOLS", 101),
    (c"HTTP_OK", 200),
    (c"HTTP_CREATED", 201),
    (c"HTTP_ACCEPTED", 202),
    (c"HTTP_NO_CONTENT", 204),
    (c"HTTP_PARTIAL_CONTENT", 206),
    (c"HTTP_SPECIAL_RESPONSE", 300),
    (c"HTTP_MOVED_PERMANENTLY", 301),
    (c"HTTP_MOVED_TEMPORARILY", 302),
    (c"HTTP_SEE_OTHER", 303),
    (c"HTTP_NOT_MODIFIED", 304),
    (c"HTTP_TEMPORARY_REDIRECT", 307),
    (c"HTTP_PERMANENT_REDIRECT", 308),
    (c"HTTP_BAD_REQUEST", 400),
    (c"HTTP_UNAUTHORIZED", 401),
    (c"HTTP_PAYMENT_REQUIRED", 402),
    (c"HTTP_FORBIDDEN", 403),
    (c"HTTP_NOT_FOUND", 404),
    (c"HTTP_NOT_ALLOWED", 405),
    (c"HTTP_NOT_ACCEPTABLE", 406),
    (c"HTTP_REQUEST_TIMEOUT", 408),
    (c"HTTP_CONFLICT", 409),
    (c"HTTP_GONE", 410),
    (c"HTTP_UPGRADE_REQUIRED", 426),
    (c"HTTP_TOO_MANY_REQUESTS", 429),
    (c"HTTP_CLOSE", 444),
    (c"HTTP_ILLEGAL", 451),
    (c"HTTP_INTERNAL_SERVER_ERROR", 500),
    (c"HTTP_NOT_IMPLEMENTED", 501),
    (c"HTTP_METHOD_NOT_IMPLEMENTED", 501),
    (c"HTTP_BAD_GATEWAY", 502),
    (c"HTTP_SERVICE_UNAVAILABLE", 503),
    (c"HTTP_GATEWAY_TIMEOUT", 504),
    (c"HTTP_VERSION_NOT_SUPPORTED", 505),
    (c"HTTP_INSUFFICIENT_STORAGE", 507),
];

fn setup(stack: Stack, found: &Found) {
    for (name, value) in CONSTANTS {
        stack.push_integer(*value);
        stack.set_raw_field(-2, name.to_bytes());
    }
    stack.push_pointer(core::ptr::null_mut());
    stack.set_raw_field(-2, b"null");

    stack.raw_field(-1, b"config");
    stack.push_boolean(cfg!(ngx_feature = "debug"));
    stack.set_raw_field(-2, b"debug");
    stack.push_integer(process::VERSION as isize);
    stack.set_raw_field(-2, b"nginx_version");
    stack.push_integer(found.module_version());
    stack.set_raw_field(-2, b"ngx_lua_version");
    stack.push_bytes(b"http");
    stack.set_raw_field(-2, b"subsystem");
    stack.pop(1);
}

fn prefix(_: &Call<'_>) -> Result<&'static [u8]> {
    Ok(process::prefix())
}

fn nginx_configure(_: &Call<'_>) -> Result<&'static [u8]> {
    Ok(process::CONFIGURE.to_bytes())
}

/// The number of the running phase; nothing where there is no request.
fn raw_phase(call: &Call<'_>) -> Result<Option<c_int>> {
    let ctx = request_of(call.stack()).and_then(RequestCtx::of);
    Ok(ctx.map(|ctx| ctx.phase().bit() as c_int))
}

/// `ngx.get_phase()`, as a number.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_phase(r: *mut ngx_http_request_t, err: ErrOut) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let ctx = unsafe { Request::from_raw(r) }.and_then(RequestCtx::of);
        let ctx = ctx.ok_or(FfiError::message(c"no request context"))?;
        Ok(ctx.phase().bit() as c_int)
    })
}
