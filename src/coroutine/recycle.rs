//! The pool of unused entry coroutines: making one costs more than a request's whole Lua run.
//!
//! A coroutine that did not end well is reset before it is reused; without that it would carry over open upvalues
//! and the stack of an aborted run.
use core::cell::{Cell, UnsafeCell};
use core::fmt;

use super::context::RequestCtx;
use crate::nginx::trace;
use crate::vm::{Thread, Vm};

struct Pool {
    /// The VM that the pooled coroutines belong to.
    vm: Cell<Option<Vm>>,
    threads: UnsafeCell<Vec<Thread>>,
}

static POOL: Pool = Pool { vm: Cell::new(None), threads: UnsafeCell::new(Vec::new()) };

#[allow(unsafe_code)]
// SAFETY: [single-thread]; a thread-local would cost a call for each use.
unsafe impl Sync for Pool {}

// SAFETY (every block of this impl): [single-thread]; nothing else is called while there is a reference.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl Pool {
    #[inline]
    fn pop(&self, vm: Vm) -> Option<Thread> {
        let is_its_vm = self.vm.get() == Some(vm);
        if is_its_vm { unsafe { &mut *self.threads.get() }.pop() } else { None }
    }

    /// Keeps a coroutine if there is room and this LuaJIT can reset it. The first VM that gives one
    /// back is the one that the pool serves, until it is closed.
    #[inline]
    fn push(&self, vm: Vm, thread: Thread, max: usize) -> bool {
        if self.vm.get().is_none() && vm.is_lasting() {
            self.vm.set(Some(vm));
        }
        let has_room = self.vm.get() == Some(vm) && unsafe { &*self.threads.get() }.len() < max;
        if !has_room || !thread.reset(vm) {
            return false;
        }
        unsafe { &mut *self.threads.get() }.push(thread);
        true
    }

    fn clear(&self) {
        unsafe { &mut *self.threads.get() }.clear();
        self.vm.set(None);
    }
}

/// An entry coroutine for the request, new or as good as new.
#[inline]
pub(super) fn take(ctx: &RequestCtx) -> Thread {
    trace!(ctx, "lua creating new thread");
    if let Some(thread) = POOL.pop(ctx.vm) {
        trace!(ctx, "lua reusing cached lua thread {}", Shown(thread));
        return thread;
    }
    make(ctx)
}

#[inline(never)]
fn make(ctx: &RequestCtx) -> Thread {
    let thread = Thread::new(ctx.vm);
    trace!(ctx, "lua ref lua thread {}", Shown(thread));
    thread
}

/// The same outside of a request.
pub(crate) fn take_for(vm: Vm) -> Thread {
    POOL.pop(vm).unwrap_or_else(|| Thread::new(vm))
}

/// Takes back an entry coroutine that has ended or was aborted. `max` bounds the pool.
#[inline]
pub(super) fn give(ctx: &RequestCtx, thread: Thread, max: usize) {
    trace!(ctx, "lua deleting light thread {}", Shown(thread));
    if POOL.push(ctx.vm, thread, max) {
        trace!(ctx, "lua caching unused lua thread {}", Shown(thread));
    } else {
        drop_unused(ctx, thread);
    }
}

#[cold]
fn drop_unused(ctx: &RequestCtx, thread: Thread) {
    trace!(ctx, "http lua unref thread {:p}: {}", thread.stack().as_ptr(), thread.anchor());
    thread.stack().forget_owner(ctx.vm.stack());
    thread.release();
}

/// A coroutine as debug lines name it.
struct Shown(Thread);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p} (ref {})", self.0.stack().as_ptr(), self.0.anchor())
    }
}

/// The VM is about to be closed, and its coroutines with it.
pub(crate) fn forget(vm: Vm) {
    if POOL.vm.get() == Some(vm) {
        POOL.clear();
    }
}
