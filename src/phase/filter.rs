//! Lua between a response and the client: header and body filters.
//!
//! They see every response of their location, whoever makes it: proxied ones, files, error pages,
//! subrequests.
#![allow(unsafe_code)]
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::direct;
use crate::conf::{Chunk, LocConf};
use crate::coroutine::RequestCtx;
use crate::nginx::filtered::{NoMemory, Part};
use crate::nginx::log::Text;
use crate::nginx::sys::{self, ngx_chain_t, ngx_http_request_t, ngx_int_t};
use crate::nginx::{Phase, Request, debug, filter, guard};

/// Adds the filters that some location needs, now or in an earlier configuration of this process: after
/// one that is refused, the running one goes on with the chains that were built for it.
pub(crate) fn install(header: bool, body: bool) {
    static HEADER: AtomicBool = AtomicBool::new(false);
    static BODY: AtomicBool = AtomicBool::new(false);
    if HEADER.fetch_or(header || body, Relaxed) || header || body {
        filter::add_header_filter(on_headers);
    }
    if BODY.fetch_or(body, Relaxed) || body {
        filter::add_body_filter(on_body);
    }
}

/// # Safety
/// Called by nginx as a header filter.
unsafe extern "C" fn on_headers(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx filters the responses of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return sys::ERROR };
    let conf = LocConf::of(r);
    if conf.chunk(Phase::BodyFilter).is_some() {
        filter::need_in_memory(r);
    }
    let chunk = conf.chunk(Phase::HeaderFilter);
    if chunk.is_none() && !r.log().debugs() {
        return filter::next_header(r);
    }
    guard(sys::ERROR, || filter_headers(r, chunk))
}

#[inline(never)]
fn filter_headers(r: Request, chunk: Option<&Chunk>) -> ngx_int_t {
    debug!(r.log(), "lua header filter for user lua code, uri \"{}\"", Text(r.uri()));
    let Some(chunk) = chunk else { return filter::next_header(r) };
    let Ok(ctx) = direct::context(r) else { return sys::ERROR };
    let leave = ctx.leaving();
    let code = run_headers(ctx, chunk);
    // What the filter does to the response is not how the code that sends it leaves.
    ctx.restore_leave(leave);
    code
}

fn run_headers(ctx: &RequestCtx, chunk: &Chunk) -> ngx_int_t {
    let r = ctx.request;
    let exit_before = ctx.exit_code().unwrap_or_default();
    if direct::run(ctx, Phase::HeaderFilter, chunk, |_| 0, |_, _| ()).is_err() {
        return sys::ERROR;
    }
    let exit = ctx.exit_code().unwrap_or_default() as ngx_int_t;
    // Reference: `ngx.exit(ngx.OK)` replaces the response as well, where code of an earlier phase has exited with a status,
    // and responses replace one another without end.
    if exit == sys::OK || exit == exit_before as ngx_int_t {
        return filter::next_header(r);
    }
    if exit == sys::ERROR {
        return sys::ERROR;
    }
    if !ctx.output.replace() {
        return filter::next_header(r);
    }
    let redirects = r.redirects_left();
    let code = filter::replace_response(r, exit);
    if r.redirects_left() != redirects {
        ctx.output.set_redirected();
    }
    // Lua code whose call sends this response goes on with its own context.
    ctx.reattach();
    match code {
        code @ (sys::ERROR | sys::AGAIN) => code,
        _ => sys::OK,
    }
}

/// # Safety
/// Called by nginx as a body filter.
unsafe extern "C" fn on_body(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: [request-alive]: nginx filters the responses of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return sys::ERROR };
    guard(sys::ERROR, || filter_body(r, chain))
}

fn filter_body(r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    debug!(r.log(), "lua body filter for user lua code, uri \"{}\"", Text(r.uri()));
    let chunk = LocConf::of(r).chunk(Phase::BodyFilter);
    let Some(chunk) = chunk.filter(|_| !r.header_only()) else {
        return filter::next_body(r, chain);
    };
    let Ok(ctx) = direct::context(r) else { return sys::ERROR };
    filter_part(ctx, chunk, chain).unwrap_or(sys::ERROR)
}

fn filter_part(
    ctx: &RequestCtx,
    chunk: &Chunk,
    chain: *mut ngx_chain_t,
) -> Result<ngx_int_t, NoMemory> {
    let (r, body) = (ctx.request, &ctx.body);
    if body.is_second_end(chain) {
        return Ok(filter::next_body(r, chain));
    }
    let mut chain = body.admit(chain);
    if body.is_blocked(r) {
        if let Some(code) = wait(ctx, chain)? {
            return Ok(code);
        }
        chain = core::ptr::null_mut();
    }
    let (mut out, mut failed) = (Part::NONE, false);
    let has_part = body.begin(r, chain)?;
    if has_part {
        let code =
            direct::run(ctx, Phase::BodyFilter, chunk, |_| 0, |stack, code| stack.integer(code));
        out = body.end(r);
        failed = code
            .map_or(true, |code| code.is_some_and(|c| c == sys::ERROR || c >= SPECIAL_RESPONSE));
        if failed {
            out = Part::NONE;
        } else if !out.chain.is_null() && ctx.output.is_corked() {
            out = Part::of(body.keep(r, out)?);
            if ctx.output.hold(out.chain) {
                return Ok(sys::OK);
            }
        }
    }
    out.chain = ctx.output.release(out.chain);
    let code = if has_part && out.chain.is_null() {
        // Lua took everything: to the filters behind ours this call would mean something else.
        sys::OK
    } else {
        hand_on(ctx, out)?
    };
    Ok(if failed { sys::ERROR } else { code })
}

/// Lua would pile up data that the client does not take: what it left goes out first. The code to return if that
/// has to go on later.
#[cold]
fn wait(ctx: &RequestCtx, chain: *mut ngx_chain_t) -> Result<Option<ngx_int_t>, NoMemory> {
    let (r, body) = (ctx.request, &ctx.body);
    body.put_off(r, chain)?;
    let code = hand_on(ctx, Part::NONE)?;
    if code == sys::ERROR {
        return Ok(Some(code));
    }
    if code != sys::OK && body.is_blocked(r) {
        debug!(r.log(), "waiting body filter busy buffer to be sent");
        return Ok(Some(sys::AGAIN));
    }
    Ok(None)
}

#[inline(always)]
fn hand_on(ctx: &RequestCtx, part: Part) -> Result<ngx_int_t, NoMemory> {
    let code = filter::next_body(ctx.request, part.chain);
    if code != sys::ERROR {
        ctx.body.sent(ctx.request, part)?;
    }
    Ok(code)
}

const SPECIAL_RESPONSE: ngx_int_t = sys::NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t;
