//! `receive`, `receiveany` and `receiveuntil`: Lua's side of reading.
use core::cell::OnceCell;
use std::rc::Rc;

use super::handle::Handle;
use super::lua::{CLOSED, check_use, closed, expect_table, raise, socket, socket_of, wait};
use super::pattern::Pattern;
use super::quick::{self, Front};
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
#[inline(always)]
fn reader<'c>(ctx: &RequestCtx, call: &'c Call<'_>) -> Result<&'c Rc<Socket>> {
    check_reader(ctx, socket(call)?)
}

#[inline(always)]
fn check_reader<'c>(ctx: &RequestCtx, found: Option<&'c Rc<Socket>>) -> Result<&'c Rc<Socket>> {
    let open = found.filter(|socket| socket.readable().is_some());
    let Some(socket) = open else { return Err(closed(ctx, found, "receive")) };
    check_use(ctx, socket, Operation::Read)?;
    Ok(socket)
}

#[inline]
fn answer_read(
    ctx: &RequestCtx,
    from: Stack,
    socket: &Rc<Socket>,
    progress: Progress,
) -> Result<Read> {
    if progress == Progress::Waits {
        return wait(ctx, from, socket, Operation::Read).map(Err);
    }
    trace!(ctx, "lua tcp socket receive done in a single run");
    socket.reading.set(Use::Busy);
    Ok(Ok(Received(socket.clone())))
}

pub(super) fn receive(
    call: &Call<'_>,
) -> Result<core::result::Result<Front, core::result::Result<&'static str, Read>>> {
    let stack = call.stack();
    if stack.top() == 1 && stack.is_table(1) {
        let socket = socket_of(stack, 1);
        if let Some(socket) = socket
            && let Some(data) = socket.at_hand(stack.owner())
        {
            if data.is_empty() && socket.expects_line() {
                return wait(current(call)?, stack, socket, Operation::Read)
                    .map(|wait| Err(Err(Err(wait))));
            }
            if let Some(line) = quick::line(socket, data) {
                return Ok(Ok(line));
            }
        }
        return receive_line(call, socket).map(|read| Err(Err(read)));
    }
    receive_as_asked(call).map(Err)
}

/// Receives a line, whatever has to be done for it.
#[inline(never)]
fn receive_line(call: &Call<'_>, socket: Option<&Rc<Socket>>) -> Result<Read> {
    let ctx = current(call)?;
    trace!(ctx, "lua tcp socket calling receive() method");
    let socket = check_reader(ctx, socket)?;
    trace!(ctx, "lua tcp socket read timeout: {}", socket.timeouts.get().read.0);
    answer_read(ctx, call.stack(), socket, socket.receive(Format::Line))
}

#[inline(never)]
fn receive_as_asked(call: &Call<'_>) -> Result<core::result::Result<&'static str, Read>> {
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
    answer_read(ctx, call.stack(), socket, socket.receive(format)).map(Err)
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
    answer_read(ctx, call.stack(), socket, socket.receive(Format::Any(most)))
}

/// What an iterator has as its second upvalue, the first one being the socket's table.
pub(super) struct Reader {
    /// The table's socket, once there is one.
    socket: OnceCell<Rc<Socket>>,
    pattern: Rc<Pattern>,
}

/// Makes an iterator.
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
    let pattern = Rc::new(Pattern::new(pattern, inclusive));
    let socket = socket_of(stack, 1).map_or_else(OnceCell::new, |socket| socket.clone().into());
    stack.push_value(1);
    Handle::push(stack, Rc::new(Reader { socket, pattern }), Stack::upvalue(1));
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

fn next_piece(
    call: &Call<'_>,
) -> Result<core::result::Result<Front, core::result::Result<Ended, Read>>> {
    let stack = call.stack();
    let Some(reader) = Handle::<Reader>::at(stack, Stack::upvalue(2)) else { return Err(CLOSED) };
    if stack.top() == 0
        && !reader.pattern.ended.get()
        && let Some(socket) = reader.socket.get()
        && let Some(piece) = quick::piece(stack, socket, &reader.pattern)
    {
        return Ok(Ok(piece));
    }
    next_of(call, reader).map(Err)
}

/// The same, whatever has to be done for it.
#[inline(never)]
fn next_of(call: &Call<'_>, reader: &Reader) -> Result<core::result::Result<Ended, Read>> {
    let args = call.count();
    if args > 1 {
        return raise(format!("expecting 0 or 1 arguments, but seen {args}"));
    }
    let size = if args == 1 { call.number(1)? as isize } else { 0 };
    let connected = || socket_of(call.stack(), Stack::upvalue(1)).cloned();
    if reader.socket.get().is_none()
        && let Some(socket) = connected()
    {
        let _ = reader.socket.set(socket);
    }
    let open = reader.socket.get().filter(|socket| socket.readable().is_some());
    let socket = open.ok_or(CLOSED)?;
    let ctx = current(call)?;
    check_use(ctx, socket, Operation::Read)?;
    trace!(ctx, "lua tcp socket receiveuntil iterator");
    trace!(ctx, "lua tcp socket read timeout: {}", socket.timeouts.get().read.0);
    if reader.pattern.ended.replace(false) {
        return Ok(Ok(Ended));
    }
    let size = usize::try_from(size).unwrap_or(0);
    answer_read(ctx, call.stack(), socket, socket.receive_until(reader.pattern.clone(), size))
        .map(Err)
}
