//! The engine behind the phases that may wait: server_rewrite, rewrite, access, precontent, content.
//!
//! A handler either starts its chunk or, called again by nginx after a wake-up, runs what is ready.
//! How a run ended becomes an [`Outcome`] in one place; only content differs, which owns the response.
#![allow(unsafe_code)]
use super::postpone::{self, Turn};
use super::{boot, load};
use crate::api::output;
use crate::conf::{Chunk, LocConf, SrvConf};
use crate::coroutine::{RequestCtx, Run};
use crate::nginx::log::Text;
use crate::nginx::output::Stopped;
use crate::nginx::sys::{ngx_http_request_t, ngx_int_t};
use crate::nginx::{Outcome, Phase, Request, debug, guard};

/// nginx's way in: lift the pointer, stop panics, lower the outcome.
///
/// # Safety
/// Called by nginx as a phase handler.
pub(crate) unsafe extern "C" fn on_phase<const P: u32>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx runs phase handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return Outcome::Abort.code() };
    guard(Outcome::SERVER_ERROR, || handle(r, phase_of::<P>())).code()
}

const fn phase_of<const P: u32>() -> Phase {
    const PHASES: [Phase; 4] =
        [Phase::ServerRewrite, Phase::Rewrite, Phase::Access, Phase::Precontent];
    let mut i = 0;
    while i < PHASES.len() {
        if PHASES[i].bit() == P {
            return PHASES[i];
        }
        i += 1;
    }
    panic!("no such phase handler")
}

fn handle(r: Request, phase: Phase) -> Outcome {
    // nginx's rewrite module has just changed the URI: the location will be searched again.
    if matches!(phase, Phase::ServerRewrite | Phase::Rewrite) && r.uri_changed() {
        return Outcome::Decline;
    }
    debug!(
        r.log(),
        "lua {} handler, uri:\"{}\" c:{}",
        handler_name(phase),
        Text(r.uri()),
        r.count()
    );
    if postpone::take_turn(r, phase) == Turn::Later {
        return Outcome::Decline;
    }
    let Some(chunk) = chunk_of(r, phase) else { return Outcome::Decline };
    let ctx = match RequestCtx::of(r) {
        Some(ctx) if ctx.has_entered(phase) => {
            let run = ctx.run_ready();
            return conclude(ctx, phase, run);
        }
        Some(ctx) => ctx,
        None => match boot::create_context(r) {
            Ok(ctx) => ctx,
            Err(outcome) => return outcome,
        },
    };
    let run = match start(ctx, phase, chunk, |ctx| ctx.request.run_phases()) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    conclude(ctx, phase, run)
}

fn chunk_of(r: Request, phase: Phase) -> Option<&'static Chunk> {
    match phase {
        Phase::ServerRewrite => SrvConf::of(r).server_rewrite,
        _ => LocConf::of(r).chunk(phase),
    }
}

/// The phase as debug lines name its handler.
fn handler_name(phase: Phase) -> &'static str {
    match phase {
        Phase::ServerRewrite => "server rewrite",
        Phase::Rewrite => "rewrite",
        Phase::Access => "access",
        Phase::Precontent => "precontent",
        Phase::Content => "content",
        _ => phase.directive(),
    }
}

/// Starts `chunk` in a coroutine of its own and runs it, and what it leaves ready, as far as it goes.
pub(super) fn start(
    ctx: &RequestCtx,
    phase: Phase,
    chunk: &Chunk,
    drive: fn(&RequestCtx),
) -> Result<Run, Outcome> {
    let r = ctx.request;
    let entry = ctx.start(phase, drive, |stack| load::push(r, ctx.vm, chunk, stack))?;
    r.ignore_reads();
    Ok(match ctx.run(entry, 0) {
        Run::Suspended => ctx.run_ready(),
        ended => ended,
    })
}

/// What a run's end means to nginx, for the phases before content.
fn conclude(ctx: &RequestCtx, phase: Phase, run: Run) -> Outcome {
    let r = ctx.request;
    let outcome = match run {
        Run::Suspended => return suspend(ctx),
        Run::Finished => Outcome::Continue,
        Run::Exited => exited(ctx),
        Run::Failed => return failed(ctx),
    };
    if !matches!(outcome, Outcome::Continue | Outcome::Decline) {
        return outcome;
    }
    // A response was made here: the later phases must not make another.
    if r.header_sent() || (phase == Phase::Precontent && ctx.output.is_buffering()) {
        return match ctx.output.finish(r) {
            Ok(()) => Outcome::End(200),
            Err(Stopped(code)) => Outcome::from_code(code),
        };
    }
    if phase != Phase::Access {
        r.run_phases_on_write();
        ctx.leave(phase);
        return Outcome::Decline;
    }
    // nginx decides by `satisfy` what OK and DECLINED mean here.
    outcome
}

/// Leaves the request alone until it is woken; what Lua wrote goes out now.
pub(super) fn suspend(ctx: &RequestCtx) -> Outcome {
    // An error of the filters comes back at the next write.
    let _ = ctx.output.send(ctx.request);
    Outcome::Suspend
}

/// The entry coroutine failed: 500 if that can still be said.
pub(super) fn failed(ctx: &RequestCtx) -> Outcome {
    if ctx.headers_sent() {
        let _ = ctx.output.send(ctx.request);
        return Outcome::Abort;
    }
    Outcome::SERVER_ERROR
}

/// `ngx.exit`: the response is completed if the status leaves it to Lua, or left to nginx.
pub(super) fn exited(ctx: &RequestCtx) -> Outcome {
    let r = ctx.request;
    let code = isize::try_from(ctx.exit_code().unwrap_or_default()).unwrap_or_default();
    debug!(r.log(), "lua thread aborting request with status {code}");
    if r.filter_finalize() {
        ctx.reattach();
    }
    ctx.drop_coroutines();
    if r.is_detached() {
        return Outcome::from_code(code);
    }
    match output::complete_exit(ctx, code) {
        Ok(code) => Outcome::from_code(code),
        Err(Stopped(code)) => Outcome::from_code(code),
    }
}
