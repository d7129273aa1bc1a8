//! LuaJIT's allocating calls, made so that they never collect; and the places where it may collect.
//!
//! Collecting runs finalizers, which are Lua code: they call the module's functions, and they may raise, which LuaJIT
//! does at the allocation that ran them. LuaJIT's C API collects where it allocates. Here allocations never do: what is
//! due is made up for when Lua code calls a function of ours, before anything has been read or borrowed
//! ([`step_if_due`]), and by Lua's own code. An error of a finalizer is reported there, and ends nothing.
//!
//! LuaJIT collects when the number of bytes in use has reached a threshold. Both are words of its state, and no function
//! of its API tells the second: where they are is found by trying. Where they cannot be found, `lua_gc` stops and
//! restarts the collector, which is slower and lets it begin early.
#![allow(unsafe_code, non_snake_case)]
use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

use super::function::protect;
use super::stack::Stack;
use super::sys::collecting as raw;
use super::sys::{lua_CFunction, lua_State};

#[cfg(test)]
mod tests;

/// How many steps of the collector a call makes at most: those owed for long strings are many.
const STEPS: u32 = 16;
/// How many errors of finalizers are reported at once; what is due then is left to the next call.
const ERRORS: u32 = 16;

/// Where in a `lua_State` the address of the global state is, and where in that the threshold, which the bytes in use
/// precede; the second is 0 as long as it is not known.
static GLOBAL: AtomicUsize = AtomicUsize::new(0);
static THRESHOLD: AtomicUsize = AtomicUsize::new(0);

/// Bytes in use, and the threshold.
#[inline]
fn gauge(l: *mut lua_State) -> Option<*mut [usize; 2]> {
    #[cfg(test)]
    if tests::IS_BLIND.get() {
        return None;
    }
    let threshold = THRESHOLD.load(Relaxed);
    if threshold == 0 {
        return None;
    }
    // SAFETY: [lua-frame]; `find` has made sure of both places.
    unsafe {
        let global = l.byte_add(GLOBAL.load(Relaxed)).cast::<*mut c_void>().read();
        Some(global.byte_add(threshold).cast::<usize>().sub(1).cast())
    }
}

/// LuaJIT's global state, if its place is known.
pub(super) fn global(l: *mut lua_State) -> Option<*const u8> {
    let place = GLOBAL.load(Relaxed);
    // SAFETY: [lua-frame]; `find` has made sure of the place.
    (place > 0).then(|| unsafe { l.byte_add(place).cast::<*const u8>().read() })
}

/// The gauge of the only VM that there is. With none, or several, one that always says that the collector is due: then
/// that of the VM is looked for.
static ONLY: AtomicPtr<[usize; 2]> = AtomicPtr::new((&raw const ALWAYS_DUE).cast_mut());
static ALWAYS_DUE: [usize; 2] = [1, 0];

/// The VMs that there are, by their main coroutines.
static VMS: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Whether the collector may have to run where LuaJIT looks for that now: no for certain, or perhaps.
#[inline(always)]
fn may_be_due(_l: *mut lua_State) -> bool {
    // SAFETY: plain numbers, which nobody changes meanwhile: who has a VM, has the only one.
    let [used, threshold] = unsafe { ONLY.load(Relaxed).read() };
    used >= threshold
}

/// Whether the collector would run. `true` if it is not known.
fn is_due(l: *mut lua_State) -> bool {
    // SAFETY: as above.
    gauge(l).is_none_or(|gauge| unsafe { (*gauge)[0] >= (*gauge)[1] })
}

fn vms() -> MutexGuard<'static, Vec<usize>> {
    VMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(only: Option<*mut [usize; 2]>) {
    ONLY.store(only.unwrap_or((&raw const ALWAYS_DUE).cast_mut()), Relaxed);
}

/// Watches the VM if it is the only one.
fn choose(vms: &[usize]) {
    watch(match vms {
        [only] => gauge(ptr::with_exposed_provenance_mut(*only)),
        _ => None,
    });
}

/// A VM has been made, on which no Lua code has run.
pub(super) fn begin(main: *mut lua_State) {
    let mut vms = vms();
    watch(None);
    vms.push(main.expose_provenance());
    find(main);
    choose(&vms);
}

/// Runs `close`, which ends the VM.
pub(super) fn end(main: *mut lua_State, close: impl FnOnce()) {
    watch(None);
    close();
    let mut vms = vms();
    vms.retain(|vm| *vm != main.addr());
    choose(&vms);
}

/// Keeps the collector from running until it is dropped, also when LuaJIT raises for want of memory.
struct Hold {
    l: *mut lua_State,
    /// The threshold, where it is known.
    threshold: Option<usize>,
    is_mine: bool,
}

impl Hold {
    fn new(l: *mut lua_State) -> Self {
        // SAFETY: [lua-frame]; numbers of LuaJIT's collector.
        unsafe {
            if let Some(gauge) = gauge(l) {
                let threshold = (*gauge)[1];
                (*gauge)[1] = isize::MAX.cast_unsigned();
                return Self { l, threshold: Some(threshold), is_mine: true };
            }
            // Lua code may have stopped it.
            let is_mine = raw::lua_gc(l, raw::LUA_GCISRUNNING, 0) == 1;
            if is_mine {
                raw::lua_gc(l, raw::LUA_GCSTOP, 0);
            }
            Self { l, threshold: None, is_mine }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe {
            match (self.threshold, gauge(self.l)) {
                (Some(threshold), Some(gauge)) => (*gauge)[1] = threshold,
                // Not with -1, which puts the next collection off.
                _ if self.is_mine => {
                    raw::lua_gc(self.l, raw::LUA_GCRESTART, 0);
                }
                _ => (),
            }
        }
    }
}

#[cold]
#[inline(never)]
fn held<R>(l: *mut lua_State, call: impl FnOnce() -> R) -> R {
    let _hold = Hold::new(l);
    call()
}

/// Functions of LuaJIT under their own names. Those that look whether the collector is due only before they do anything
/// are held if it is; others always.
macro_rules! held {
    ($($when:ident fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        /// # Safety
        /// That of LuaJIT's function.
        #[inline]
        pub(crate) unsafe fn $name(l: *mut lua_State, $($arg: $type),*) $(-> $result)? {
            if $when(l) {
                // SAFETY: the caller's.
                return held(l, move || unsafe { raw::$name(l, $($arg),*) });
            }
            // SAFETY: as above.
            unsafe { raw::$name(l, $($arg),*) }
        }
    )*};
}

const fn always(_: *mut lua_State) -> bool {
    true
}

held! {
    may_be_due fn lua_pushlstring(data: *const c_char, len: usize);
    may_be_due fn lua_pushcclosure(f: lua_CFunction, upvalues: c_int);
    may_be_due fn lua_createtable(array: c_int, records: c_int);
    may_be_due fn lua_newuserdata(size: usize) -> *mut c_void;
    may_be_due fn lua_newthread() -> *mut lua_State;
    may_be_due fn lua_tolstring(index: c_int, len: *mut usize) -> *const c_char;
    always fn lua_concat(n: c_int);
    always fn luaL_where(level: c_int);
    always fn luaL_argerror(arg: c_int, message: *const c_char) -> c_int;
    always fn luaL_typerror(arg: c_int, name: *const c_char) -> c_int;
    always fn luaL_traceback(of: *mut lua_State, message: *const c_char, level: c_int);
    always fn luaL_loadbuffer(data: *const c_char, len: usize, name: *const c_char) -> c_int;
    always fn luaL_openlibs();
}

/// Lets the collector run if it is due: Lua code runs in it. stack: [-0, +0, -]
#[inline(always)]
pub(super) fn step_if_due(l: *mut lua_State) {
    if may_be_due(l) {
        step(l);
    }
}

#[cold]
#[inline(never)]
fn step(l: *mut lua_State) {
    if !is_due(l) {
        return;
    }
    let stack = Stack::from_raw(l);
    let is_known = gauge(l).is_some();
    for _ in 0..ERRORS {
        let done = protect(stack, |stack| {
            for _ in 0..STEPS {
                // SAFETY: [lua-frame]; the empty string takes no memory.
                unsafe { raw::lua_pushlstring(stack.as_ptr(), c"".as_ptr(), 0) };
                stack.pop(1);
                if !is_known || !is_due(stack.as_ptr()) {
                    break;
                }
            }
        });
        match done {
            Ok(()) => return,
            Err(message) => report(&message),
        }
    }
}

/// Runs a full collection, and so finalizers. stack: [-0, +0, -]
pub(super) fn collect(stack: Stack) {
    for _ in 0..ERRORS {
        let done = protect(stack, |stack| {
            // SAFETY: [lua-frame], in a protected call.
            unsafe { raw::lua_gc(stack.as_ptr(), raw::LUA_GCCOLLECT, 0) };
        });
        match done {
            Ok(()) => return,
            // The finalizer has been called; the collection has not ended.
            Err(message) => report(&message),
        }
    }
}

/// Bytes in use by Lua values. stack: [-0, +0, -]
pub(super) fn memory(stack: Stack) -> usize {
    let l = stack.as_ptr();
    // SAFETY: [lua-frame]
    let (kib, rest) =
        unsafe { (raw::lua_gc(l, raw::LUA_GCCOUNT, 0), raw::lua_gc(l, raw::LUA_GCCOUNTB, 0)) };
    kib as usize * 1024 + rest as usize
}

/// Sets the collector's pause, and returns what was set before. stack: [-0, +0, -]
pub(super) fn set_pause(stack: Stack, pause: c_int) -> c_int {
    // SAFETY: [lua-frame]; it changes a number.
    unsafe { raw::lua_gc(stack.as_ptr(), raw::LUA_GCSETPAUSE, pause) }
}

/// What is told of errors of finalizers.
static REPORT: OnceLock<fn(&[u8])> = OnceLock::new();

/// Lets `report` be told of errors of finalizers, with their messages. Threads of a pool call it as well. The first that
/// is given stays.
pub(crate) fn report_errors_to(report: fn(&[u8])) {
    let _ = REPORT.set(report);
}

#[cold]
pub(super) fn report(message: &[u8]) {
    #[cfg(test)]
    tests::REPORTED.with_borrow_mut(|all| all.push(message.to_vec()));
    if let Some(report) = REPORT.get() {
        report(message);
    }
}

/// Lets errors of finalizers be reported that LuaJIT does not raise: later ones than Debian 12's make an event of them,
/// for which only `luaL_newstate` has a handler. To others the event means nothing. stack: [-0, +0, m]
pub(super) fn report_event(stack: Stack) {
    stack.global(c"jit");
    stack.raw_field(-1, b"attach");
    stack.push_function(on_error_event, 0);
    stack.push_bytes(b"errfin");
    stack.call(2, 0, 0);
    stack.pop(1);
}

/// Without `lua_fn!`, which would let the collector run within itself.
unsafe extern "C-unwind" fn on_error_event(l: *mut lua_State) -> c_int {
    report(Stack::from_raw(l).error_message());
    0
}

/// Finds the two places by a new VM, on which no Lua code has run.
fn find(main: *mut lua_State) {
    static SOUGHT: Once = Once::new();
    SOUGHT.call_once(|| {
        let _ = protect(Stack::from_raw(main), |stack| {
            if let Some((global, threshold)) = look(stack) {
                GLOBAL.store(global, Relaxed);
                THRESHOLD.store(threshold, Relaxed);
            }
        });
    });
}

const WORD: usize = size_of::<usize>();
/// How much of a `lua_State` is looked at, which is less than there is of any.
const STATE: usize = 11 * WORD;
/// How much of the global state is.
const START: usize = 64;

/// Both places; `None` unless there is exactly one of each. stack: [-0, +?, m]
fn look(stack: Stack) -> Option<(usize, usize)> {
    // SAFETY: [lua-frame]; the words that are read are within LuaJIT's structs: the global state follows the main
    // coroutine in one block of several kilobytes.
    unsafe {
        let main = stack.as_ptr();
        raw::lua_gc(main, raw::LUA_GCSTOP, 0);
        let other = raw::lua_newthread(main);
        let word_of = |l: *mut lua_State, place| l.byte_add(place).cast::<*const usize>().read();
        let is_global = |place: &usize| {
            let (word, begin) = (word_of(main, *place), main.addr());
            word == word_of(other, *place) && (begin + 1..=begin + 1024).contains(&word.addr())
        };
        let place = only((0..STATE).step_by(WORD).filter(is_global))?;
        let words = word_of(main, place);
        let pair_at = |i: usize| words.add(i).cast::<[usize; 2]>().read();
        let all = |is: &dyn Fn([usize; 2]) -> bool| -> Vec<usize> {
            (0..START - 1).filter(|i| is(pair_at(*i))).collect()
        };
        let stopped = |used| all(&move |[one, other]| one == used && other > u32::MAX as usize);
        let restarted = |used| all(&move |[one, other]| one == used && other == used);

        let mut found = stopped(memory(stack));
        raw::lua_createtable(main, 100, 0);
        found.retain(|i| stopped(memory(stack)).contains(i));
        raw::lua_gc(main, raw::LUA_GCRESTART, 0);
        found.retain(|i| restarted(memory(stack)).contains(i));
        raw::lua_gc(main, raw::LUA_GCSTOP, 0);
        found.retain(|i| stopped(memory(stack)).contains(i));
        // The first collection begins when there is some more than now.
        raw::lua_gc(main, raw::LUA_GCRESTART, -1);
        Some((place, (only(found.into_iter())? + 1) * WORD))
    }
}

/// What an iterator has if it is one thing.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let one = all.next()?;
    all.next().is_none().then_some(one)
}
