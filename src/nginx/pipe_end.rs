//! An end of a pipe in the event loop. Dropping it closes it; what waits for it is forgotten first.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::event::Msec;
use super::log::Log;
use super::sys::{self, ngx_connection_t, ngx_event_t};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Read,
    Write,
}

/// Why a wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    /// Try again.
    Ready,
    TimedOut,
}

/// It lies in a box: nginx's connection points to it.
pub(crate) struct End<D: Copy> {
    connection: NonNull<ngx_connection_t>,
    side: Side,
    fire: fn(D, Woken),
    waiting: Cell<Option<D>>,
}

// SAFETY (every block of this impl): [single-thread]; the connection is ours until `drop`.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<D: Copy> End<D> {
    /// `fire` is called when a wait is over. `None`: nginx has no connection left.
    pub(crate) fn new(fd: OwnedFd, side: Side, fire: fn(D, Woken)) -> Option<Box<Self>> {
        let fd = ManuallyDrop::new(fd);
        let log = Log::cycle().as_ptr();
        let connection = NonNull::new(unsafe { sys::ngx_get_connection(fd.as_raw_fd(), log) });
        let Some(connection) = connection else {
            drop(ManuallyDrop::into_inner(fd));
            return None;
        };
        let end = Box::new(Self { connection, side, fire, waiting: Cell::new(None) });
        unsafe {
            let c = connection.as_ptr();
            (*c).log = log;
            (*c).data = (&raw const *end).cast_mut().cast();
            for event in [(*c).read, (*c).write] {
                (*event).log = log;
                (*event).handler = Some(Self::on_event);
            }
            // A worker that exits reports connections that are left, but not its channels.
            (*(*c).read).set_channel(1);
        }
        Some(end)
    }

    fn fd(&self) -> i32 {
        unsafe { (*self.connection.as_ptr()).fd }
    }

    fn event(&self) -> *mut ngx_event_t {
        unsafe {
            let c = self.connection.as_ptr();
            match self.side {
                Side::Read => (*c).read,
                Side::Write => (*c).write,
            }
        }
    }

    /// Waits for the pipe to be ready. `false`: the event loop refuses.
    pub(crate) fn watch(&self, data: D, timeout: Option<Msec>) -> bool {
        if !self.keep_watching() {
            return false;
        }
        self.waiting.set(Some(data));
        if let Some(Msec(timeout)) = timeout {
            unsafe { sys::ngx_add_timer(self.event(), timeout) };
        }
        true
    }

    fn keep_watching(&self) -> bool {
        unsafe {
            let event = self.event();
            match self.side {
                Side::Read => sys::ngx_handle_read_event(event, 0) == sys::OK,
                Side::Write => sys::ngx_handle_write_event(event, 0) == sys::OK,
            }
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.waiting.get().is_some()
    }

    /// Gives up waiting.
    pub(crate) fn forget(&self) {
        self.waiting.set(None);
        self.disarm();
    }

    /// Ends the wait soon, from the event loop.
    pub(crate) fn wake(&self) {
        unsafe { sys::ngx_post_event(self.event(), &raw mut sys::ngx_posted_events) };
    }

    fn disarm(&self) {
        unsafe {
            let event = self.event();
            if (*event).timer_set() != 0 {
                sys::ngx_del_timer(event);
            }
            if (*event).posted() != 0 {
                sys::ngx_delete_posted_event(event);
            }
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd = self.fd();
        self.retried(|| unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
    }

    pub(crate) fn write(&self, data: &[u8]) -> io::Result<usize> {
        let fd = self.fd();
        self.retried(|| unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) })
    }

    fn retried(&self, mut call: impl FnMut() -> isize) -> io::Result<usize> {
        loop {
            let n = call();
            if n >= 0 {
                return Ok(n.cast_unsigned());
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                kind => {
                    if kind == io::ErrorKind::WouldBlock {
                        unsafe { (*self.event()).set_ready(0) };
                    }
                    return Err(error);
                }
            }
        }
    }

    unsafe extern "C" fn on_event(event: *mut ngx_event_t) {
        let woken = unsafe {
            let timed_out = (*event).timedout() != 0;
            (*event).set_timedout(0);
            if timed_out { Woken::TimedOut } else { Woken::Ready }
        };
        super::guard((), || {
            // SAFETY: `new` has set both; the connection is closed before the end is freed.
            let end = unsafe {
                let c: *mut ngx_connection_t = (*event).data.cast();
                &*(*c).data.cast::<Self>()
            };
            if !core::ptr::eq(event, end.event()) {
                return;
            }
            end.disarm();
            match end.waiting.take() {
                // It may drop the end itself, which is not touched any more.
                Some(data) => (end.fire)(data, woken),
                // Where the loop says again and again that the pipe is ready, it is told not to.
                None => {
                    end.keep_watching();
                }
            }
        });
    }
}

impl<D: Copy> Drop for End<D> {
    fn drop(&mut self) {
        // SAFETY: as above; closes the descriptor, and takes the events from nginx.
        unsafe { sys::ngx_close_connection(self.connection.as_ptr()) };
    }
}
