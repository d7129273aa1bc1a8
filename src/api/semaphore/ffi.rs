//! The exported functions under `ngx.semaphore`. The Lua object has one share of the semaphore, and each
//! waiting coroutine has another: the collector may take the object first.
#![allow(unsafe_code)]
use core::cell::RefCell;
use core::ffi::c_int;
use core::ptr::NonNull;
use std::rc::Rc as Share;

use super::{Semaphore, Ticket};
use crate::api::ffi::{self, ErrBuf, ErrOut, FfiError, Out, Rc};
use crate::api::given::{self, Kind};
use crate::coroutine::{Suspension, Waker, disabled};
use crate::nginx::event::Delay;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Level, Log, Msec, Phases, Timer, debug, guard, process};
use crate::vm::Stack;

/// `ngx_http_lua_sema_t`: what the Lua object points to.
///
/// Reference: keeps semaphores in blocks of its own, and says so in debug lines; these are allocated one
/// by one.
struct Shared {
    semaphore: Semaphore<Waker>,
    /// Posted when resources have come for those who wait.
    delivery: RefCell<Timer<NonNull<Shared>>>,
}

/// A waiting coroutine's place in the queue. Dropping it leaves the queue.
struct Wait {
    shared: Share<Shared>,
    /// None: it has left the queue.
    ticket: Option<Ticket>,
    timer: Timer<Waker>,
    timeout: Msec,
}

impl Suspension for Wait {
    fn arm(&mut self) {
        self.timer.arm(Delay::After(self.timeout));
    }

    fn results(&mut self, stack: Stack) -> i32 {
        // Who has been served is not in the queue any more.
        let timed_out = !self.timer.is_armed() && self.leave();
        self.ticket = None;
        stack.push_boolean(!timed_out);
        if timed_out {
            stack.push_bytes(b"timeout")
        } else {
            stack.push_nil()
        }
        2
    }
}

impl Wait {
    /// Whether it was still in the queue.
    #[inline]
    fn leave(&mut self) -> bool {
        self.ticket.take().is_some_and(|ticket| self.shared.semaphore.leave(ticket))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.leave() {
            debug!(Log::cycle(), "http lua semaphore cleanup");
        }
    }
}

/// The semaphore behind what a Lua object has; `None` for anything else.
#[inline]
fn known<'a>(sem: *const Shared) -> Option<&'a Shared> {
    // SAFETY: the object that it was given to has a share.
    given::is(Kind::Semaphore, sem).then(|| unsafe { &*sem })
}

/// # Safety
/// `psem` is [ffi-out].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_sema_new(
    psem: Out<*const Shared>,
    resources: c_int,
    err: ErrOut,
) -> c_int {
    ffi::call(Some(&err), || {
        let timer = Timer::new(Log::cycle(), NonNull::dangling(), deliver);
        let shared = Share::new(Shared {
            semaphore: Semaphore::new(resources),
            delivery: RefCell::new(timer),
        });
        let this = NonNull::from(&*shared);
        shared.delivery.borrow_mut().aim(this);
        if !given::note(Kind::Semaphore, this.as_ptr()) {
            return Err(FfiError::message(c"semaphores are of the main thread"));
        }
        debug!(Log::cycle(), "http lua semaphore new: {this:p}, resources: {resources}");
        psem.set(Share::into_raw(shared));
        Ok(Rc::Ok)
    })
}

/// Does nothing if `sem` is none.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_sema_post(sem: *const Shared, n: c_int) -> c_int {
    let Some(shared) = known(sem) else { return Rc::Error.into() };
    let semaphore = &shared.semaphore;
    debug!(
        Log::cycle(),
        "http lua semaphore post: {sem:p}, n: {n}, resources: {}",
        semaphore.resources()
    );
    semaphore.post(n);
    if semaphore.is_awaited() {
        let mut delivery = shared.delivery.borrow_mut();
        if !delivery.is_posted() {
            delivery.arm(Delay::ThisRound);
        }
    }
    Rc::Ok.into()
}

/// 0 if `sem` is none.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_sema_count(sem: *const Shared) -> c_int {
    known(sem).map_or(0, |shared| shared.semaphore.count())
}

/// Takes a resource, or makes the coroutine wait for one, which then yields.
///
/// # Safety
/// `r` as for [`ffi::request`], `err` and `err_len` as for [`ErrBuf`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_sema_wait(
    r: *mut ngx_http_request_t,
    sem: *const Shared,
    wait_ms: c_int,
    err: *mut u8,
    err_len: Out<usize>,
) -> c_int {
    let err = ErrBuf { data: err, len: err_len };
    ffi::call(None, || {
        let Some(shared) = known(sem) else {
            err.set(format_args!("not a semaphore instance"));
            return Ok(Rc::Error);
        };
        // SAFETY: the caller's contract.
        let ctx = unsafe { ffi::context(r) };
        let semaphore = &shared.semaphore;
        debug!(
            Log::cycle(),
            "http lua semaphore wait: {sem:p}, timeout: {wait_ms}, resources: {}, event posted: {}",
            semaphore.resources(),
            u8::from(shared.delivery.borrow().is_posted())
        );
        let refuse = |why: &str| {
            err.set(format_args!("{why}"));
            Rc::Error
        };
        let Ok(ctx) = ctx else { return Ok(refuse("no request ctx found")) };
        if !Phases::YIELDABLE.contains(ctx.phase()) {
            return Ok(refuse(&disabled(ctx.phase())));
        }
        if semaphore.take() {
            return Ok(Rc::Ok);
        }
        if wait_ms == 0 {
            return Ok(Rc::Declined);
        }
        // What does not fit into an int is longer than anybody waits.
        let timeout = Msec(usize::try_from(wait_ms).unwrap_or(c_int::MAX as usize));
        let waits = ctx.suspend_on_yield(|waker| {
            // SAFETY: as in `known`.
            let shared = unsafe {
                Share::increment_strong_count(sem);
                Share::from_raw(sem)
            };
            let ticket = Some(shared.semaphore.join(waker));
            Ok(Wait { shared, ticket, timer: Timer::new(ctx.log(), waker, Waker::wake), timeout })
        });
        if waits.is_err() {
            return Ok(refuse("no co ctx found"));
        }
        debug!(Log::cycle(), "http lua semaphore wait yielding");
        Ok(Rc::Again)
    })
}

/// The object's share ends here.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_sema_gc(sem: *const Shared) {
    debug!(Log::cycle(), "in lua gc, semaphore {sem:p}");
    if !given::take_back(Kind::Semaphore, sem) {
        return;
    }
    guard((), || {
        // SAFETY: it was the object's.
        let shared = unsafe { Share::from_raw(sem) };
        if shared.semaphore.is_awaited() && !process::ending() {
            Log::cycle().print(
                Level::Error,
                format_args!(
                    "in lua semaphore gc wait queue is not empty while the semaphore {sem:p} is \
                     being destroyed"
                ),
            );
        }
    });
}

/// Serves those who wait, as long as there are resources. Their Lua code runs here, which may post, wait
/// and let go of the semaphore.
fn deliver(this: NonNull<Shared>) {
    // SAFETY: the event is disarmed with the last share; this one lasts while Lua runs.
    let shared = unsafe {
        Share::increment_strong_count(this.as_ptr());
        Share::from_raw(this.as_ptr())
    };
    let semaphore = &shared.semaphore;
    debug!(
        Log::cycle(),
        "semaphore handler: wait queue: {}empty, resource count: {}",
        if semaphore.is_awaited() { "not " } else { "" },
        semaphore.resources()
    );
    while let Some(waker) = semaphore.serve() {
        waker.wake();
    }
}
