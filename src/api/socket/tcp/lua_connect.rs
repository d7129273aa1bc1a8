//! `connect`, `bind`, `setkeepalive` and `getreusedtimes`: Lua's side of what makes and keeps a connection.
use std::borrow::Cow;
use std::rc::Rc;

use super::connect::Target;
use super::handle::{Handle, PLACE};
use super::lua::{
    BAD_REQUEST, CLOSED, expect_table, raise, set_timeouts_of, socket, socket_of, wait,
};
use super::pool::{self, Pool};
use super::{Kind, Operation, Progress, Socket};
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, current, current_or, in_phase};
use crate::nginx::address::Address;
use crate::nginx::log::Text;
use crate::nginx::{Msec, Phases, debug, process, trace};
use crate::vm::{Call, Error, Kind as Value, Result, Stack, Yield};

/// The element of a socket's table that holds its local address.
const LOCAL: i32 = 8;

pub(super) fn connect(call: &Call<'_>) -> Result<core::result::Result<i32, Yield>> {
    let args = call.count();
    if !(2..=4).contains(&args) {
        let object = "arguments (including the object)";
        return raise(format!(
            "ngx.socket connect: expecting 2, 3, or 4 {object}, but seen {args}"
        ));
    }
    let ctx = in_phase(current_or(call, "no request found")?, Phases::WAITABLE)?;
    expect_table(call)?;
    let stack = call.stack();
    let host = call.bytes(2)?;
    let has_options = call.kind(args) == Value::Table;
    let options = if has_options { Options::read(call, args)? } else { Options::default() };
    let has_port = args - i32::from(has_options) >= 3;
    let is_unix = host.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"unix:"));
    let port = match stack.number(3).filter(|_| has_port) {
        Some(_) => {
            let port = stack.integer(3) as i32;
            u16::try_from(port)
                .map_err(|_| Error::Fail(format!("bad port number: {port}").into()))?
        }
        None if is_unix => 0,
        None => return Err(Error::fail("missing the port number")),
    };
    let mut room = [0; 64];
    let named = match &options.pool {
        Some(name) => name.into(),
        None if has_port && stack.number(3).is_some() => {
            joined(&mut room, [host, b":", stack.bytes(3).unwrap_or_default()])
        }
        None => host.into(),
    };
    let socket = match socket_of(stack, 1) {
        Some(socket) => {
            reconnect(ctx, socket)?;
            socket.clone()
        }
        None => {
            let socket = Socket::new(Kind::Upstream);
            Handle::push(stack, socket.clone(), Stack::upvalue(1));
            stack.raw_seti(1, PLACE);
            socket
        }
    };
    socket.adopt(ctx);
    set_timeouts_of(&socket, stack, LocConf::of(ctx.request));
    let vm = ctx.vm.stack();
    let pool = Pool::find(vm, &named).or_else(|| {
        let size = options.size?;
        Some(Pool::create(vm, &named, size, options.backlog, ctx.log()))
    });
    if pool.is_none() {
        socket.key.set(named.into_owned().into());
    }
    socket.pool.set(pool);
    let target = || Target { host: host.into(), port, local: local_address(stack) };
    match socket.connect(target) {
        Progress::Done => Ok(Ok(1)),
        Progress::Failed => Err(Error::Fail(failure_text(&socket).into())),
        Progress::Waits => wait(ctx, stack, &socket, Operation::Connect).map(Err),
    }
}

/// The parts one after the other, in `room` if they fit.
fn joined<'a, const N: usize>(room: &'a mut [u8; N], parts: [&[u8]; 3]) -> Cow<'a, [u8]> {
    let mut len = 0;
    for part in parts {
        let Some(place) = room.get_mut(len..len + part.len()) else {
            return parts.concat().into();
        };
        place.copy_from_slice(part);
        len += part.len();
    }
    room[..len].into()
}

fn failure_text(socket: &Socket) -> String {
    let failure = socket.write_failure.take();
    let text = failure.map(|failure| failure.text()).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// A socket that has been used before is made anew.
fn reconnect(ctx: &RequestCtx, socket: &Rc<Socket>) -> Result<()> {
    if socket.request().is_some_and(|r| r != ctx.request) {
        return Err(BAD_REQUEST);
    }
    if let Some(busy) = socket.busy_for_connect() {
        return Err(Error::fail(busy));
    }
    if socket.kind().is_client() {
        return Err(Error::raise("attempt to re-connect a request socket"));
    }
    socket.reset();
    trace!(ctx, "lua reuse socket upstream ctx");
    Ok(())
}

/// What `bind` has kept. stack: [-0, +0, -]
fn local_address(stack: Stack) -> Option<Address> {
    stack.raw_geti(1, LOCAL);
    let local = stack.bytes_of_string(-1).and_then(|text| Address::parse(text, 0));
    stack.pop(1);
    local
}

/// `connect`'s options.
#[derive(Default)]
struct Options {
    pool: Option<Vec<u8>>,
    size: Option<usize>,
    backlog: Option<usize>,
}

impl Options {
    /// stack: [-0, +0, e]
    fn read(call: &Call<'_>, table: i32) -> Result<Self> {
        let stack = call.stack();
        let top = stack.top();
        let field = |name: &[u8]| {
            if stack.field(table, name) { Ok(stack.kind(-1)) } else { Err(Error::Rethrow) }
        };
        let mut options = Self::default();
        let kind = field(b"pool_size")?;
        if stack.number(-1).is_some() {
            let size = stack.integer(-1);
            let bad = || Error::arg(table, format!("bad \"pool_size\" option value: {size}"));
            let size = usize::try_from(size).ok().filter(|size| *size > 0);
            options.size = Some(size.ok_or_else(bad)?);
        } else if kind != Value::Nil {
            let message = format!("bad \"pool_size\" option type: {}", kind.name());
            return Err(Error::arg(table, message));
        }
        field(b"backlog")?;
        if stack.number(-1).is_some() {
            let backlog = stack.integer(-1);
            let bad = || Error::arg(table, format!("bad \"backlog\" option value: {backlog}"));
            options.backlog = Some(usize::try_from(backlog).map_err(|_| bad())?);
            if options.size.is_none() {
                let conf = LocConf::of(current(call)?.request);
                options.size = usize::try_from(conf.socket.pool_size).ok().filter(|n| *n > 0);
            }
        }
        options.pool = match field(b"pool")? {
            Value::Number | Value::String => stack.bytes(-1).map(<[u8]>::to_vec),
            Value::Nil => None,
            kind => {
                let message = format!("bad \"pool\" option type: {}", kind.name());
                return Err(Error::arg(table, message));
            }
        };
        stack.set_top(top);
        Ok(options)
    }
}

pub(super) fn bind(call: &Call<'_>) -> Result<bool> {
    if call.count() != 2 {
        return raise(format!("expecting 2 arguments, but got {}", call.count()));
    }
    let ctx = in_phase(current_or(call, "no request found")?, Phases::WAITABLE)?;
    expect_table(call)?;
    let text = call.bytes(2)?;
    let is_address = !text.starts_with(b"[") && !text.contains(&b'/');
    if !is_address || Address::parse(text, 0).is_none_or(|address| address.is_unix()) {
        return Err(Error::fail("bad address"));
    }
    debug!(ctx.log(), "lua tcp socket bind ip: {}", Text(text));
    call.stack().push_value(2);
    call.stack().raw_seti(1, LOCAL);
    Ok(true)
}

pub(super) fn reused_times(call: &Call<'_>) -> Result<i32> {
    if call.count() != 1 {
        let message =
            format!("expecting 1 argument (including the object), but got {}", call.count());
        return raise(message);
    }
    let open = socket(call)?.filter(|socket| socket.open().is_some());
    let socket = open.ok_or(CLOSED)?;
    Ok(i32::try_from(socket.reused.get()).unwrap_or(i32::MAX))
}

pub(super) fn set_keepalive(call: &Call<'_>) -> Result<i32> {
    let args = call.count();
    if !(1..=3).contains(&args) {
        let message = format!("expecting 1 to 3 arguments (including the object), but got {args}");
        return raise(message);
    }
    let socket = socket(call)?.ok_or(CLOSED)?;
    let usable = socket.readable().filter(|c| socket.writable().is_some() && !c.has_ended());
    let c = usable.ok_or(CLOSED)?;
    let ctx = current(call)?;
    let r = ctx.request;
    if socket.request() != Some(r) {
        return Err(BAD_REQUEST);
    }
    if let Some(busy) = socket.busy_for_connect() {
        return Err(Error::fail(busy));
    }
    socket.check_idle(c).map_err(Error::fail)?;
    if process::exiting() || process::ending() {
        trace!(
            ctx,
            "lua tcp socket set keepalive while process exiting, closing connection {:p}",
            c.as_ptr()
        );
        socket.close();
        return Ok(1);
    }
    trace!(ctx, "lua tcp socket set keepalive: saving connection {:p}", c.as_ptr());
    let conf = &LocConf::of(r).socket;
    let given = |index: i32| args >= index && call.kind(index) != Value::Nil;
    let timeout = || -> Result<usize> {
        Ok(if given(2) { call.int(2)?.unsigned_abs() as usize } else { conf.keepalive_timeout })
    };
    // The size is looked at only where a pool is made, and first.
    let pool = socket.pool_or(ctx.vm.stack(), |name| {
        let size = if given(3) { call.int(3)? as isize } else { conf.pool_size };
        let bad_size = || Error::arg(args, format!("bad \"pool_size\" option value: {size}"));
        let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or_else(bad_size)?;
        timeout()?;
        Ok(Pool::create(ctx.vm.stack(), name, size, None, ctx.log()))
    })?;
    let timeout = timeout()?;
    trace!(ctx, "lua tcp socket clear current socket connection");
    if timeout == 0 {
        trace!(ctx, "lua tcp socket keepalive timeout: unlimited");
    } else {
        trace!(ctx, "lua tcp socket keepalive timeout: {timeout} ms");
    }
    match socket.keep_in(&pool, c, Msec(timeout)) {
        Ok(()) => Ok(1),
        Err(pool::Dubious) => Err(Error::fail("connection in dubious state")),
    }
}
