//! What Lua calls on sockets: reads arguments, calls the core, pushes results.
//!
//! A socket is a table. Its elements are those of the reference, for whoever looks at them: the handle, three
//! timeouts (2, 4, 5), and the local address (8: `lua_connect`).
use std::rc::Rc;

use super::handle::{self, Handle, PLACE};
use super::pool;
use super::{Kind, Operation, Progress, Socket, Timeouts, Use, Waiting, request};
use super::{lua_connect, lua_receive};
use crate::api::output::flatten;
use crate::api::resty_core::Found;
use crate::api::socket::buffer;
use crate::api::{Domain, push_table};
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, current, in_phase};
use crate::nginx::{Level, Msec, Phase, Phases, trace};
use crate::vm::sys::LUA_REGISTRYINDEX;
use crate::vm::{
    Call, Error, Function, IntoResults, Kind as Value, Result, Stack, Top, Vm, Yield, lua_fn,
};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// The elements of a socket's table besides [`PLACE`].
const CONNECT_TIMEOUT: i32 = 2;
const SEND_TIMEOUT: i32 = 4;
const READ_TIMEOUT: i32 = 5;

const READING: &[(&[u8], Function)] = &[
    (b"receive", lua_fn!(lua_receive::receive)),
    (b"receiveany", lua_fn!(lua_receive::receive_any)),
    (b"settimeout", lua_fn!(set_timeout)),
    (b"settimeouts", lua_fn!(set_timeouts)),
];
const WRITING: &[(&[u8], Function)] = &[(b"send", lua_fn!(send))];
const OWNING: &[(&[u8], Function)] = &[
    (b"bind", lua_fn!(lua_connect::bind)),
    (b"close", lua_fn!(close)),
    (b"setkeepalive", lua_fn!(lua_connect::set_keepalive)),
    (b"getreusedtimes", lua_fn!(lua_connect::reused_times)),
];

/// Makes `ngx.socket`, and the metatables, which lua-resty-core finds in the registry.
fn setup(stack: Stack, _: &Found) {
    let ngx = stack.top();
    handle::push_metatable(stack, lua_fn!(handle::collect::<Socket>));
    handle::push_metatable(stack, lua_fn!(handle::collect::<lua_receive::Reader>));
    let (sockets, readers) = (ngx + 1, ngx + 2);
    let methods: [&[(&[u8], Function)]; 3] = [READING, WRITING, OWNING];
    push_methods(stack, b"__tcp_cosocket_mt", &methods, readers);
    push_methods(stack, b"__tcp_req_cosocket_mt", &methods[..1], readers);
    push_methods(stack, b"__tcp_raw_req_cosocket_mt", &methods[..2], readers);
    let (tcp, body, raw) = (ngx + 3, ngx + 4, ngx + 5);
    stack.push_value(sockets);
    stack.push_function(lua_fn!(lua_connect::connect), 1);
    stack.set_raw_field(tcp, b"connect");

    stack.push_value(ngx);
    push_table(stack, b"socket");
    stack.push_value(tcp);
    stack.push_function(lua_fn!(new_socket), 1);
    stack.push_value(-1);
    stack.set_raw_field(-3, b"tcp");
    stack.set_raw_field(-2, b"stream");
    stack.pop(1);
    push_table(stack, b"req");
    for upvalue in [body, raw, sockets] {
        stack.push_value(upvalue);
    }
    stack.push_function(lua_fn!(request_socket), 3);
    stack.set_raw_field(-2, b"socket");
    push_end_of_vm(stack);
    stack.set_top(ngx);
}

/// A metatable of sockets, which is kept in the registry as `name`. stack: [-0, +1, m]
fn push_methods(stack: Stack, name: &[u8], methods: &[&[(&[u8], Function)]], readers: i32) {
    stack.new_table(0, 20);
    for (name, function) in methods.iter().copied().flatten() {
        stack.push_function(*function, 0);
        stack.set_raw_field(-2, name);
    }
    stack.push_value(readers);
    stack.push_function(lua_fn!(lua_receive::receive_until), 1);
    stack.set_raw_field(-2, b"receiveuntil");
    stack.push_value(-1);
    stack.set_raw_field(-2, b"__index");
    stack.push_value(-1);
    stack.set_raw_field(LUA_REGISTRYINDEX, name);
}

/// A userdata that is collected when the VM ends: pools end with it. stack: [-0, +0, m]
fn push_end_of_vm(stack: Stack) {
    stack.new_userdata(1);
    stack.new_table(0, 1);
    stack.push_function(lua_fn!(end_of_vm), 0);
    stack.set_raw_field(-2, b"__gc");
    stack.set_metatable(-2);
    stack.reference(LUA_REGISTRYINDEX);
}

fn end_of_vm(call: &Call<'_>) -> Result<()> {
    pool::close_all(call.stack());
    Ok(())
}

/// `ngx.socket.connect`
const CONNECT: &[u8] = b"
local tcp = ngx.socket.tcp
ngx.socket.connect = function (...)
    local socket = tcp()
    local ok, message = socket:connect(...)
    if not ok then return nil, message end
    return socket
end
";

/// What is written in Lua. stack: [-0, +0, m]
pub(crate) fn complete(vm: Vm) {
    let stack = vm.stack();
    let chunks = [
        (CONNECT, c"=ngx.socket.connect"),
        #[cfg(ngx_feature = "http_ssl")]
        (super::tls_lua::METHODS, c"=ngx.socket"),
    ];
    for (code, name) in chunks {
        if vm.compile_plain(stack, code, name).is_ok() && !stack.call(0, 0, 0) {
            stack.pop(1);
        }
    }
}

pub(super) fn raise<T>(message: String) -> Result<T> {
    Err(Error::Raise(message.into()))
}

pub(super) const BAD_REQUEST: Error = Error::raise("bad request");

pub(super) const CLOSED: Error = Error::fail("closed");

fn new_socket(call: &Call<'_>) -> Result<Top> {
    if call.count() != 0 {
        return raise(format!("expecting zero arguments, but got {}", call.count()));
    }
    in_phase(current(call)?, Phases::WAITABLE)?;
    let stack = call.stack();
    stack.new_table(7, 0);
    stack.push_value(Stack::upvalue(1));
    stack.set_metatable(-2);
    Ok(Top(1))
}

pub(super) fn expect_table(call: &Call<'_>) -> Result<()> {
    match call.kind(1) {
        Value::Table => Ok(()),
        _ => Err(Error::BadArg { index: 1, expected: c"table" }),
    }
}

/// The socket whose table is argument 1, if it has been connected before. stack: [-0, +1, -]
#[inline]
pub(super) fn socket<'c>(call: &'c Call<'_>) -> Result<Option<&'c Rc<Socket>>> {
    expect_table(call)?;
    Ok(socket_of(call.stack(), 1))
}

/// The socket whose table is at `table`. stack: [-0, +1, -]
#[inline]
pub(super) fn socket_of<'a>(stack: Stack, table: i32) -> Option<&'a Rc<Socket>> {
    stack.raw_geti(table, PLACE);
    Handle::at(stack, -1)
}

/// The timeout that element `place` of the socket's table holds; 0 if none. stack: [-0, +0, -]
fn timeout(stack: Stack, place: i32) -> usize {
    stack.raw_geti(1, place);
    let value = stack.integer(-1);
    stack.pop(1);
    usize::try_from(value).unwrap_or(0)
}

pub(super) fn set_timeouts_of(socket: &Socket, stack: Stack, conf: &LocConf) {
    let default = Timeouts::of(conf);
    let or = |set: usize, default| if set > 0 { Msec(set) } else { default };
    socket.timeouts.set(Timeouts {
        connect: or(timeout(stack, CONNECT_TIMEOUT), default.connect),
        send: or(timeout(stack, SEND_TIMEOUT), default.send),
        read: or(timeout(stack, READ_TIMEOUT), default.read),
    });
}

/// Lets the calling coroutine wait for the socket. Where it cannot, the operation is given up.
pub(super) fn wait(
    ctx: &RequestCtx,
    from: Stack,
    socket: &Rc<Socket>,
    operation: Operation,
) -> Result<Yield> {
    let refused = in_phase(ctx, Phases::WAITABLE).and_then(|ctx| ctx.waiter(from)).err();
    if let Some(refused) = refused {
        socket.cannot_wait(operation);
        return Err(refused);
    }
    ctx.suspend_for(from, |waker| {
        let direction = match operation {
            Operation::Connect => &socket.connecting,
            Operation::Read => &socket.reading,
            Operation::Write => &socket.writing,
        };
        direction.set(Use::Waiting(waker));
        Waiting::new(socket, operation)
    })
}

#[inline]
pub(super) fn check_use(ctx: &RequestCtx, socket: &Socket, operation: Operation) -> Result<()> {
    if socket.request() != Some(ctx.request) {
        return Err(BAD_REQUEST);
    }
    match socket.busy_with(Operation::Connect).or_else(|| socket.busy_with(operation)) {
        Some(busy) => Err(Error::fail(busy)),
        None => Ok(()),
    }
}

/// The socket is closed; that is logged.
#[cold]
pub(super) fn closed(ctx: &RequestCtx, socket: Option<&Rc<Socket>>, what: &str) -> Error {
    let r = ctx.request;
    if LocConf::of(r).socket.log_errors != 0 {
        let u = socket.map_or(core::ptr::null(), Rc::as_ptr);
        let c = socket
            .and_then(|socket| socket.connection())
            .map_or(core::ptr::null_mut(), |connection| connection.as_ptr());
        let ended = socket.map_or(0, |socket| u8::from(socket.ended.get()));
        let message = format_args!(
            "attempt to {what} data on a closed socket: u:{}, c:{}, ft:0 eof:{ended}",
            pointer(u.addr()),
            pointer(c.addr())
        );
        r.log().print(Level::Error, message);
    }
    CLOSED
}

/// A pointer as nginx writes it.
fn pointer(address: usize) -> String {
    format!("{address:016X}")
}

/// What `send` returns when it did not have to wait.
enum SentNow {
    Bytes(usize),
    Failed(Rc<Socket>),
}

impl IntoResults for SentNow {
    fn push(self, stack: Stack) -> i32 {
        match self {
            Self::Bytes(n) => {
                stack.push_integer(n.cast_signed());
                1
            }
            Self::Failed(socket) => socket.push_write_failure(stack),
        }
    }
}

fn send(call: &Call<'_>) -> Result<core::result::Result<SentNow, Yield>> {
    let stack = call.stack();
    if stack.top() == 2 && stack.is_table(1) && stack.is_string(2) {
        if let Some(socket) = socket_of(stack, 1)
            && socket.takes_writes(stack.owner())
            && let Some(data @ [_, ..]) = stack.bytes(2)
        {
            return match socket.send(data) {
                Progress::Done => Ok(Ok(SentNow::Bytes(data.len()))),
                Progress::Failed => Ok(Ok(SentNow::Failed(socket.clone()))),
                Progress::Waits => wait(current(call)?, stack, socket, Operation::Write).map(Err),
            };
        }
        stack.set_top(2);
    }
    send_as_asked(call)
}

/// The same, whatever has to be done for it.
#[inline(never)]
fn send_as_asked(call: &Call<'_>) -> Result<core::result::Result<SentNow, Yield>> {
    let args = call.count();
    if args != 2 {
        let message = format!("expecting 2 arguments (including the object), but got {args}");
        return raise(message);
    }
    let ctx = current(call)?;
    let found = socket(call)?;
    let open = found.filter(|socket| socket.writable().is_some());
    let Some(socket) = open else { return Err(closed(ctx, found, "send")) };
    check_use(ctx, socket, Operation::Write)?;
    if socket.kind() == Kind::Body {
        return Err(Error::raise("attempt to write to request sockets"));
    }
    trace!(ctx, "lua tcp socket send timeout: {}", socket.timeouts.get().send.0);
    let stack = call.stack();
    match call.kind(2) {
        Value::String => send_bytes(ctx, stack, socket, stack.bytes(2).unwrap_or_default()),
        kind @ (Value::Table | Value::Number | Value::Nil | Value::Boolean) => {
            let mut data = buffer::spare(0);
            if kind == Value::Table {
                flatten::strings(&mut data, stack, 2, 2)?;
            } else {
                flatten::scalar(&mut data, stack, 2, kind)?;
            }
            let result = send_bytes(ctx, stack, socket, &data);
            buffer::keep(data);
            result
        }
        kind => {
            let expected = "string, number, boolean, nil, or array table expected";
            Err(Error::arg(2, format!("{expected}, got {}", kind.name())))
        }
    }
}

fn send_bytes(
    ctx: &RequestCtx,
    from: Stack,
    socket: &Rc<Socket>,
    data: &[u8],
) -> Result<core::result::Result<SentNow, Yield>> {
    if data.is_empty() {
        return Ok(Ok(SentNow::Bytes(0)));
    }
    if !socket.stop_delaying(ctx.request) {
        return Err(Error::fail("setsocketopt tcp_nodelay failed"));
    }
    match socket.send(data) {
        Progress::Done => Ok(Ok(SentNow::Bytes(data.len()))),
        Progress::Failed => Ok(Ok(SentNow::Failed(socket.clone()))),
        Progress::Waits => wait(ctx, from, socket, Operation::Write).map(Err),
    }
}

fn close(call: &Call<'_>) -> Result<i32> {
    if call.count() != 1 {
        let message =
            format!("expecting 1 argument (including the object) but seen {}", call.count());
        return raise(message);
    }
    let ctx = current(call)?;
    let open = socket(call)?.filter(|socket| socket.open().is_some());
    let socket = open.ok_or(CLOSED)?;
    if socket.request() != Some(ctx.request) {
        return Err(BAD_REQUEST);
    }
    if let Some(busy) = socket.busy_for_connect() {
        return Err(Error::fail(busy));
    }
    if socket.kind().is_client() {
        return Err(Error::fail("attempt to close a request socket"));
    }
    socket.close();
    Ok(1)
}

fn timeout_arg(call: &Call<'_>, index: i32) -> Result<isize> {
    let value = call.stack().number(index).unwrap_or_default() as i64;
    if value >> 31 != 0 {
        return Err(Error::raise("bad timeout value"));
    }
    Ok(value as isize)
}

fn set_timeout(call: &Call<'_>) -> Result<()> {
    check_timeout_args(call, 2)?;
    let timeout = timeout_arg(call, 2)?;
    keep_timeouts(call, [timeout; 3]);
    Ok(())
}

fn set_timeouts(call: &Call<'_>) -> Result<()> {
    check_timeout_args(call, 4)?;
    let timeouts = [timeout_arg(call, 2)?, timeout_arg(call, 3)?, timeout_arg(call, 4)?];
    keep_timeouts(call, timeouts);
    Ok(())
}

fn check_timeout_args(call: &Call<'_>, expected: i32) -> Result<()> {
    let seen = call.count();
    if seen != expected {
        let object = "arguments (including the object)";
        let message =
            format!("ngx.socket settimeout: expecting {expected} {object} but seen {seen}");
        return raise(message);
    }
    expect_table(call)
}

/// Keeps the timeouts for connecting, sending and reading, in the table and in the socket.
fn keep_timeouts(call: &Call<'_>, timeouts: [isize; 3]) {
    let stack = call.stack();
    for (place, timeout) in [CONNECT_TIMEOUT, SEND_TIMEOUT, READ_TIMEOUT].into_iter().zip(timeouts)
    {
        stack.push_integer(timeout);
        stack.raw_seti(1, place);
    }
    if let Some(socket) = socket_of(stack, 1)
        && let Some(conf) = socket.conf.get()
    {
        set_timeouts_of(socket, stack, conf);
    }
}

/// `ngx.req.socket([raw])`
fn request_socket(call: &Call<'_>) -> Result<Top> {
    // Reference: not in precontent; `bind` neither.
    const PHASES: Phases = Phases::of(&[
        Phase::Rewrite,
        Phase::ServerRewrite,
        Phase::Access,
        Phase::Precontent,
        Phase::Content,
    ]);
    let stack = call.stack();
    let args = call.count();
    if args > 1 {
        return raise(format!("expecting zero arguments, but got {args}"));
    }
    let is_raw = args == 1 && stack.truth(1);
    let ctx = current(call)?;
    let r = ctx.request;
    if !r.is_main() {
        return Err(Error::raise("attempt to read the request body in a subrequest"));
    }
    match r.http_version() {
        2000 => return Err(Error::raise("http v2 not supported yet")),
        3000 => return Err(Error::raise("http v3 not supported yet")),
        _ => {}
    }
    let ctx = in_phase(ctx, PHASES)?;
    let made = if is_raw { request::raw(ctx) } else { request::body(ctx) };
    let socket = made.map_err(|error| Error::fail(error.text()))?;
    stack.new_table(8, 0);
    Handle::push(stack, socket, Stack::upvalue(3));
    stack.raw_seti(-2, PLACE);
    stack.push_value(Stack::upvalue(if is_raw { 2 } else { 1 }));
    stack.set_metatable(-2);
    Ok(Top(1))
}
