//! Connecting: out of the pool, or after waiting in its queue, by an address or by a name to be resolved.
//!
//! A connect that waits keeps what it knows in [`Pending`]; each stage hands on to the next, and whatever
//! goes wrong ends in `fail_connect`.
#![allow(unsafe_code)]
use core::ptr::NonNull;

use super::{Failure, Operation, Progress, Socket, Use, note};
use crate::api::output::flatten::decimal;
use crate::conf::LocConf;
use crate::nginx::address::Address;
use crate::nginx::connection::{Connected, Connection, NotConnected, connect};
use crate::nginx::event::Delay;
use crate::nginx::log::Text;
use crate::nginx::resolver::{self, Lookup, Resolution};
use crate::nginx::{Level, Log, Timer, debug, trace};
use crate::vm::Stack;

/// A connect that waits.
pub(crate) struct Pending {
    pub(super) target: Target,
    pub(super) stage: Stage,
}

/// Where to connect to.
pub(crate) struct Target {
    pub(crate) host: Box<[u8]>,
    pub(crate) port: u16,
    pub(crate) local: Option<Address>,
}

pub(super) enum Stage {
    /// For a place in the pool. The timer is the time-out, or the place that has become free.
    Queued(Timer<NonNull<Socket>>),
    Resolving(Resolution<NonNull<Socket>>),
    Connecting(Address),
}

/// Whether a connect has been in the pool's queue already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Resumed,
}

impl Socket {
    /// Connects; if that has to wait, [`Waiting`](super::Waiting) owns the wait.
    pub(super) fn connect(&self, target: Target) -> Progress {
        self.begin(target, Turn::First)
    }

    fn begin(&self, target: Target, turn: Turn) -> Progress {
        let Some(pool) = self.pool.take() else { return self.locate(target) };
        let log = self.log();
        note!(self, "lua tcp socket pool get keepalive peer");
        if let Some(idle) = pool.take_idle() {
            note!(
                self,
                "lua tcp socket get keepalive peer: using connection {:p}, fd:{}",
                idle.connection.as_ptr(),
                idle.connection.fd()
            );
            self.pool.set(Some(pool));
            self.counted.set(true);
            self.reused.set(idle.reused + 1);
            self.use_connection(idle.connection, log);
            return Progress::Done;
        }
        note!(self, "lua tcp socket keepalive: connection pool empty");
        let admitted = turn == Turn::Resumed || pool.admits();
        pool.count();
        self.counted.set(true);
        if admitted {
            self.pool.set(Some(pool));
            return self.locate(target);
        }
        if pool.is_backlog_full() {
            pool.uncount();
            self.counted.set(false);
            return self.refuse(Failure::Text("too many waiting connect operations".into()));
        }
        note!(
            self,
            "lua tcp socket queue connect operation for connection pool \"{}\", connections: {}",
            Text(&pool.name),
            pool.connections()
        );
        let this = NonNull::from(self);
        let mut pending = Box::new(Pending {
            target,
            stage: Stage::Queued(Timer::new(Log::cycle(), this, on_queue_timeout)),
        });
        let delay = self.timeouts.get().connect;
        pending.arm(Delay::After(delay));
        debug!(
            Log::cycle(),
            "lua tcp socket queued connect operation for {}(ms), u: {this:p}, ctx: {:p}",
            delay.0,
            &raw const *pending
        );
        self.pending.set(Some(pending));
        pool.enqueue(this);
        self.pool.set(Some(pool));
        Progress::Waits
    }

    /// Finds the address.
    fn locate(&self, target: Target) -> Progress {
        let Some(r) = self.request.get() else { return self.refuse(Failure::Closed) };
        let found = match resolver::literal(&target.host, target.port) {
            Ok(found) => found,
            Err(error) => return self.refuse(Failure::Text(error.to_string().into())),
        };
        note!(self, "lua tcp socket connect timeout: {}", self.timeouts.get().connect.0);
        if let Some(address) = found {
            note!(self, "lua tcp socket network address given directly");
            return self.reach(address, target);
        }
        let this = NonNull::from(self);
        let system = LocConf::of(r).system_resolver();
        match resolver::resolve(r, system, &target.host, target.port, this, on_resolved) {
            Ok(Lookup::Found(addresses)) => match choose(&addresses) {
                Some(address) => self.reach(address, target),
                None => self.refuse(Failure::System(0)),
            },
            Ok(Lookup::Pending(resolution)) => {
                let stage = Stage::Resolving(resolution);
                self.pending.set(Some(Box::new(Pending { target, stage })));
                Progress::Waits
            }
            Err(error) => self.refuse(Failure::Text(error.to_string().into())),
        }
    }

    /// Connects to an address.
    fn reach(&self, address: Address, target: Target) -> Progress {
        let log = self.log();
        let mut text = [0; 80];
        let name = target.name(&address, &mut text);
        let connected = connect(&address, &name, target.local.as_ref(), log);
        match connected {
            Ok(Connected::Already(c)) => {
                note!(self, "lua tcp socket connect: 0");
                note!(self, "lua tcp socket connected: fd:{}", c.fd());
                self.use_connection(c, log);
                self.settle()
            }
            Ok(Connected::Soon(c)) => {
                note!(self, "lua tcp socket connect: -2");
                self.use_connection(c, log);
                c.set_write_timer(self.timeouts.get().connect);
                let stage = Stage::Connecting(address);
                self.pending.set(Some(Box::new(Pending { target, stage })));
                Progress::Waits
            }
            Err(NotConnected::System(errno)) => self.refuse(Failure::System(errno)),
            Err(NotConnected::Busy) => self.refuse(Failure::Text("no live connection".into())),
        }
    }

    fn use_connection(&self, c: Connection, log: Log) {
        self.connection.set(Some(c));
        c.attach(NonNull::from(self), log);
    }

    /// The connection stands. Its events are quiet until somebody uses it.
    fn settle(&self) -> Progress {
        match self.connection.get() {
            Some(c) if !c.expect_write(0) => {
                self.refuse(Failure::Text("failed to handle write event".into()))
            }
            Some(c) if !c.expect_read() => {
                self.refuse(Failure::Text("failed to handle read event".into()))
            }
            _ => Progress::Done,
        }
    }

    /// Connecting has failed.
    fn refuse(&self, failure: Failure) -> Progress {
        self.write_failure.set(Some(failure));
        self.close();
        self.uncount();
        Progress::Failed
    }

    fn proceed(&self, progress: Progress) {
        if progress != Progress::Waits {
            self.finish(&self.connecting);
        }
    }

    /// An event of a connection that is being made.
    pub(super) fn on_connect_event(&self) {
        let Some(pending) = self.pending.take() else { return };
        let (Stage::Connecting(address), Some(c)) = (&pending.stage, self.connection.get()) else {
            self.pending.set(Some(pending));
            return;
        };
        if c.take_write_timeout() {
            if self.logs_errors() {
                let message = format_args!(
                    "lua tcp socket connect timed out, when connecting to {}:{}",
                    address.host(),
                    address.port()
                );
                self.log().print(Level::Error, message);
            }
            return self.proceed(self.refuse(Failure::Timeout));
        }
        c.clear_write_timer();
        if let Err(errno) = c.test() {
            if self.logs_errors() {
                c.log_error(errno, c"connect() failed");
            }
            return self.proceed(self.refuse(Failure::System(errno)));
        }
        note!(self, "lua tcp socket connected");
        self.proceed(self.settle());
    }

    fn on_resolved(&self) {
        note!(self, "lua tcp socket resolve handler");
        let Some(pending) = self.pending.take() else { return };
        let Pending { target, stage } = *pending;
        let Stage::Resolving(resolution) = stage else { return };
        let Some(answer) = resolution.result() else { return };
        drop(resolution);
        let progress = match answer {
            Err(error) => {
                note!(self, "lua tcp socket resolver error: {error} (connect waiting: 1)");
                self.refuse(Failure::Text(error.to_string().into()))
            }
            Ok(addresses) => {
                for address in &addresses {
                    note!(self, "name was resolved to {}", address.host());
                }
                match choose(&addresses) {
                    Some(address) => self.reach(address, target),
                    None => self.refuse(Failure::System(0)),
                }
            }
        };
        self.proceed(progress);
    }

    fn on_queue_timeout(&self) {
        let Some(pending) = self.pending.take() else { return };
        if self.logs_errors() {
            let message = format_args!(
                "lua tcp socket queued connect timed out, when trying to connect to {}:{}",
                Text(&pending.target.host),
                pending.target.port
            );
            self.log().print(Level::Error, message);
        }
        drop(pending);
        self.leave_queue();
        self.write_failure.set(Some(Failure::Timeout));
        self.finish(&self.connecting);
    }

    /// Gives up the place in the queue, and what it counts for.
    fn leave_queue(&self) {
        if let Some(pool) = self.pool.take() {
            pool.dequeue(NonNull::from(self));
            if self.counted.replace(false) {
                pool.uncount();
            }
            pool.free_if_unused();
        }
    }

    /// There is a place in the pool: in the next round of the event loop the connect goes on.
    pub(super) fn post_resumption(&self) {
        let Some(mut pending) = self.pending.take() else { return };
        if let Stage::Queued(_) = pending.stage {
            let timer = Timer::new(Log::cycle(), NonNull::from(self), on_turn);
            pending.stage = Stage::Queued(timer);
            pending.arm(Delay::NextRound);
        }
        self.pending.set(Some(pending));
    }

    fn on_turn(&self) {
        let Some(pending) = self.pending.take() else { return };
        if self.counted.replace(false) {
            let pool = self.pool.take();
            if let Some(pool) = &pool {
                pool.uncount();
            }
            self.pool.set(pool);
        }
        let Pending { target, stage } = *pending;
        drop(stage);
        self.proceed(self.begin(target, Turn::Resumed));
    }

    /// The coroutine that waited for the connection is no more.
    pub(super) fn abandon_connect(&self) {
        let Some(pending) = self.pending.take() else { return };
        match &pending.stage {
            Stage::Queued(_) => {
                debug!(
                    Log::cycle(),
                    "lua tcp socket abort queueing, conn_op_ctx: {:p}, u: {self:p}",
                    &raw const *pending
                );
                let pool = self.pool.take();
                if let Some(pool) = &pool {
                    pool.dequeue(NonNull::from(self));
                }
                self.pool.set(pool);
            }
            Stage::Resolving(_) => debug!(Log::cycle(), "lua tcp socket abort resolver"),
            Stage::Connecting(_) => {}
        }
    }

    /// What `connect` returns when it has waited. stack: [-0, +n, m]
    pub(super) fn push_connected(&self, stack: Stack) -> i32 {
        self.connecting.set(Use::Idle);
        match self.write_failure.take() {
            Some(failure) => failure.push(stack),
            None => {
                stack.push_integer(1);
                1
            }
        }
    }

    /// Why there can be no connect now, if there cannot.
    pub(super) fn busy_for_connect(&self) -> Option<&'static str> {
        self.busy(&[Operation::Connect, Operation::Read, Operation::Write])
    }

    /// Makes the socket as good as new.
    pub(super) fn reset(&self) {
        if self.connection.get().is_some() {
            if let Some(ctx) = self.context() {
                trace!(ctx, "lua tcp socket reconnect without shutting down");
            }
            self.close();
        }
        self.uncount();
        self.pool.set(None);
        self.read_closed.set(false);
        self.write_closed.set(false);
        self.ended.set(false);
        self.reused.set(0);
        self.buffer.release();
        self.read_failure.set(None);
        self.write_failure.set(None);
        #[cfg(ngx_feature = "http_ssl")]
        self.forget_trust();
    }
}

impl Pending {
    fn arm(&mut self, delay: Delay) {
        if let Stage::Queued(timer) = &mut self.stage {
            timer.arm(delay);
        }
    }
}

impl Target {
    /// What log lines call the address.
    fn name<'a>(&'a self, address: &Address, text: &'a mut [u8; 80]) -> std::borrow::Cow<'a, [u8]> {
        let literal = address.is_unix() || self.host.first().is_some_and(u8::is_ascii_digit);
        let room = text.len() - 6;
        if !literal || self.host.len() > room || self.host.contains(&b':') {
            let text = if address.is_unix() { self.host.to_vec() } else { address.text().into() };
            return text.into();
        }
        let mut digits = [0; 11];
        let port = decimal(&mut digits, self.port.into());
        let (host, rest) = text.split_at_mut(self.host.len());
        host.copy_from_slice(&self.host);
        rest[0] = b':';
        rest[1..=port.len()].copy_from_slice(port);
        let len = self.host.len() + 1 + port.len();
        text[..len].into()
    }
}

/// One of several addresses of a name.
pub(crate) fn choose(addresses: &[Address]) -> Option<Address> {
    match addresses {
        [] => None,
        [one] => Some(*one),
        several => several.get(crate::nginx::random() % several.len()).copied(),
    }
}

// SAFETY (of the blocks below): the socket drops the timer or the resolution before it goes.
fn on_queue_timeout(socket: NonNull<Socket>) {
    // SAFETY: see above.
    unsafe { socket.as_ref() }.on_queue_timeout();
}

fn on_turn(socket: NonNull<Socket>) {
    // SAFETY: see above.
    unsafe { socket.as_ref() }.on_turn();
}

fn on_resolved(socket: NonNull<Socket>) {
    // SAFETY: see above.
    unsafe { socket.as_ref() }.on_resolved();
}
