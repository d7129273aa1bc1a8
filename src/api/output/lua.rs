//! What Lua calls to write the response.
#![allow(unsafe_code)]
use core::ffi::{c_int, c_void};

use super::flatten::{self, Sink};
use super::flush;
use crate::api::Domain;
use crate::coroutine::{RequestCtx, current_or, in_phase};
use crate::nginx::lent::Loan;
use crate::nginx::output::{Mark, Output, Refused, Stopped};
use crate::nginx::{Phases, trace};
use crate::vm::sys::LUA_REGISTRYINDEX;
use crate::vm::{Call, Error, Kind, Result, Stack, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"", c"send_headers", lua_fn!(send_headers)),
        (c"", c"print", lua_fn!(print)),
        (c"", c"say", lua_fn!(say)),
        (c"", c"flush", lua_fn!(flush_output)),
        (c"", c"eof", lua_fn!(eof)),
    ],
    setup: None,
};

/// What a successful call returns.
const DONE: i32 = 1;

const NO_REQUEST: &str = "no request object found";

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::fail(refused.text())
    }
}

impl From<Stopped> for Error {
    fn from(_: Stopped) -> Self {
        Refused::FilterError.into()
    }
}

/// The response as the place where values are written to.
struct Body<'a>(&'a RequestCtx);

/// Strings from this length on are sent from where Lua has them. It is the size of a request's pool, which
/// would have to ask the system for a copy.
const LEND_FROM: usize = 4096;

impl Body<'_> {
    #[inline(always)]
    fn put_string(&mut self, stack: Stack, arg: c_int) -> Option<()> {
        let bytes = stack.known_bytes(arg);
        if bytes.len() < LEND_FROM { self.put(bytes) } else { self.lend(stack, arg, bytes) }
    }

    /// Appends the string at `arg`, which its VM keeps meanwhile.
    #[inline(never)]
    fn lend(&mut self, stack: Stack, arg: c_int, bytes: &[u8]) -> Option<()> {
        stack.push_value(arg);
        let number = stack.reference(LUA_REGISTRYINDEX);
        let owner = self.0.vm.stack().as_ptr().cast();
        let loan = Loan { owner, number, give_back };
        let lent = self.0.output.append_lent(self.0.request, bytes, loan);
        if lent.is_none() {
            stack.unreference(LUA_REGISTRYINDEX, number);
        }
        lent
    }
}

/// # Safety
/// `owner` is the main coroutine of a VM that is alive, and keeps a string by `number`.
unsafe fn give_back(owner: *mut c_void, number: c_int) {
    Stack::from_raw(owner.cast()).unreference(LUA_REGISTRYINDEX, number);
}

impl Sink for Body<'_> {
    type Mark = Mark;

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.output.append(self.0.request, bytes)
    }

    fn mark(&self) -> Mark {
        self.0.output.mark()
    }

    fn rewind(&mut self, mark: Mark) {
        self.0.output.take_back(mark);
    }
}

fn say(call: &Call<'_>) -> Result<i32> {
    write::<true>(call)
}

fn print(call: &Call<'_>) -> Result<i32> {
    write::<false>(call)
}

/// What is written, as debug lines say it.
const fn response<const LINE: bool>() -> &'static str {
    if LINE { "lua say response" } else { "lua print response" }
}

/// Writes the arguments, and a line feed behind them for `ngx.say`.
fn write<const LINE: bool>(call: &Call<'_>) -> Result<i32> {
    let ctx = in_phase(current_or(call, NO_REQUEST)?, Phases::REQUEST)?;
    let (r, output) = (ctx.request, &ctx.output);
    output.check_writable(r)?;
    let mark = output.mark();
    if let Err(error) = write_args::<LINE>(&mut Body(ctx), call) {
        output.take_back(mark);
        return Err(error);
    }
    if !output.has_grown_since(&mark) {
        output.send_headers(r)?;
        return Ok(DONE);
    }
    trace!(ctx, "{}", response::<LINE>());
    match output.begin_body(r) {
        Ok(true) => {
            if output.is_buffering() {
                trace!(ctx, "lua buffering output bufs for the HTTP 1.0 request");
            }
            output.wrote(r)?;
        }
        Ok(false) => output.take_back(mark),
        Err(stopped) => {
            output.take_back(mark);
            return Err(stopped.into());
        }
    }
    trace!(
        ctx,
        "{} has {}busy bufs",
        response::<LINE>(),
        if output.has_busy() { "" } else { "no " }
    );
    Ok(DONE)
}

#[inline]
fn write_args<const LINE: bool>(body: &mut Body<'_>, call: &Call<'_>) -> Result<()> {
    let stack = call.stack();
    for arg in 1..=call.count() {
        let kind = call.kind(arg);
        if kind == Kind::String {
            body.put_string(stack, arg).ok_or(Error::raise("no memory"))?;
        } else if kind == Kind::Table {
            flatten::array(body, stack, arg, arg)?;
        } else if !flatten::scalar(body, stack, arg, kind)? {
            return Err(Error::arg(
                arg,
                format!(
                    "string, number, boolean, nil, ngx.null, or array table expected, but got {}",
                    kind.name()
                ),
            ));
        }
    }
    let end: &[u8] = if LINE { b"\n" } else { b"" };
    body.put(end).ok_or(Error::raise("no memory"))
}

fn flush_output(call: &Call<'_>) -> Result<core::result::Result<i32, Yield>> {
    let args = call.count();
    if args > 1 {
        let message = format!("attempt to pass {args} arguments, but accepted 0 or 1");
        return Err(Error::Raise(message.into()));
    }
    let ctx = current_or(call, NO_REQUEST)?;
    let wait = args == 1 && ctx.request.is_main() && call.boolean(1)?;
    let ctx = in_phase(ctx, Phases::REQUEST)?;
    let r = ctx.request;
    ctx.output.flush(r, wait)?;
    if !wait || !Output::is_blocked(r) {
        trace!(ctx, "lua flush asynchronously");
        return Ok(Ok(DONE));
    }
    trace!(
        ctx,
        "lua flush requires waiting: buffered 0x{:x}, delayed:{}",
        r.buffered(),
        u8::from(Output::is_delayed(r))
    );
    flush::wait(ctx, call.stack()).map(Err)
}

fn eof(call: &Call<'_>) -> Result<i32> {
    let ctx = current_or(call, NO_REQUEST)?;
    if call.count() != 0 {
        return Err(Error::raise("no argument is expected"));
    }
    if ctx.output.is_raw() {
        return Err(Refused::RawSocket.into());
    }
    if ctx.output.seen_eof() {
        return Err(Refused::SeenEof.into());
    }
    let ctx = in_phase(ctx, Phases::REQUEST)?;
    trace!(ctx, "lua send eof");
    ctx.output.finish(ctx.request)?;
    Ok(DONE)
}

fn send_headers(call: &Call<'_>) -> Result<i32> {
    let ctx = in_phase(current_or(call, "no request found")?, Phases::REQUEST)?;
    if !ctx.headers_sent() {
        trace!(ctx, "lua send headers");
        ctx.output.send_headers(ctx.request)?;
    }
    Ok(DONE)
}
