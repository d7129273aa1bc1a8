//! Things of Lua's that end with the request, whoever still refers to them: sockets, mostly.
//!
//! A thing embeds an [`Ending`], by which the request's context finds it. It is linked from `tie` until the
//! request ends, the thing goes, or `untie`: neither side ever points to a dead one.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr::NonNull;

use super::context::RequestCtx;
use crate::nginx::trace;

/// The link between a thing and the request that it ends with. Once tied it stays where it is.
pub(crate) struct Ending {
    ctx: Cell<Option<NonNull<RequestCtx>>>,
    previous: Cell<Option<NonNull<Ending>>>,
    next: Cell<Option<NonNull<Ending>>>,
    end: unsafe fn(NonNull<Ending>),
}

impl Ending {
    /// `end` is called with the address of the ending, which is not tied any more then.
    ///
    /// # Safety of `end`
    /// It is called while the ending is alive, and never twice for one `tie`.
    pub(crate) const fn new(end: unsafe fn(NonNull<Ending>)) -> Self {
        Self { ctx: Cell::new(None), previous: Cell::new(None), next: Cell::new(None), end }
    }

    /// The request that it is tied to.
    pub(crate) fn context<'a>(&self) -> Option<&'a RequestCtx> {
        // SAFETY: the context ends what is tied to it before it goes.
        self.ctx.get().map(|ctx| unsafe { ctx.as_ref() })
    }

    /// From now on the thing ends with the request of `ctx`, and with no other.
    pub(crate) fn tie(&self, ctx: &RequestCtx) {
        if self.ctx.get() == Some(NonNull::from(ctx)) {
            return;
        }
        self.untie();
        self.ctx.set(Some(NonNull::from(ctx)));
        let this = NonNull::from(self);
        if let Some(left) = ctx.untied.get().checked_sub(1) {
            // Where the reference takes a note out of its list of free ones.
            trace!(ctx, "lua http cleanup reuse: {this:p}");
            ctx.untied.set(left);
        }
        let first = ctx.endings.replace(Some(this));
        self.next.set(first);
        if let Some(first) = first {
            // SAFETY: what is linked is alive.
            unsafe { first.as_ref() }.previous.set(Some(this));
        }
    }

    pub(crate) fn untie(&self) {
        let Some(ctx) = self.ctx.take() else { return };
        let (previous, next) = (self.previous.take(), self.next.take());
        // SAFETY: as above, also of the context.
        unsafe {
            ctx.as_ref().untied.set(ctx.as_ref().untied.get() + 1);
            match previous {
                Some(previous) => previous.as_ref().next.set(next),
                None => ctx.as_ref().endings.set(next),
            }
            if let Some(next) = next {
                next.as_ref().previous.set(previous);
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.untie();
    }
}

impl RequestCtx {
    /// Ends what is tied to the request, the newest first.
    pub(super) fn end_all(&self) {
        while let Some(ending) = self.endings.get() {
            // SAFETY: what is linked is alive; `untie` takes it out of the list.
            unsafe {
                ending.as_ref().untie();
                (ending.as_ref().end)(ending);
            }
        }
    }
}
