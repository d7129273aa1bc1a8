//! The exported functions under `ngx.pipe`.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{c_char, c_int};
use core::ptr;
use std::rc::Rc as Share;

use super::input::Wanted;
use super::process::{self, Process};
use super::stream::{Attempt, Stream, reason};
use crate::api::ffi::{self, ErrBuf, FfiError, Out, Rc};
use crate::api::given::{self, Kind};
use crate::coroutine::{RequestCtx, Suspension, Waker, disabled};
use crate::nginx::child::{self, Program};
use crate::nginx::event::Delay;
use crate::nginx::grace::Waived;
use crate::nginx::pipe_end::Side;
use crate::nginx::reaper::{self, Exit};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Log, Msec, Phases, Timer, debug, trace};
use crate::vm::Stack;

/// `ngx_http_lua_ffi_pipe_proc_t`: the Lua object, which Lua code sets the timeouts of.
#[repr(C)]
struct Proc {
    pid: c_int,
    write_timeout: usize,
    stdout_read_timeout: usize,
    stderr_read_timeout: usize,
    wait_timeout: usize,
    /// Null, or its share of the process.
    process: *const Process,
}

impl Proc {
    fn process(&self) -> Option<Share<Process>> {
        // SAFETY: null, or put here by `spawn` and not destroyed since.
        unsafe {
            self.process.as_ref()?;
            Share::increment_strong_count(self.process);
            Some(Share::from_raw(self.process))
        }
    }

    /// The process, if its streams can be used.
    fn open(&self, err: &ErrBuf) -> Result<Share<Process>, Rc> {
        let open = self.process().filter(|process| !process.is_closed());
        open.ok_or_else(|| error(err, "closed"))
    }
}

/// The object at an address that a spawned process was put at; anything else is a closed one.
fn object<'a>(proc_: *const Proc, err: &ErrBuf) -> Result<&'a Proc, Rc> {
    if given::is(Kind::Process, proc_) {
        // SAFETY: Lua code holds it, or its finalizer would have taken it back.
        Ok(unsafe { &*proc_ })
    } else {
        Err(error(err, "closed"))
    }
}

fn error(err: &ErrBuf, message: &str) -> Rc {
    err.set(format_args!("{message}"));
    Rc::Error
}

/// 0 is no limit.
fn timeout(ms: usize) -> Option<Msec> {
    (ms > 0).then_some(Msec(ms))
}

/// The context of a caller that may wait.
///
/// # Safety
/// As for [`ffi::request`].
unsafe fn context<'a>(
    r: *mut ngx_http_request_t,
    err: &ErrBuf,
) -> Result<&'a RequestCtx, FfiError> {
    // SAFETY: the caller's contract.
    let ctx = unsafe { ffi::context(r) }?;
    if Phases::YIELDABLE.contains(ctx.phase()) {
        return Ok(ctx);
    }
    err.set(format_args!("{}", disabled(ctx.phase())));
    Err(Rc::BadContext.into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Stdin,
    Stdout,
    Stderr,
}

/// A coroutine waits for a stream.
struct Transfer {
    process: Share<Process>,
    which: Which,
    _waived: Option<Waived>,
}

impl Process {
    fn stream(&self, which: Which) -> &Stream {
        match which {
            Which::Stdin => &self.stdin,
            Which::Stdout => &self.stdout,
            Which::Stderr => self.stderr.as_ref().unwrap_or(&self.stdout),
        }
    }
}

impl Suspension for Transfer {}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.process.stream(self.which).forget() {
            let what = match self.which {
                Which::Stdin => "write",
                Which::Stdout => "read stdout",
                Which::Stderr => "read stderr",
            };
            debug!(Log::cycle(), "lua pipe proc {what} cleanup");
        }
    }
}

/// A coroutine waits for the end of a process.
struct Wait {
    process: Share<Process>,
    timer: Timer<Waker>,
    timeout: Option<Msec>,
    _waived: Option<Waived>,
}

impl Suspension for Wait {
    fn arm(&mut self) {
        if let Some(timeout) = self.timeout {
            self.timer.arm(Delay::After(timeout));
        }
    }

    fn results(&mut self, stack: Stack) -> i32 {
        self.process.forget_waiter();
        let Some(exit) = self.process.exit() else {
            stack.push_nil();
            stack.push_bytes(b"timeout");
            return 2;
        };
        self.process.close();
        let (reason, status) = in_words(exit);
        stack.push_boolean(status == 0);
        stack.push_bytes(reason.to_bytes());
        stack.push_integer(status as isize);
        3
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.process.forget_waiter() {
            debug!(Log::cycle(), "lua pipe proc wait cleanup");
        }
    }
}

fn in_words(exit: Exit) -> (&'static core::ffi::CStr, c_int) {
    match exit {
        Exit::Code(code) => (c"exit", code),
        Exit::Signal(signal) => (c"signal", signal),
        Exit::Unknown(status) => (c"unknown", status),
    }
}

/// # Safety
/// `r` as for [`ffi::request`]; the rest as lua-resty-core declares it: `file`, `argv` and `environ` (or null)
/// are C strings and arrays of them that end in null.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_spawn(
    r: *mut ngx_http_request_t,
    proc_: *mut Proc,
    file: *const c_char,
    argv: *const *const c_char,
    merge_stderr: c_int,
    buffer_size: usize,
    environ: *const *const c_char,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let Ok(r) = (unsafe { ffi::request(r) }) else {
            return Ok(error(&err, "no request found"));
        };
        if reaper::watch(process::on_exit).is_none() {
            return Ok(error(&err, "no connection"));
        }
        let program = Program { file, argv, environ, merge_stderr: merge_stderr != 0 };
        // SAFETY: the caller's contract.
        let child = match unsafe { child::spawn(&program) } {
            Ok(child) => child,
            Err(failed) => {
                err.set(format_args!("{} failed: {}", failed.what, reason(&failed.why)));
                return Ok(Rc::Error);
            }
        };
        let address = proc_.addr();
        let Some(process) = Process::start(r, child, buffer_size, address) else {
            return Ok(error(&err, "no memory"));
        };
        debug!(
            Log::cycle(),
            "lua pipe spawn {} merge_stderr:{merge_stderr} buffer_size:{buffer_size}",
            process.name()
        );
        // SAFETY: the caller's contract: a new object.
        unsafe {
            (*proc_).pid = process.pid;
            (*proc_).process = Share::into_raw(process);
        }
        given::note(Kind::Process, proc_);
        Ok(Rc::Ok)
    })
}

/// Reads, or makes the coroutine wait, which then yields.
///
/// # Safety
/// `r` as for [`ffi::request`]; `proc_` is a live object; the rest is [ffi-out].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_read(
    r: *mut ngx_http_request_t,
    proc_: *const Proc,
    from_stderr: c_int,
    reader_type: c_int,
    length: usize,
    buf: Out<*mut u8>,
    buf_size: Out<usize>,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (ctx, object) = (unsafe { context(r, &err) }?, object(proc_, &err)?);
        trace!(ctx, "lua pipe read process:{:016X} pid:{}", proc_.addr(), object.pid);
        let process = object.open(&err)?;
        let (which, limit) = match from_stderr {
            0 => (Which::Stdout, object.stdout_read_timeout),
            _ if process.stderr.is_none() => return Err(error(&err, "merged to stdout").into()),
            _ => (Which::Stderr, object.stderr_read_timeout),
        };
        let wanted = Wanted::from_number(reader_type, length).ok_or(Rc::Error)?;
        let stream = process.stream(which);
        stream.begin().map_err(|failure| error(&err, &failure.text(Side::Read)))?;
        match stream.read(wanted) {
            Attempt::Done => {}
            Attempt::Failed(failure) => {
                err.set(format_args!("{}", failure.text(Side::Read)));
                hand_over(stream, &buf, &buf_size);
                return Ok(Rc::Declined);
            }
            Attempt::Blocked => return wait_for(ctx, &process, which, timeout(limit), &err),
        }
        hand_over(stream, &buf, &buf_size);
        Ok(Rc::Ok)
    })
}

/// Nobody knows when a process does something: without a limit or a client, a worker that is to end does not wait for it.
fn waive(ctx: &RequestCtx, limit: Option<Msec>) -> Option<Waived> {
    (limit.is_none() && ctx.request.is_detached()).then(Waived::new)
}

/// Makes the coroutine wait for a stream.
fn wait_for(
    ctx: &RequestCtx,
    process: &Share<Process>,
    which: Which,
    limit: Option<Msec>,
    err: &ErrBuf,
) -> Result<Rc, FfiError> {
    let stream = process.stream(which);
    let refusal = Cell::new(None);
    let waits = ctx.suspend_on_yield(|waker| {
        if let Err(failure) = stream.wait(waker, limit) {
            refusal.set(Some(failure));
            return Err(crate::vm::Error::raise("no event"));
        }
        Ok(Transfer { process: Share::clone(process), which, _waived: waive(ctx, limit) })
    });
    if waits.is_err() {
        let text = refusal.get().map_or("no co ctx found".into(), |why| why.text(stream.side()));
        return Err(error(err, &text).into());
    }
    let what = if which == Which::Stdin { "write" } else { "read" };
    if let Some(Msec(limit)) = limit {
        let doing = if which == Which::Stdin { "writing" } else { "reading" };
        trace!(ctx, "lua pipe add timer for {doing}: {limit}(ms) {}", process.name());
    }
    trace!(ctx, "lua pipe {what} yielding {}", process.name());
    Ok(Rc::Again)
}

/// Copies what was read, or says how much room it needs.
fn hand_over(stream: &Stream, buf: &Out<*mut u8>, buf_size: &Out<usize>) {
    let (place, room) = (buf.get(), buf_size.get());
    let len = stream.fetch(room, |data| {
        // SAFETY: [ffi-out]; the buffer has that much room.
        unsafe { place.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    });
    buf_size.set(len);
    if len > room {
        buf.set(ptr::null_mut());
    }
}

/// What a read that waited has ended with.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_get_read_result(
    r: *mut ngx_http_request_t,
    proc_: *const Proc,
    from_stderr: c_int,
    buf: Out<*mut u8>,
    buf_size: Out<usize>,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (ctx, object) = (unsafe { ffi::context(r) }?, object(proc_, &err)?);
        trace!(ctx, "lua pipe get read result process:{:016X} pid:{}", proc_.addr(), object.pid);
        let process = object.process().ok_or_else(|| error(&err, "closed"))?;
        let which = if from_stderr == 0 { Which::Stdout } else { Which::Stderr };
        let stream = process.stream(which);
        hand_over(stream, &buf, &buf_size);
        Ok(stream.failure().map_or(Rc::Ok, |failure| {
            err.set(format_args!("{}", failure.text(Side::Read)));
            Rc::Declined
        }))
    })
}

/// Writes, or makes the coroutine wait, which then yields. Returns the number of bytes, or a code.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`]; `data` has `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_write(
    r: *mut ngx_http_request_t,
    proc_: *const Proc,
    data: *const u8,
    len: usize,
    err: *mut u8,
    err_len: Out<usize>,
) -> isize {
    let err = ErrBuf { data: err, len: err_len };
    let code = ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (ctx, data) = unsafe { (context(r, &err)?, ffi::bytes(data, len)) };
        let object = object(proc_, &err)?;
        trace!(ctx, "lua pipe write process:{:016X} pid:{}", proc_.addr(), object.pid);
        let process = object.open(&err)?;
        let stream = &process.stdin;
        stream.begin().map_err(|failure| error(&err, &failure.text(Side::Write)))?;
        match stream.write(data) {
            Attempt::Done => Ok(Rc::Ok),
            Attempt::Failed(failure) => Err(error(&err, &failure.text(Side::Write)).into()),
            Attempt::Blocked => {
                wait_for(ctx, &process, Which::Stdin, timeout(object.write_timeout), &err)
            }
        }
    });
    if code == Rc::Ok.into() { len.cast_signed() } else { code as isize }
}

/// What a write that waited has ended with.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_get_write_result(
    r: *mut ngx_http_request_t,
    proc_: *const Proc,
    err: *mut u8,
    err_len: Out<usize>,
) -> isize {
    let err = ErrBuf { data: err, len: err_len };
    let written = Cell::new(0);
    let code = ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (ctx, object) = (unsafe { ffi::context(r) }?, object(proc_, &err)?);
        trace!(ctx, "lua pipe get write result process:{:016X} pid:{}", proc_.addr(), object.pid);
        let process = object.process().ok_or_else(|| error(&err, "closed"))?;
        if let Some(failure) = process.stdin.failure() {
            return Err(error(&err, &failure.text(Side::Write)).into());
        }
        written.set(process.stdin.written().cast_signed());
        Ok(Rc::Ok)
    });
    if code == Rc::Ok.into() { written.get() } else { code as isize }
}

/// Closes the standard input.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_shutdown_stdin(
    proc_: *const Proc,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { shut_down(proc_, Which::Stdin, &ErrBuf { data: err, len: err_len }) }
}

/// Closes the standard output.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_shutdown_stdout(
    proc_: *const Proc,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { shut_down(proc_, Which::Stdout, &ErrBuf { data: err, len: err_len }) }
}

/// Closes the standard error.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_shutdown_stderr(
    proc_: *const Proc,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { shut_down(proc_, Which::Stderr, &ErrBuf { data: err, len: err_len }) }
}

/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
unsafe fn shut_down(proc_: *const Proc, which: Which, err: &ErrBuf) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let process = object(proc_, err)?.open(err)?;
        if which == Which::Stderr && process.stderr.is_none() {
            return Err(error(err, "merged to stdout").into());
        }
        process.stream(which).close(process.why_closed());
        Ok(Rc::Ok)
    })
}

/// How the process ended, or makes the coroutine wait for it, which then yields.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_wait(
    r: *mut ngx_http_request_t,
    proc_: *const Proc,
    why: Out<*const c_char>,
    status: Out<c_int>,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (ctx, object) = (unsafe { context(r, &err) }?, object(proc_, &err)?);
        trace!(ctx, "lua pipe wait process:{:016X} pid:{}", proc_.addr(), object.pid);
        let process = object.process().filter(|process| !process.is_closed());
        let process = process.ok_or_else(|| error(&err, "exited"))?;
        if process.is_awaited() {
            return Err(error(&err, "pipe busy waiting").into());
        }
        if let Some(exit) = process.exit() {
            let (reason, code) = in_words(exit);
            why.set(reason.as_ptr());
            status.set(code);
            process.close();
            return Ok(if code == 0 { Rc::Ok } else { Rc::Declined });
        }
        let limit = timeout(object.wait_timeout);
        let waits = ctx.suspend_on_yield(|waker| {
            process.set_waiter(waker);
            let timer = Timer::new(ctx.log(), waker, Waker::wake);
            let (process, _waived) = (Share::clone(&process), waive(ctx, limit));
            Ok(Wait { process, timer, timeout: limit, _waived })
        });
        if waits.is_err() {
            return Err(error(&err, "no co ctx found").into());
        }
        if let Some(Msec(limit)) = limit {
            trace!(ctx, "lua pipe add timer for waiting: {limit}(ms) {}", process.name());
        }
        trace!(ctx, "lua pipe wait yielding {}", process.name());
        Ok(Rc::Again)
    })
}

/// Sends a signal.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_pipe_proc_read`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_kill(
    proc_: *const Proc,
    signal: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let process = object(proc_, &err)?.process().filter(|process| !process.has_ended());
        let process = process.ok_or_else(|| error(&err, "exited"))?;
        let Err(why) = reaper::kill(process.pid, signal) else { return Ok(Rc::Ok) };
        Err(match why.raw_os_error() {
            Some(libc::EINVAL) => error(&err, "invalid signal"),
            Some(libc::ESRCH) => error(&err, "exited"),
            _ => error(&err, &reason(&why)),
        }
        .into())
    })
}

/// The collector takes the object.
///
/// # Safety
/// `proc_` is an object that nobody uses any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_pipe_proc_destroy(proc_: *mut Proc) {
    if !given::take_back(Kind::Process, proc_) {
        return;
    }
    crate::nginx::guard((), || {
        // SAFETY: the caller's contract; its share ends here.
        let process = unsafe {
            let share = ptr::replace(&raw mut (*proc_).process, ptr::null());
            if share.is_null() {
                return;
            }
            Share::from_raw(share)
        };
        process.destroy();
    });
}
