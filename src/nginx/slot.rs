//! The slots nginx keeps for the module: its configurations and its request context.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use super::Request;
use super::sys;

static INDEX: AtomicUsize = AtomicUsize::new(0);
static MODULE: AtomicPtr<sys::ngx_module_t> = AtomicPtr::new(core::ptr::null_mut());

/// Records the module, and the index nginx gave it; called once per configuration.
///
/// # Safety
/// `module` is the module's static.
pub(crate) unsafe fn set_module(module: *mut sys::ngx_module_t) {
    // SAFETY: the caller's contract.
    INDEX.store(unsafe { (*module).ctx_index }, Relaxed);
    MODULE.store(module, Relaxed);
}

pub(crate) fn module() -> *mut sys::ngx_module_t {
    MODULE.load(Relaxed)
}

#[inline]
pub(crate) fn index() -> usize {
    INDEX.load(Relaxed)
}

// SAFETY (of the blocks below): [request-alive]; nginx sizes these arrays by the number of modules.
#[inline]
pub(crate) fn main_conf(r: Request) -> *mut c_void {
    // SAFETY: see above.
    unsafe { *(*r.as_ptr()).main_conf.add(index()) }
}

#[inline]
pub(crate) fn srv_conf(r: Request) -> *mut c_void {
    // SAFETY: see above.
    unsafe { *(*r.as_ptr()).srv_conf.add(index()) }
}

#[inline]
pub(crate) fn loc_conf(r: Request) -> *mut c_void {
    // SAFETY: see above.
    unsafe { *(*r.as_ptr()).loc_conf.add(index()) }
}

#[inline]
pub(crate) fn ctx(r: Request) -> *mut c_void {
    // SAFETY: see above.
    unsafe { *(*r.as_ptr()).ctx.add(index()) }
}

pub(crate) fn set_ctx(r: Request, ctx: *const c_void) {
    // SAFETY: see above.
    unsafe { *(*r.as_ptr()).ctx.add(index()) = ctx.cast_mut() }
}

/// The module's main configuration in the running cycle, if there is an `http {}` block.
pub(crate) fn cycle_main_conf(cycle: *mut sys::ngx_cycle_t) -> Option<*mut c_void> {
    // SAFETY: [conf-callback]; the cycle's configuration is complete.
    unsafe {
        if (*cycle).conf_ctx.is_null() {
            // What stands for the cycle while a worker ends.
            return None;
        }
        let http = *(*cycle).conf_ctx.add(sys::ngx_http_module.index);
        let ctx = http.cast::<sys::ngx_http_conf_ctx_t>();
        (!ctx.is_null()).then(|| *(*ctx).main_conf.add(index()))
    }
}

/// Their addresses mark the buffers that are ours.
pub(super) static BUFFER_TAGS: [u8; 3] = [0; 3];
