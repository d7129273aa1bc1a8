//! A coroutine as other nginx modules hold it: they park it from a C function of theirs, and wake it
//! from an event of their own.
//!
//! The handle lies in the request's pool, so that it can be asked after its coroutine has gone: whatever
//! another module does with it then is nothing. The wait itself is a [`Suspension`] like any other, and
//! who cancels that (another wait, `ngx.thread.kill`, the end of the request) calls the other module's
//! clean-up.
//!
//! Reference: a handle is its own bookkeeping of the coroutine there, which runs on whatever it does when
//! it is resumed twice, or after it has been killed.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;

use super::context::RequestCtx;
use super::suspension::{Suspension, Waker};
use super::task::Co;
use crate::nginx::grace::Waived;
use crate::nginx::log::{Text, trace};
use crate::vm::Stack;

/// Called with the handle when the wait is cancelled.
pub(crate) type Cleanup = unsafe extern "C" fn(*mut c_void);

pub(crate) struct Foreign {
    co: Cell<Option<Co>>,
    /// The coroutine waits for the other module.
    waits: Cell<bool>,
    /// So many values have been pushed for the waiting call to return.
    results: Cell<i32>,
    cleanup: Cell<Option<Cleanup>>,
    data: Cell<*mut c_void>,
}

struct Wait {
    handle: &'static Foreign,
    /// A module that lets a worker stay for what it does has a timer of its own, unless a client waits.
    _waived: Option<Waived>,
}

impl Suspension for Wait {
    fn results(&mut self, _: Stack) -> i32 {
        self.handle.waits.set(false);
        self.handle.results.take()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.handle.waits.replace(false) {
            self.handle.clean_up();
        }
    }
}

impl Foreign {
    /// A handle to the coroutine that runs, which is taken to wait for it if it yields now.
    pub(crate) fn of_running(ctx: &RequestCtx) -> Option<&'static Self> {
        let co = ctx.current()?;
        let handle = match co.foreign.get() {
            Some(handle) => handle,
            None => ctx.request.pool().place(Self {
                co: Cell::new(Some(co)),
                waits: Cell::new(false),
                results: Cell::new(0),
                cleanup: Cell::new(None),
                data: Cell::new(ptr::null_mut()),
            })?,
        };
        co.foreign.set(Some(handle));
        if !handle.waits.get() {
            co.cancel();
            handle.waits.set(true);
            let waived = ctx.request.is_detached().then(Waived::new);
            co.room().begin(|| Wait { handle, _waived: waived });
        }
        Some(handle)
    }

    /// The coroutine, unless it is gone.
    pub(crate) fn stack(&self) -> Option<Stack> {
        self.co.get().map(Co::stack)
    }

    pub(crate) fn data(&self) -> *mut c_void {
        self.data.get()
    }

    pub(crate) fn set_data(&self, data: *mut c_void) {
        self.data.set(data);
    }

    pub(crate) fn set_cleanup(&self, cleanup: Option<Cleanup>) {
        self.cleanup.set(cleanup);
    }

    /// Calls the clean-up, once.
    pub(crate) fn clean_up(&self) {
        if let Some(cleanup) = self.cleanup.take() {
            // SAFETY: the other module's function, with what it expects.
            unsafe { cleanup(ptr::from_ref(self).cast_mut().cast()) };
        }
    }

    /// Lets the waiting call return the topmost `results` values of its stack. The request may be gone
    /// afterwards.
    pub(crate) fn resume(&self, results: i32) {
        let Some(co) = self.co.get().filter(|_| self.waits.get()) else { return };
        self.cleanup.set(None);
        let waker = Waker::new(co);
        let Some(ctx) = waker.context() else { return };
        let r = ctx.request;
        trace!(ctx, "lua coctx resume handler: \"{}?{}\"", Text(r.uri()), Text(r.args()));
        // What was pushed before the call yielded is not on its stack any more.
        let results = if ctx.current() == Some(co) { 0 } else { results.max(0) };
        self.results.set(results);
        if ctx.current().is_some() {
            // Lua code of the request runs: what is ready comes when it waits or ends.
            waker.wake_later();
        } else {
            waker.wake();
        }
    }

    /// The coroutine goes, or becomes another request's.
    pub(super) fn forget(&self) {
        self.co.set(None);
    }
}
