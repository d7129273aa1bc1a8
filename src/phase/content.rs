//! The content phase: Lua makes the response, and the request ends with it.
#![allow(unsafe_code)]
use super::{boot, engine};
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, Run};
use crate::nginx::log::Text;
use crate::nginx::output::Stopped;
use crate::nginx::sys::{ngx_http_request_t, ngx_int_t};
use crate::nginx::{Outcome, Phase, Request, debug, guard};

/// The content handler of every location with `content_by_lua*`.
///
/// # Safety
/// Called by nginx as a content handler.
pub(crate) unsafe extern "C" fn on_content(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx runs content handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return Outcome::Abort.code() };
    guard(Outcome::SERVER_ERROR, || engine::ended(r, handle(r))).code()
}

#[inline(always)]
fn handle(r: Request) -> Outcome {
    debug!(r.log(), "lua content handler, uri:\"{}\" c:{}", Text(r.uri()), r.count());
    let Some(chunk) = LocConf::of(r).chunk(Phase::Content) else { return Outcome::Decline };
    let ctx = match RequestCtx::for_phase(r) {
        Some(ctx) => ctx,
        None => match boot::create_context(r) {
            Ok(ctx) => ctx,
            Err(outcome) => return outcome,
        },
    };
    if ctx.entered_content() {
        return conclude(ctx, ctx.run_ready());
    }
    if let Some(outcome) = engine::need_body(ctx, on_body_read) {
        if outcome == Outcome::Suspend {
            // As below.
            r.hold();
        }
        return outcome;
    }
    match engine::start(ctx, Phase::Content, chunk, drive) {
        Ok(Run::Suspended) => {
            // nginx gives up its hold on the request when it sees DONE.
            r.hold();
            r.on_write(on_turn);
            engine::suspend(ctx)
        }
        Ok(run) => conclude(ctx, run),
        Err(outcome) => outcome,
    }
}

/// nginx has read the body that the chunk needs: it starts.
unsafe extern "C" fn on_body_read(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx reads bodies of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    if engine::take_body_wait(r) {
        let outcome = guard(Outcome::SERVER_ERROR, || engine::ended(r, handle(r)));
        r.finalize(outcome.code());
    }
}

/// nginx's write handler of a request whose Lua code waits: it may be its turn among requests that are included.
unsafe extern "C" fn on_turn(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx calls write handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        if let Some(ctx) = RequestCtx::of(r) {
            ctx.wake_on_write();
        }
    });
}

/// Runs what is ready after a wake-up, and ends the request with it.
fn drive(ctx: &RequestCtx) {
    let r = ctx.request;
    let outcome = guard(Outcome::SERVER_ERROR, || engine::ended(r, conclude(ctx, ctx.run_ready())));
    if outcome != Outcome::Suspend {
        r.finalize(outcome.code());
    }
}

fn conclude(ctx: &RequestCtx, run: Run) -> Outcome {
    match run {
        Run::Suspended => engine::suspend(ctx),
        Run::Failed => engine::failed(ctx),
        Run::Ended => Outcome::Abort,
        // Nobody is left to decline to: nginx's other negative codes end the request as OK does.
        Run::Left => match engine::left(ctx) {
            Outcome::Decline | Outcome::Suspend => Outcome::Continue,
            Outcome::End(code) if code < 0 => Outcome::Continue,
            outcome => outcome,
        },
        Run::Finished => match ctx.output.finish(ctx.request) {
            Ok(()) => Outcome::Continue,
            Err(Stopped(code)) => Outcome::from_code(code),
        },
    }
}
