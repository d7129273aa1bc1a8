//! The pool of unused entry coroutines: making one costs more than a request's whole Lua run.
//!
//! A coroutine is reset before it is reused; without that it would carry over hooks, open upvalues
//! and the stack of an aborted run.
use core::cell::Cell;

use super::task::{Co, Coroutine, Role, Status};
use crate::nginx::{Log, debug};
use crate::vm::{Thread, Vm};

struct Pool {
    /// The VM that the pooled coroutines belong to.
    vm: Cell<Option<Vm>>,
    first: Cell<Option<Co>>,
    len: Cell<usize>,
}

thread_local! {
    static POOL: Pool = const {
        Pool { vm: Cell::new(None), first: Cell::new(None), len: Cell::new(0) }
    };
}

/// An entry coroutine of `vm`, new or as good as new.
pub(super) fn take(vm: Vm, log: Log) -> Co {
    debug!(log, "lua creating new thread");
    let pooled = POOL.with(|pool| {
        if pool.vm.get() != Some(vm) {
            return None;
        }
        let co = pool.first.get()?;
        pool.first.set(co.next.take());
        pool.len.set(pool.len.get() - 1);
        Some(co)
    });
    if let Some(co) = pooled {
        debug!(
            log,
            "lua reusing cached lua thread {:p} (ref {})",
            co.stack().as_ptr(),
            co.thread.anchor()
        );
        return co;
    }
    let co = Co::new(Thread::new(vm), Role::Entry);
    debug!(log, "lua ref lua thread {:p} (ref {})", co.stack().as_ptr(), co.thread.anchor());
    co
}

/// Takes back an entry coroutine that has ended or was aborted. `max` bounds the pool.
pub(super) fn give(vm: Vm, co: Co, log: Log, max: usize) {
    let (stack, anchor) = (co.stack().as_ptr(), co.thread.anchor());
    debug!(log, "lua deleting light thread {stack:p} (ref {anchor})");
    let keep = POOL.with(|pool| {
        if pool.vm.get() != Some(vm) || pool.len.get() >= max || !co.thread.reset(vm) {
            return false;
        }
        clear(&co);
        co.next.set(pool.first.replace(Some(co)));
        pool.len.set(pool.len.get() + 1);
        true
    });
    if keep {
        debug!(log, "lua caching unused lua thread {stack:p} (ref {anchor})");
        return;
    }
    debug!(log, "http lua unref thread {stack:p}: {anchor}");
    co.thread.release(vm);
    co.free();
}

fn clear(co: &Coroutine) {
    co.ctx.set(None);
    co.parent.set(None);
    co.status.set(Status::Suspended);
    co.propagates.set(false);
    co.results.set(0);
    co.next_ready.set(None);
}

/// Coroutines are pooled for this VM from now on: the one that serves the worker.
pub(crate) fn adopt(vm: Vm) {
    POOL.with(|pool| {
        if pool.vm.get() != Some(vm) {
            empty(pool);
            pool.vm.set(Some(vm));
        }
    });
}

/// The VM is about to be closed, and its coroutines with it.
pub(crate) fn forget(vm: Vm) {
    POOL.with(|pool| {
        if pool.vm.get() == Some(vm) {
            empty(pool);
            pool.vm.set(None);
        }
    });
}

fn empty(pool: &Pool) {
    while let Some(co) = pool.first.get() {
        pool.first.set(co.next.take());
        co.free();
    }
    pool.len.set(0);
}
