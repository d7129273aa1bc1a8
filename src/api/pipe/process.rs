//! A child process: its streams, how it ended, who waits for its end, and who answers for it.
use core::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::stream::{Failure, Stream};
use crate::coroutine::Waker;
use crate::nginx::child::Child;
use crate::nginx::pipe_end::Side;
use crate::nginx::reaper::{self, Exit};
use crate::nginx::{Level, Log, Request, debug};

pub(super) struct Process {
    pub(super) pid: i32,
    /// The address of the Lua object, for debug lines.
    address: usize,
    owner: usize,
    pub(super) stdin: Stream,
    pub(super) stdout: Stream,
    /// `None`: merged into the standard output.
    pub(super) stderr: Option<Stream>,
    exit: Cell<Option<Exit>>,
    /// Nobody can use it any more.
    closed: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

/// The processes of this worker.
struct Processes {
    /// By pid, until they have ended.
    running: RefCell<HashMap<i32, Rc<Process>>>,
    /// By the address of the request that made them, until they are closed.
    open: RefCell<HashMap<usize, Vec<Rc<Process>>>>,
}

thread_local! {
    /// Only the main thread has any. Nothing is dropped when it ends, for nginx has ended by then.
    static PROCESSES: &'static Processes = Box::leak(Box::new(Processes {
        running: RefCell::default(),
        open: RefCell::default(),
    }));
}

impl Process {
    /// Takes charge of a child, which dies with the request that made it.
    pub(super) fn start(
        r: Request,
        child: Child,
        buffer_size: usize,
        address: usize,
    ) -> Option<Rc<Self>> {
        let owner = r.as_ptr().addr();
        let read = |fd| Stream::new(fd, Side::Read, buffer_size);
        let process = Rc::new(Self {
            pid: child.pid,
            address,
            owner,
            stdin: Stream::new(child.stdin, Side::Write, buffer_size),
            stdout: read(child.stdout),
            stderr: child.stderr.map(read),
            exit: Cell::new(None),
            closed: Cell::new(false),
            waiter: Cell::new(None),
        });
        let is_first = PROCESSES.with(|all| {
            all.running.borrow_mut().insert(process.pid, Rc::clone(&process));
            let mut open = all.open.borrow_mut();
            let is_first = !open.contains_key(&owner);
            open.entry(owner).or_default().push(Rc::clone(&process));
            is_first
        });
        if is_first && r.pool().on_destroy(move || end_request(owner)).is_none() {
            process.destroy();
            return None;
        }
        Some(process)
    }

    /// How it is named in debug lines.
    pub(super) fn name(&self) -> String {
        format!("process:{:016X} pid:{}", self.address, self.pid)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit.get()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.closed.get() || self.exit.get().is_some()
    }

    pub(super) fn is_awaited(&self) -> bool {
        let waiter = self.waiter.take();
        self.waiter.set(waiter);
        waiter.is_some()
    }

    pub(super) fn set_waiter(&self, waker: Waker) {
        self.waiter.set(Some(waker));
    }

    /// The coroutine does not wait for the end any more; whether it did.
    pub(super) fn forget_waiter(&self) -> bool {
        self.waiter.take().is_some()
    }

    /// What a coroutine that waits for a stream which is closed is told.
    pub(super) fn why_closed(&self) -> Failure {
        if self.has_ended() { Failure::Closed } else { Failure::Aborted }
    }

    /// Closes the streams: the process is of no further use.
    pub(super) fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        debug!(Log::cycle(), "lua pipe finalize {}", self.name());
        let streams = [Some(&self.stdin), Some(&self.stdout), self.stderr.as_ref()];
        for stream in streams.into_iter().flatten() {
            stream.close(Failure::Closed);
        }
        PROCESSES.with(|all| {
            if let Some(siblings) = all.open.borrow_mut().get_mut(&self.owner) {
                siblings.retain(|process| !core::ptr::eq(&raw const **process, self));
            }
        });
    }

    /// Kills the process if it has not ended, and closes its streams.
    pub(super) fn destroy(&self) {
        if self.closed.get() {
            return;
        }
        debug!(Log::cycle(), "lua pipe destroy {}", self.name());
        if !self.has_ended() {
            debug!(Log::cycle(), "lua pipe kill {}", self.name());
            if let Err(error) = reaper::kill(self.pid, libc::SIGKILL)
                && error.raw_os_error() != Some(libc::ESRCH)
            {
                Log::cycle()
                    .print(Level::Error, format_args!("lua pipe failed to kill {}", self.name()));
            }
        }
        self.close();
    }
}

/// A child of this worker has ended.
pub(super) fn on_exit(pid: i32, exit: Exit) {
    let process = PROCESSES.with(|all| all.running.borrow_mut().remove(&pid));
    let Some(process) = process else { return };
    process.exit.set(Some(exit));
    if let Some(waker) = process.waiter.take() {
        debug!(Log::cycle(), "lua pipe resume {} waiting", process.name());
        waker.wake();
    }
}

/// The request that made processes ends, and they with it.
fn end_request(owner: usize) {
    let processes = PROCESSES.with(|all| all.open.borrow_mut().remove(&owner));
    for process in processes.unwrap_or_default() {
        process.destroy();
    }
}

/// The worker ends, and its processes with it.
pub(crate) fn close_all() {
    let owners: Vec<usize> = PROCESSES.with(|all| all.open.borrow().keys().copied().collect());
    owners.into_iter().for_each(end_request);
    reaper::stop();
}
