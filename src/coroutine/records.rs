//! The records of all coroutines of the process, found by number.
//!
//! A record serves one coroutine after another, of whatever request, and keeps its number: as many are made as there
//! are coroutines at a time. So what Lua hands over can be asked whether it is a coroutine of ours, and no number that
//! Lua code comes up with leads astray.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;

use super::task::Co;

struct Records(UnsafeCell<Lists>);

struct Lists {
    all: Vec<Co>,
    /// Those that serve no coroutine, linked by `next`.
    free: Option<Co>,
}

static RECORDS: Records = Records(UnsafeCell::new(Lists { all: Vec::new(), free: None }));

// SAFETY: [single-thread]
unsafe impl Sync for Records {}

impl Records {
    /// # Safety
    /// The reference ends before anything else is called.
    #[allow(clippy::mut_from_ref)]
    unsafe fn lists(&self) -> &mut Lists {
        // SAFETY: [single-thread], and the caller's contract.
        unsafe { &mut *self.0.get() }
    }
}

/// A record that serves no coroutine, and its number, which is not 0. It is the caller's to write, at once.
#[inline]
pub(super) fn take() -> (Co, usize) {
    // SAFETY: nothing else is called.
    let lists = unsafe { RECORDS.lists() };
    match lists.free {
        Some(co) => {
            lists.free = co.next.get();
            (co, co.number())
        }
        None => make(lists),
    }
}

#[cold]
fn make(lists: &mut Lists) -> (Co, usize) {
    let co = Co::allocate();
    lists.all.push(co);
    (co, lists.all.len())
}

/// The record serves no coroutine any more.
#[inline]
pub(super) fn give(co: Co) {
    // SAFETY: nothing else is called.
    let lists = unsafe { RECORDS.lists() };
    co.next.set(lists.free.replace(co));
}

/// The record of that number, whatever coroutine it serves, if any.
#[inline]
pub(super) fn get(number: usize) -> Option<Co> {
    // SAFETY: nothing else is called.
    unsafe { RECORDS.lists() }.all.get(number.wrapping_sub(1)).copied()
}
