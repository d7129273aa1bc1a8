//! The C face of the response's status and headers, called by `resty.core.misc` and
//! `resty.core.response`.
#![allow(unsafe_code)]
use core::ffi::c_int;
use std::borrow::Cow;

use crate::api::ffi::{self, ErrOut, FfiError, Out, Rc, Str};
use crate::conf::LocConf;
use crate::coroutine::RequestCtx;
use crate::nginx::headers::{Mode, response as headers};
use crate::nginx::request::sendable;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Level, Request};

/// `ngx.status`: what nginx put in the response's place, what is set, or 9 for HTTP/0.9.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_resp_status(r: *mut ngx_http_request_t) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::client_request(r) }?;
        let status = match (r.error_status(), r.status()) {
            (0, 0) if r.http_version() == 9 => 9,
            (0, status) | (status, _) => status,
        };
        Ok(status as c_int)
    })
}

/// `ngx.status = status`
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_set_resp_status(
    r: *mut ngx_http_request_t,
    status: c_int,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::client_request(r) }?;
        if r.header_sent() {
            r.log().write(
                Level::Error,
                b"attempt to set ngx.status after sending out response headers",
            );
            return Err(Rc::Declined.into());
        }
        r.replace_status(sendable(status).unsigned_abs() as usize);
        Ok(Rc::Ok)
    })
}

/// `ngx.headers_sent`
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_headers_sent(r: *mut ngx_http_request_t) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe {
            ffi::context(r)?;
            ffi::client_request(r)?
        };
        Ok(c_int::from(r.header_sent()))
    })
}

/// The header's name as it is sent: `_` becomes `-` unless the location says otherwise.
fn header_name(r: Request, name: &[u8]) -> Cow<'_, [u8]> {
    if LocConf::of(r).transform_underscores == 0 || !name.contains(&b'_') {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.iter().map(|b| if *b == b'_' { b'-' } else { *b }).collect())
}

/// `ngx.header[name] = value`, a string or several; nil and no values remove the header.
///
/// # Safety
/// The strings hold as many bytes as their lengths say; `values` is null or holds `values_len` of them;
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn ngx_http_lua_ffi_set_resp_header(
    r: *mut ngx_http_request_t,
    name: *const u8,
    name_len: usize,
    is_nil: c_int,
    value: *const u8,
    value_len: usize,
    values: *const Str,
    values_len: usize,
    replace: c_int,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let (r, ctx, name) = unsafe {
            let ctx = ffi::context(r)?;
            (ffi::client_request(r)?, ctx, ffi::bytes(name, name_len))
        };
        if ctx.headers_sent() {
            r.log().write(
                Level::Error,
                b"attempt to set ngx.header.HEADER after sending out response headers",
            );
            return Err(Rc::Declined.into());
        }
        let name = header_name(r, name);
        let mode = if replace != 0 { Mode::Replace } else { Mode::Add };
        if is_nil != 0 || (!values.is_null() && values_len == 0) {
            return set(ctx, &name, b"", mode);
        }
        if values.is_null() {
            // SAFETY: the caller's contract.
            return set(ctx, &name, unsafe { ffi::bytes(value, value_len) }, mode);
        }
        // SAFETY: the caller's contract.
        let values = unsafe { core::slice::from_raw_parts(values, values_len) };
        for (i, value) in values.iter().enumerate() {
            // SAFETY: the caller's contract.
            let value = unsafe { ffi::bytes(value.data, usize::try_from(value.len).unwrap_or(0)) };
            set(ctx, &name, value, if i == 0 { mode } else { Mode::Add })?;
        }
        Ok(Rc::Ok)
    })
}

fn set(ctx: &RequestCtx, name: &[u8], value: &[u8], mode: Mode) -> Result<Rc, FfiError> {
    ctx.output.headers_are_set();
    if headers::is_content_type(name) {
        ctx.output.mime_is_set();
    }
    headers::set(ctx.request, name, value, mode)
        .map_err(|_| FfiError::message(c"failed to set header"))?;
    Ok(Rc::Ok)
}

/// `ngx.header[name]`: the number of values, which live as long as the request.
///
/// # Safety
/// `name` holds `name_len` bytes and `name_buf` has room for them; `values` has room for `max`; `r` as
/// in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_resp_header(
    r: *mut ngx_http_request_t,
    name: *const u8,
    name_len: usize,
    _name_buf: *mut u8,
    values: *mut Str,
    max: c_int,
    err: Out<*const core::ffi::c_char>,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let (r, name) = unsafe {
            let client = ffi::client_request(r)?;
            RequestCtx::of(client).ok_or(FfiError::message(c"no ctx found"))?;
            (client, ffi::bytes(name, name_len))
        };
        let max = usize::try_from(max).unwrap_or(0);
        let found =
            headers::get(r, &header_name(r, name), max).ok_or(FfiError::message(c"no memory"))?;
        for (i, value) in found.iter().enumerate() {
            let value = Str { len: value.len() as c_int, data: value.as_ptr() };
            // SAFETY: at most `max` values.
            unsafe { values.add(i).write(value) };
        }
        Ok(found.len() as c_int)
    })
}
