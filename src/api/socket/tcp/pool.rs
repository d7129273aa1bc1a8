//! Pools of idle connections: `setkeepalive`, and `connect`'s options `pool`, `pool_size` and `backlog`.
//!
//! A pool counts the connections that have to do with it: the idle ones, those in use that came out of it or
//! are meant for it, and connects that wait. It is gone when it counts none. An idle connection belongs to
//! its pool, a pool to its VM; sockets share it while they count. Nothing of Lua runs in here.
#![allow(unsafe_code)]
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::Socket;
use crate::nginx::connection::{Connection, Watcher};
use crate::nginx::log::{Pointer, Text};
use crate::nginx::{Log, Msec, debug};
use crate::vm::{Result as LuaResult, Stack};

pub(crate) struct Pool {
    pub(crate) name: Box<[u8]>,
    /// The main coroutine of its VM.
    vm: Stack,
    size: usize,
    /// How many connects may wait for a place; `None`: any number of connections is made.
    backlog: Option<usize>,
    connections: Cell<usize>,
    /// The idle connection that was used last, and the one that was not for the longest time.
    newest: Cell<Option<NonNull<Idle>>>,
    oldest: Cell<Option<NonNull<Idle>>>,
    idle: Cell<usize>,
    waiting: RefCell<VecDeque<NonNull<Socket>>>,
}

/// An idle connection of a pool.
pub(crate) struct Idle {
    pub(super) connection: Connection,
    pub(super) reused: u32,
    pool: Rc<Pool>,
    newer: Cell<Option<NonNull<Idle>>>,
    older: Cell<Option<NonNull<Idle>>>,
}

/// Most workers have a few: to compare with some names costs less than to make a hash of one.
type Named = BTreeMap<Box<[u8]>, Rc<Pool>>;

/// The pools of each VM that has some.
struct All(RefCell<Vec<(Stack, Named)>>);

static ALL: All = All(RefCell::new(Vec::new()));

// SAFETY: [single-thread]
unsafe impl Sync for All {}

/// The connection was not as it should be, and has been closed.
pub(super) struct Dubious;

impl Pool {
    pub(super) fn find(vm: Stack, name: &[u8]) -> Option<Rc<Self>> {
        let all = ALL.0.borrow();
        let (_, pools) = all.iter().find(|(of, _)| *of == vm)?;
        pools.get(name).cloned()
    }

    pub(super) fn create(
        vm: Stack,
        name: &[u8],
        size: usize,
        backlog: Option<usize>,
        log: Log,
    ) -> Rc<Self> {
        let number = backlog.map_or(-1, |backlog| backlog.cast_signed());
        debug!(log, "lua tcp socket connection pool size: {size}, backlog: {number}");
        debug!(log, "lua tcp socket keepalive create connection pool for key \"{}\"", Text(name));
        let pool = Rc::new(Self {
            name: name.into(),
            vm,
            size,
            backlog,
            connections: Cell::new(0),
            newest: Cell::new(None),
            oldest: Cell::new(None),
            idle: Cell::new(0),
            waiting: RefCell::new(VecDeque::new()),
        });
        let mut all = ALL.0.borrow_mut();
        let at = all.iter().position(|(of, _)| *of == vm).unwrap_or_else(|| {
            all.push((vm, Named::new()));
            all.len() - 1
        });
        all[at].1.insert(name.into(), pool.clone());
        pool
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    pub(super) fn count(&self) {
        self.connections.set(self.connections.get() + 1);
    }

    pub(super) fn uncount(&self) {
        self.connections.set(self.connections.get().saturating_sub(1));
    }

    /// Whether one more connection may be made now.
    pub(super) fn admits(&self) -> bool {
        self.backlog.is_none() || self.connections.get() < self.size
    }

    /// Whether as many connects wait as may, the counted one included.
    pub(super) fn is_backlog_full(&self) -> bool {
        self.backlog.is_some_and(|backlog| self.connections.get() > self.size + backlog)
    }

    pub(super) fn enqueue(&self, socket: NonNull<Socket>) {
        self.waiting.borrow_mut().push_back(socket);
    }

    pub(super) fn dequeue(&self, socket: NonNull<Socket>) {
        self.waiting.borrow_mut().retain(|waiting| *waiting != socket);
    }

    /// A counted connection is no more.
    pub(super) fn release(&self) {
        self.uncount();
        if !self.free_if_unused() {
            self.resume_next();
        }
    }

    /// The pool ends when it counts nothing. Whoever calls holds it.
    ///
    /// Reference: keeps a pool that counts nothing after a connect that failed.
    pub(super) fn free_if_unused(&self) -> bool {
        if self.connections.get() > 0 {
            return false;
        }
        let mut all = ALL.0.borrow_mut();
        let pools = all.iter_mut().find(|(vm, _)| *vm == self.vm);
        let own = |pool: &Rc<Self>| core::ptr::eq(Rc::as_ptr(pool), self);
        if let Some((_, pools)) = pools.filter(|(_, pools)| pools.get(&self.name).is_some_and(own))
        {
            debug!(
                Log::cycle(),
                "lua tcp socket keepalive: free connection pool for \"{}\"",
                Text(&self.name)
            );
            let pool = pools.remove(&self.name);
            drop(all);
            drop(pool);
        }
        true
    }

    /// Lets the connect go on that has waited longest.
    pub(super) fn resume_next(&self) {
        let Some(socket) = self.waiting.borrow_mut().pop_front() else { return };
        debug!(
            Log::cycle(),
            "lua tcp socket post connect operation resumption u: {socket:p}, ctx: {socket:p} for \
             connection pool \"{}\", connections: {}",
            Text(&self.name),
            self.connections.get()
        );
        // SAFETY: a socket leaves the queue before it goes.
        unsafe { socket.as_ref() }.post_resumption();
    }

    /// The idle connection that was used last.
    pub(super) fn take_idle(&self) -> Option<Box<Idle>> {
        let idle = self.unlink(self.newest.get()?);
        idle.connection.set_idle(false);
        idle.connection.clear_read_timer();
        Some(idle)
    }

    /// Keeps a counted connection for `timeout` (0: for ever). The one that has been idle for the longest
    /// time makes room for it.
    pub(super) fn keep(
        self: &Rc<Self>,
        connection: Connection,
        reused: u32,
        timeout: Msec,
    ) -> Result<(), Dubious> {
        if self.idle.get() >= self.size
            && let Some(oldest) = self.oldest.get()
        {
            self.unlink(oldest).connection.close();
            self.uncount();
        }
        connection.clear_read_timer();
        connection.clear_write_timer();
        if timeout.0 > 0 {
            connection.set_read_timer(timeout);
        }
        connection.set_idle(true);
        let older = self.newest.get();
        let idle = NonNull::from(Box::leak(Box::new(Idle {
            connection,
            reused,
            pool: self.clone(),
            newer: Cell::new(None),
            older: Cell::new(older),
        })));
        connection.attach(idle, Log::cycle());
        match older {
            // SAFETY: what is linked is alive.
            Some(older) => unsafe { older.as_ref() }.newer.set(Some(idle)),
            None => self.oldest.set(Some(idle)),
        }
        self.newest.set(Some(idle));
        self.idle.set(self.idle.get() + 1);
        if connection.is_read_ready() && !check(idle) {
            return Err(Dubious);
        }
        Ok(())
    }

    fn unlink(&self, idle: NonNull<Idle>) -> Box<Idle> {
        // SAFETY: made by `keep`, and linked until now; so are its neighbours.
        unsafe {
            let idle = Box::from_raw(idle.as_ptr());
            match idle.newer.get() {
                Some(newer) => newer.as_ref().older.set(idle.older.get()),
                None => self.newest.set(idle.older.get()),
            }
            match idle.older.get() {
                Some(older) => older.as_ref().newer.set(idle.newer.get()),
                None => self.oldest.set(idle.newer.get()),
            }
            self.idle.set(self.idle.get() - 1);
            idle
        }
    }

    fn close_idle(&self) {
        while let Some(idle) = self.newest.get() {
            self.unlink(idle).connection.close();
            self.uncount();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close_idle();
    }
}

/// The VM ends, and its pools with it.
pub(super) fn close_all(vm: Stack) {
    let mut all = ALL.0.borrow_mut();
    let Some(at) = all.iter().position(|(of, _)| *of == vm) else { return };
    let (_, pools) = all.swap_remove(at);
    drop(all);
    for pool in pools.values() {
        debug!(
            Log::cycle(),
            "lua tcp socket keepalive: free connection pool {} for \"{}\"",
            Pointer(Rc::as_ptr(pool)),
            Text(&pool.name)
        );
        pool.waiting.borrow_mut().clear();
        pool.close_idle();
    }
}

impl Socket {
    /// Whether the connection may go to a pool.
    pub(super) fn check_idle(&self, c: Connection) -> Result<(), &'static str> {
        if !self.buffer.is_empty() {
            return Err("unread data in buffer");
        }
        if c.is_broken() {
            return Err("invalid connection");
        }
        if c.expect_read() { Ok(()) } else { Err("failed to handle read event") }
    }

    /// The pool that the connection is for; `create` makes it, given its name.
    pub(super) fn pool_or(
        &self,
        vm: Stack,
        create: impl FnOnce(&[u8]) -> LuaResult<Rc<Pool>>,
    ) -> LuaResult<Rc<Pool>> {
        if let Some(pool) = self.pool.take() {
            self.pool.set(Some(pool.clone()));
            return Ok(pool);
        }
        let name = self.key.take();
        let pool = Pool::find(vm, &name).map_or_else(|| create(&name), Ok);
        self.key.set(name);
        pool
    }

    /// Gives the connection to a pool. The socket has none then.
    pub(super) fn keep_in(
        &self,
        pool: &Rc<Pool>,
        c: Connection,
        timeout: Msec,
    ) -> Result<(), Dubious> {
        if !self.counted.replace(false) {
            pool.count();
        }
        self.pool.set(None);
        self.connection.set(None);
        self.close();
        self.ending.untie();
        pool.keep(c, self.reused.get(), timeout)?;
        pool.resume_next();
        Ok(())
    }
}

/// Looks at an idle connection that has an event; whether it is still good. If not, it is gone.
fn check(idle: NonNull<Idle>) -> bool {
    // SAFETY: an idle connection that is linked is alive.
    let c = unsafe { idle.as_ref() }.connection;
    let log = Log::cycle();
    if !c.is_to_close() {
        if c.take_read_timeout() {
            debug!(log, "lua tcp socket keepalive max idle timeout");
        } else {
            debug!(log, "lua tcp socket keepalive close handler check stale events");
            if !c.has_news() && c.expect_read() {
                return true;
            }
        }
    }
    debug!(log, "lua tcp socket keepalive close handler: fd:{}", c.fd());
    // SAFETY: as above.
    let pool = unsafe { idle.as_ref() }.pool.clone();
    pool.unlink(idle).connection.close();
    pool.release();
    false
}

impl Watcher for Idle {
    unsafe fn on_read(this: NonNull<Self>) {
        check(this);
    }

    unsafe fn on_write(_: NonNull<Self>) {
        debug!(Log::cycle(), "keepalive dummy handler");
    }
}
