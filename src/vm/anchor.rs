//! What keeps coroutines from the collector: slots on the stacks of coroutines that never run.
//!
//! Lua's registry of references does the same for three times the instructions. The coroutines that lend their
//! stacks, the pages, lie in the VM's table of coroutines.
use core::cell::{Cell, RefCell};
use core::ffi::c_int;

use super::stack::Stack;

/// How many coroutines one page keeps.
const SLOTS: c_int = 128;

/// The slot that keeps a coroutine.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    page: Stack,
    slot: c_int,
}

impl Anchor {
    /// Its place on its page, for debug lines.
    pub(super) const fn slot(self) -> c_int {
        self.slot
    }
}

/// The slots of a VM.
pub(super) struct Anchors {
    free: RefCell<Vec<Anchor>>,
    pages: Cell<c_int>,
}

impl Anchors {
    pub(super) const fn new() -> Self {
        Self { free: RefCell::new(Vec::new()), pages: Cell::new(0) }
    }

    /// Keeps `coroutine`, which something else keeps until this returns. A page that is needed is made on
    /// `main` and kept in the table that `push_table` pushes there. stack of main: [-0, +0, m]
    pub(super) fn keep(&self, coroutine: Stack, main: Stack, push_table: fn(Stack)) -> Anchor {
        let free = self.free.borrow_mut().pop();
        let anchor = match free {
            Some(anchor) => anchor,
            None => self.add_page(main, push_table),
        };
        coroutine.push_thread();
        coroutine.move_to(anchor.page, 1);
        anchor.page.replace(anchor.slot);
        anchor
    }

    pub(super) fn release(&self, anchor: Anchor) {
        anchor.page.push_nil();
        anchor.page.replace(anchor.slot);
        self.free.borrow_mut().push(anchor);
    }

    /// A slot of a new page, whose others are free.
    #[cold]
    fn add_page(&self, main: Stack, push_table: fn(Stack)) -> Anchor {
        push_table(main);
        let page = main.new_thread();
        self.pages.set(self.pages.get() + 1);
        main.raw_seti(-2, self.pages.get());
        main.pop(1);
        page.reserve(SLOTS + 1);
        page.set_top(SLOTS);
        let slots = (2..=SLOTS).rev().map(|slot| Anchor { page, slot });
        self.free.borrow_mut().extend(slots);
        Anchor { page, slot: 1 }
    }
}
