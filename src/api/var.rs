//! `ngx.var`.
#![allow(unsafe_code)]
use core::ffi::{c_char, c_int};

use super::ffi::{self, ErrBuf, ErrOut, FfiError, Out, Rc};
use crate::nginx::Request;
use crate::nginx::log::Text;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::variable::{self, SetError};

/// The request whose variables are meant: there must be one, with a client.
///
/// # Safety
/// `r` is null or a live request.
unsafe fn request(r: *mut ngx_http_request_t) -> Result<Request, &'static core::ffi::CStr> {
    // SAFETY: the caller's contract.
    let r = unsafe { Request::from_raw(r) }.ok_or(c"no request object found")?;
    if r.is_detached() { Err(c"API disabled in the current context") } else { Ok(r) }
}

/// `ngx.var[name]`, or with a null name the capture group `capture`.
///
/// # Safety
/// `name` is null or holds `name_len` bytes, and `lowercase` has room for as many; `r` as in [`request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_var_get(
    r: *mut ngx_http_request_t,
    name: *const u8,
    name_len: usize,
    lowercase: *mut u8,
    capture: c_int,
    value: Out<*const u8>,
    value_len: Out<usize>,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let r = unsafe { request(r) }.map_err(FfiError::message)?;
        let found = if name.is_null() {
            usize::try_from(capture).ok().and_then(|n| variable::capture(r, n))
        } else {
            // SAFETY: as above.
            unsafe { variable::get(r, ffi::bytes(name, name_len), lowercase) }
        };
        let found = found.ok_or(Rc::Declined)?;
        value.set(found.as_ptr());
        value_len.set(found.len());
        Ok(Rc::Ok)
    })
}

/// `ngx.var[name] = value`; a null value takes the variable's away.
///
/// # Safety
/// `name` and `value` hold as many bytes as their lengths say, `lowercase` has room for the name, `err`
/// for `err_len` bytes; `r` as in [`request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_var_set(
    r: *mut ngx_http_request_t,
    name: *const u8,
    name_len: usize,
    lowercase: *mut u8,
    value: *const u8,
    value_len: usize,
    err: *mut c_char,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err.cast(), len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let result = unsafe {
            let r = match request(r) {
                Ok(r) => r,
                Err(message) => {
                    err.set(format_args!("{}", message.to_string_lossy()));
                    return Ok(Rc::Error);
                }
            };
            let value = (!value.is_null()).then(|| ffi::bytes(value, value_len));
            variable::set(r, ffi::bytes(name, name_len), lowercase, value)
        };
        let Err(error) = result else { return Ok(Rc::Ok) };
        // SAFETY: `set` has filled it.
        let name = Text(unsafe { ffi::bytes(lowercase, name_len) });
        match error {
            SetError::NotChangeable => err.set(format_args!("variable \"{name}\" not changeable")),
            SetError::NotAssignable => {
                err.set(format_args!("variable \"{name}\" cannot be assigned a value"));
            }
            SetError::NoMemory => err.set(format_args!("no memory")),
            SetError::NotFound => err.set(format_args!(
                "variable \"{name}\" not found for writing; maybe it is a built-in variable that \
                 is not changeable or you forgot to use \"set ${name} '';\" in the config file to \
                 define it first"
            )),
        }
        Ok(Rc::Error)
    })
}
