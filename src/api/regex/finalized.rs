//! Objects of ours that Lua's finalizers free: what lua-resty-core keeps of a pattern.
//!
//! When a VM is closed, finalizers run in an order that nobody knows: one of Lua code may use a pattern whose own finalizer
//! has run. So what is freed then stays until that VM is gone. At all other times whatever a finalizer reaches is alive.
//!
//! Reference: frees it at once.
#![allow(unsafe_code)]
use core::cell::RefCell;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use crate::vm::state;

type Free = unsafe fn(NonNull<()>);

/// What waits for its VM's end, and the number of that.
struct Waiting {
    vm: u64,
    objects: BTreeMap<NonNull<()>, Free>,
}

thread_local! {
    static WAITING: RefCell<Waiting> =
        const { RefCell::new(Waiting { vm: 0, objects: BTreeMap::new() }) };
}

/// Frees a box that was given to Lua code, or sees to that later.
///
/// # Safety
/// It was made by `Box::into_raw`, and is used by nothing but finalizers of a VM that is being closed, which may free it
/// once more.
pub(super) unsafe fn free<T>(object: NonNull<T>) {
    unsafe fn free<T>(object: NonNull<()>) {
        // SAFETY: the caller's contract.
        drop(unsafe { Box::from_raw(object.cast::<T>().as_ptr()) });
    }
    let Some(vm) = state::closing() else {
        // SAFETY: the caller's contract.
        return unsafe { free::<T>(object.cast()) };
    };
    let gone = WAITING.with_borrow_mut(|waiting| {
        let gone =
            if waiting.vm == vm { BTreeMap::new() } else { core::mem::take(&mut waiting.objects) };
        waiting.vm = vm;
        waiting.objects.insert(object.cast(), free::<T>);
        gone
    });
    for (object, free) in gone {
        // SAFETY: its VM is gone.
        unsafe { free(object) };
    }
}
