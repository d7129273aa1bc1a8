//! The three streams of a process, as seen from here: who reads or writes, what has come, what went wrong.
//!
//! One coroutine at a time waits for a stream. Its waker is here while it waits; the suspension that owns
//! the wait takes it away when it is dropped.
use core::cell::{Cell, RefCell};
use std::borrow::Cow;
use std::io;
use std::os::fd::OwnedFd;

use super::input::{Input, Wanted};
use crate::coroutine::Waker;
use crate::nginx::pipe_end::{End, Side, Woken};
use crate::nginx::{Log, Msec, debug};

/// Why a read or write did not succeed, in the words Lua gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    Closed,
    /// Shut down while a coroutine waited.
    Aborted,
    Timeout,
    Busy,
    NoConnection,
    NoEvent,
    System(i32),
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            None | Some(libc::EPIPE) => Self::Closed,
            Some(number) => Self::System(number),
        }
    }

    pub(super) fn text(self, side: Side) -> Cow<'static, str> {
        Cow::Borrowed(match (self, side) {
            (Self::Closed, _) => "closed",
            (Self::Aborted, _) => "aborted",
            (Self::Timeout, _) => "timeout",
            (Self::Busy, Side::Read) => "pipe busy reading",
            (Self::Busy, Side::Write) => "pipe busy writing",
            (Self::NoConnection, _) => "no connection",
            (Self::NoEvent, Side::Read) => "failed to add read event",
            (Self::NoEvent, Side::Write) => "failed to add write event",
            (Self::System(number), _) => {
                return Cow::Owned(reason(&io::Error::from_raw_os_error(number)));
            }
        })
    }
}

/// The C library's words for an error, without Rust's `(os error N)`.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// How far an attempt got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    Done,
    /// It has to wait.
    Blocked,
    Failed(Failure),
}

/// Where a stream is found again by the event that ends a wait for it.
pub(super) type Place = *const Stream;

enum Port {
    Closed,
    /// Nobody has used it yet: the event loop does not know it.
    Unused(OwnedFd),
    Open(Box<End<Place>>),
}

/// What is under way.
#[derive(Default)]
struct Transfer {
    input: Input,
    /// What was read, until Lua has fetched it.
    result: Vec<u8>,
    /// What is written, and how much of it has been.
    output: Vec<u8>,
    written: usize,
}

pub(super) struct Stream {
    port: RefCell<Port>,
    side: Side,
    /// How much is read at once.
    buffer_size: usize,
    transfer: RefCell<Transfer>,
    wanted: Cell<Wanted>,
    timeout: Cell<Option<Msec>>,
    waker: Cell<Option<Waker>>,
    /// How the last wait ended, if not well.
    failure: Cell<Option<Failure>>,
}

impl Stream {
    pub(super) fn new(fd: OwnedFd, side: Side, buffer_size: usize) -> Self {
        Self {
            port: RefCell::new(Port::Unused(fd)),
            side,
            buffer_size,
            transfer: RefCell::new(Transfer::default()),
            wanted: Cell::new(Wanted::All),
            timeout: Cell::new(None),
            waker: Cell::new(None),
            failure: Cell::new(None),
        }
    }

    pub(super) const fn side(&self) -> Side {
        self.side
    }

    /// Makes the stream ready for a new read or write.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.failure.set(None);
        let mut port = self.port.borrow_mut();
        match core::mem::replace(&mut *port, Port::Closed) {
            Port::Closed => Err(Failure::Closed),
            Port::Unused(fd) => {
                let end = End::new(fd, self.side, on_event).ok_or(Failure::NoConnection)?;
                *port = Port::Open(end);
                Ok(())
            }
            Port::Open(end) => {
                let busy = end.is_watched();
                *port = Port::Open(end);
                if busy { Err(Failure::Busy) } else { Ok(()) }
            }
        }
    }

    pub(super) fn read(&self, wanted: Wanted) -> Attempt {
        self.wanted.set(wanted);
        self.go_on()
    }

    pub(super) fn write(&self, data: &[u8]) -> Attempt {
        {
            let mut transfer = self.transfer.borrow_mut();
            transfer.output = data.to_vec();
            transfer.written = 0;
        }
        self.go_on()
    }

    fn go_on(&self) -> Attempt {
        match &*self.port.borrow() {
            Port::Open(end) if self.side == Side::Read => self.read_on(end),
            Port::Open(end) => self.write_on(end),
            _ => Attempt::Failed(Failure::Closed),
        }
    }

    fn read_on(&self, end: &End<Place>) -> Attempt {
        let wanted = self.wanted.get();
        let mut transfer = self.transfer.borrow_mut();
        loop {
            match transfer.input.take(wanted) {
                Ok(None) => {}
                Ok(Some(data)) => {
                    transfer.result = data;
                    return Attempt::Done;
                }
                Err(_) => return self.fail(&mut transfer, Failure::Closed),
            }
            let room = self.buffer_size;
            let read = end.read(transfer.input.room(room));
            transfer.input.filled(room, *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => transfer.input.end(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Attempt::Blocked,
                Err(error) => return self.fail(&mut transfer, Failure::of(&error)),
            }
        }
    }

    fn write_on(&self, end: &End<Place>) -> Attempt {
        let mut transfer = self.transfer.borrow_mut();
        loop {
            let rest = &transfer.output[transfer.written..];
            match end.write(rest) {
                Ok(n) => {
                    transfer.written += n;
                    if transfer.written == transfer.output.len() {
                        transfer.output = Vec::new();
                        return Attempt::Done;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Attempt::Blocked,
                Err(error) => {
                    debug!(
                        Log::cycle(),
                        "lua pipe write data error pipe:{:016X} ({}: {})",
                        core::ptr::from_ref(self).addr(),
                        error.raw_os_error().unwrap_or(0),
                        reason(&error)
                    );
                    return self.fail(&mut transfer, Failure::of(&error));
                }
            }
        }
    }

    fn fail(&self, transfer: &mut Transfer, failure: Failure) -> Attempt {
        self.failure.set(Some(failure));
        if self.side == Side::Read {
            transfer.result = transfer.input.take_rest(self.wanted.get());
        }
        Attempt::Failed(failure)
    }

    /// Waits for an attempt that was blocked; `timeout` starts anew whenever something goes through.
    pub(super) fn wait(&self, waker: Waker, timeout: Option<Msec>) -> Result<(), Failure> {
        self.timeout.set(timeout);
        self.watch()?;
        self.waker.set(Some(waker));
        Ok(())
    }

    fn watch(&self) -> Result<(), Failure> {
        match &*self.port.borrow() {
            Port::Open(end) if end.watch(self, self.timeout.get()) => Ok(()),
            _ => {
                self.fail(&mut self.transfer.borrow_mut(), Failure::NoEvent);
                Err(Failure::NoEvent)
            }
        }
    }

    /// The coroutine does not wait any more; whether it did.
    pub(super) fn forget(&self) -> bool {
        if self.waker.take().is_none() {
            return false;
        }
        let mut port = self.port.borrow_mut();
        if let Port::Open(end) = &*port {
            end.forget();
        }
        if self.failure.get().is_some() {
            *port = Port::Closed;
        }
        true
    }

    /// Closes the stream. A coroutine that waits for it goes on soon, with an error.
    pub(super) fn close(&self, failure: Failure) {
        let mut port = self.port.borrow_mut();
        match &*port {
            Port::Open(end) if end.is_watched() => {
                self.failure.set(Some(failure));
                end.wake();
            }
            _ => *port = Port::Closed,
        }
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get()
    }

    /// How much the last write wrote.
    pub(super) fn written(&self) -> usize {
        self.transfer.borrow().written
    }

    /// How much was read; if it fits into `room` bytes it is handed to `copy` and forgotten.
    pub(super) fn fetch(&self, room: usize, copy: impl FnOnce(&[u8])) -> usize {
        let mut transfer = self.transfer.borrow_mut();
        let len = transfer.result.len();
        if len <= room {
            copy(&core::mem::take(&mut transfer.result));
        }
        len
    }
}

/// The wait for a stream is over, or something came.
fn on_event(place: Place, woken: Woken) {
    #[allow(unsafe_code)]
    // SAFETY: the suspension that waits has a share of the process.
    let stream = unsafe { &*place };
    let over = match (stream.failure.get(), woken) {
        // Closed meanwhile: now nobody uses the port.
        (Some(failure), _) => {
            stream.fail(&mut stream.transfer.borrow_mut(), failure);
            drop(stream.port.replace(Port::Closed));
            true
        }
        (None, Woken::TimedOut) => {
            stream.fail(&mut stream.transfer.borrow_mut(), Failure::Timeout);
            true
        }
        (None, Woken::Ready) => match stream.go_on() {
            Attempt::Blocked => stream.watch().is_err(),
            Attempt::Done | Attempt::Failed(_) => true,
        },
    };
    if over && let Some(waker) = stream.waker.take() {
        waker.wake();
    }
}
