//! Waiting: what a suspended coroutine owns, and how it is woken.
use core::cell::Cell;
use core::mem::MaybeUninit;

use super::context::RequestCtx;
use super::task::Co;
use crate::nginx::request::run_posted;
use crate::vm::Stack;

/// What a suspended coroutine waits for. Owning it is waiting; dropping it cancels the wait.
pub(crate) trait Suspension {
    /// Starts the wait: called once, when the suspension lies where it stays until it is dropped.
    fn arm(&mut self) {}

    /// Pushes what the suspended Lua call returns, and returns the number of values; called once,
    /// right before the coroutine is resumed.
    fn results(self: Box<Self>, _stack: Stack) -> i32 {
        0
    }

    /// Why `ngx.thread.kill` leaves the coroutine alone, if it does.
    fn refuses_kill(&self) -> Option<&'static str> {
        None
    }

    /// The client's socket became writable, or its send timer ran out; whether that ends the wait.
    fn on_write_event(&self) -> bool {
        false
    }

    /// The client's socket became readable, or its read timer ran out; whether that ends the wait.
    fn on_read_event(&self) -> bool {
        false
    }

    /// nginx has read the request's body; whether that ends the wait.
    fn on_body_read(&self) -> bool {
        false
    }
}

/// The memory of a suspension's box between one wait and the next: most waits are short, and to allocate costs more than
/// what else there is to do for one.
pub(crate) struct SpareBox<S>(Cell<Option<Box<MaybeUninit<S>>>>);

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl<S> Sync for SpareBox<S> {}

impl<S> SpareBox<S> {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Boxes `value`, in the spare memory if there is some.
    #[inline]
    pub(crate) fn fill(&self, value: S) -> Box<S> {
        match self.0.take() {
            Some(memory) => Box::write(memory, value),
            None => Box::new(value),
        }
    }

    /// Takes the value out of its box, whose memory is kept.
    #[inline]
    pub(crate) fn empty(&self, boxed: Box<S>) -> S {
        let memory = Box::into_raw(boxed);
        #[allow(unsafe_code)]
        // SAFETY: the value is read once; what is left of the box is memory without a value.
        unsafe {
            let value = memory.read();
            self.0.set(Some(Box::from_raw(memory.cast::<MaybeUninit<S>>())));
            value
        }
    }
}

/// Wakes the coroutine that waits, from an nginx event handler. Whoever holds one is owned by the
/// coroutine's [`Suspension`], so it cannot outlive the coroutine.
#[derive(Clone, Copy)]
pub(crate) struct Waker {
    co: Co,
}

impl Waker {
    pub(super) const fn new(co: Co) -> Self {
        Self { co }
    }

    pub(crate) fn context<'a>(self) -> Option<&'a RequestCtx> {
        #[allow(unsafe_code)]
        // SAFETY: [ctx-owns-threads]
        self.co.ctx.get().map(|ctx| unsafe { ctx.as_ref() })
    }

    /// Lets the suspended call return when the request's coroutines are run next. For handlers that the
    /// event loop does not call: nothing of Lua runs here.
    pub(crate) fn wake_later(self) {
        let Some(ctx) = self.context() else { return };
        let Some(suspension) = self.co.waiting.take() else { return };
        self.co.results.set(suspension.results(self.co.stack()));
        ctx.make_ready(self.co);
    }

    /// Lets the suspended call return, and runs the coroutine on. For handlers that the event loop
    /// calls: the request, and everything that belongs to it, may be gone afterwards.
    pub(crate) fn wake(self) {
        let Some(ctx) = self.context() else { return };
        let Some(suspension) = self.co.waiting.take() else { return };
        let r = ctx.request;
        r.enter_log();
        let (connection, detached) = (r.connection(), r.is_detached());
        self.co.results.set(suspension.results(self.co.stack()));
        ctx.make_ready(self.co);
        ctx.drive();
        if !detached {
            run_posted(connection);
        }
    }
}
