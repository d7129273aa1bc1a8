//! `ngx.exit`.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::ffi::{self, ErrBuf, Out, Rc};
use crate::coroutine::{RequestCtx, disabled};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Level, Phase, Phases, Request, debug};

/// Where `ngx.exit` works.
const ALLOWED: Phases =
    Phases::YIELDABLE.and(&[Phase::HeaderFilter, Phase::Balancer, Phase::SslSessionStore]);

/// Where it ends the phase without the coroutine being suspended for good: those phases have none.
const RETURNS: Phases = Phases::of(&[Phase::HeaderFilter, Phase::Balancer, Phase::SslSessionStore]);

const NGX_AGAIN: c_int = -2;
const NGX_DONE: c_int = -4;

/// Statuses that close the connection, whatever has been sent.
const CLOSING: [c_int; 3] = [408, 499, 444];

/// Notes that the request is to end with `status`: a status code, or one of nginx's codes.
fn exit(ctx: &RequestCtx, status: c_int) -> Result<Rc, String> {
    let r = ctx.request;
    if !ALLOWED.contains(ctx.phase()) {
        return Err(disabled(ctx.phase()));
    }
    let mut status = status;
    if ctx.headers_sent() && status >= 300 && !CLOSING.contains(&status) {
        let sent = r.status();
        if usize::try_from(status) != Ok(sent) {
            r.log().print(
                Level::Error,
                format_args!(
                    "attempt to set status {status} via ngx.exit after sending out the response \
                     status {sent}"
                ),
            );
        }
        status = 200;
    }
    ctx.set_exit(status);
    debug!(r.log(), "lua exit with code {status}");
    Ok(if RETURNS.contains(ctx.phase()) { Rc::Done } else { Rc::Ok })
}

/// `ngx.exit(status)`. `Ok` means that the caller yields, `Done` that it returns.
///
/// # Safety
/// `r` as in [`ffi::request`]; `err` has the room that `err_len` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_exit(
    r: *mut ngx_http_request_t,
    status: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        if matches!(status, NGX_AGAIN | NGX_DONE) {
            err.set(format_args!(
                "bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE"
            ));
            return Ok(Rc::Error);
        }
        // SAFETY: the caller's contract.
        let ctx = unsafe { Request::from_raw(r) }.and_then(RequestCtx::of);
        let result =
            ctx.map_or_else(|| Err("no request ctx found".to_owned()), |ctx| exit(ctx, status));
        result.or_else(|message| {
            err.set(format_args!("{message}"));
            Ok(Rc::Error)
        })
    })
}
