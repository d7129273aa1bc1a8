//! The pool of unused entry coroutines: making one costs more than a request's whole Lua run.
//!
//! A coroutine is reset before it is reused; without that it would carry over hooks, open upvalues
//! and the stack of an aborted run.
use core::cell::Cell;

use super::context::RequestCtx;
use super::task::{Co, Coroutine, Role, Status};
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
        if self.vm.get() != Some(vm) || self.len.get() >= max || !co.thread.reset(vm) {
            return false;
        }
        co.cut_loads();
        clear(&co);
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
        trace!(
            ctx,
            "lua reusing cached lua thread {:p} (ref {})",
            co.stack().as_ptr(),
            co.thread.anchor()
        );
        return co;
    }
    let co = Co::new(Thread::new(vm), Role::Entry);
    trace!(ctx, "lua ref lua thread {:p} (ref {})", co.stack().as_ptr(), co.thread.anchor());
    co
}

/// The same outside of a request.
pub(super) fn take_for(vm: Vm) -> Co {
    POOL.pop(vm).unwrap_or_else(|| Co::new(Thread::new(vm), Role::Entry))
}

/// Takes back an entry coroutine that has ended or was aborted. `max` bounds the pool.
pub(super) fn give(ctx: &RequestCtx, co: Co, max: usize) {
    let vm = ctx.vm;
    let (stack, anchor) = (co.stack().as_ptr(), co.thread.anchor());
    trace!(ctx, "lua deleting light thread {stack:p} (ref {anchor})");
    if POOL.push(vm, co, max) {
        trace!(ctx, "lua caching unused lua thread {stack:p} (ref {anchor})");
        return;
    }
    trace!(ctx, "http lua unref thread {stack:p}: {anchor}");
    co.thread.release(vm);
    co.free();
}

fn clear(co: &Coroutine) {
    co.disclaim();
    co.ctx.set(None);
    co.parent.set(None);
    co.children.set(0);
    co.awaited.set(false);
    co.previous.set(None);
    co.status.set(Status::Suspended);
    co.propagates.set(false);
    co.results.set(0);
    co.next_ready.set(None);
}

/// The VM is about to be closed, and its coroutines with it.
pub(crate) fn forget(vm: Vm) {
    if POOL.vm.get() == Some(vm) {
        POOL.empty();
        POOL.vm.set(None);
    }
}
