//! How children end.
//!
//! nginx's own handler of SIGCHLD takes the status of every child, calls those that are not its own unknown, and
//! forgets what they ended with. From the first child on this worker has another handler, which only wakes
//! the event loop. A worker without children keeps nginx's.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::child;
use super::log::{Level, Log, debug};
use super::pipe_end::{End, Side, Woken};

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// Something else; the whole status.
    Unknown(i32),
}

impl Exit {
    fn of(status: c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else if libc::WIFEXITED(status) {
            Self::Code(libc::WEXITSTATUS(status))
        } else {
            Self::Unknown(status)
        }
    }
}

type OnExit = fn(i32, Exit);

struct Watch {
    end: Cell<Option<Box<End<OnExit>>>>,
    /// The signal handler's end of the pipe.
    bell: Cell<Option<OwnedFd>>,
}

static WATCH: Watch = Watch { end: Cell::new(None), bell: Cell::new(None) };
/// The same for the signal handler.
static BELL: AtomicI32 = AtomicI32::new(-1);

// SAFETY: [single-thread]; the handler reads `BELL` only.
unsafe impl Sync for Watch {}

/// Calls `on_exit` for each child that ends, from the event loop. It may be called again, with the same
/// function. `None`: nginx has no connection left, or the system no descriptor.
pub(crate) fn watch(on_exit: OnExit) -> Option<()> {
    if BELL.load(Relaxed) != -1 {
        return Some(());
    }
    let (reader, writer) = child::pipe().ok()?;
    child::unblock(&reader).and_then(|()| child::unblock(&writer)).ok()?;
    let end = End::new(reader, Side::Read, on_bell)?;
    if !end.watch(on_exit, None) {
        return None;
    }
    BELL.store(writer.as_raw_fd(), Relaxed);
    WATCH.bell.set(Some(writer));
    WATCH.end.set(Some(end));
    // SAFETY: the handler is async-signal-safe; it interrupts no system call for good.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGCHLD, &raw const action, core::ptr::null_mut());
    }
    Some(())
}

/// Closes the pipe; the worker ends.
pub(crate) fn stop() {
    BELL.store(-1, Relaxed);
    drop(WATCH.end.take());
    drop(WATCH.bell.take());
}

unsafe extern "C" fn on_signal(_: c_int) {
    // SAFETY: one write to a descriptor that does not block; a full pipe has woken the loop already. `errno`
    // is put back.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(BELL.load(Relaxed), c"".as_ptr().cast(), 1);
        *libc::__errno_location() = errno;
    }
}

fn on_bell(on_exit: OnExit, _: Woken) {
    debug!(Log::cycle(), "lua pipe reaping children");
    if let Some(end) = WATCH.end.take() {
        let mut rings = [0; 64];
        while end.read(&mut rings).is_ok_and(|n| n > 0) {}
        end.watch(on_exit, None);
        WATCH.end.set(Some(end));
    }
    let mut status = 0;
    loop {
        // SAFETY: writes the status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return;
        }
        let log = Log::cycle();
        // nginx's own words, as its handler would say them.
        let signal = libc::SIGCHLD;
        log.print(Level::Notice, format_args!("signal {signal} (SIGCHLD) received from {pid}"));
        debug!(log, "lua pipe SIGCHLD fd read pid:{pid} status:{status}");
        let exit = Exit::of(status);
        if let Exit::Unknown(status) = exit {
            log.print(
                Level::Error,
                format_args!("lua pipe unknown exit status {status} from process {pid}"),
            );
        }
        on_exit(pid, exit);
    }
}

pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
