//! Waiting: what a suspended coroutine owns, how a call begins to wait, and how it is woken.
//!
//! Whether the coroutine can be suspended is asked first ([`RequestCtx::waiter`]): a call that has to wait where LuaJIT
//! cannot yield, in a callback of a C function, has done nothing when it raises.

use super::context::{Ask, NO_COROUTINE, RequestCtx};
use super::task::Co;
use crate::nginx::request::run_posted;
use crate::vm::{Error, Result, Stack, Yield};

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

impl RequestCtx {
    /// The coroutine that makes a call from `from`, if it can be suspended in it. Every call that may have to wait asks
    /// this before it does anything, so that nothing has happened when the answer is no.
    ///
    /// Reference: does not ask; the yield fails after the call has begun.
    #[inline]
    pub(crate) fn waiter(&self, from: Stack) -> Result<Co> {
        let Some(co) = self.running(from) else { return Err(NO_COROUTINE) };
        if !from.can_yield() {
            return Err(Error::CannotYield);
        }
        // A wait that a C function has begun through the FFI, and that was not yielded for.
        co.cancel();
        Ok(co)
    }

    /// Parks the coroutine that makes a call from `from`. `begin` receives the waker that its event handler must fire
    /// once; it is not called where the coroutine cannot be suspended.
    pub(crate) fn suspend<S: Suspension + 'static>(
        &self,
        from: Stack,
        begin: impl FnOnce(Waker) -> Result<S>,
    ) -> Result<Yield> {
        let co = self.waiter(from)?;
        let suspension = begin(Waker::new(co))?;
        co.room().begin(|| suspension);
        Ok(Yield::NOTHING)
    }

    /// The same for what cannot fail.
    #[inline]
    pub(crate) fn suspend_for<S: Suspension + 'static>(
        &self,
        from: Stack,
        begin: impl FnOnce(Waker) -> S,
    ) -> Result<Yield> {
        let co = self.waiter(from)?;
        co.room().begin(|| begin(Waker::new(co)));
        Ok(Yield::NOTHING)
    }

    /// Whether the running coroutine can be suspended, for C functions that Lua code calls through the FFI: these do not
    /// know from which coroutine they are called.
    pub(crate) fn can_suspend(&self) -> Result<bool> {
        self.current.get().map(|co| co.stack().is_resumed()).ok_or(NO_COROUTINE)
    }

    /// Parks the running coroutine, whose Lua code yields when the C function that it has called through the FFI
    /// returns. Where it cannot, `begin` is not called, and the yield raises.
    #[inline]
    pub(crate) fn suspend_on_yield<S: Suspension + 'static>(
        &self,
        begin: impl FnOnce(Waker) -> Result<S>,
    ) -> Result<()> {
        let Some(co) = self.current.get() else { return Err(NO_COROUTINE) };
        co.cancel();
        if co.stack().is_resumed() {
            let suspension = begin(Waker::new(co))?;
            co.room().begin(|| suspension);
        }
        Ok(())
    }

    /// The running coroutine, `co`, is about to yield until one of the light threads that it awaits ends.
    pub(crate) fn wait_for_threads(&self, co: Co) -> Yield {
        debug_assert!(!co.room().is_taken());
        self.asked.set(Ask::Wait);
        Yield::NOTHING
    }

    /// What `co` has yielded for.
    #[inline]
    pub(super) fn reason_of(&self, co: Co) -> Ask {
        match self.asked.get() {
            Ask::Nothing if co.room().is_taken() => Ask::Wait,
            Ask::Nothing => Ask::Yield,
            asked => asked,
        }
    }
}
