//! What lua-resty-core calls of a TCP socket: options of the system's socket.
#![allow(unsafe_code)]
use core::ffi::c_int;
use core::ptr::NonNull;

use super::Socket;
use super::handle::Handle;
use crate::api::ffi::{ErrBuf, Out, Rc};
use crate::nginx::connection::{Connection, error_text};

/// `ngx_http_lua_socket_tcp_upstream_t *`
pub(crate) type SocketRef = Option<NonNull<Handle<Socket>>>;

/// The socket behind what lua-resty-core passes.
///
/// # Safety
/// `u` is null or element 1 of a socket's table, which the caller holds.
pub(crate) unsafe fn socket<'a>(u: SocketRef) -> Option<&'a std::rc::Rc<Socket>> {
    // SAFETY: the caller's contract.
    unsafe { u.and_then(|u| u.as_ref().shared()) }
}

/// # Safety
/// As for [`socket`].
unsafe fn connection(u: SocketRef) -> Result<Connection, &'static str> {
    // SAFETY: the caller's contract.
    let c = unsafe { socket(u) }.and_then(|socket| socket.connection()).ok_or("closed")?;
    if c.fd() == -1 { Err("invalid socket fd") } else { Ok(c) }
}

/// lua-resty-core's numbers of options, as the system's.
///
/// Reference: exchanges the two buffers' sizes.
fn system_option(option: c_int) -> Option<(c_int, c_int)> {
    Some(match option {
        1 => (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        2 => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        3 => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        4 => (libc::SOL_SOCKET, libc::SO_SNDBUF),
        5 => (libc::SOL_SOCKET, libc::SO_RCVBUF),
        _ => return None,
    })
}

/// What went wrong, in words.
fn system_error(errno: i32) -> String {
    let text = String::from_utf8_lossy(&error_text(errno)).into_owned();
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn answer<T>(result: Result<T, String>, err: &ErrBuf, done: impl FnOnce(T) -> c_int) -> c_int {
    match result {
        Ok(value) => done(value),
        Err(message) => {
            err.set(format_args!("{message}"));
            Rc::Error.into()
        }
    }
}

/// # Safety
/// `u` as in [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_getoption(
    u: SocketRef,
    option: c_int,
    value: Out<c_int>,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    // SAFETY: the caller's contract.
    let result = unsafe { connection(u) }.map_err(str::to_owned).and_then(|c| {
        let (level, name) =
            system_option(option).ok_or_else(|| format!("unsupported option {option}"))?;
        c.option(level, name).map_err(system_error)
    });
    answer(result, &err, |found| {
        value.set(found);
        Rc::Ok.into()
    })
}

/// # Safety
/// `u` as in [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_setoption(
    u: SocketRef,
    option: c_int,
    value: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    // SAFETY: the caller's contract.
    let result = unsafe { connection(u) }.map_err(str::to_owned).and_then(|c| {
        let (level, name) =
            system_option(option).ok_or_else(|| format!("unsupported option: {option}"))?;
        c.set_option(level, name, value).map_err(system_error)
    });
    answer(result, &err, |()| Rc::Ok.into())
}

/// The socket's descriptor.
///
/// # Safety
/// `u` as in [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_getfd(
    u: SocketRef,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    // SAFETY: the caller's contract.
    let result = unsafe { connection(u) }.map_err(str::to_owned);
    answer(result, &err, Connection::fd)
}

/// Puts another descriptor in the place of the socket's, and returns that: for tests of what fails then.
///
/// # Safety
/// `u` as in [`socket`]; the rest as lua-resty-core's `ffi.cdef` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_socket_tcp_hack_fd(
    u: SocketRef,
    fd: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    // SAFETY: the caller's contract.
    let result = unsafe { connection(u) }.map_err(str::to_owned);
    answer(result, &err, |c| {
        let own = c.fd();
        if fd >= 0 {
            c.set_fd(fd);
        }
        own
    })
}
