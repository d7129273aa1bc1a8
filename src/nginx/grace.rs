//! A worker that exits gracefully stays until nothing waits in it.
//!
//! nginx ends such a worker when no timer is left that is not cancelable. A wait without a timer (for the next round of
//! the event loop, for a thread, for another coroutine) does not count there. So one timer of ours stays in nginx's tree
//! from the first wait on: it is cancelable as long as nothing waits. When it fires nothing happens.
#![allow(unsafe_code)]
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;

use super::log::Log;
use super::sys::{self, ngx_event_t};

/// A day: nginx hands the system no more milliseconds than fit into an int.
const PERIOD_MS: usize = 24 * 60 * 60 * 1000;

struct Keeper {
    /// Below 0 for a moment where one is waived before it begins.
    waits: Cell<isize>,
    /// Zeroed, the state nginx itself starts from.
    event: UnsafeCell<MaybeUninit<ngx_event_t>>,
}

static KEEPER: Keeper =
    Keeper { waits: Cell::new(0), event: UnsafeCell::new(MaybeUninit::zeroed()) };

// SAFETY: [single-thread]
unsafe impl Sync for Keeper {}

/// A wait begins: the worker does not end before [`end`] is called once for it.
#[inline]
pub(crate) fn begin() {
    let waits = KEEPER.waits.get();
    KEEPER.waits.set(waits + 1);
    if waits == 0 {
        KEEPER.keep();
    }
}

#[inline]
pub(crate) fn end() {
    let waits = KEEPER.waits.get() - 1;
    KEEPER.waits.set(waits);
    if waits == 0 {
        KEEPER.let_go();
    }
}

/// While it lives, one of the waits that have begun does not keep the worker: nobody can tell that it ever ends, and
/// no client waits for it.
pub(crate) struct Waived(());

impl Waived {
    pub(crate) fn new() -> Self {
        end();
        Self(())
    }
}

impl Drop for Waived {
    fn drop(&mut self) {
        begin();
    }
}

// SAFETY (of the blocks below): [single-thread]; the event stays where it is.

impl Keeper {
    fn event(&self) -> *mut ngx_event_t {
        self.event.get().cast()
    }

    #[inline]
    fn keep(&self) {
        if cfg!(test) {
            return;
        }
        let event = self.event();
        // SAFETY: see above.
        unsafe {
            (*event).set_cancelable(0);
            if (*event).timer_set() == 0 {
                self.arm();
            }
        }
    }

    #[inline]
    fn let_go(&self) {
        // SAFETY: see above.
        unsafe { (*self.event()).set_cancelable(1) };
    }

    #[cold]
    fn arm(&self) {
        let event = self.event();
        // SAFETY: see above; it is not in nginx's tree.
        unsafe {
            (*event).handler = Some(on_event);
            (*event).log = Log::cycle().as_ptr();
            sys::ngx_add_timer(event, PERIOD_MS);
        }
    }
}

unsafe extern "C" fn on_event(_: *mut ngx_event_t) {
    if KEEPER.waits.get() > 0 {
        KEEPER.arm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waived_wait_does_not_count_while_it_is_waived() {
        let before = KEEPER.waits.get();
        begin();
        let waived = Waived::new();
        assert_eq!(KEEPER.waits.get(), before);
        drop(waived);
        assert_eq!(KEEPER.waits.get(), before + 1);
        end();
        assert_eq!(KEEPER.waits.get(), before);
    }
}
