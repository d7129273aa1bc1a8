//! What other nginx modules call: the functions of `ngx_http_lua_api.h`, under the reference's names.
//!
//! Those for shared memory are in `shdict`. A handle to a coroutine (`ngx_http_lua_co_ctx_t`) is
//! `coroutine::Foreign`: it may be used as long as the request's memory lives, also when the coroutine
//! has ended.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use crate::conf::{LocConf, MainConf};
use crate::coroutine::{Foreign, RequestCtx, foreign, request_of};
use crate::nginx::config::Config;
use crate::nginx::sys::{self, ngx_conf_t, ngx_http_request_t, ngx_int_t};
use crate::nginx::{Request, guard};
use crate::vm::sys::lua_State;
use crate::vm::{Function, Stack};

/// `ngx_http_lua_co_ctx_t`
type CoCtx = Foreign;

/// The VM of the configuration being read; null before the module's postconfiguration.
///
/// # Safety
/// [conf-callback]
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_global_state(cf: *mut ngx_conf_t) -> *mut lua_State {
    // SAFETY: the caller's contract.
    let cf = unsafe { Config::from_raw(cf) };
    MainConf::being_read(cf).vm.get().map_or(ptr::null_mut(), |vm| vm.stack().as_ptr())
}

/// The request that a coroutine works for; null if there is none.
///
/// # Safety
/// `l` is a live coroutine of the module's VM.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_request(l: *mut lua_State) -> *mut ngx_http_request_t {
    request_of(Stack::from_raw(l)).map_or(ptr::null_mut(), Request::as_ptr)
}

/// Lets `require(package)` call `loader`, in every VM of the configuration being read.
///
/// # Safety
/// [conf-callback]; `package` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_add_package_preload(
    cf: *mut ngx_conf_t,
    package: *const c_char,
    loader: Function,
) -> ngx_int_t {
    // SAFETY: the caller's contract.
    let (conf, package) =
        unsafe { (MainConf::being_read(Config::from_raw(cf)), CStr::from_ptr(package)) };
    guard(sys::ERROR, || {
        if let Some(vm) = conf.vm.get()
            && !vm.preload(package, loader)
        {
            return sys::ERROR;
        }
        conf.preloads.borrow_mut().push((package.to_owned(), loader));
        sys::OK
    })
}

/// The coroutine of `r` that runs; null where none does that could wait.
///
/// # Safety
/// `r` is a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_cur_co_ctx(r: *mut ngx_http_request_t) -> *const CoCtx {
    // SAFETY: the caller's contract.
    let r = unsafe { Request::from_raw(r) };
    guard(ptr::null(), || {
        let handle = r.and_then(RequestCtx::of).and_then(Foreign::of_running);
        handle.map_or(ptr::null(), ptr::from_ref)
    })
}

/// Notes `r` as the data of a coroutine. The module itself knows which one runs.
///
/// # Safety
/// `co` is null or a handle of a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_set_cur_co_ctx(r: *mut ngx_http_request_t, co: *const CoCtx) {
    // SAFETY: the caller's contract.
    if let Some(co) = unsafe { co.as_ref() } {
        co.set_data(r.cast());
    }
}

/// The stack that takes the results of the call that waits; null when the coroutine is gone.
///
/// # Safety
/// `co` is null or a handle of a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_co_ctx_vm(co: *const CoCtx) -> *mut lua_State {
    // SAFETY: the caller's contract.
    let stack = unsafe { co.as_ref() }.and_then(Foreign::stack);
    stack.map_or(ptr::null_mut(), Stack::as_ptr)
}

/// What `ngx_http_lua_set_co_ctx_cleanup` or `ngx_http_lua_set_cur_co_ctx` noted.
///
/// # Safety
/// `co` is null or a handle of a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_co_ctx_data(co: *const CoCtx) -> *mut c_void {
    // SAFETY: the caller's contract.
    unsafe { co.as_ref() }.map_or(ptr::null_mut(), Foreign::data)
}

/// What is called, with the coroutine, when its wait is cancelled.
///
/// # Safety
/// `co` is null or a handle of a live request; the function stays callable as long.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_set_co_ctx_cleanup(
    co: *const CoCtx,
    cleanup: Option<foreign::Cleanup>,
    data: *mut c_void,
) {
    // SAFETY: the caller's contract.
    if let Some(co) = unsafe { co.as_ref() } {
        co.set_cleanup(cleanup);
        co.set_data(data);
    }
}

/// Calls what was set, now, and forgets it.
///
/// # Safety
/// `co` is null or a handle of a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_cleanup_co_ctx_pending_operation(co: *const CoCtx) {
    // SAFETY: the caller's contract.
    if let Some(co) = unsafe { co.as_ref() } {
        co.clean_up();
    }
}

/// Lets the call that waits return the topmost `results` values of its stack. The last thing that an
/// event handler does for the request, which may be gone afterwards.
///
/// # Safety
/// `co` is null or a handle of a live request; that many values have been pushed.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_co_ctx_resume_helper(co: *const CoCtx, results: c_int) {
    // SAFETY: the caller's contract.
    let co = unsafe { co.as_ref() };
    guard((), || {
        if let Some(co) = co {
            co.resume(results);
        }
    });
}

/// `lua_http10_buffering` in the location of `r`.
///
/// # Safety
/// `r` is a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_get_lua_http10_buffering(r: *mut ngx_http_request_t) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { Request::from_raw(r) }.map_or(0, |r| LocConf::of(r).http10_buffering as c_int)
}
