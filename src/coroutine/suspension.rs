//! Waiting: what a suspended coroutine owns, and how it is woken.

use super::context::RequestCtx;
use super::task::Co;
use crate::nginx::request::run_posted;
use crate::vm::Stack;

/// What a suspended coroutine waits for. Owning it is waiting; dropping it cancels the wait.
pub(crate) trait Suspension {
    /// Starts the wait: called once, when the suspension lies where it stays until it is dropped.
    fn arm(&mut self) {}

    /// Pushes what the suspended Lua call returns, and returns the number of values; called once,
    /// before it is dropped and the coroutine resumed.
    fn results(&mut self, _stack: Stack) -> i32 {
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
        let Some(results) = self.co.room().finish(self.co.stack()) else { return };
        self.co.results.set(results);
        ctx.make_ready(self.co);
    }

    /// Lets the suspended call return, and runs the coroutine on. For handlers that the event loop
    /// calls: the request, and everything that belongs to it, may be gone afterwards.
    pub(crate) fn wake(self) {
        let Some(ctx) = self.context() else { return };
        let r = ctx.request;
        r.enter_log();
        let (connection, detached) = (r.connection(), r.is_detached());
        let Some(results) = self.co.room().finish(self.co.stack()) else { return };
        self.co.results.set(results);
        ctx.make_ready(self.co);
        ctx.drive();
        if !detached {
            run_posted(connection);
        }
    }
}
