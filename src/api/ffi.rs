//! The kit for exported C functions: arguments in, results out, nothing unwinds.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_char, c_int};
use core::ptr::NonNull;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::coroutine::RequestCtx;
use crate::nginx::Request;
use crate::nginx::sys::{ngx_http_request_t, ngx_str_t};

/// Return codes that lua-resty-core knows (`FFI_*` in `resty.core.base`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub(crate) enum Rc {
    Ok = 0,
    Error = -1,
    Again = -2,
    Done = -4,
    Declined = -5,
    NoRequestContext = -100,
    BadContext = -101,
}

impl From<Rc> for c_int {
    fn from(rc: Rc) -> Self {
        rc as Self
    }
}

/// An out-parameter handed over by LuaJIT: null, or valid for one write.
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    pub(crate) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: [ffi-out]; only C constructs an `Out`.
            unsafe { self.0.write(value) };
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

impl<T: Copy> Out<T> {
    pub(crate) fn get(&self) -> T {
        // SAFETY: [ffi-out]; in-out parameters are initialised by lua-resty-core.
        unsafe { self.0.read() }
    }
}

/// An out-parameter that is never null: lua-resty-core passes memory that it keeps for the purpose.
#[repr(transparent)]
pub(crate) struct Slot<T>(NonNull<T>);

impl<T: Copy> Slot<T> {
    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        // SAFETY: [ffi-out]; only C constructs a `Slot`.
        unsafe { self.0.write(value) };
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        // SAFETY: [ffi-out]; as for `Out`.
        unsafe { self.0.read() }
    }
}

impl<T> From<Slot<T>> for Out<T> {
    fn from(slot: Slot<T>) -> Self {
        Self(slot.0.as_ptr())
    }
}

/// `char **err`: receives a static message on failure.
pub(crate) type ErrOut = Out<*const c_char>;

/// `ngx_http_lua_ffi_str_t`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Str {
    pub(crate) len: c_int,
    pub(crate) data: *const u8,
}

impl From<ngx_str_t> for Str {
    #[inline]
    fn from(s: ngx_str_t) -> Self {
        Self { len: s.len as c_int, data: s.data }
    }
}

impl Str {
    /// What lua-resty-core reads as `true`: an argument without a value.
    pub(crate) const TRUE: Self = Self { len: -1, data: core::ptr::null() };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len() as c_int, data: bytes.as_ptr() }
    }

    /// # Safety
    /// It comes from a caller that keeps its bytes until the exported call returns.
    pub(crate) unsafe fn bytes<'a>(&self) -> &'a [u8] {
        // SAFETY: the caller's contract.
        unsafe { bytes(self.data, usize::try_from(self.len).unwrap_or(0)) }
    }
}

/// `ngx_http_lua_ffi_table_elt_t`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Pair {
    pub(crate) key: Str,
    pub(crate) value: Str,
}

/// Why an exported call failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FfiError {
    pub(crate) rc: Rc,
    pub(crate) message: Option<&'static CStr>,
}

impl FfiError {
    pub(crate) const fn message(message: &'static CStr) -> Self {
        Self { rc: Rc::Error, message: Some(message) }
    }
}

impl From<Rc> for FfiError {
    fn from(rc: Rc) -> Self {
        Self { rc, message: None }
    }
}

/// Runs `body` for a C caller: no panic and no Lua error leaves, failures become a code.
#[inline]
pub(crate) fn call<T: Into<c_int>>(
    err: Option<&ErrOut>,
    body: impl FnOnce() -> Result<T, FfiError>,
) -> c_int {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return value.into(),
        Ok(Err(failure)) => failure,
        Err(_) => FfiError::message(c"internal error (this is a bug)"),
    };
    fail(err, failure)
}

/// Tells a C caller of a failure.
#[inline]
pub(crate) fn fail(err: Option<&ErrOut>, failure: FfiError) -> c_int {
    if let (Some(err), Some(message)) = (err, failure.message) {
        err.set(message.as_ptr());
    }
    failure.rc.into()
}

/// `u_char *err, size_t *errlen`: a buffer for a message, and its room, which becomes its length.
pub(crate) struct ErrBuf {
    pub(crate) data: *mut u8,
    pub(crate) len: Out<usize>,
}

impl ErrBuf {
    /// Writes as much of `message` as fits.
    pub(crate) fn set(&self, message: core::fmt::Arguments<'_>) {
        let mut text = String::new();
        let _ = text.write_fmt(message);
        let len = text.len().min(self.len.get());
        // SAFETY: [ffi-out]; the buffer has the room that `len` says.
        unsafe { self.data.copy_from_nonoverlapping(text.as_ptr(), len) };
        self.len.set(len);
    }
}

/// # Safety
/// `r` is what `get_request()` returned in the running coroutine.
pub(crate) unsafe fn request(r: *mut ngx_http_request_t) -> Result<Request, FfiError> {
    // SAFETY: the caller's contract.
    unsafe { Request::from_raw(r) }.ok_or(Rc::NoRequestContext.into())
}

/// The request, which must have a client.
///
/// # Safety
/// As for [`request`].
pub(crate) unsafe fn client_request(r: *mut ngx_http_request_t) -> Result<Request, FfiError> {
    // SAFETY: the caller's contract.
    let r = unsafe { request(r) }?;
    if r.is_detached() { Err(Rc::BadContext.into()) } else { Ok(r) }
}

/// # Safety
/// As for [`request`].
pub(crate) unsafe fn context<'a>(r: *mut ngx_http_request_t) -> Result<&'a RequestCtx, FfiError> {
    // SAFETY: the caller's contract.
    let r = unsafe { request(r) }?;
    RequestCtx::of(r).ok_or(Rc::NoRequestContext.into())
}

/// # Safety
/// `data` is null or valid for `len` bytes until the exported call returns.
#[inline]
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: the caller's contract.
    if data.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(data, len) } }
}
