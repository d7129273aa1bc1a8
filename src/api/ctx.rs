//! `ngx.ctx`: the reference that leads from a request to its table.
//!
//! lua-resty-core keeps the tables themselves, in a table in the registry. One lives as long as the
//! request's pool; a subrequest has one of its own, and an internal redirect starts a new one.
#![allow(unsafe_code)]
use core::ffi::{c_int, c_void};

use super::ffi::{self, Out, Rc};
use crate::coroutine::RequestCtx;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Log, debug, guard};
use crate::vm::Vm;
use crate::vm::sys::LUA_NOREF;

/// The registry's name of lua-resty-core's table of tables.
pub(super) const TABLES: &[u8] = b"ngx_lua_ctx_tables";

/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_get_ctx_ref(
    r: *mut ngx_http_request_t,
    in_ssl_phase: Out<c_int>,
    ssl_ctx_ref: Out<c_int>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let ctx = unsafe { ffi::context(r) }?;
        if ctx.ctx_ref() < 0 && !in_ssl_phase.is_null() {
            in_ssl_phase.set(0);
            ssl_ctx_ref.set(LUA_NOREF);
        }
        Ok(ctx.ctx_ref())
    })
}

/// # Safety
/// `r` as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_set_ctx_ref(
    r: *mut ngx_http_request_t,
    reference: c_int,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let ctx = unsafe { ffi::context(r) }?;
        keep(ctx, reference);
        Ok(Rc::Ok)
    })
}

fn keep(ctx: &RequestCtx, reference: c_int) {
    if let Some(earlier) = ctx.set_ctx_ref(reference, on_pool_destroy) {
        release(ctx.vm, earlier);
    }
}

unsafe extern "C" fn on_pool_destroy(data: *mut c_void) {
    // SAFETY: registered by `keep` with the context, which lies in the pool.
    let ctx = unsafe { &*data.cast::<RequestCtx>() };
    guard((), || release(ctx.vm, ctx.ctx_ref()));
}

fn release(vm: Vm, reference: c_int) {
    debug!(Log::cycle(), "lua release ngx.ctx at ref {reference}");
    let stack = vm.stack();
    vm.push_ctx_tables();
    stack.unreference(-1, reference);
    stack.pop(1);
}
