//! The log phase: Lua after the response.
#![allow(unsafe_code)]
use super::direct;
use crate::conf::{LocConf, MainConf};
use crate::nginx::log::Text;
use crate::nginx::sys::{ngx_http_request_t, ngx_int_t};
use crate::nginx::{Outcome, Phase, Request, debug, guard, process};

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
    let Ok(ctx) = direct::context(r) else { return Outcome::Abort };
    match direct::run(ctx, Phase::Log, chunk, |_| 0, |_, _| ()) {
        Ok(_) => Outcome::Continue,
        Err(direct::Failed) => Outcome::Abort,
    }
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
