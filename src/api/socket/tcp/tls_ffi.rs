//! What lua-resty-core calls for `sslhandshake`.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};

use super::ffi::{SocketRef, socket};
use super::tls::{Shaken, Terms, trace_result};
use crate::api::ffi::{self, ErrOut, FfiError, Out, Rc};
use crate::api::given::{self, Kind};
use crate::nginx::connection::Connection;
use crate::nginx::sys::{ngx_http_request_t, ngx_str_t};
use crate::nginx::tls::client::{self, Session, TrustedStore, Wishes};
use crate::nginx::{Log, debug, trace};

/// # Safety
/// `r` and `u` as in [`ffi::context`] and [`socket`]; `chain` and `key` are null or OpenSSL's objects; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_sslhandshake(
    r: *mut ngx_http_request_t,
    u: SocketRef,
    session: *mut c_void,
    wants_session: c_int,
    server_name: *const ngx_str_t,
    verify: c_int,
    wants_status: c_int,
    chain: *mut c_void,
    key: *mut c_void,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let (ctx, socket, name) = unsafe { (ffi::context(r)?, socket(u), name(server_name)) };
        trace!(ctx, "lua tcp socket ssl handshake");
        let socket = socket.ok_or(FfiError::message(c"closed"))?;
        if !session.is_null() && !given::is(Kind::Session, session) {
            return Err(FfiError::message(c"bad session"));
        }
        if given::kind_of(chain).is_some_and(|kind| kind != Kind::Chain) {
            return Err(FfiError::message(c"bad client certificate"));
        }
        if given::kind_of(key).is_some_and(|kind| kind != Kind::Key) {
            return Err(FfiError::message(c"bad client private key"));
        }
        let wishes = Wishes {
            session: session.cast(),
            server_name: name,
            chain,
            key,
            wants_status: wants_status != 0,
        };
        let terms = Terms { wants_session: wants_session != 0, verify: verify != 0 };
        match socket.shake_hands(ctx, &wishes, &terms) {
            Shaken::Done => Ok(Rc::Ok),
            Shaken::Already => Ok(Rc::Done),
            Shaken::Waits => Ok(Rc::Again),
            Shaken::Failed(message) => Err(FfiError::message(message)),
        }
    })
}

/// The bytes of a Lua string, which ends in a NUL; null data is no name at all.
///
/// # Safety
/// Null, or a valid string of Lua's.
unsafe fn name<'a>(name: *const ngx_str_t) -> Option<&'a CStr> {
    // SAFETY: the caller's contract.
    unsafe {
        let name = name.as_ref().filter(|name| !name.data.is_null())?;
        Some(CStr::from_ptr(name.data.cast()))
    }
}

/// # Safety
/// `r` and `u` as in [`ffi::context`] and [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_get_sslhandshake_result(
    r: *mut ngx_http_request_t,
    u: SocketRef,
    session: Out<*mut c_void>,
    err: ErrOut,
    openssl_code: Out<c_int>,
) -> c_int {
    ffi::call(Some(&err), || {
        // SAFETY: the caller's contract.
        let (ctx, socket) = unsafe { (ffi::context(r)?, socket(u)) };
        let socket = socket.ok_or(FfiError::message(c"closed"))?;
        trace_result(ctx, socket);
        match socket.handshake_result() {
            Ok(taken) => {
                openssl_code.set(0);
                session.set(taken);
                Ok(Rc::Ok)
            }
            Err((message, code)) => {
                openssl_code.set(code);
                Err(FfiError::message(message))
            }
        }
    })
}

/// # Safety
/// `u` as in [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
unsafe fn object(
    u: SocketRef,
    place: Out<*mut c_void>,
    err: &ErrOut,
    object_of: fn(Connection) -> *mut c_void,
    missing: &'static CStr,
) -> c_int {
    ffi::call(Some(err), || {
        place.set(core::ptr::null_mut());
        // SAFETY: the caller's contract.
        let open = unsafe { socket(u) }.and_then(|socket| socket.open());
        let object = object_of(open.ok_or(FfiError::message(c"closed"))?);
        if object.is_null() {
            return Err(FfiError::message(missing));
        }
        place.set(object);
        Ok(Rc::Ok)
    })
}

/// # Safety
/// As for [`object`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_get_ssl_pointer(
    _: *mut ngx_http_request_t,
    u: SocketRef,
    ssl: Out<*mut c_void>,
    err: ErrOut,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { object(u, ssl, &err, client::connection_object, c"no ssl connection") }
}

/// # Safety
/// As for [`object`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_get_ssl_ctx(
    _: *mut ngx_http_request_t,
    u: SocketRef,
    context: Out<*mut c_void>,
    err: ErrOut,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { object(u, context, &err, client::context_object, c"no ssl context") }
}

/// A share of the connection's session, which the caller owns.
///
/// # Safety
/// As for [`object`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_socket_tcp_get_ssl_session(
    _: *mut ngx_http_request_t,
    u: SocketRef,
    session: Out<*mut c_void>,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        session.set(core::ptr::null_mut());
        // SAFETY: the caller's contract.
        let socket = unsafe { socket(u) }.ok_or(FfiError::message(c"closed"))?;
        let taken = socket.session().map_err(FfiError::message)?.into_raw();
        given::note(Kind::Session, taken);
        session.set(taken);
        Ok(Rc::Ok)
    })
}

/// # Safety
/// `r` and `u` as in [`ffi::context`] and [`socket`]; `store` is null or OpenSSL's object.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_settrustedstore(
    r: *mut ngx_http_request_t,
    u: SocketRef,
    store: *mut c_void,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        if given::kind_of(store).is_some() {
            return Err(FfiError::message(c"bad store"));
        }
        // SAFETY: the caller's contract.
        let (ctx, socket, store) =
            unsafe { (ffi::context(r)?, socket(u), TrustedStore::share(store)) };
        let socket = socket.ok_or(FfiError::message(c"closed"))?;
        socket.trust(ctx, store).map_err(FfiError::message)?;
        Ok(Rc::Ok)
    })
}

/// A session from the functions above, which nobody uses any more.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_ssl_free_session(session: *mut c_void) {
    debug!(Log::cycle(), "lua ssl free session: {:016X}", session.addr());
    if given::take_back(Kind::Session, session) {
        // SAFETY: it was given away, with a share.
        drop(unsafe { Session::from_raw(session) });
    }
}
