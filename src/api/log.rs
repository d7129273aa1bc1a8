//! `ngx.log`, `print`, and what `ngx.errlog` needs of the error log.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_int;

use super::Domain;
use super::ffi::{self, ErrBuf, Out, Rc};
use super::output::flatten;
use super::resty_core::Found;
use crate::conf::MainConf;
use crate::coroutine::request_of;
use crate::nginx::log_tap::{Line, Tap};
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Level, Log, Request};
use crate::vm::traceback::Position;
use crate::vm::{Call, Error, Kind, Result, Stack, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"", c"log", lua_fn!(log))], setup: Some(setup) };

fn setup(stack: Stack, _: &Found) {
    for (level, name) in Level::ALL {
        stack.push_integer(level as isize);
        stack.set_raw_field(-2, name.to_bytes());
    }
    stack.push_function(lua_fn!(print), 0);
    stack.set_global(c"print");
}

/// The log of the running request, or of the cycle.
fn log_of(stack: Stack) -> Log {
    request_of(stack).map_or_else(Log::cycle, Request::log)
}

fn log(call: &Call<'_>) -> Result<()> {
    let number = call.int(1)?;
    let level = Level::from_number(number)
        .ok_or_else(|| Error::arg(1, format!("bad log level: {number}")))?;
    // Arguments are blamed as the reference counts them: without the level.
    call.stack().remove(1);
    write(call, level)
}

fn print(call: &Call<'_>) -> Result<()> {
    write(call, Level::Notice)
}

fn write(call: &Call<'_>, level: Level) -> Result<()> {
    let stack = call.stack();
    let log = log_of(stack);
    if !log.enabled(level) {
        return Ok(());
    }
    let mut text = b"[lua] ".to_vec();
    if let Some(position) = Position::of_caller(stack) {
        text.extend_from_slice(position.file());
        text.extend_from_slice(format!(":{}: ", position.line()).as_bytes());
        if let Some(name) = position.function() {
            text.extend_from_slice(name);
            text.extend_from_slice(b"(): ");
        }
    }
    for arg in 1..=call.count() {
        write_arg(&mut text, stack, arg)?;
    }
    log.write(level, &text);
    Ok(())
}

fn write_arg(text: &mut Vec<u8>, stack: Stack, arg: c_int) -> Result<()> {
    let kind = stack.kind(arg);
    if kind == Kind::Table {
        match stack.call_metamethod(arg, c"__tostring") {
            None => {
                return Err(Error::arg(arg, "expected table to have __tostring metamethod"));
            }
            Some(false) => return Err(Error::Rethrow),
            Some(true) => {
                text.extend_from_slice(stack.bytes(-1).unwrap_or_default());
                stack.pop(1);
            }
        }
        return Ok(());
    }
    if flatten::scalar(text, stack, arg, kind)? {
        return Ok(());
    }
    let message = format!("string, number, boolean, or nil expected, got {}", kind.name());
    Err(Error::arg(arg, message))
}

/// The request's log, or without one the cycle's.
///
/// # Safety
/// `r` is null or a live request.
unsafe fn log_of_request(r: *mut ngx_http_request_t) -> Log {
    // SAFETY: the caller's contract.
    unsafe { Request::from_raw(r) }.map_or_else(Log::cycle, Request::log)
}

/// `errlog.raw_log(level, message)`
///
/// # Safety
/// `r` is null or a live request; `message` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_raw_log(
    r: *mut ngx_http_request_t,
    level: c_int,
    message: *const u8,
    len: usize,
) -> c_int {
    ffi::call(None, || {
        let level = Level::from_number(level).ok_or(Rc::Error)?;
        // SAFETY: the caller's contract.
        unsafe { log_of_request(r).write(level, ffi::bytes(message, len)) };
        Ok(Rc::Ok)
    })
}

/// `errlog.get_sys_filter_level()`
///
/// # Safety
/// `r` is null or a live request.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_errlog_get_sys_filter_level(
    r: *mut ngx_http_request_t,
) -> c_int {
    // SAFETY: the caller's contract.
    let level = unsafe { log_of_request(r) }.level();
    // `debug` sets bits for its kinds; seen as a level, it is the last one.
    c_int::try_from(level).unwrap_or(c_int::MAX).min(Level::Debug as c_int)
}

/// The tap on the logs of the running configuration.
fn tap(err: &ErrBuf) -> core::result::Result<&'static Tap, Rc> {
    MainConf::running().and_then(|conf| conf.tap.as_deref()).ok_or_else(|| {
        err.set(format_args!("directive \"lua_capture_error_log\" is not set"));
        Rc::Error
    })
}

/// `errlog.set_filter_level(level)`
///
/// # Safety
/// `err` has the room that `err_len` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_errlog_set_filter_level(
    level: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        let tap = tap(&err)?;
        let Some(known) = Level::from_number(level) else {
            err.set(format_args!("bad log level: {level}"));
            return Err(Rc::Error.into());
        };
        tap.set_filter_level(known);
        Ok(Rc::Ok)
    })
}

/// Nginx's own limit for a line.
const LONGEST_LINE: usize = 2048;

thread_local! {
    /// The line that was asked for last in this thread.
    static LINE: UnsafeCell<[u8; LONGEST_LINE]> = const { UnsafeCell::new([0; LONGEST_LINE]) };
}

/// `errlog.get_logs()`, one line a call: its length, or `NGX_DONE` if there is none. The text is good until the next
/// call in the same thread.
///
/// # Safety
/// `err` has the room that `err_len` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_errlog_get_msg(
    text: Out<*const u8>,
    level: Out<c_int>,
    err: *mut u8,
    err_len: Out<usize>,
    time: Out<f64>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        let copy = |line: Line<'_>| {
            let len = line.text.len().min(LONGEST_LINE);
            // SAFETY: nobody else has it, and nothing is called meanwhile.
            LINE.with(|copy| unsafe {
                (&mut *copy.get())[..len].copy_from_slice(&line.text[..len]);
                text.set(copy.get().cast_const().cast());
            });
            level.set(line.level as c_int);
            time.set(line.time);
            len as c_int
        };
        Ok(tap(&err)?.take(copy).unwrap_or(Rc::Done.into()))
    })
}
