//! `ngx.worker.*` and `ngx.process`: what a process knows of itself and its peers.
#![allow(unsafe_code)]
use core::ffi::{c_char, c_int, c_uint};

use super::ffi::{self, ErrOut, Out, Rc};
use crate::nginx::process;

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_worker_pid() -> c_int {
    process::pid()
}

/// The pids of all workers.
///
/// # Safety
/// `pids` has room for nginx's maximum of 1,024 processes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_worker_pids(pids: *mut c_int, len: Out<usize>) -> c_int {
    ffi::call(None, || {
        let found = process::worker_pids();
        if found.is_empty() {
            return Err(Rc::Error.into());
        }
        let count = found.len().min(process::MAX_PROCESSES);
        // SAFETY: the caller's contract.
        unsafe { pids.copy_from_nonoverlapping(found.as_ptr(), count) };
        len.set(count);
        Ok(Rc::Ok)
    })
}

/// The worker's number from 0, or -1 in a process that is no worker.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_worker_id() -> c_int {
    process::worker_id().map_or(-1, |id| id as c_int)
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_worker_exiting() -> c_int {
    process::exiting().into()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_worker_count() -> c_int {
    process::worker_count()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_master_pid() -> c_int {
    process::master_pid()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_get_process_type() -> c_int {
    process::process_type()
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_process_signal_graceful_exit() {
    process::quit_gracefully();
}

/// Stock nginx has no privileged agent.
///
/// # Safety
/// As for [`ErrOut`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_enable_privileged_agent(
    err: ErrOut,
    _connections: c_uint,
) -> c_int {
    err.set(c"missing privileged agent process patch in the nginx core".as_ptr());
    Rc::Error.into()
}

/// `os.getenv` before the workers start: what `env NAME=value;` directives say.
///
/// # Safety
/// `name` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_conf_env(
    name: *const c_char,
    env: Out<*mut u8>,
    name_len: Out<usize>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (data, len) = unsafe { process::configured_env(name.cast()) }.ok_or(Rc::Declined)?;
        env.set(data);
        name_len.set(len);
        Ok(Rc::Ok)
    })
}
