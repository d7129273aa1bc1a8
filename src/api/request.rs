//! What Lua asks of a request itself: `ngx.is_subrequest`, `ngx.req.is_internal`.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi;
use crate::nginx::sys::ngx_http_request_t;
use crate::vm::{Call, Error, Result, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"req", c"is_internal", lua_fn!(is_internal))], setup: None };

fn is_internal(call: &Call<'_>) -> Result<bool> {
    let r = crate::coroutine::request_of(call.stack());
    Ok(r.ok_or(Error::raise("no request object found"))?.is_internal())
}

/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_is_subrequest(r: *mut ngx_http_request_t) -> c_int {
    // SAFETY: the caller's contract.
    ffi::call(None, || Ok(c_int::from(!unsafe { ffi::client_request(r) }?.is_main())))
}

/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_is_internal(r: *mut ngx_http_request_t) -> c_int {
    // SAFETY: the caller's contract.
    ffi::call(None, || Ok(c_int::from(unsafe { ffi::client_request(r) }?.is_internal())))
}
