//! What Lua calls on sockets: reads arguments, calls the core, pushes results.
//!
//! A socket is a table. Its elements are those of the reference, for whoever looks at them: the handle, three
//! timeouts (2, 4, 5), and the local address (8).
use std::rc::Rc;

use super::connect::Target;
use super::handle::{self, Handle, PLACE};
use super::pattern::Pattern;
use super::pool::{self, Pool};
use super::receive::Format;
use super::{Kind, Operation, Progress, Socket, Timeouts, Use, Waiting, request};
use crate::api::output::flatten;
use crate::api::resty_core::Found;
use crate::api::socket::buffer;
use crate::api::{Domain, push_table};
use crate::conf::LocConf;
use crate::coroutine::{RequestCtx, current, current_or, in_phase};
use crate::nginx::address::Address;
use crate::nginx::log::Text;
use crate::nginx::{Level, Msec, Phase, Phases, debug, process, trace};
use crate::vm::sys::LUA_REGISTRYINDEX;
use crate::vm::{
    Call, Error, Function, IntoResults, Kind as Value, Result, Stack, Top, Vm, Yield, lua_fn,
};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// The elements of a socket's table besides [`PLACE`].
const CONNECT_TIMEOUT: i32 = 2;
const SEND_TIMEOUT: i32 = 4;
const READ_TIMEOUT: i32 = 5;
const LOCAL: i32 = 8;

const READING: &[(&[u8], Function)] = &[
    (b"receive", lua_fn!(receive)),
    (b"receiveany", lua_fn!(receive_any)),
    (b"settimeout", lua_fn!(set_timeout)),
    (b"settimeouts", lua_fn!(set_timeouts)),
];
const WRITING: &[(&[u8], Function)] = &[(b"send", lua_fn!(send))];
const OWNING: &[(&[u8], Function)] = &[
    (b"bind", lua_fn!(bind)),
    (b"close", lua_fn!(close)),
    (b"setkeepalive", lua_fn!(set_keepalive)),
    (b"getreusedtimes", lua_fn!(reused_times)),
];

/// Makes `ngx.socket`, and the metatables, which lua-resty-core finds in the registry.
fn setup(stack: Stack, _: &Found) {
    let ngx = stack.top();
    handle::push_metatable(stack, lua_fn!(handle::collect::<Socket>));
    handle::push_metatable(stack, lua_fn!(handle::collect::<Pattern>));
    let (sockets, patterns) = (ngx + 1, ngx + 2);
    let methods: [&[(&[u8], Function)]; 3] = [READING, WRITING, OWNING];
    push_methods(stack, b"__tcp_cosocket_mt", &methods, patterns);
    push_methods(stack, b"__tcp_req_cosocket_mt", &methods[..1], patterns);
    push_methods(stack, b"__tcp_raw_req_cosocket_mt", &methods[..2], patterns);
    let (tcp, body, raw) = (ngx + 3, ngx + 4, ngx + 5);
    stack.push_value(sockets);
    stack.push_function(lua_fn!(connect), 1);
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
fn push_methods(stack: Stack, name: &[u8], methods: &[&[(&[u8], Function)]], patterns: i32) {
    stack.new_table(0, 20);
    for (name, function) in methods.iter().copied().flatten() {
        stack.push_function(*function, 0);
        stack.set_raw_field(-2, name);
    }
    stack.push_value(patterns);
    stack.push_function(lua_fn!(receive_until), 1);
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
    if vm.compile_plain(stack, CONNECT, c"=ngx.socket.connect").is_err() || !stack.call(0, 0, 0) {
        stack.pop(1);
    }
}

fn raise<T>(message: String) -> Result<T> {
    Err(Error::Raise(message.into()))
}

const BAD_REQUEST: Error = Error::raise("bad request");

const CLOSED: Error = Error::fail("closed");

fn new_socket(call: &Call<'_>) -> Result<Top> {
    if call.count() != 0 {
        return raise(format!("expecting zero arguments, but got {}", call.count()));
    }
    in_phase(current(call)?, Phases::YIELDABLE)?;
    let stack = call.stack();
    stack.new_table(7, 0);
    stack.push_value(Stack::upvalue(1));
    stack.set_metatable(-2);
    Ok(Top(1))
}

fn expect_table(call: &Call<'_>) -> Result<()> {
    match call.kind(1) {
        Value::Table => Ok(()),
        _ => Err(Error::BadArg { index: 1, expected: c"table" }),
    }
}

/// The socket whose table is argument 1, if it has been connected before. stack: [-0, +0, -]
#[inline]
fn socket<'c>(call: &'c Call<'_>) -> Result<Option<&'c Rc<Socket>>> {
    expect_table(call)?;
    Ok(socket_of(call.stack(), 1))
}

#[inline]
fn socket_of<'a>(stack: Stack, table: i32) -> Option<&'a Rc<Socket>> {
    stack.raw_geti(table, PLACE);
    let socket = Handle::at(stack, -1);
    stack.pop(1);
    socket
}

/// The timeout that element `place` of the socket's table holds; 0 if none. stack: [-0, +0, -]
fn timeout(stack: Stack, place: i32) -> usize {
    stack.raw_geti(1, place);
    let value = stack.integer(-1);
    stack.pop(1);
    usize::try_from(value).unwrap_or(0)
}

fn connect(call: &Call<'_>) -> Result<core::result::Result<i32, Yield>> {
    let args = call.count();
    if !(2..=4).contains(&args) {
        let object = "arguments (including the object)";
        return raise(format!(
            "ngx.socket connect: expecting 2, 3, or 4 {object}, but seen {args}"
        ));
    }
    let ctx = in_phase(current_or(call, "no request found")?, Phases::YIELDABLE)?;
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
    let named = match options.pool {
        Some(name) => name,
        None if has_port && stack.number(3).is_some() => {
            [host, b":", stack.bytes(3).unwrap_or_default()].concat()
        }
        None => host.to_vec(),
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
        socket.key.set(named.into());
    }
    socket.pool.set(pool);
    let target = Target { host: host.into(), port, local: local_address(stack) };
    match socket.connect(target) {
        Progress::Done => Ok(Ok(1)),
        Progress::Failed => Err(Error::Fail(failure_text(&socket).into())),
        Progress::Waits => wait(ctx, &socket, Operation::Connect).map(Err),
    }
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

fn set_timeouts_of(socket: &Socket, stack: Stack, conf: &LocConf) {
    let default = Timeouts::of(conf);
    let or = |set: usize, default| if set > 0 { Msec(set) } else { default };
    socket.timeouts.set(Timeouts {
        connect: or(timeout(stack, CONNECT_TIMEOUT), default.connect),
        send: or(timeout(stack, SEND_TIMEOUT), default.send),
        read: or(timeout(stack, READ_TIMEOUT), default.read),
    });
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

/// Lets the calling coroutine wait for the socket.
fn wait(ctx: &RequestCtx, socket: &Rc<Socket>, operation: Operation) -> Result<Yield> {
    let ctx = in_phase(ctx, Phases::YIELDABLE)?;
    ctx.suspend(|waker| {
        let direction = match operation {
            Operation::Connect => &socket.connecting,
            Operation::Read => &socket.reading,
            Operation::Write => &socket.writing,
        };
        direction.set(Use::Waiting(waker));
        Ok(Waiting { socket: socket.clone(), operation })
    })
}

fn bind(call: &Call<'_>) -> Result<bool> {
    if call.count() != 2 {
        return raise(format!("expecting 2 arguments, but got {}", call.count()));
    }
    let ctx = in_phase(current_or(call, "no request found")?, Phases::YIELDABLE)?;
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

/// Results that are pushed from the socket's buffer.
struct Received(Rc<Socket>);

impl IntoResults for Received {
    fn push(self, stack: Stack) -> i32 {
        self.0.push_received(stack)
    }
}

type Read = core::result::Result<Received, Yield>;

/// The socket that is to be read from, by the request whose it is.
#[inline]
fn reader<'c>(ctx: &RequestCtx, call: &'c Call<'_>) -> Result<&'c Rc<Socket>> {
    let found = socket(call)?;
    let open = found.filter(|socket| socket.readable().is_some());
    let Some(socket) = open else { return Err(closed(ctx, found, "receive")) };
    check_use(ctx, socket, Operation::Read)?;
    Ok(socket)
}

#[inline]
fn check_use(ctx: &RequestCtx, socket: &Socket, operation: Operation) -> Result<()> {
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
fn closed(ctx: &RequestCtx, socket: Option<&Rc<Socket>>, what: &str) -> Error {
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

fn answer_read(ctx: &RequestCtx, socket: &Rc<Socket>, progress: Progress) -> Result<Read> {
    if progress == Progress::Waits {
        return wait(ctx, socket, Operation::Read).map(Err);
    }
    trace!(ctx, "lua tcp socket receive done in a single run");
    socket.reading.set(Use::Busy);
    Ok(Ok(Received(socket.clone())))
}

fn receive(call: &Call<'_>) -> Result<core::result::Result<&'static str, Read>> {
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

fn receive_any(call: &Call<'_>) -> Result<Read> {
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
fn receive_until(call: &Call<'_>) -> Result<Top> {
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
struct Ended;

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
        Value::String => send_bytes(ctx, socket, stack.bytes(2).unwrap_or_default()),
        kind @ (Value::Table | Value::Number | Value::Nil | Value::Boolean) => {
            let mut data = buffer::spare(0);
            if kind == Value::Table {
                flatten::strings(&mut data, stack, 2, 2)?;
            } else {
                flatten::scalar(&mut data, stack, 2, kind)?;
            }
            let result = send_bytes(ctx, socket, &data);
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
        Progress::Waits => wait(ctx, socket, Operation::Write).map(Err),
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

fn reused_times(call: &Call<'_>) -> Result<i32> {
    if call.count() != 1 {
        let message =
            format!("expecting 1 argument (including the object), but got {}", call.count());
        return raise(message);
    }
    let open = socket(call)?.filter(|socket| socket.open().is_some());
    let socket = open.ok_or(CLOSED)?;
    Ok(i32::try_from(socket.reused.get()).unwrap_or(i32::MAX))
}

fn set_keepalive(call: &Call<'_>) -> Result<i32> {
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
    let size = if given(3) { call.int(3)? as isize } else { conf.pool_size };
    let bad_size = || Error::arg(args, format!("bad \"pool_size\" option value: {size}"));
    let timeout =
        if given(2) { call.int(2)?.unsigned_abs() as usize } else { conf.keepalive_timeout };
    let pool = socket.pool_or(ctx.vm.stack(), |name| {
        let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or_else(bad_size)?;
        Ok(Pool::create(ctx.vm.stack(), name, size, None, ctx.log()))
    })?;
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

/// `ngx.req.socket([raw])`
fn request_socket(call: &Call<'_>) -> Result<Top> {
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
