//! The records of all coroutines of the process, found by number.
//!
//! A record lies in its request's pool; its number is free again when its coroutine ends. So what Lua hands over
//! can be asked whether it is a coroutine of ours, and no number that Lua code comes up with leads astray.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;

use super::task::Co;

struct Records(UnsafeCell<Lists>);

struct Lists {
    all: Vec<Option<Co>>,
    spare: Vec<usize>,
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

/// A number for a new record, which is not 0.
#[inline]
pub(super) fn add(co: Co) -> usize {
    // SAFETY: nothing else is called.
    let Lists { all, spare } = unsafe { RECORDS.lists() };
    let Some(number) = spare.pop() else {
        all.push(Some(co));
        return all.len();
    };
    if let Some(place) = all.get_mut(number - 1) {
        *place = Some(co);
    }
    number
}

/// The number leads nowhere from now on.
#[inline]
pub(super) fn remove(number: usize) {
    // SAFETY: nothing else is called.
    let Lists { all, spare } = unsafe { RECORDS.lists() };
    if let Some(place) = all.get_mut(number.wrapping_sub(1)) {
        *place = None;
        spare.push(number);
    }
}

/// The record of that number.
#[inline]
pub(super) fn get(number: usize) -> Option<Co> {
    // SAFETY: nothing else is called.
    *unsafe { RECORDS.lists() }.all.get(number.wrapping_sub(1))?
}
