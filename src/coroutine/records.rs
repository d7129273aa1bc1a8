//! The records of all coroutines of the process, found by number.
//!
//! A record is never freed: when its coroutine ends, it waits for another one. So what once was a coroutine
//! can be asked whether it still is, and no number that Lua code comes up with leads astray.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;

use super::task::Co;

struct Records(UnsafeCell<Lists>);

struct Lists {
    all: Vec<Co>,
    spare: Vec<Co>,
}

static RECORDS: Records = Records(UnsafeCell::new(Lists { all: Vec::new(), spare: Vec::new() }));

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

/// A record that nobody uses; a new one is made with its number, which is not 0.
pub(super) fn take(make: impl FnOnce(usize) -> Co) -> Co {
    // SAFETY: used up before `make` is called.
    if let Some(co) = unsafe { RECORDS.lists() }.spare.pop() {
        return co;
    }
    // SAFETY: as above.
    let number = unsafe { RECORDS.lists() }.all.len() + 1;
    let co = make(number);
    // SAFETY: nothing else is called.
    unsafe { RECORDS.lists() }.all.push(co);
    co
}

/// Nobody uses the record any more.
pub(super) fn give(co: Co) {
    // SAFETY: nothing else is called.
    unsafe { RECORDS.lists() }.spare.push(co);
}

/// The record of that number.
#[inline]
pub(super) fn get(number: usize) -> Option<Co> {
    // SAFETY: nothing else is called.
    unsafe { RECORDS.lists() }.all.get(number.wrapping_sub(1)).copied()
}
