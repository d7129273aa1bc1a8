//! `ngx.ssl`'s functions about certificates and keys, which need no connection: those for `setclientcert`.
//!
//! What is about TLS with clients is not served yet: src/api/absent.rs.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_char, c_int, c_void};

use super::ffi::{self, ErrOut, FfiError};
use super::given::{self, Kind};
use crate::nginx::guard;
use crate::nginx::tls::pem::{Chain, Key};

type Made<T> = Result<T, &'static CStr>;

/// The pointer of what `make` makes; null and a message if it does not.
fn pointer<T>(
    err: &ErrOut,
    kind: Kind,
    into_raw: fn(T) -> *mut c_void,
    make: impl FnOnce() -> Made<T>,
) -> *mut c_void {
    match guard(Err(c"internal error (this is a bug)"), make) {
        Ok(made) => {
            let made = into_raw(made);
            given::note(kind, made);
            made
        }
        Err(message) => {
            err.set(message.as_ptr());
            core::ptr::null_mut()
        }
    }
}

/// Writes what `make` makes to `der`, and returns its length.
///
/// # Safety
/// There is room for `room` bytes.
unsafe fn write(
    der: *mut u8,
    room: usize,
    err: &ErrOut,
    make: impl FnOnce() -> Made<Vec<u8>>,
) -> c_int {
    ffi::call(Some(err), || {
        let made = make().map_err(FfiError::message)?;
        if made.len() > room {
            return Err(FfiError::message(c"no memory"));
        }
        // SAFETY: the caller's contract.
        unsafe { der.copy_from_nonoverlapping(made.as_ptr(), made.len()) };
        Ok(made.len() as c_int)
    })
}

/// # Safety
/// [ffi-out]
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_parse_pem_cert(
    pem: *const u8,
    len: usize,
    err: ErrOut,
) -> *mut c_void {
    // SAFETY: the caller's contract.
    pointer(&err, Kind::Chain, Chain::into_raw, || Chain::parse(unsafe { ffi::bytes(pem, len) }))
}

/// # Safety
/// What the function above returned, for the first time.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_free_cert(chain: *mut c_void) {
    given::take_back(Kind::Chain, chain);
    // SAFETY: the caller's contract.
    drop(unsafe { Chain::from_raw(chain) });
}

/// # Safety
/// [ffi-out]
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_parse_pem_priv_key(
    pem: *const u8,
    len: usize,
    err: ErrOut,
) -> *mut c_void {
    // SAFETY: the caller's contract.
    pointer(&err, Kind::Key, Key::into_raw, || Key::parse(unsafe { ffi::bytes(pem, len) }, None))
}

/// # Safety
/// What the function above returned, for the first time.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_free_priv_key(key: *mut c_void) {
    given::take_back(Kind::Key, key);
    // SAFETY: the caller's contract.
    drop(unsafe { Key::from_raw(key) });
}

/// lua-resty-core makes room for as many bytes as the PEM has, which are more than the DER's.
///
/// # Safety
/// [ffi-out]
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_cert_pem_to_der(
    pem: *const u8,
    len: usize,
    der: *mut u8,
    err: ErrOut,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { write(der, len, &err, || Chain::parse(ffi::bytes(pem, len))?.to_der()) }
}

/// # Safety
/// As above; `passphrase` is null or a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_priv_key_pem_to_der(
    pem: *const u8,
    len: usize,
    passphrase: *const c_char,
    der: *mut u8,
    err: ErrOut,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe {
        let passphrase = (!passphrase.is_null()).then(|| CStr::from_ptr(passphrase));
        write(der, len, &err, || Key::parse(ffi::bytes(pem, len), passphrase)?.to_der())
    }
}
