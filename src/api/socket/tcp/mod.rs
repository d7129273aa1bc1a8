//! `ngx.socket.tcp`, `ngx.socket.connect`, `ngx.req.socket`: connections that Lua uses as if they blocked.
//!
//! [`Socket`] is the core: it owns a connection, what has been received, and what its coroutines wait for. One
//! coroutine may read while another writes. `connect`, `receive`, `send` and `pool` are its operations; they
//! know nothing of Lua but a `Waker`. `lua` and `ffi` are the faces.
//!
//! Who owns a socket: Lua's userdata, and each coroutine that waits for it. The connection belongs to the
//! socket, or to a pool, or (a request socket's) to nginx. Whatever ends, closes: nothing of Lua runs
//! meanwhile.
mod connect;
pub(crate) mod ffi;
pub(super) mod handle;
mod lua;
mod lua_connect;
mod lua_receive;
mod pattern;
mod pool;
mod quick;
mod receive;
mod request;
mod send;
mod shown;
#[cfg(ngx_feature = "http_ssl")]
mod tls;
#[cfg(ngx_feature = "http_ssl")]
mod tls_ffi;
#[cfg(ngx_feature = "http_ssl")]
mod tls_lua;

#[cfg(ngx_feature = "http_ssl")]
use core::cell::OnceCell;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::rc::Rc;

pub(crate) use connect::choose;
pub(crate) use lua::{DOMAIN, complete};

use super::buffer::Buffer;
use crate::conf::LocConf;
use crate::coroutine::{Ending, RequestCtx, Suspension, Waker};
use crate::nginx::connection::{Connection, Watcher, error_text};
use crate::nginx::log::Text;
use crate::nginx::{Log, Msec, Request, debug};
use crate::vm::Stack;
use connect::Pending;
use pattern::Pattern;
use pool::Pool;
use receive::Format;
use shown::Shown;

/// A debug line of a socket's request, formatted only if it is wanted.
macro_rules! note {
    ($socket:expr, $($arg:tt)+) => {{
        let socket = $socket;
        if socket.debugs.get() {
            socket.log().debug(format_args!($($arg)+));
        }
    }};
}
use note;

/// Which connection a socket is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// One of its own, to another server.
    Upstream,
    /// The client's, for the rest of the request's body.
    Body,
    /// The client's, for whatever is said on it.
    Raw,
}

impl Kind {
    pub(crate) fn is_client(self) -> bool {
        self != Self::Upstream
    }
}

/// What one direction of a socket is doing.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    Idle,
    /// A coroutine waits.
    Waiting(Waker),
    /// A result is being handed over.
    Busy,
}

impl Use {
    fn is_idle(self) -> bool {
        matches!(self, Self::Idle)
    }
}

/// Why an operation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Timeout,
    Closed,
    ClientAborted,
    /// The system's number; 0 if there is none.
    System(i32),
    /// Not a `Box`: valgrind takes its drop for one that looks at the length where there is none.
    Text(Rc<str>),
}

impl Failure {
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::Timeout => b"timeout".to_vec(),
            Self::Closed => b"closed".to_vec(),
            Self::ClientAborted => b"client aborted".to_vec(),
            Self::System(0) => b"error".to_vec(),
            Self::System(errno) => error_text(*errno),
            Self::Text(text) => text.as_bytes().to_vec(),
        }
    }

    /// Pushes `nil` and the message. stack: [-0, +2, m]
    pub(crate) fn push(&self, stack: Stack) -> i32 {
        stack.push_nil();
        match self {
            Self::Timeout => stack.push_bytes(b"timeout"),
            Self::Closed => stack.push_bytes(b"closed"),
            other => stack.push_bytes(&other.text()),
        }
        2
    }
}

/// How an operation went on at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    Waits,
    Failed,
}

/// The three timeouts.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Msec,
    pub(crate) send: Msec,
    pub(crate) read: Msec,
}

impl Timeouts {
    pub(crate) fn of(conf: &LocConf) -> Self {
        let conf = &conf.socket;
        Self {
            connect: Msec(conf.connect_timeout),
            send: Msec(conf.send_timeout),
            read: Msec(conf.read_timeout),
        }
    }
}

/// A TCP or unix stream socket, or a request's. Lies in an `Rc`: events and its request have its address.
pub(crate) struct Socket {
    /// The request that it belongs to; it ends with that.
    ending: Ending,
    request: Cell<Option<Request>>,
    kind: Kind,
    /// Whether debug lines are wanted.
    debugs: Cell<bool>,
    /// Nothing but the buffer counts for a read that finds there what it wants: nobody wants debug lines, and the
    /// connection is the socket's own.
    is_plain: Cell<bool>,
    connection: Shown,
    conf: Cell<Option<&'static LocConf>>,
    pub(crate) timeouts: Cell<Timeouts>,
    reading: Cell<Use>,
    writing: Cell<Use>,
    connecting: Cell<Use>,
    read_closed: Cell<bool>,
    write_closed: Cell<bool>,
    /// The peer has closed its side.
    ended: Cell<bool>,
    /// How often the connection has come out of a pool.
    reused: Cell<u32>,
    buffer: Buffer,
    /// What the read that runs is for.
    format: Cell<Format>,
    /// What `receiveuntil` reads up to.
    pattern: Cell<Option<Rc<Pattern>>>,
    /// How many of the buffer's bytes that read has looked at.
    scanned: Cell<usize>,
    /// When the read that waits has waited long enough, by nginx's clock.
    read_until: Cell<usize>,
    /// How many of them it delivers, and how many it takes.
    delivery: Cell<receive::Delivery>,
    read_failure: Cell<Option<Failure>>,
    write_failure: Cell<Option<Failure>>,
    /// What is still to be sent of a send that waits.
    unsent: Cell<send::Unsent>,
    /// What a connect that waits knows.
    pending: Cell<Option<Box<Pending>>>,
    pool: Cell<Option<Rc<Pool>>>,
    /// The pool counts this socket's connection, or its wish for one.
    counted: Cell<bool>,
    /// The pool's name, where there is none yet.
    key: Cell<Box<[u8]>>,
    #[cfg(ngx_feature = "http_ssl")]
    tls: OnceCell<Box<tls::State>>,
}

/// Sockets that nobody has any more, as good as new. Lua's collector gives up many at once, more than the system's
/// allocator keeps at hand.
struct Spares(RefCell<Vec<Rc<Socket>>>);

static SPARES: Spares = Spares(RefCell::new(Vec::new()));

/// How many are kept.
const MOST_SPARES: usize = 64;

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for Spares {}

impl Socket {
    pub(crate) fn new(kind: Kind) -> Rc<Self> {
        let spare = SPARES.0.borrow_mut().pop();
        if let Some(mut spare) = spare
            && let Some(socket) = Rc::get_mut(&mut spare)
        {
            socket.kind = kind;
            return spare;
        }
        Rc::new(Self::fresh(kind))
    }

    /// Gives up a share. The last one's memory is kept for another socket.
    pub(crate) fn give_up(mut share: Rc<Self>) {
        let Some(socket) = Rc::get_mut(&mut share) else { return };
        // The old one is dropped here: it closes its connection.
        *socket = Self::fresh(Kind::Upstream);
        let mut spares = SPARES.0.borrow_mut();
        if spares.len() < MOST_SPARES {
            spares.push(share);
        }
    }

    fn fresh(kind: Kind) -> Self {
        let none = Msec(0);
        Self {
            ending: Ending::new(Self::on_request_end),
            request: Cell::new(None),
            kind,
            debugs: Cell::new(false),
            is_plain: Cell::new(false),
            connection: Shown::none(),
            conf: Cell::new(None),
            timeouts: Cell::new(Timeouts { connect: none, send: none, read: none }),
            reading: Cell::new(Use::Idle),
            writing: Cell::new(Use::Idle),
            connecting: Cell::new(Use::Idle),
            read_closed: Cell::new(false),
            write_closed: Cell::new(false),
            ended: Cell::new(false),
            reused: Cell::new(0),
            buffer: Buffer::new(),
            format: Cell::new(Format::Line),
            pattern: Cell::new(None),
            scanned: Cell::new(0),
            read_until: Cell::new(0),
            delivery: Cell::new(receive::Delivery::NOTHING),
            read_failure: Cell::new(None),
            write_failure: Cell::new(None),
            unsent: Cell::new(send::Unsent::default()),
            pending: Cell::new(None),
            pool: Cell::new(None),
            counted: Cell::new(false),
            key: Cell::new(Box::default()),
            #[cfg(ngx_feature = "http_ssl")]
            tls: OnceCell::new(),
        }
    }

    /// Makes the socket one of the request of `ctx`, with the location's settings.
    fn adopt(&self, ctx: &RequestCtx) {
        self.request.set(Some(ctx.request));
        self.conf.set(Some(LocConf::of(ctx.request)));
        self.debugs.set(ctx.debugs());
        self.is_plain.set(self.kind == Kind::Upstream && !ctx.debugs());
        self.ending.tie(ctx);
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn request(&self) -> Option<Request> {
        self.request.get()
    }

    #[inline]
    pub(crate) fn connection(&self) -> Option<Connection> {
        self.connection.get()
    }

    /// The connection, while the peer may be read from.
    #[inline]
    pub(crate) fn readable(&self) -> Option<Connection> {
        if self.read_closed.get() { None } else { self.connection.get() }
    }

    /// The connection, while it may be written to.
    #[inline]
    pub(crate) fn writable(&self) -> Option<Connection> {
        if self.write_closed.get() { None } else { self.connection.get() }
    }

    /// The connection, unless both directions are closed.
    pub(crate) fn open(&self) -> Option<Connection> {
        self.readable().or(self.writable())
    }

    /// The settings of the location where it was connected.
    fn conf(&self) -> Option<&'static crate::conf::SocketConf> {
        self.conf.get().map(|conf| &conf.socket)
    }

    /// Whether failures are to be logged.
    pub(crate) fn logs_errors(&self) -> bool {
        self.request.get().is_some_and(|r| LocConf::of(r).socket.log_errors != 0)
    }

    fn log(&self) -> Log {
        self.request.get().map_or_else(Log::cycle, Request::log)
    }

    fn context<'a>(&self) -> Option<&'a RequestCtx> {
        self.ending.context()
    }

    /// What is going on already, as Lua is told, of connecting, reading and writing.
    pub(crate) fn busy(&self, operations: &[Operation]) -> Option<&'static str> {
        operations.iter().find_map(|operation| self.busy_with(*operation))
    }

    #[inline]
    pub(crate) fn busy_with(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Connect if !self.connecting.get().is_idle() => {
                Some("socket busy connecting")
            }
            Operation::Read if !self.reading.get().is_idle() => Some("socket busy reading"),
            Operation::Write if !self.writing.get().is_idle() || self.nginx_writes() => {
                Some("socket busy writing")
            }
            _ => None,
        }
    }

    /// nginx's own output still holds data for the client.
    fn nginx_writes(&self) -> bool {
        self.kind == Kind::Raw && self.connection.get().is_some_and(Connection::is_writing)
    }

    /// Lets the coroutine that waits for `direction` go on. The socket, and its request, may be gone
    /// afterwards.
    fn finish(&self, direction: &Cell<Use>) {
        if let Use::Waiting(waker) = direction.replace(Use::Busy) {
            waker.wake();
        } else {
            direction.set(Use::Idle);
        }
    }

    /// The wait for `direction` has ended, and its coroutine is about to be woken.
    fn ends(&self, direction: &Cell<Use>) -> bool {
        direction.set(Use::Busy);
        true
    }

    /// Nothing is read any more.
    fn close_reads(&self) {
        if self.read_closed.replace(true) {
            return;
        }
        self.buffer.release();
        let Some(c) = self.connection.get() else { return };
        if self.kind.is_client() { c.clear_read_timer() } else { c.end_reads() }
    }

    fn close_writes(&self) {
        if self.write_closed.replace(true) {
            return;
        }
        let unsent = self.unsent.take();
        let Some(c) = self.connection.get() else { return };
        if !self.kind.is_client() {
            c.end_writes();
        } else if unsent.is_pending() {
            c.clear_write_timer();
            c.fail_writes();
        }
    }

    /// Closes the socket. A coroutine that waits for it, waits no more than its own end.
    pub(crate) fn close(&self) {
        note!(self, "lua finalize socket");
        self.close_reads();
        self.close_writes();
        drop(self.pending.take());
        let Some(c) = self.connection.take() else { return };
        self.ending.untie();
        if self.kind.is_client() {
            return;
        }
        note!(self, "lua close socket connection");
        c.close();
        self.uncount();
    }

    /// The pool's share of the connection is free.
    fn uncount(&self) {
        if self.counted.replace(false)
            && let Some(pool) = self.pool.take()
        {
            pool.release();
        }
    }

    #[allow(unsafe_code)]
    unsafe fn on_request_end(ending: NonNull<Ending>) {
        let offset = core::mem::offset_of!(Self, ending);
        // SAFETY: the ending is a field of a socket, which lives: see `Ending`.
        let socket = unsafe { ending.byte_sub(offset).cast::<Self>().as_ref() };
        let log = socket.log();
        if let Some(r) = socket.request.get() {
            debug!(log, "cleanup lua tcp socket request: \"{}\"", Text(r.uri()));
        }
        socket.close();
        socket.request.set(None);
    }

    /// Says which handler runs, as the reference does.
    #[inline]
    fn trace_event(&self, wev: u8) {
        let Some(ctx) = self.context() else { return };
        let r = ctx.request;
        r.enter_log();
        note!(
            self,
            "lua tcp socket handler for \"{}?{}\", wev {wev}",
            Text(r.uri()),
            Text(r.args())
        );
    }

    fn trace_dummy(&self) {
        note!(self, "lua tcp socket dummy handler");
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.get().is_some() {
            self.close();
        }
        self.uncount();
    }
}

impl Watcher for Socket {
    #[allow(unsafe_code)]
    unsafe fn on_read(this: NonNull<Self>) {
        // SAFETY: the caller's contract; nothing of the socket is touched after a wake-up.
        let socket = unsafe { this.as_ref() };
        socket.trace_event(0);
        if !socket.connecting.get().is_idle() {
            socket.on_connect_event();
        } else if socket.reading.get().is_idle() {
            socket.trace_dummy();
            if let Some(c) = socket.connection.get() {
                // A timer that an earlier read has left armed is no event of the next one.
                c.take_read_timeout();
            }
        } else {
            socket.on_readable();
        }
    }

    #[allow(unsafe_code)]
    unsafe fn on_write(this: NonNull<Self>) {
        // SAFETY: as above.
        let socket = unsafe { this.as_ref() };
        if socket.writing.get().is_idle() && socket.connecting.get().is_idle() {
            // The system tells of room after most reads.
            if socket.debugs.get() {
                socket.trace_event(1);
                socket.trace_dummy();
            }
            return;
        }
        socket.trace_event(1);
        if !socket.connecting.get().is_idle() {
            socket.on_connect_event();
        } else {
            socket.on_writable();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Connect,
    Read,
    Write,
}

/// A coroutine that waits for a socket. Dropped before the operation has ended, it takes the connection
/// with it, unless another coroutine waits for the other direction.
pub(crate) struct Waiting {
    /// `None` when the operation has ended.
    socket: Option<Rc<Socket>>,
    operation: Operation,
}

impl Waiting {
    fn new(socket: &Rc<Socket>, operation: Operation) -> Self {
        Self { socket: Some(socket.clone()), operation }
    }
}

impl Suspension for Waiting {
    fn results(&mut self, stack: Stack) -> i32 {
        let Some(socket) = self.socket.take() else { return 0 };
        note!(&socket, "lua tcp operation done, resuming lua thread");
        match self.operation {
            Operation::Connect => socket.push_connected(stack),
            Operation::Read => socket.push_received(stack),
            Operation::Write => socket.push_sent(stack),
        }
    }

    fn on_read_event(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| {
            self.operation == Operation::Read
                && socket.kind.is_client()
                && socket.read_on()
                && socket.ends(&socket.reading)
        })
    }

    fn on_write_event(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| {
            self.operation == Operation::Write
                && socket.kind == Kind::Raw
                && socket.write_on()
                && socket.ends(&socket.writing)
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(socket) = &self.socket else { return };
        let (own, other) = match self.operation {
            Operation::Connect => (&socket.connecting, &socket.connecting),
            Operation::Read => (&socket.reading, &socket.writing),
            Operation::Write => (&socket.writing, &socket.reading),
        };
        if !matches!(own.get(), Use::Waiting(_)) {
            return;
        }
        own.set(Use::Idle);
        if matches!(other.get(), Use::Waiting(_)) {
            // Reference: closes the connection under the other coroutine.
            match self.operation {
                Operation::Write => socket.close_writes(),
                _ => socket.close_reads(),
            }
        } else {
            socket.abandon();
        }
    }
}

impl Socket {
    /// The coroutine that has begun an operation cannot wait for it. What has been received stays for the next read; a
    /// connection that is half made or a message that is half sent is of no use any more.
    fn cannot_wait(&self, operation: Operation) {
        match operation {
            Operation::Read => {
                if let Some(c) = self.connection.get() {
                    c.clear_read_timer();
                }
            }
            Operation::Write if matches!(self.reading.get(), Use::Waiting(_)) => {
                self.close_writes();
            }
            Operation::Connect | Operation::Write => self.abandon(),
        }
    }

    fn abandon(&self) {
        self.abandon_connect();
        self.close();
        self.uncount();
    }
}
