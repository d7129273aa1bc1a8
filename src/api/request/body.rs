//! The body in `ngx.req`: reading it, waiting for it, replacing it.
#![allow(unsafe_code)]
use core::cell::Cell;

use super::lua::client;
use crate::api::{Domain, abort};
use crate::coroutine::{BodyWait, Leave, RequestCtx, Suspension, Waker, in_phase, request_of};
use crate::nginx::body::replace::{self, FileFate, NotReplaced};
use crate::nginx::body::{self, Body, Reading};
use crate::nginx::log::Text;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Phases, Request, debug, guard};
use crate::vm::{Call, Error, Result, Top, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"req", c"read_body", lua_fn!(read_body)),
        (c"req", c"discard_body", lua_fn!(discard_body)),
        (c"req", c"get_body_data", lua_fn!(get_body_data)),
        (c"req", c"get_body_file", lua_fn!(get_body_file)),
        (c"req", c"set_body_data", lua_fn!(set_body_data)),
        (c"req", c"set_body_file", lua_fn!(set_body_file)),
        (c"req", c"init_body", lua_fn!(init_body)),
        (c"req", c"append_body", lua_fn!(append_body)),
        (c"req", c"finish_body", lua_fn!(finish_body)),
    ],
    setup: None,
};

const NOT_FOUND: &str = "request object not found";
const NO_REQUEST: &str = "no request found";

/// A coroutine that waits for the body. nginx reads on until the last one is cancelled.
struct ReadBody {
    waker: Waker,
    read: Cell<bool>,
}

impl ReadBody {
    fn new(ctx: &RequestCtx, waker: Waker) -> Self {
        let waiting = match ctx.body_wait.get() {
            BodyWait::Coroutines(n) => n,
            BodyWait::Nobody | BodyWait::Phase => 0,
        };
        ctx.body_wait.set(BodyWait::Coroutines(waiting + 1));
        Self { waker, read: Cell::new(false) }
    }
}

impl Suspension for ReadBody {
    fn on_body_read(&self) -> bool {
        self.read.set(true);
        true
    }
}

impl Drop for ReadBody {
    fn drop(&mut self) {
        let Some(ctx) = self.waker.context().filter(|_| !self.read.get()) else { return };
        match ctx.body_wait.get() {
            BodyWait::Coroutines(n @ 2..) => ctx.body_wait.set(BodyWait::Coroutines(n - 1)),
            _ => {
                ctx.body_wait.set(BodyWait::Nobody);
                body::abandon(ctx.request);
            }
        }
    }
}

/// What nginx calls when the body is there; before that, if there was nothing to wait for.
unsafe extern "C" fn on_body_read(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx reads bodies of live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        debug!(r.log(), "lua req body post read, c:{}", r.count());
        let Some(ctx) = RequestCtx::of(r) else { return };
        if matches!(ctx.body_wait.get(), BodyWait::Coroutines(_)) {
            ctx.body_wait.set(BodyWait::Nobody);
            // nginx read for itself up to now. If it cannot watch for more, nobody needs it to.
            let _ = abort::watch(r);
            ctx.wake_on_body();
        }
    });
}

/// Reference: of several coroutines that read the body at the same time, the second one gets what is
/// there, and runs the first one while it is running itself. Here all of them wait.
fn read_body(call: &Call<'_>) -> Result<core::result::Result<(), Yield>> {
    expect(call, 0..=0, "0 arguments")?;
    let r = request_of(call.stack()).ok_or(Error::raise(NOT_FOUND))?;
    let ctx = RequestCtx::of(r).ok_or(Error::raise("no ctx found"))?;
    let ctx = in_phase(ctx, Phases::REQUEST)?;
    if !body::is_at_hand(r) {
        ctx.waiter(call.stack())?;
    }
    debug!(r.log(), "lua start to read buffered request body");
    let reading = match ctx.body_wait.get() {
        BodyWait::Coroutines(_) => Reading::Waiting,
        BodyWait::Nobody | BodyWait::Phase => body::read(r, on_body_read),
    };
    match reading {
        Reading::Done => {
            debug!(r.log(), "lua has read buffered request body in a single run");
            Ok(Ok(()))
        }
        Reading::Waiting => {
            debug!(r.log(), "lua read buffered request body requires I/O interruptions");
            ctx.suspend(call.stack(), |waker| Ok(ReadBody::new(ctx, waker))).map(Err)
        }
        Reading::Failed(code) => {
            debug!(
                r.log(),
                "http read client request body returned error code {code}, exitting now"
            );
            ctx.set_leave(Leave::Exit(code as i32));
            Ok(Err(Yield::NOTHING))
        }
    }
}

fn discard_body(call: &Call<'_>) -> Result<()> {
    expect(call, 0..=0, "0 arguments")?;
    match client(call, NOT_FOUND)?.discard_body() {
        -1 | 300.. => Err(Error::raise("failed to discard request body")),
        _ => Ok(()),
    }
}

/// `get_body_data(max?)`. Reference: 0.10.23 knows no `max`; later ones do.
fn get_body_data(call: &Call<'_>) -> Result<Top> {
    expect(call, 0..=1, "0 or 1 arguments")?;
    let max = if call.count() == 1 { call.number(1)? } else { 0.0 };
    let max = if max >= 1.0 { max as usize } else { usize::MAX };
    match Body::up_to(client(call, NOT_FOUND)?, max) {
        Body::InMemory(body) if !body.is_empty() => call.stack().push_bytes(&body),
        _ => call.stack().push_nil(),
    }
    Ok(Top(1))
}

fn get_body_file(call: &Call<'_>) -> Result<Top> {
    expect(call, 0..=0, "0 arguments")?;
    match body::file_name(client(call, NOT_FOUND)?) {
        Some(name) => call.stack().push_bytes(name),
        None => call.stack().push_nil(),
    }
    Ok(Top(1))
}

fn set_body_data(call: &Call<'_>) -> Result<()> {
    expect(call, 1..=1, "1 arguments")?;
    let data = call.bytes(1)?;
    replace::set_data(client(call, NOT_FOUND)?, data).map_err(raised)
}

fn set_body_file(call: &Call<'_>) -> Result<()> {
    expect(call, 1..=2, "1 or 2 arguments")?;
    let path = call.bytes(1)?;
    let r = client(call, NO_REQUEST)?;
    let clean = call.count() == 2 && call.boolean(2)?;
    let fate = if clean { FileFate::Deleted } else { FileFate::Kept };
    replace::set_file(r, path, fate).map_err(|error| match error {
        NotReplaced::CannotOpen => Error::Raise(format!("open() \"{}\" failed", Text(path)).into()),
        error => raised(error),
    })
}

fn init_body(call: &Call<'_>) -> Result<()> {
    expect(call, 0..=1, "0 or 1 argument")?;
    let r = client(call, NO_REQUEST)?;
    let size = if call.count() == 1 {
        let size = call.number(1)? as i64;
        let size = usize::try_from(size)
            .map_err(|_| Error::Raise(format!("bad size argument: {}", size as i32).into()))?;
        Some(size)
    } else {
        None
    };
    replace::begin(r, size).map_err(raised)
}

fn append_body(call: &Call<'_>) -> Result<()> {
    expect(call, 1..=1, "1 arguments")?;
    let data = call.bytes(1)?;
    replace::append(client(call, NO_REQUEST)?, data).map_err(raised)
}

fn finish_body(call: &Call<'_>) -> Result<()> {
    expect(call, 0..=0, "0 argument")?;
    replace::finish(client(call, NO_REQUEST)?).map_err(raised)
}

/// A number of arguments within `range`, or the error the reference raises.
fn expect(
    call: &Call<'_>,
    range: core::ops::RangeInclusive<i32>,
    in_words: &'static str,
) -> Result<()> {
    let count = call.count();
    if range.contains(&count) {
        return Ok(());
    }
    Err(Error::Raise(format!("expecting {in_words} but seen {count}").into()))
}

fn raised(error: NotReplaced) -> Error {
    Error::raise(match error {
        NotReplaced::Discarded => "request body already discarded asynchronously",
        NotReplaced::Unread => "request body not read yet",
        NotReplaced::NotInitialized => "request_body not initialized",
        NotReplaced::CannotOpen => "open() failed",
        NotReplaced::CannotWrite => "fail to write file",
        NotReplaced::CannotSetLength => "failed to reset the Content-Length input header",
        NotReplaced::NoMemory => "no memory",
    })
}
