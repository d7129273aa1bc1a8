//! `lua_check_client_abort` and `ngx.on_abort`: what happens when the client goes first.
#![allow(unsafe_code)]
use super::Domain;
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, Role, current, disabled, in_phase};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Phases, Request, client, guard, trace};
use crate::vm::{Call, Error, Kind, Result, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"", c"on_abort", lua_fn!(on_abort))], setup: None };

/// Watches the client while Lua works on the request, where the location asks for it.
pub(crate) fn watch(r: Request) -> bool {
    if LocConf::of(r).check_client_abort != 1 {
        r.ignore_reads();
        return true;
    }
    client::watch(r, on_client_event)
}

/// Keeps the function as a light thread that starts when the client goes.
fn on_abort(call: &Call<'_>) -> Result<i32> {
    let ctx = current(call)?;
    if ctx.request.is_detached() {
        return Err(Error::Raise(disabled(ctx.phase()).into()));
    }
    if ctx.abort_handler().is_some() {
        return Err(Error::fail("duplicate call"));
    }
    if LocConf::of(ctx.request).check_client_abort != 1 {
        return Err(Error::fail("lua_check_client_abort is off"));
    }
    if call.kind(1) != Kind::Function || call.stack().is_c_function(1) {
        return Err(Error::arg(1, "Lua function expected"));
    }
    let co = in_phase(ctx, Phases::YIELDABLE)?.create_coroutine(call.stack(), 1, Role::Light);
    ctx.set_abort_handler(co);
    Ok(1)
}

/// nginx's read handler of a request whose client is watched.
unsafe extern "C" fn on_client_event(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx calls read handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        if r.is_done() {
            return;
        }
        let Err(code) = client::check(r) else { return };
        let Some(ctx) = RequestCtx::of(r) else { return };
        if ctx.abort_handler().is_none() {
            r.mark_client_gone();
            ctx.clean_up();
            r.finalize(code);
        } else if ctx.start_abort_handler() {
            trace!(ctx, "lua waking up the on_abort callback thread");
            trace!(ctx, "lua resuming the on_abort callback thread");
            ctx.drive();
        } else if !client::stop_watching(r) {
            ctx.clean_up();
            r.finalize(500);
        }
    });
}
