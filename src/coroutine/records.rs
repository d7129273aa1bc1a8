//! The records of all coroutines of the process, found by number.
//!
//! A record lies in its request's pool; its number is free again when its coroutine ends. So what Lua hands over
//! can be asked whether it is a coroutine of ours, and no number that Lua code comes up with leads astray.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::num::NonZero;
use core::ptr::NonNull;

use super::task::Co;

struct Records(UnsafeCell<List>);

struct List {
    /// By number. 0 is no record's.
    slots: Vec<Slot>,
    /// The first free one; 0 ends the chain.
    free: usize,
}

static RECORDS: Records = Records(UnsafeCell::new(List { slots: Vec::new(), free: 0 }));

// SAFETY: [single-thread]
unsafe impl Sync for Records {}

impl Records {
    /// # Safety
    /// The reference ends before anything else is called.
    #[allow(clippy::mut_from_ref)]
    unsafe fn list(&self) -> &mut List {
        // SAFETY: [single-thread], and the caller's contract.
        unsafe { &mut *self.0.get() }
    }
}

/// A record, whose address is even, or the number of the free slot after this one, times two and one.
#[derive(Clone, Copy)]
struct Slot(NonNull<()>);

impl Slot {
    fn of(co: Co) -> Self {
        Self(co.address())
    }

    fn free(next: usize) -> Self {
        Self(NonNull::dangling().with_addr(NonZero::<usize>::MIN | (next << 1)))
    }

    fn is_free(self) -> bool {
        self.0.addr().get() & 1 == 1
    }

    /// Of a free one.
    fn next(self) -> usize {
        self.0.addr().get() >> 1
    }

    fn record(self) -> Option<Co> {
        // SAFETY: what is not free was made of a record's address, which is alive until its number is removed.
        (!self.is_free()).then(|| unsafe { Co::from_address(self.0) })
    }
}

/// A number for a new record.
#[inline]
pub(super) fn add(co: Co) -> usize {
    // SAFETY: nothing else is called.
    let list = unsafe { RECORDS.list() };
    let number = list.free;
    match list.slots.get_mut(number) {
        Some(slot) if number > 0 => {
            list.free = slot.next();
            *slot = Slot::of(co);
            number
        }
        _ => list.append(co),
    }
}

impl List {
    #[cold]
    fn append(&mut self, co: Co) -> usize {
        if self.slots.is_empty() {
            self.slots.push(Slot::free(0));
        }
        self.slots.push(Slot::of(co));
        self.slots.len() - 1
    }
}

/// The number leads nowhere from now on.
#[inline]
pub(super) fn remove(number: usize) {
    // SAFETY: nothing else is called.
    let list = unsafe { RECORDS.list() };
    if let Some(slot) = list.slots.get_mut(number).filter(|slot| !slot.is_free()) {
        *slot = Slot::free(list.free);
        list.free = number;
    }
}

/// The first record that is sought.
pub(super) fn find(sought: impl Fn(&Co) -> bool) -> Option<Co> {
    // SAFETY: `sought` looks at records only.
    unsafe { RECORDS.list() }.slots.iter().filter_map(|slot| slot.record()).find(sought)
}

/// The record of that number.
#[inline]
pub(super) fn get(number: usize) -> Option<Co> {
    // SAFETY: nothing else is called.
    unsafe { RECORDS.list() }.slots.get(number)?.record()
}
