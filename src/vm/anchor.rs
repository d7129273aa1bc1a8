//! What keeps coroutines from the collector: slots on the stacks of coroutines that never run.
//!
//! Lua's registry of references does the same for three times the instructions. The coroutines that lend their
//! stacks, the pages, lie in the VM's table of coroutines.
//!
//! A slot that is given back may keep what it had until it is used again, or until none of its page is in use: that
//! costs nothing. A coroutine that itself refers to something is not kept that long.
#![allow(unsafe_code)]
use core::cell::{Cell, RefCell};
use core::ffi::c_int;
use core::ptr::NonNull;

use super::stack::Stack;

/// How many coroutines one page keeps.
const SLOTS: usize = 255;

/// The slot that keeps a coroutine.
#[derive(Clone, Copy)]
pub(super) struct Anchor {
    page: NonNull<Page>,
    slot: u8,
}

impl Anchor {
    /// Its place on its page, for debug lines.
    pub(super) fn slot(self) -> c_int {
        self.slot.into()
    }

    /// Gives the slot back, which keeps `coroutine`. The VM has not been closed.
    pub(super) fn release(self, coroutine: Stack) {
        // SAFETY: a page lives as long as its VM.
        unsafe { self.page.as_ref() }.release(self.slot, coroutine);
    }
}

struct Page {
    stack: Stack,
    /// How many slots are in use.
    used: Cell<usize>,
    /// The stack's top: slots beyond it have not been used yet.
    top: Cell<u8>,
    /// Those below that are not in use, so many of them.
    free: [Cell<u8>; SLOTS],
    frees: Cell<usize>,
}

impl Page {
    const fn new(stack: Stack) -> Self {
        Self {
            stack,
            used: Cell::new(0),
            top: Cell::new(0),
            free: [const { Cell::new(0) }; SLOTS],
            frees: Cell::new(0),
        }
    }

    #[inline]
    fn keep(&self, coroutine: Stack) -> u8 {
        self.used.set(self.used.get() + 1);
        coroutine.push_thread();
        coroutine.move_to(self.stack, 1);
        let Some(frees) = self.frees.get().checked_sub(1) else {
            self.top.set(self.top.get() + 1);
            return self.top.get();
        };
        self.frees.set(frees);
        let slot = self.free[frees].get();
        self.stack.replace(slot.into());
        slot
    }

    #[inline]
    fn release(&self, slot: u8, coroutine: Stack) {
        self.used.set(self.used.get() - 1);
        if self.used.get() == 0 {
            self.stack.set_top(0);
            self.top.set(0);
            self.frees.set(0);
            return;
        }
        self.free[self.frees.get()].set(slot);
        self.frees.set(self.frees.get() + 1);
        if !coroutine.is_spent() {
            self.stack.push_nil();
            self.stack.replace(slot.into());
        }
    }
}

/// The slots of a VM for coroutines of one kind.
pub(super) struct Anchors {
    /// Boxes.
    pages: RefCell<Vec<NonNull<Page>>>,
    /// The page that was used last.
    current: Cell<Option<NonNull<Page>>>,
}

impl Anchors {
    pub(super) const fn new() -> Self {
        Self { pages: RefCell::new(Vec::new()), current: Cell::new(None) }
    }

    /// Keeps `coroutine`, which something else keeps until this returns. A page that is needed is made on
    /// `main` and kept in the table that `push_table` pushes there. stack of main: [-0, +0, m]
    #[inline]
    pub(super) fn keep(&self, coroutine: Stack, main: Stack, push_table: fn(Stack)) -> Anchor {
        let page = match self.current.get() {
            Some(page) if has_room(page) => page,
            _ => self.turn(main, push_table),
        };
        // SAFETY: a page lives as long as its VM.
        let slot = unsafe { page.as_ref() }.keep(coroutine);
        Anchor { page, slot }
    }

    /// Turns to a page that has room.
    #[cold]
    fn turn(&self, main: Stack, push_table: fn(Stack)) -> NonNull<Page> {
        let found = self.pages.borrow().iter().copied().find(|page| has_room(*page));
        let page = found.unwrap_or_else(|| {
            push_table(main);
            let stack = main.new_thread();
            stack.reserve(SLOTS as c_int + 1);
            main.raw_seti(-2, main.raw_len(-2) as c_int + 1);
            main.pop(1);
            let page = NonNull::from(Box::leak(Box::new(Page::new(stack))));
            self.pages.borrow_mut().push(page);
            page
        });
        self.current.set(Some(page));
        page
    }
}

impl Drop for Anchors {
    fn drop(&mut self) {
        for page in self.pages.get_mut() {
            // SAFETY: made by `turn`; the VM is closed.
            drop(unsafe { Box::from_raw(page.as_ptr()) });
        }
    }
}

#[inline]
fn has_room(page: NonNull<Page>) -> bool {
    // SAFETY: a page lives as long as its VM.
    unsafe { page.as_ref() }.used.get() < SLOTS
}
