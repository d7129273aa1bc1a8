//! What Lua calls on datagram sockets: reads arguments, calls the core, pushes results.
//!
//! A socket is a table. Its elements are those of the reference, for whoever looks at them: the handle and the
//! timeout (2).
use std::rc::Rc;

use super::{LONGEST, Progress, Socket, Waiting};
use crate::api::output::flatten;
use crate::api::resty_core::Found;
use crate::api::socket::handle::{self, Handle, PLACE};
use crate::api::{Domain, push_table};
use crate::coroutine::{RequestCtx, current, in_phase, request_of};
use crate::nginx::address::Address;
use crate::nginx::connection::Connection;
use crate::nginx::{Level, Msec, Phases, Request, trace};
use crate::vm::{Call, Error, Function, IntoResults, Kind, Result, Stack, Top, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

const TIMEOUT: i32 = 2;

const METHODS: &[(&[u8], Function)] = &[
    (b"send", lua_fn!(send)),
    (b"receive", lua_fn!(receive)),
    (b"settimeout", lua_fn!(set_timeout)),
    (b"close", lua_fn!(close)),
];

/// Makes `ngx.socket.udp`. stack: [-0, +0, m]
fn setup(stack: Stack, _: &Found) {
    let ngx = stack.top();
    handle::push_metatable(stack, lua_fn!(handle::collect::<Socket>));
    let handles = stack.top();
    stack.new_table(0, 7);
    for (name, function) in METHODS {
        stack.push_function(*function, 0);
        stack.set_raw_field(-2, name);
    }
    stack.push_value(handles);
    stack.push_function(lua_fn!(set_peer_name), 1);
    stack.set_raw_field(-2, b"setpeername");
    stack.push_value(-1);
    stack.set_raw_field(-2, b"__index");
    // Later than 0.10.23, whose entries users count: found behind them.
    stack.new_table(0, 2);
    stack.push_function(lua_fn!(bind), 0);
    stack.set_raw_field(-2, b"bind");
    stack.push_value(-1);
    stack.set_raw_field(-2, b"__index");
    stack.set_metatable(-2);
    stack.push_value(ngx);
    push_table(stack, b"socket");
    stack.push_value(-3);
    stack.push_function(lua_fn!(new_socket), 1);
    stack.set_raw_field(-2, b"udp");
    stack.set_top(ngx);
}

fn raise<T>(message: String) -> Result<T> {
    Err(Error::Raise(message.into()))
}

const BAD_REQUEST: Error = Error::raise("bad request");
const CLOSED: Error = Error::fail("closed");
const BUSY: Error = Error::fail("socket busy");

fn new_socket(call: &Call<'_>) -> Result<Top> {
    if call.count() != 0 {
        return raise(format!("expecting zero arguments, but got {}", call.count()));
    }
    in_phase(current(call)?, Phases::WAITABLE)?;
    let stack = call.stack();
    stack.new_table(3, 0);
    stack.push_value(Stack::upvalue(1));
    stack.set_metatable(-2);
    Ok(Top(1))
}

/// The socket whose table is argument 1, if it has had a peer. stack: [-0, +1, -]
#[inline(always)]
fn socket<'c>(call: &'c Call<'_>) -> Result<Option<&'c Rc<Socket>>> {
    let stack = call.stack();
    if !stack.is_table(1) {
        return Err(Error::BadArg { index: 1, expected: c"table" });
    }
    stack.raw_geti(1, PLACE);
    Ok(Handle::at(stack, -1))
}

/// The timeout in the socket's table; 0 for the location's. stack: [-0, +0, -]
fn timeout(stack: Stack) -> Msec {
    stack.raw_geti(1, TIMEOUT);
    let value = stack.integer(-1);
    stack.pop(1);
    Msec(usize::try_from(value).unwrap_or(0))
}

fn set_peer_name(call: &Call<'_>) -> Result<core::result::Result<i32, Yield>> {
    let args = call.count();
    if args != 2 && args != 3 {
        let object = "arguments (including the object)";
        let what = "ngx.socket.udp setpeername: expecting 2 or 3";
        return raise(format!("{what} {object}, but seen {args}"));
    }
    let ctx = in_phase(current(call)?, Phases::WAITABLE)?;
    let found = socket(call)?;
    let stack = call.stack();
    let host = call.bytes(2)?;
    let port = if args == 3 { port(call)? } else { 0 };
    let socket = match found {
        Some(socket) => {
            if socket.request().is_some_and(|r| r != ctx.request) {
                return Err(BAD_REQUEST);
            }
            if socket.is_busy() {
                return Err(BUSY);
            }
            socket.clone()
        }
        None => {
            let socket = Socket::new();
            Handle::push(stack, socket.clone(), Stack::upvalue(1));
            stack.raw_seti(1, PLACE);
            socket
        }
    };
    socket.set_timeout(timeout(stack));
    socket.bind(local_address(stack));
    match socket.set_peer(ctx, host, port) {
        Progress::Done => Ok(Ok(1)),
        Progress::Waits => {
            let waits = ctx.suspend_for(stack, |waker| Waiting::for_peer(&socket, waker));
            waits.inspect_err(|_| socket.stop_resolving()).map(Err)
        }
        Progress::Failed(failure) => Err(failed(&failure)),
    }
}

fn port(call: &Call<'_>) -> Result<u16> {
    let port = call.number(3)? as isize as i32;
    u16::try_from(port).map_err(|_| Error::Fail(format!("bad port number: {port}").into()))
}

fn failed(failure: &crate::api::socket::Failure) -> Error {
    Error::Fail(String::from_utf8_lossy(&failure.text()).into_owned().into())
}

/// The socket of argument 1 with its connection, for the request of `r`; `what` it cannot do is logged.
/// stack: [-0, +1, -]
#[inline(always)]
fn open<'c>(call: &'c Call<'_>, r: Request, what: &str) -> Result<(&'c Rc<Socket>, Connection)> {
    let found = socket(call)?;
    let Some((socket, c)) = found.and_then(|socket| Some((socket, socket.connection()?))) else {
        return Err(closed(found, r, what));
    };
    if socket.request() != Some(r) {
        return Err(BAD_REQUEST);
    }
    if socket.is_busy() {
        return Err(BUSY);
    }
    Ok((socket, c))
}

#[cold]
fn closed(found: Option<&Rc<Socket>>, r: Request, what: &str) -> Error {
    if crate::api::socket::logs_errors(Some(r)) {
        let u = found.map_or(core::ptr::null(), Rc::as_ptr).addr();
        let message =
            format_args!("attempt to {what} data on a closed socket: u:{u:016X}, c:{:016X}", 0);
        r.log().print(Level::Error, message);
    }
    CLOSED
}

fn send(call: &Call<'_>) -> Result<i32> {
    let args = call.count();
    if args != 2 {
        return raise(format!("expecting 2 arguments (including the object), but got {args}"));
    }
    let stack = call.stack();
    let r = request_of(stack).ok_or(Error::raise("request object not found"))?;
    let (socket, c) = open(call, r, "send")?;
    if stack.is_string(2)
        && let Some(data) = stack.bytes(2)
    {
        socket.send(c, data).map_err(|failure| failed(&failure))?;
        return Ok(1);
    }
    let mut data = Vec::new();
    let data = match call.kind(2) {
        Kind::Table => {
            flatten::strings(&mut data, stack, 2, 2)?;
            &data
        }
        kind @ (Kind::Number | Kind::Nil | Kind::Boolean) => {
            flatten::scalar(&mut data, stack, 2, kind)?;
            &data
        }
        kind => {
            let expected = "string, number, boolean, nil, or array table expected";
            return Err(Error::arg(2, format!("{expected}, got {}", kind.name())));
        }
    };
    socket.send(c, data).map_err(|failure| failed(&failure))?;
    Ok(1)
}

/// A datagram that is there, or why there is none.
struct Received(Rc<Socket>);

impl IntoResults for Received {
    fn push(self, stack: Stack) -> i32 {
        self.0.push_outcome(stack)
    }
}

fn receive(call: &Call<'_>) -> Result<core::result::Result<Received, Yield>> {
    let args = call.count();
    if args != 1 && args != 2 {
        return raise(format!("expecting 1 or 2 arguments (including the object), but got {args}"));
    }
    let ctx = current(call)?;
    trace!(ctx, "lua udp socket calling receive() method");
    let (socket, c) = open(call, ctx.request, "receive")?;
    let size = match if args == 2 { call.kind(2) } else { Kind::None } {
        Kind::None | Kind::Nil => LONGEST,
        // A negative one is a large one.
        _ => usize::try_from(call.number(2)? as i64).unwrap_or(LONGEST).min(LONGEST),
    };
    match socket.receive(ctx, c, size) {
        Progress::Done => Ok(Ok(Received(socket.clone()))),
        Progress::Waits => wait(ctx, call.stack(), socket).map(Err),
        Progress::Failed(failure) => Err(failed(&failure)),
    }
}

fn wait(ctx: &RequestCtx, from: Stack, socket: &Rc<Socket>) -> Result<Yield> {
    let waits = in_phase(ctx, Phases::WAITABLE)
        .and_then(|ctx| ctx.suspend_for(from, |waker| Waiting::for_datagram(socket, waker)));
    waits.inspect_err(|_| socket.stop_receiving())
}

fn set_timeout(call: &Call<'_>) -> Result<()> {
    let args = call.count();
    if args != 2 {
        let object = "arguments (including the object)";
        let what = "ngx.socket settimeout: expecting at least 2";
        return raise(format!("{what} {object} but seen {args}"));
    }
    let found = socket(call)?;
    let stack = call.stack();
    stack.push_value(2);
    stack.raw_seti(1, TIMEOUT);
    if let Some(socket) = found {
        socket.set_timeout(timeout(stack));
    }
    Ok(())
}

/// Sends come from this address. 0.10.23 does not have it, later releases do.
fn bind(call: &Call<'_>) -> Result<bool> {
    if call.count() != 2 {
        return raise(format!("expecting 2 arguments, but got {}", call.count()));
    }
    in_phase(current(call)?, Phases::WAITABLE)?;
    socket(call)?;
    let text = call.bytes(2)?;
    if Address::parse(text, 0).is_none_or(|address| address.is_unix()) {
        return Err(Error::fail("bad address"));
    }
    call.stack().push_value(2);
    call.stack().raw_seti(1, LOCAL);
    Ok(true)
}

/// The element of the table that `bind` sets.
const LOCAL: i32 = 3;

/// stack: [-0, +0, -]
fn local_address(stack: Stack) -> Option<Address> {
    stack.raw_geti(1, LOCAL);
    let local = stack.bytes_of_string(-1).and_then(|text| Address::parse(text, 0));
    stack.pop(1);
    local
}

fn close(call: &Call<'_>) -> Result<i32> {
    if call.count() != 1 {
        let message =
            format!("expecting 1 argument (including the object) but seen {}", call.count());
        return raise(message);
    }
    let ctx = current(call)?;
    let found = socket(call)?.filter(|socket| socket.connection().is_some());
    let socket = found.ok_or(CLOSED)?;
    if socket.request() != Some(ctx.request) {
        return Err(BAD_REQUEST);
    }
    if socket.is_busy() {
        return Err(BUSY);
    }
    socket.close();
    Ok(1)
}
