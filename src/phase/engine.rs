//! The engine behind the phases that may wait: server_rewrite, rewrite, access, precontent, content.
//!
//! A handler either starts its chunk or, called again by nginx after a wake-up, runs what is ready.
//! How a run ended becomes an [`Outcome`] in one place; only content differs, which owns the response.
#![allow(unsafe_code)]
use super::postpone::{self, Turn};
use super::{boot, load};
use crate::api::{abort, output};
use crate::conf::{Chunk, LocConf, SrvConf};
use crate::coroutine::{BodyWait, Leave, RequestCtx, Run};
use crate::nginx::body::{self, OnRead, Reading};
use crate::nginx::log::Text;
use crate::nginx::output::Stopped;
use crate::nginx::sys::{ngx_http_request_t, ngx_int_t};
use crate::nginx::uri::Target;
use crate::nginx::{Level, Outcome, Phase, Request, debug, guard};

/// nginx's way in: lift the pointer, stop panics, lower the outcome.
///
/// # Safety
/// Called by nginx as a phase handler.
pub(crate) unsafe extern "C" fn on_phase<const P: u32>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx runs phase handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return Outcome::Abort.code() };
    let outcome = guard(Outcome::SERVER_ERROR, || ended(r, handle(r, phase_of::<P>())));
    give_up(r, outcome).code()
}

/// In these phases nginx leaves a request alone that a handler is not done with: one that goes on elsewhere.
fn give_up(r: Request, outcome: Outcome) -> Outcome {
    if outcome != Outcome::Redirected {
        return outcome;
    }
    r.finalize(outcome.code());
    Outcome::Suspend
}

/// `outcome`, and nothing of the request left on the connection if that ends it: where the response is made by Lua,
/// whichever way it ended, nginx would take a body that nobody read for the next request.
#[inline]
pub(super) fn ended(r: Request, outcome: Outcome) -> Outcome {
    if !r.is_main() && outcome != Outcome::Suspend && is_redirected(r) {
        // It ends where an error page has sent it, and once.
        return Outcome::Redirected;
    }
    if matches!(outcome, Outcome::End(_) | Outcome::Continue)
        && let Some(ctx) = RequestCtx::of(r)
        && (outcome != Outcome::Continue || ctx.entered_content())
    {
        // nginx would wait for a client that has not been sent anything.
        ctx.output.go_on(r);
        // Without headers nginx makes the response, or another location does.
        if r.header_sent() && r.discard_unread_body().is_err() {
            r.close_afterwards();
        }
    }
    outcome
}

#[cold]
fn is_redirected(r: Request) -> bool {
    RequestCtx::of(r).is_some_and(|ctx| ctx.output.is_redirected())
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
    let ctx = match RequestCtx::for_phase(r) {
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
    if let Some(outcome) = need_body(ctx, on_body_read) {
        return outcome;
    }
    let run = match start(ctx, phase, chunk, |ctx| ctx.request.run_phases()) {
        Ok(run) => run,
        Err(outcome) => return outcome,
    };
    conclude(ctx, phase, run)
}

/// `lua_need_request_body`: reads the body before a chunk starts. What to tell nginx if that has to
/// wait, or is never to be.
#[inline]
pub(super) fn need_body(ctx: &RequestCtx, on_read: OnRead) -> Option<Outcome> {
    if LocConf::of(ctx.request).need_request_body == 0 { None } else { read_body(ctx, on_read) }
}

#[cold]
fn read_body(ctx: &RequestCtx, on_read: OnRead) -> Option<Outcome> {
    let r = ctx.request;
    if ctx.body_wait.get() == BodyWait::Phase {
        return Some(Outcome::Suspend);
    }
    if body::is_asked_for(r) {
        return None;
    }
    match body::read(r, on_read) {
        Reading::Done => None,
        Reading::Waiting => {
            ctx.body_wait.set(BodyWait::Phase);
            Some(Outcome::Suspend)
        }
        Reading::Failed(code) => Some(Outcome::from_code(code)),
    }
}

/// nginx has read the body: the phase that waits for it starts.
unsafe extern "C" fn on_body_read(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx reads bodies of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    debug!(r.log(), "lua post read for rewrite/access phases");
    if take_body_wait(r) {
        r.run_phases();
    }
}

/// Whether a phase of `r` waits for the body; it does not any more.
pub(super) fn take_body_wait(r: Request) -> bool {
    let waiting = RequestCtx::of(r).filter(|ctx| ctx.body_wait.get() == BodyWait::Phase);
    waiting.inspect(|ctx| ctx.body_wait.set(BodyWait::Nobody)).is_some()
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
#[inline(always)]
pub(super) fn start(
    ctx: &RequestCtx,
    phase: Phase,
    chunk: &Chunk,
    drive: fn(&RequestCtx),
) -> Result<Run, Outcome> {
    let r = ctx.request;
    let entry = ctx.start(phase, drive, |stack| load::push(r, &ctx.vm, chunk, stack))?;
    if !abort::watch(r) {
        return Err(Outcome::Abort);
    }
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
        Run::Left => left(ctx),
        Run::Failed => return failed(ctx),
        Run::Ended => return Outcome::Abort,
    };
    if !matches!(outcome, Outcome::Continue | Outcome::Decline) {
        return outcome;
    }
    // A response was made here: the later phases must not make another.
    if r.header_sent() || ctx.output.is_buffering() {
        return match ctx.output.finish(r) {
            Ok(()) => Outcome::End(200),
            Err(Stopped(code)) => Outcome::from_code(code),
        };
    }
    r.run_phases_on_write();
    if phase != Phase::Access {
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
    ctx.output.go_on(ctx.request);
    Outcome::Suspend
}

/// The entry coroutine failed: 500 if that can still be said.
pub(super) fn failed(ctx: &RequestCtx) -> Outcome {
    if ctx.headers_sent() {
        let _ = ctx.output.send(ctx.request);
        return Outcome::Abort;
    }
    if ctx.failed_in_capture() {
        return Outcome::Abort;
    }
    Outcome::SERVER_ERROR
}

/// Lua code left the run for good.
pub(super) fn left(ctx: &RequestCtx) -> Outcome {
    match ctx.leaving() {
        Some(Leave::Exec(target)) => exec(ctx, target),
        Some(Leave::Jump) => jump(ctx),
        Some(Leave::Exit(code)) => exit(ctx, code as isize),
        None => Outcome::Continue,
    }
}

fn end_run(ctx: &RequestCtx) {
    if ctx.request.filter_finalize() {
        ctx.reattach();
    }
    ctx.clean_up();
}

/// `ngx.exec`: the request starts again elsewhere, and modules forget what they knew of it.
fn exec(ctx: &RequestCtx, target: Target) -> Outcome {
    let r = ctx.request;
    debug!(r.log(), "lua thread initiated internal redirect to {}", Text(target.uri));
    end_run(ctx);
    if target.is_named() && !target.query().is_empty() {
        r.log().print(
            Level::Warn,
            format_args!(
                "query strings {} ignored when exec'ing named location {}",
                Text(target.query()),
                Text(target.uri)
            ),
        );
    }
    r.ignore_reads();
    match Outcome::from_code(r.redirect(target)) {
        failed @ (Outcome::Abort | Outcome::End(300..)) => failed,
        _ => Outcome::Redirected,
    }
}

/// `ngx.req.set_uri` with a jump: nginx looks for the location again, and Lua starts anew there.
fn jump(ctx: &RequestCtx) -> Outcome {
    let r = ctx.request;
    debug!(
        r.log(),
        "lua thread aborting request with URI rewrite jump: \"{}?{}\"",
        Text(r.uri()),
        Text(r.args())
    );
    end_run(ctx);
    match RequestCtx::create(r, ctx.vm) {
        Some(_) => Outcome::Continue,
        None => Outcome::SERVER_ERROR,
    }
}

/// `ngx.exit`: the response is completed if the status leaves it to Lua, or left to nginx.
fn exit(ctx: &RequestCtx, code: isize) -> Outcome {
    let r = ctx.request;
    debug!(r.log(), "lua thread aborting request with status {code}");
    end_run(ctx);
    if r.is_detached() {
        return Outcome::from_code(code);
    }
    match output::complete_exit(ctx, code) {
        Ok(code) => Outcome::from_code(code),
        Err(Stopped(code)) => Outcome::from_code(code),
    }
}
