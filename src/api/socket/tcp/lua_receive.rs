//! `receive`, `receiveany` and `receiveuntil`: Lua's side of reading.
use std::rc::Rc;

use super::handle::Handle;
use super::lua::{CLOSED, check_use, closed, expect_table, raise, socket, socket_of, wait};
use super::pattern::Pattern;
use super::receive::Format;
use super::{Operation, Progress, Socket, Use};
use crate::coroutine::{RequestCtx, current};
use crate::nginx::trace;
use crate::vm::{Call, Error, IntoResults, Kind as Value, Result, Stack, Top, Yield, lua_fn};

/// Results that are pushed from the socket's buffer.
pub(super) struct Received(Rc<Socket>);

impl IntoResults for Received {
    fn push(self, stack: Stack) -> i32 {
        self.0.push_received(stack)
    }
}

pub(super) type Read = core::result::Result<Received, Yield>;

/// The socket that is to be read from, by the request whose it is.
#[inline]
fn reader<'c>(ctx: &RequestCtx, call: &'c Call<'_>) -> Result<&'c Rc<Socket>> {
    let found = socket(call)?;
    let open = found.filter(|socket| socket.readable().is_some());
    let Some(socket) = open else { return Err(closed(ctx, found, "receive")) };
    check_use(ctx, socket, Operation::Read)?;
    Ok(socket)
}

fn answer_read(ctx: &RequestCtx, socket: &Rc<Socket>, progress: Progress) -> Result<Read> {
    if progress == Progress::Waits {
        return wait(ctx, socket, Operation::Read).map(Err);
    }
    trace!(ctx, "lua tcp socket receive done in a single run");
    socket.reading.set(Use::Busy);
    Ok(Ok(Received(socket.clone())))
}

pub(super) fn receive(call: &Call<'_>) -> Result<core::result::Result<&'static str, Read>> {
    let args = call.count();
    if args != 1 && args != 2 {
        let message = format!("expecting 1 or 2 arguments (including the object), but got {args}");
        return raise(message);
    }
    let ctx = current(call)?;
    trace!(ctx, "lua tcp socket calling receive() method");
    let socket = reader(ctx, call)?;
    trace!(ctx, "lua tcp socket read timeout: {}", socket.timeouts.get().read.0);
    let format = if args == 1 { Format::Line } else { read_format(call)? };
    if format == Format::Exactly(0) {
        return Ok(Ok(""));
    }
    answer_read(ctx, socket, socket.receive(format)).map(Err)
}

fn read_format(call: &Call<'_>) -> Result<Format> {
    const BAD: &str = "bad pattern argument";
    let stack = call.stack();
    if stack.number(2).is_some() {
        let bytes = usize::try_from(stack.integer(2)).map_err(|_| Error::arg(2, BAD))?;
        return Ok(Format::Exactly(bytes));
    }
    match stack.bytes_of_string(2) {
        Some(b"*l") => Ok(Format::Line),
        Some(b"*a") => Ok(Format::All),
        Some([b'*', _]) | None => Err(Error::arg(2, BAD)),
        Some(other) => {
            let text = other.split(|byte| *byte == 0).next().unwrap_or_default();
            Err(Error::arg(2, format!("{BAD}: {}", String::from_utf8_lossy(text))))
        }
    }
}

pub(super) fn receive_any(call: &Call<'_>) -> Result<Read> {
    let args = call.count();
    if args != 2 {
        let message = format!("expecting 2 arguments (including the object), but got {args}");
        return raise(message);
    }
    let ctx = current(call)?;
    let socket = reader(ctx, call)?;
    let stack = call.stack();
    let most = stack.number(2).and_then(|_| usize::try_from(stack.integer(2)).ok());
    let most = most.filter(|most| *most > 0).ok_or(Error::arg(2, "bad max argument"))?;
    trace!(ctx, "lua tcp socket calling receiveany() method to read at most {most} bytes");
    trace!(ctx, "lua tcp socket read timeout: {}", socket.timeouts.get().read.0);
    trace!(ctx, "lua tcp socket read any");
    answer_read(ctx, socket, socket.receive(Format::Any(most)))
}

/// Makes an iterator: a function with the socket's table and the pattern as its upvalues.
pub(super) fn receive_until(call: &Call<'_>) -> Result<Top> {
    let args = call.count();
    if args != 2 && args != 3 {
        let message = format!("expecting 2 or 3 arguments (including the object), but got {args}");
        return raise(message);
    }
    let stack = call.stack();
    let inclusive = args == 3 && is_inclusive(call)?;
    let ctx = current(call)?;
    trace!(ctx, "lua tcp socket calling receiveuntil() method");
    expect_table(call)?;
    let pattern = call.bytes(2)?;
    if pattern.is_empty() {
        return Err(Error::fail("pattern is empty"));
    }
    stack.push_value(1);
    Handle::push(stack, Rc::new(Pattern::new(pattern, inclusive)), Stack::upvalue(1));
    stack.push_function(lua_fn!(next_piece), 2);
    Ok(Top(1))
}

fn is_inclusive(call: &Call<'_>) -> Result<bool> {
    let stack = call.stack();
    if call.kind(3) != Value::Table {
        return Err(Error::BadArg { index: 3, expected: c"table" });
    }
    if !stack.field(3, b"inclusive") {
        return Err(Error::Rethrow);
    }
    let inclusive = match stack.kind(-1) {
        Value::Nil => false,
        Value::Boolean => stack.truth(-1),
        kind => {
            return raise(format!("bad \"inclusive\" option value type: {}", kind.name()));
        }
    };
    stack.set_top(2);
    Ok(inclusive)
}

/// What an iterator returns when the pattern has ended the piece before.
pub(super) struct Ended;

impl IntoResults for Ended {
    fn push(self, stack: Stack) -> i32 {
        for _ in 0..3 {
            stack.push_nil();
        }
        3
    }
}

fn next_piece(call: &Call<'_>) -> Result<core::result::Result<Ended, Read>> {
    let args = call.count();
    if args > 1 {
        return raise(format!("expecting 0 or 1 arguments, but seen {args}"));
    }
    let size = if args == 1 { call.number(1)? as isize } else { 0 };
    let stack = call.stack();
    let Some(socket) = socket_of(stack, Stack::upvalue(1)) else { return Err(CLOSED) };
    if socket.readable().is_none() {
        return Err(CLOSED);
    }
    let ctx = current(call)?;
    check_use(ctx, socket, Operation::Read)?;
    trace!(ctx, "lua tcp socket receiveuntil iterator");
    trace!(ctx, "lua tcp socket read timeout: {}", socket.timeouts.get().read.0);
    let Some(pattern) = Handle::<Pattern>::at(stack, Stack::upvalue(2)) else {
        return Err(CLOSED);
    };
    if pattern.ended.replace(false) {
        return Ok(Ok(Ended));
    }
    let size = usize::try_from(size).unwrap_or(0);
    answer_read(ctx, socket, socket.receive_until(pattern.clone(), size)).map(Err)
}
