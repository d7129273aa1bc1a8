//! The log phase: Lua after the response, on the VM's main coroutine. It cannot wait.
#![allow(unsafe_code)]
use super::{boot, load};
use crate::conf::{LocConf, MainConf};
use crate::coroutine::RequestCtx;
use crate::nginx::log::Text;
use crate::nginx::sys::{ngx_http_request_t, ngx_int_t};
use crate::nginx::{Level, Outcome, Phase, Request, debug, guard, process};
use crate::vm::Vm;

/// # Safety
/// Called by nginx as a log handler.
pub(crate) unsafe extern "C" fn on_log(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx runs log handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return Outcome::Abort.code() };
    guard(Outcome::Abort, || handle(r)).code()
}

fn handle(r: Request) -> Outcome {
    trim_memory(r);
    debug!(r.log(), "lua log handler, uri:\"{}\" c:{}", Text(r.uri()), r.count());
    let Some(chunk) = LocConf::of(r).chunk(Phase::Log) else { return Outcome::Decline };
    let ctx = match RequestCtx::of(r) {
        Some(ctx) => ctx,
        None => match boot::create_context(r) {
            Ok(ctx) => ctx,
            Err(_) => return Outcome::Abort,
        },
    };
    ctx.set_phase(Phase::Log);
    if load::push(r, ctx.vm, chunk, ctx.vm.stack()).is_err() {
        return Outcome::Abort;
    }
    match call_main(ctx.vm, r) {
        Ok(()) => Outcome::Continue,
        Err(message) => {
            let message = message.unwrap_or_else(|| b"unknown reason".to_vec());
            let message = [b"failed to run log_by_lua*: ", &*message].concat();
            r.log().write(Level::Error, &message);
            Outcome::Abort
        }
    }
}

/// Calls the function on top of the VM's main coroutine on behalf of `r`; an error comes back with
/// its traceback.
fn call_main(vm: Vm, r: Request) -> Result<(), Option<Vec<u8>>> {
    let stack = vm.stack();
    let outer = stack.owner();
    stack.set_owner(r.as_ptr().cast());
    let result = boot::call_traced(stack);
    stack.set_owner(outer);
    result
}

/// `lua_malloc_trim`: every so many requests, free memory goes back to the system.
fn trim_memory(r: Request) {
    let conf = MainConf::of(r);
    if conf.malloc_trim_cycle == 0 {
        debug!(r.log(), "malloc_trim() disabled");
        return;
    }
    let requests = conf.requests_since_trim.get() + 1;
    if requests < conf.malloc_trim_cycle {
        conf.requests_since_trim.set(requests);
        return;
    }
    conf.requests_since_trim.set(0);
    let trimmed = process::trim_memory();
    debug!(r.log(), "malloc_trim(1) returned {}", i32::from(trimmed));
}
