//! Child processes with pipes to their standard streams.
//!
//! Between fork and exec the child makes system calls and nothing else: another thread may hold any lock, that
//! of the allocator as well. nginx opens most descriptors without close-on-exec, so the child closes them:
//! no program gets hold of clients' connections or listening sockets.
#![allow(unsafe_code)]
use core::ffi::{c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::log::{Level, Log};
use super::process;

/// What to run: C's arguments of `execvp`.
pub(crate) struct Program {
    pub(crate) file: *const c_char,
    pub(crate) argv: *const *const c_char,
    /// Null: the worker's own environment.
    pub(crate) environ: *const *const c_char,
    /// The standard error goes where the standard output goes.
    pub(crate) merge_stderr: bool,
}

/// A running child and our ends of its pipes, which do not block.
pub(crate) struct Child {
    pub(crate) pid: i32,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    /// `None`: merged.
    pub(crate) stderr: Option<OwnedFd>,
}

/// The child's ends of its pipes.
struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: Option<OwnedFd>,
}

/// The system call that failed, and why.
pub(crate) struct SpawnError {
    pub(crate) what: &'static str,
    pub(crate) why: io::Error,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> SpawnError {
    move |why| SpawnError { what, why }
}

/// # Safety
/// The pointers of `program` lead to C strings and arrays of them that end in null.
pub(crate) unsafe fn spawn(program: &Program) -> Result<Child, SpawnError> {
    let (theirs_in, ours_in) = pipe().map_err(failed("pipe"))?;
    let (ours_out, theirs_out) = pipe().map_err(failed("pipe"))?;
    let (ours_err, theirs_err) = if program.merge_stderr {
        (None, None)
    } else {
        let (ours, theirs) = pipe().map_err(failed("pipe"))?;
        (Some(ours), Some(theirs))
    };
    for end in [Some(&ours_in), Some(&ours_out), ours_err.as_ref()].into_iter().flatten() {
        unblock(end).map_err(failed("ioctl(FIONBIO)"))?;
    }
    let streams = Streams { stdin: theirs_in, stdout: theirs_out, stderr: theirs_err };
    let forget_affinity = process::is_pinned();
    // SAFETY: the child only calls `run`.
    match unsafe { libc::fork() } {
        -1 => Err(failed("fork")(io::Error::last_os_error())),
        // SAFETY: the caller's contract.
        0 => unsafe { run(program, &streams, forget_affinity) },
        pid => Ok(Child { pid, stdin: ours_in, stdout: ours_out, stderr: ours_err }),
    }
}

/// A pipe's end to read from and the one to write to, neither of them 0, 1 or 2.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((above_standard(reader.into())?, above_standard(writer.into())?))
}

fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    const FIRST: c_int = 3;
    if fd.as_raw_fd() >= FIRST {
        return Ok(fd);
    }
    // SAFETY: the new descriptor is ours.
    unsafe {
        match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}

pub(super) fn unblock(fd: &OwnedFd) -> io::Result<()> {
    let mut on: c_int = 1;
    // SAFETY: reads one int.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut on) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The child: becomes the program, or ends with 1.
///
/// # Safety
/// As for [`spawn`]; called in a process just forked.
unsafe fn run(program: &Program, streams: &Streams, forget_affinity: bool) -> ! {
    // SAFETY: system calls on our own descriptors; nginx's log needs no allocation.
    unsafe {
        reset_signals();
        if forget_affinity {
            process::unpin();
        }
        let log = Log::cycle();
        log.move_from_stderr();
        let stderr = streams.stderr.as_ref().unwrap_or(&streams.stdout);
        let all = [&streams.stdin, &streams.stdout, stderr];
        for (target, fd) in
            [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO].into_iter().zip(all)
        {
            if libc::dup2(fd.as_raw_fd(), target) == -1 {
                log.write_with_errno(
                    Level::Error,
                    c"lua pipe child dup2 failed for %s",
                    program.file,
                );
                libc::_exit(libc::EXIT_FAILURE);
            }
        }
        close_others_on_exec();
        let message = if program.environ.is_null() {
            libc::execvp(program.file, program.argv);
            c"lua pipe child execvp() failed while executing %s"
        } else {
            libc::execvpe(program.file, program.argv, program.environ);
            c"lua pipe child execvpe() failed while executing %s"
        };
        log.write_with_errno(Level::Error, message, program.file);
        libc::_exit(libc::EXIT_FAILURE)
    }
}

/// What nginx ignores and blocks is the program's own business; handlers do not outlive exec.
unsafe fn reset_signals() {
    // SAFETY: plain system calls.
    unsafe {
        for signal in [libc::SIGSYS, libc::SIGPIPE] {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = core::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, core::ptr::null_mut());
    }
}

unsafe fn close_others_on_exec() {
    const FIRST: libc::c_uint = libc::STDERR_FILENO as libc::c_uint + 1;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
    /// For kernels before 5.11, where each possible descriptor takes a call.
    const MOST: libc::rlim_t = 65_536;
    // SAFETY: plain system calls.
    unsafe {
        let last = libc::c_uint::MAX;
        if libc::syscall(libc::SYS_close_range, FIRST, last, CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        let mut limit: libc::rlimit = core::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        for fd in FIRST as c_int..limit.rlim_cur.min(MOST) as c_int {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
