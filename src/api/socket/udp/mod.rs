//! `ngx.socket.udp`: datagrams, to one peer each socket.
//!
//! [`Socket`] is the core: it owns the connection and knows what a coroutine waits for, the peer's address or a
//! datagram. `lua` is the face. One coroutine uses it at a time.
//!
//! A datagram is read into one buffer for all sockets, and leaves it for Lua's stack before anything else runs.
mod lua;

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::rc::Rc;

pub(crate) use lua::DOMAIN;

use super::Failure;
use crate::conf::LocConf;
use crate::coroutine::{Ending, RequestCtx, Suspension, Waker};
use crate::nginx::address::Address;
use crate::nginx::connection::{Connection, Received, Sent, Watcher};
use crate::nginx::log::Text;
use crate::nginx::resolver::{self, Lookup, Resolution, ResolveError};
use crate::nginx::{Level, Log, Msec, Request, datagram, debug, trace};
use crate::vm::Stack;

/// No datagram is longer.
pub(crate) const LONGEST: usize = 65536;

struct Datagram(RefCell<[u8; LONGEST]>);

static DATAGRAM: Datagram = Datagram(RefCell::new([0; LONGEST]));

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for Datagram {}

/// How an operation went on at once.
pub(crate) enum Progress {
    Done,
    Waits,
    Failed(Failure),
}

/// What an operation that has waited ends with.
#[derive(Clone, Copy)]
enum Done {
    Connected,
    Bytes(usize),
}

/// What a coroutine waits for.
#[derive(Clone, Copy)]
enum Wait {
    Nothing,
    Peer(Waker),
    Datagram(Waker),
    /// A result is being handed over.
    Over,
}

/// A datagram socket. Lies in an `Rc`: events and its request have its address.
pub(crate) struct Socket {
    /// The request that it belongs to; it ends with that.
    ending: Ending,
    request: Cell<Option<Request>>,
    connection: Cell<Option<Connection>>,
    local: Cell<Option<Address>>,
    /// As Lua has set it; 0: the location's.
    timeout: Cell<Msec>,
    wait: Cell<Wait>,
    /// When `receive` gives up. The timer may fire before: see [`Connection::set_read_deadline`].
    deadline: Cell<usize>,
    /// How many bytes `receive` takes of a datagram.
    size: Cell<usize>,
    outcome: Cell<Result<Done, Failure>>,
    resolution: Cell<Option<Resolution<NonNull<Self>>>>,
}

impl Socket {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            ending: Ending::new(Self::on_request_end),
            request: Cell::new(None),
            connection: Cell::new(None),
            local: Cell::new(None),
            timeout: Cell::new(Msec(0)),
            wait: Cell::new(Wait::Nothing),
            deadline: Cell::new(0),
            size: Cell::new(LONGEST),
            outcome: Cell::new(Ok(Done::Connected)),
            resolution: Cell::new(None),
        })
    }

    pub(crate) fn request(&self) -> Option<Request> {
        self.request.get()
    }

    pub(crate) fn connection(&self) -> Option<Connection> {
        self.connection.get()
    }

    pub(crate) fn is_busy(&self) -> bool {
        !matches!(self.wait.get(), Wait::Nothing)
    }

    pub(crate) fn set_timeout(&self, timeout: Msec) {
        self.timeout.set(timeout);
    }

    /// Sends come from this address; takes effect with the next peer.
    pub(crate) fn bind(&self, local: Option<Address>) {
        self.local.set(local);
    }

    /// Nobody waits for the peer's address after all.
    pub(crate) fn stop_resolving(&self) {
        drop(self.resolution.take());
    }

    /// Nobody waits for a datagram after all.
    pub(crate) fn stop_receiving(&self) {
        if let Some(c) = self.connection.get() {
            c.clear_read_timer();
        }
    }

    fn log(&self) -> Log {
        self.request.get().map_or_else(Log::cycle, Request::log)
    }

    /// Makes the socket one of the request of `ctx`, which talks to `host` from now on.
    pub(crate) fn set_peer(&self, ctx: &RequestCtx, host: &[u8], port: u16) -> Progress {
        if self.connection.get().is_some() {
            trace!(ctx, "lua udp socket reconnect without shutting down");
            self.close();
        }
        if self.request.get().is_some() {
            trace!(ctx, "lua reuse socket upstream ctx");
        }
        self.request.set(Some(ctx.request));
        self.ending.tie(ctx);
        match self.locate(ctx, host, port) {
            Ok(Some(address)) => self.reach(&address),
            Ok(None) => Progress::Waits,
            Err(error) => Progress::Failed(Failure::Text(error.to_string().into())),
        }
    }

    /// The peer's address, unless it has to be waited for.
    fn locate(
        &self,
        ctx: &RequestCtx,
        host: &[u8],
        port: u16,
    ) -> Result<Option<Address>, ResolveError> {
        if let Some(address) = resolver::literal(host, port)? {
            trace!(ctx, "lua udp socket network address given directly");
            return Ok(Some(address));
        }
        let r = ctx.request;
        let system = LocConf::of(r).system_resolver();
        match resolver::resolve(r, system, host, port, NonNull::from(self), on_resolved)? {
            Lookup::Found(addresses) => Ok(super::choose(&addresses)),
            Lookup::Pending(resolution) => {
                self.resolution.set(Some(resolution));
                Ok(None)
            }
        }
    }

    fn reach(&self, address: &Address) -> Progress {
        let log = self.log();
        let local = self.local.get();
        let opened = datagram::open(address, local.as_ref(), log);
        debug!(log, "lua udp socket connect: {}", if opened.is_ok() { 0 } else { -1 });
        match opened {
            Ok(c) => {
                c.attach(NonNull::from(self), log);
                self.connection.set(Some(c));
                Progress::Done
            }
            Err(errno) => Progress::Failed(Failure::System(errno)),
        }
    }

    fn on_resolved(&self) {
        let log = self.log();
        debug!(log, "lua udp socket resolve handler");
        let Some(answer) = self.resolution.take().and_then(|resolution| resolution.result()) else {
            return;
        };
        let outcome = match answer {
            Err(error) => {
                debug!(log, "lua udp socket resolver error: {error} (waiting: 1)");
                Err(Failure::Text(error.to_string().into()))
            }
            Ok(addresses) => {
                for address in &addresses {
                    debug!(log, "name was resolved to {}", address.host());
                }
                let reached = super::choose(&addresses).map(|address| self.reach(&address));
                match reached {
                    Some(Progress::Failed(failure)) => Err(failure),
                    Some(_) => Ok(Done::Connected),
                    None => Err(Failure::System(0)),
                }
            }
        };
        self.outcome.set(outcome);
        self.finish();
    }

    #[inline]
    pub(crate) fn send(&self, c: Connection, data: &[u8]) -> Result<(), Failure> {
        match c.send(data) {
            Sent::Bytes(n) if n == data.len() => Ok(()),
            Sent::Bytes(_) => Err(Failure::Text("partial write".into())),
            Sent::Nothing => Err(Failure::System(libc::EAGAIN)),
            Sent::Failed(errno) => Err(Failure::System(errno)),
        }
    }

    /// Receives a datagram, at most `size` bytes of it.
    pub(crate) fn receive(&self, ctx: &RequestCtx, c: Connection, size: usize) -> Progress {
        let timeout = self.read_timeout();
        trace!(ctx, "lua udp socket read timeout: {}", timeout.0);
        trace!(ctx, "lua udp socket receive buffer size: {size}");
        self.size.set(size);
        let progress = self.read(c);
        match progress {
            Progress::Done => trace!(ctx, "lua udp socket receive done in a single run"),
            Progress::Waits => self.deadline.set(c.set_read_deadline(timeout)),
            Progress::Failed(_) => {}
        }
        progress
    }

    fn read_timeout(&self) -> Msec {
        match (self.timeout.get(), self.request.get()) {
            (Msec(0), Some(r)) => Msec(LocConf::of(r).socket.read_timeout),
            (timeout, _) => timeout,
        }
    }

    /// Reads what is there; or lets the event loop tell when there is something.
    #[inline]
    fn read(&self, c: Connection) -> Progress {
        let log = self.log();
        let received = {
            let mut buffer = DATAGRAM.0.borrow_mut();
            #[allow(unsafe_code)]
            // SAFETY: `size` is at most the buffer's.
            unsafe {
                c.receive(buffer.as_mut_ptr(), self.size.get())
            }
        };
        debug!(log, "lua udp recv returned {received:?}");
        match received {
            Received::Bytes(n) => {
                self.outcome.set(Ok(Done::Bytes(n)));
                Progress::Done
            }
            Received::End => {
                self.outcome.set(Ok(Done::Bytes(0)));
                Progress::Done
            }
            Received::Failed(errno) => Progress::Failed(Failure::System(errno)),
            Received::Nothing if !c.expect_read() => Progress::Failed(Failure::System(0)),
            Received::Nothing => Progress::Waits,
        }
    }

    /// The socket has become readable, or its time has passed.
    fn on_readable(&self, c: Connection) {
        let log = self.log();
        debug!(log, "lua udp socket read handler");
        let progress = if c.take_read_timeout() {
            if let Some(left) = c.left_until(self.deadline.get()) {
                return c.set_read_timer(left);
            }
            if super::logs_errors(self.request.get()) {
                log.write(Level::Error, b"lua udp socket read timed out");
            }
            Progress::Failed(Failure::Timeout)
        } else {
            self.read(c)
        };
        match progress {
            Progress::Waits => return,
            Progress::Done => {}
            Progress::Failed(failure) => self.outcome.set(Err(failure)),
        }
        self.finish();
    }

    /// Lets the coroutine that waits go on. The socket, and its request, may be gone afterwards.
    fn finish(&self) {
        match self.wait.replace(Wait::Over) {
            Wait::Peer(waker) | Wait::Datagram(waker) => {
                debug!(self.log(), "lua udp socket waking up the current request");
                waker.wake();
            }
            other => self.wait.set(other),
        }
    }

    /// Pushes what the operation returns. stack: [-0, +(1|2), m]
    fn push_outcome(&self, stack: Stack) -> i32 {
        match self.outcome.replace(Ok(Done::Connected)) {
            Ok(Done::Connected) => stack.push_integer(1),
            Ok(Done::Bytes(n)) => stack.push_bytes(&DATAGRAM.0.borrow()[..n]),
            Err(failure) => return failure.push(stack),
        }
        1
    }

    /// Closes the socket, and forgets what it waits for.
    pub(crate) fn close(&self) {
        debug!(self.log(), "lua finalize socket");
        drop(self.resolution.take());
        if let Some(c) = self.connection.take() {
            debug!(self.log(), "lua close socket connection");
            c.close();
        }
        self.wait.set(Wait::Nothing);
    }

    #[allow(unsafe_code)]
    unsafe fn on_request_end(ending: NonNull<Ending>) {
        let offset = core::mem::offset_of!(Self, ending);
        // SAFETY: the ending is a field of a socket, which lives: see `Ending`.
        let socket = unsafe { ending.byte_sub(offset).cast::<Self>().as_ref() };
        if let Some(r) = socket.request.get() {
            let log = socket.log();
            debug!(log, "cleanup lua udp socket upstream request: \"{}\"", Text(r.uri()));
        }
        socket.close();
        socket.request.set(None);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.get().is_some() {
            self.close();
        }
    }
}

#[allow(unsafe_code)]
fn on_resolved(socket: NonNull<Socket>) {
    // SAFETY: the socket drops its resolution before it goes.
    unsafe { socket.as_ref() }.on_resolved();
}

impl Watcher for Socket {
    #[allow(unsafe_code)]
    unsafe fn on_read(this: NonNull<Self>) {
        // SAFETY: the caller's contract; nothing of the socket is touched after a wake-up.
        let socket = unsafe { this.as_ref() };
        if let Some(r) = socket.request.get() {
            r.enter_log();
            let log = r.log();
            debug!(
                log,
                "lua udp socket handler for \"{}?{}\", wev 0",
                Text(r.uri()),
                Text(r.args())
            );
        }
        match (socket.wait.get(), socket.connection.get()) {
            (Wait::Datagram(_), Some(c)) => socket.on_readable(c),
            (_, c) => {
                // A timer of an earlier wait.
                let _ = c.is_some_and(Connection::take_read_timeout);
                debug!(socket.log(), "lua udp socket dummy handler");
            }
        }
    }

    #[allow(unsafe_code)]
    unsafe fn on_write(_: NonNull<Self>) {}
}

/// A coroutine that waits for a socket. Dropped before that is over, it ends the resolving, or takes the
/// connection with it.
pub(crate) struct Waiting {
    /// `None` when that is over.
    socket: Option<Rc<Socket>>,
}

impl Waiting {
    pub(crate) fn for_peer(socket: &Rc<Socket>, waker: Waker) -> Self {
        socket.wait.set(Wait::Peer(waker));
        Self { socket: Some(socket.clone()) }
    }

    pub(crate) fn for_datagram(socket: &Rc<Socket>, waker: Waker) -> Self {
        socket.wait.set(Wait::Datagram(waker));
        Self { socket: Some(socket.clone()) }
    }
}

impl Suspension for Waiting {
    fn results(&mut self, stack: Stack) -> i32 {
        let Some(socket) = self.socket.take() else { return 0 };
        debug!(socket.log(), "lua udp operation done, resuming lua thread");
        socket.wait.set(Wait::Nothing);
        debug!(socket.log(), "lua udp socket receive return value handler");
        socket.push_outcome(stack)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(socket) = &self.socket else { return };
        match socket.wait.replace(Wait::Nothing) {
            Wait::Peer(_) => drop(socket.resolution.take()),
            Wait::Datagram(_) => socket.close(),
            Wait::Nothing | Wait::Over => {}
        }
    }
}
