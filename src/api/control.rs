//! How Lua code leaves its request: `ngx.exit`, `ngx.redirect`, `ngx.exec`.
//!
//! Each of them notes in the context how the run is to end, and yields for good.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{self, ErrBuf, Out, Rc};
use super::text::args;
use crate::coroutine::{Leave, RequestCtx, disabled, in_phase, request_of};
use crate::nginx::headers::response;
use crate::nginx::log::Text;
use crate::nginx::request::sendable;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::uri::{Target, printable, unsafe_byte};
use crate::nginx::{Level, Phase, Phases, Request, debug};
use crate::vm::{Call, Error, Kind, Result as LuaResult, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[(c"", c"exec", lua_fn!(exec)), (c"", c"redirect", lua_fn!(redirect))],
    setup: None,
};

/// Where `ngx.exit` works.
const ALLOWED: Phases =
    Phases::YIELDABLE.and(&[Phase::HeaderFilter, Phase::Balancer, Phase::SslSessionStore]);

/// Where it ends the phase without the coroutine being suspended for good: those phases have none.
const RETURNS: Phases = Phases::of(&[Phase::HeaderFilter, Phase::Balancer, Phase::SslSessionStore]);

const NGX_ERROR: c_int = -1;
const NGX_AGAIN: c_int = -2;
const NGX_DONE: c_int = -4;

/// Statuses that close the connection, whatever has been sent.
const CLOSING: [c_int; 3] = [408, 499, 444];

/// What is said of leaving a request whose subrequests have not ended.
pub(super) const PENDING: &str = "attempt to abort with pending subrequests";

/// Notes that the request is to end with `status`: a status code, or one of nginx's codes.
fn exit(ctx: &RequestCtx, status: c_int) -> Result<Rc, String> {
    let r = ctx.request;
    if !ALLOWED.contains(ctx.phase()) {
        return Err(disabled(ctx.phase()));
    }
    if ctx.has_captures() && status != NGX_ERROR && !CLOSING.contains(&status) {
        return Err(PENDING.to_owned());
    }
    let returns = RETURNS.contains(ctx.phase());
    if !returns && ctx.can_suspend() == Ok(false) {
        // The caller's yield raises, and the request goes on.
        return Ok(Rc::Ok);
    }
    let mut status = if status > 0 { sendable(status) } else { status };
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
    ctx.set_leave(Leave::Exit(status));
    debug!(r.log(), "lua exit with code {status}");
    Ok(if returns { Rc::Done } else { Rc::Ok })
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

/// The context of `r`, where `ngx.exec` and `ngx.redirect` work.
fn leavable<'c>(
    call: &'c Call<'_>,
    r: Request,
    missing: &'static str,
) -> LuaResult<&'c RequestCtx> {
    let ctx = in_phase(RequestCtx::of(r).ok_or(Error::raise(missing))?, Phases::REQUEST)?;
    ctx.waiter(call.stack())?;
    if ctx.has_captures() { Err(Error::raise(PENDING)) } else { Ok(ctx) }
}

fn exec(call: &Call<'_>) -> LuaResult<Yield> {
    let count = call.count();
    if count != 1 && count != 2 {
        let message = format!("expecting one or two arguments, but got {count}");
        return Err(Error::Raise(message.into()));
    }
    let r = request_of(call.stack()).ok_or(Error::raise("no request object found"))?;
    let uri = call.bytes(1)?;
    if uri.is_empty() {
        return Err(Error::raise("The uri argument is empty"));
    }
    let ctx = leavable(call, r, "no ctx found")?;
    let target = r.target(uri).ok_or(Error::raise("unsafe uri"))?;
    let target = match call.kind(2) {
        Kind::String | Kind::Number => with_args(r, target, call.bytes(2)?),
        Kind::Table => with_args(r, target, &args::encode_table(call.stack(), 2)?),
        Kind::Nil | Kind::None => Some(target),
        kind => {
            let message = format!("string, number, or table expected, but got {}", kind.name());
            return Err(Error::arg(2, message));
        }
    };
    let target = target.ok_or(Error::raise("no memory"))?;
    if ctx.headers_sent() {
        return Err(Error::raise("attempt to call ngx.exec after sending out response headers"));
    }
    debug!(r.log(), "lua exec \"{}?{}\"", Text(target.uri), Text(target.query()));
    ctx.set_leave(Leave::Exec(target));
    Ok(Yield::NOTHING)
}

/// Adds arguments behind those that the URI brought.
pub(super) fn with_args(r: Request, target: Target, args: &[u8]) -> Option<Target> {
    let args = match (target.query(), args) {
        (_, []) => return Some(target),
        ([], args) => r.pool().bytes_of(args)?,
        (before, args) => r.pool().bytes_of(&[before, b"&", args].concat())?,
    };
    Some(Target { args: Some(args), ..target })
}

/// The statuses that redirect; `ngx.redirect` knows no others.
const REDIRECTS: [f64; 5] = [301.0, 302.0, 303.0, 307.0, 308.0];

fn redirect(call: &Call<'_>) -> LuaResult<Yield> {
    let count = call.count();
    if count != 1 && count != 2 {
        return Err(Error::raise("expecting one or two arguments"));
    }
    let uri = call.bytes(1)?;
    let status = if count == 2 { call.number(2)?.trunc() } else { 302.0 };
    if !REDIRECTS.contains(&status) {
        return Err(Error::raise(
            "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, \
             ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are \
             allowed",
        ));
    }
    let status = status as c_int;
    let r = request_of(call.stack()).ok_or(Error::raise("no request object found"))?;
    let ctx = leavable(call, r, "no request ctx found")?;
    if ctx.headers_sent() {
        return Err(Error::raise("attempt to call ngx.redirect after sending out the headers"));
    }
    if let Some(byte) = unsafe_byte(uri) {
        let uri = printable(uri);
        let message = format!("unsafe byte \"0x{byte:02x}\" in redirect uri \"{uri}\"");
        return Err(Error::Raise(message.into()));
    }
    response::add_location(r, uri).map_err(|_| Error::raise("no memory"))?;
    r.set_status(status.unsigned_abs() as usize);
    debug!(r.log(), "lua redirect to \"{}\" with code {status}", Text(uri));
    ctx.set_leave(Leave::Exit(status));
    Ok(Yield::NOTHING)
}
