//! The pool of unused entry coroutines: making one costs more than a request's whole Lua run.
//!
//! A coroutine is reset before it is reused; without that it would carry over hooks, open upvalues
//! and the stack of an aborted run.
use core::cell::Cell;
use core::fmt;

use super::context::RequestCtx;
use super::task::{Co, Role};
use crate::nginx::trace;
use crate::vm::{Thread, Vm};

struct Pool {
    /// The VM that the pooled coroutines belong to.
    vm: Cell<Option<Vm>>,
    first: Cell<Option<Co>>,
    len: Cell<usize>,
}

static POOL: Pool = Pool { vm: Cell::new(None), first: Cell::new(None), len: Cell::new(0) };

#[allow(unsafe_code)]
// SAFETY: [single-thread]; a thread-local would cost a call for each use.
unsafe impl Sync for Pool {}

impl Pool {
    fn pop(&self, vm: Vm) -> Option<Co> {
        if self.vm.get() != Some(vm) {
            return None;
        }
        let co = self.first.get()?;
        self.first.set(co.next.take());
        self.len.set(self.len.get() - 1);
        Some(co)
    }

    /// Keeps a coroutine if there is room and this LuaJIT can reset it. The first VM that gives one
    /// back is the one that the pool serves, until it is closed.
    fn push(&self, vm: Vm, co: Co, max: usize) -> bool {
        if self.vm.get().is_none() && vm.is_lasting() {
            self.vm.set(Some(vm));
        }
        if self.vm.get() != Some(vm) || self.len.get() >= max || !co.thread.get().reset(vm) {
            return false;
        }
        co.clear();
        co.next.set(self.first.replace(Some(co)));
        self.len.set(self.len.get() + 1);
        true
    }

    fn empty(&self) {
        while let Some(co) = self.first.get() {
            self.first.set(co.next.take());
            co.free();
        }
        self.len.set(0);
    }
}

/// An entry coroutine of `vm`, new or as good as new.
pub(super) fn take(ctx: &RequestCtx) -> Co {
    let vm = ctx.vm;
    trace!(ctx, "lua creating new thread");
    if let Some(co) = POOL.pop(vm) {
        trace!(ctx, "lua reusing cached lua thread {}", Shown(co));
        return co;
    }
    let co = Co::new(Thread::new(vm), Role::Entry);
    trace!(ctx, "lua ref lua thread {}", Shown(co));
    co
}

/// The same outside of a request.
pub(super) fn take_for(vm: Vm) -> Co {
    POOL.pop(vm).unwrap_or_else(|| Co::new(Thread::new(vm), Role::Entry))
}

/// Takes back an entry coroutine that has ended or was aborted. `max` bounds the pool.
pub(super) fn give(ctx: &RequestCtx, co: Co, max: usize) {
    trace!(ctx, "lua deleting light thread {}", Shown(co));
    if POOL.push(ctx.vm, co, max) {
        trace!(ctx, "lua caching unused lua thread {}", Shown(co));
    } else {
        drop_unused(ctx, co);
    }
}

#[cold]
fn drop_unused(ctx: &RequestCtx, co: Co) {
    let thread = co.thread.get();
    trace!(ctx, "http lua unref thread {:p}: {}", thread.stack().as_ptr(), thread.anchor());
    thread.release(ctx.vm);
    co.free();
}

/// A coroutine as debug lines name it.
struct Shown(Co);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.0.thread.get();
        write!(f, "{:p} (ref {})", thread.stack().as_ptr(), thread.anchor())
    }
}

/// The VM is about to be closed, and its coroutines with it.
pub(crate) fn forget(vm: Vm) {
    if POOL.vm.get() == Some(vm) {
        POOL.empty();
        POOL.vm.set(None);
    }
}
