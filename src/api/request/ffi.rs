//! The C face of `ngx.req`, called by `resty.core.request` and `resty.core.misc`.
#![allow(unsafe_code)]
use core::ffi::c_int;
use std::borrow::Cow;

use super::MAX_HEADERS;
use crate::api::ffi::{self, ErrOut, FfiError, Out, Pair, Rc, Slot, Str};
use crate::api::text::args::{self, MAX_ARGS, Padding, Pairs};
use crate::api::text::front::{self, Arguments};
use crate::nginx::body::Body;
use crate::nginx::headers::Mode;
use crate::nginx::headers::request::{self as headers, Case};
use crate::nginx::method::Method;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Request, debug};

/// How many of `count` elements a caller gets who wants `max`: a negative number is `default`, 0 is
/// all of them.
fn limit(count: usize, max: c_int, default: c_int) -> (usize, c_int) {
    let max = if max < 0 { default } else { max };
    match usize::try_from(max) {
        Ok(limit @ 1..) if count > limit => (limit, max),
        _ => (count, max),
    }
}

/// How many headers `ngx.req.get_headers` will return.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_headers_count(
    r: *mut ngx_http_request_t,
    max: c_int,
    truncated: Out<c_int>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::client_request(r) }?;
        let count = headers::count(r);
        let (given, max) = limit(count, max, MAX_HEADERS);
        truncated.set((given < count).into());
        if given < count {
            debug!(r.log(), "lua exceeding request header limit {count} > {max}");
        }
        Ok(given as c_int)
    })
}

/// Writes `count` headers, with names in lower case unless `raw`.
///
/// # Safety
/// `pairs` has room for `count` elements; `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_headers(
    r: *mut ngx_http_request_t,
    pairs: *mut Pair,
    count: c_int,
    raw: c_int,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::request(r) }?;
        let count = usize::try_from(count).unwrap_or(0);
        let case = if raw == 0 { Case::Lower } else { Case::AsSent };
        let mut place = pairs;
        for (name, value) in headers::all(r, case).take(count) {
            // SAFETY: there is room for `count` of them.
            unsafe {
                place.write(Pair { key: name.into(), value: value.into() });
                place = place.add(1);
            }
        }
        Ok(Rc::Ok)
    })
}

/// `ngx.req.set_header(name, value)`, where a value is a string, or several, or nothing, which removes
/// the header. A request without headers (HTTP/0.9) is left alone.
///
/// # Safety
/// The strings hold as many bytes as their lengths say; `values` is null or holds `values_len` of them;
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
unsafe extern "C" fn ngx_http_lua_ffi_req_set_header(
    r: *mut ngx_http_request_t,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
    values: *const Str,
    values_len: usize,
    replace: c_int,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let (r, name) = unsafe { (ffi::client_request(r)?, ffi::bytes(name, name_len)) };
        if !r.has_headers() {
            return Err(Rc::Declined.into());
        }
        let mode = if replace != 0 { Mode::Replace } else { Mode::Add };
        if values.is_null() || values_len == 0 {
            let value = if values.is_null() { value } else { core::ptr::null() };
            // SAFETY: the caller's contract.
            return set_header(r, name, unsafe { ffi::bytes(value, value_len) }, mode);
        }
        // SAFETY: the caller's contract.
        let values = unsafe { core::slice::from_raw_parts(values, values_len) };
        for (i, value) in values.iter().enumerate() {
            // SAFETY: the caller's contract.
            let value = unsafe { value.bytes() };
            set_header(r, name, value, if i == 0 { mode } else { Mode::Add })?;
        }
        Ok(Rc::Ok)
    })
}

fn set_header(r: Request, name: &[u8], value: &[u8], mode: Mode) -> Result<Rc, FfiError> {
    headers::set(r, name, value, mode).map_err(|_| FfiError::message(c"failed to set header"))?;
    Ok(Rc::Ok)
}

/// The number of the method, of which nginx knows the usual ones.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_method(r: *mut ngx_http_request_t) -> c_int {
    // SAFETY: the caller's contract.
    ffi::call(None, || Ok(unsafe { ffi::client_request(r) }?.method() as c_int))
}

/// The method as it was sent.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_method_name(
    r: *mut ngx_http_request_t,
    name: Out<*const u8>,
    len: Out<usize>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let method = unsafe { ffi::client_request(r) }?.method_name();
        name.set(method.as_ptr());
        len.set(method.len());
        Ok(Rc::Ok)
    })
}

/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_set_method(
    r: *mut ngx_http_request_t,
    method: c_int,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::client_request(r) }?;
        r.set_method(Method::from_number(method).ok_or(Rc::Declined)?);
        Ok(Rc::Ok)
    })
}

/// The room that [`ngx_http_lua_ffi_req_get_uri_args`] decodes in. lua-resty-core lays its elements behind
/// it.
///
/// # Safety
/// `r` is a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_querystring_len(r: *mut ngx_http_request_t) -> usize {
    // SAFETY: the caller's contract.
    let len = unsafe { (*r).args.len };
    (len + args::MARGIN).next_multiple_of(align_of::<Pair>())
}

/// How many arguments the query string has at most.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_uri_args_count(
    r: *mut ngx_http_request_t,
    max: c_int,
    truncated: Out<c_int>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::client_request(r) }?;
        let query = r.args();
        let count = if query.is_empty() { 0 } else { args::separators(query) + 1 };
        let (given, max) = limit(count, max, MAX_ARGS);
        truncated.set((given < count).into());
        if given < count {
            debug!(r.log(), "lua hit query args limit {max}");
        }
        Ok(given as c_int)
    })
}

/// Writes the arguments, `count` at most, and returns their number. An argument without `=` has a value
/// of the length -1.
///
/// # Safety
/// `room` has as many bytes as the query string and the margin, and `pairs` room for `count` elements; `r` as in
/// [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_req_get_uri_args(
    r: *mut ngx_http_request_t,
    room: *mut u8,
    pairs: *mut Pair,
    count: c_int,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let r = unsafe { ffi::request(r) }?;
        let count = usize::try_from(count).unwrap_or(0);
        let mut room = room;
        let mut written = 0;
        let mut padding = Padding::default();
        for (key, value) in Pairs::of(r.args(), 0, &mut padding).take(count) {
            // SAFETY: the caller's contract; Lua copies the strings before it does anything else.
            unsafe {
                let key = Str::of(key.decoded_in(&mut room));
                let value = value.map_or(Str::TRUE, |v| Str::of(v.decoded_in(&mut room)));
                pairs.add(written).write_unaligned(Pair { key, value });
            }
            written += 1;
        }
        Ok(written as c_int)
    })
}

/// Returns the number of arguments in the request's body, which Lua copies at once; something negative if the body does
/// not lie in memory in one piece.
///
/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_of_body(
    r: *mut ngx_http_request_t,
    max: c_int,
    out: Slot<Arguments>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        match Body::of(unsafe { ffi::client_request(r) }?) {
            Body::InMemory(Cow::Borrowed(body)) => Ok(front::parse(body, max, &out)),
            _ => Err(Rc::Declined.into()),
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(limit(3, -1, 100), (3, 100));
        assert_eq!(limit(101, -1, 100), (100, 100));
        assert_eq!(limit(101, 0, 100), (101, 0));
        assert_eq!(limit(3, 2, 100), (2, 2));
        assert_eq!(limit(2, 2, 100), (2, 2));
    }
}
