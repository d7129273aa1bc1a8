//! VMs that live for one request (`lua_code_cache off`), and for the timers it has left behind.
use core::cell::RefCell;

use super::recycle;
use crate::nginx::log::Pointer;
use crate::nginx::{Log, debug};
use crate::vm::Vm;

struct Leases(RefCell<Vec<(Vm, u32)>>);

static LEASES: Leases = Leases(RefCell::new(Vec::new()));

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for Leases {}

/// Keeps a VM of one request alive until it is released once more.
pub(crate) fn retain(vm: Vm) {
    if vm.is_lasting() {
        return;
    }
    let mut leases = LEASES.0.borrow_mut();
    match leases.iter_mut().find(|(leased, _)| *leased == vm) {
        Some((_, count)) => *count += 1,
        None => leases.push((vm, 1)),
    }
}

/// Closes the VM if nobody else needs it.
pub(crate) fn release(vm: Vm) {
    if vm.is_lasting() {
        return;
    }
    let mut leases = LEASES.0.borrow_mut();
    let Some(at) = leases.iter().position(|(leased, _)| *leased == vm) else { return };
    debug!(Log::cycle(), "lua decrementing the reference count for Lua VM: {}", leases[at].1);
    leases[at].1 -= 1;
    if leases[at].1 == 0 {
        leases.swap_remove(at);
        drop(leases);
        close(vm);
    }
}

/// Closes a VM, and says so where the reference does.
pub(crate) fn close(vm: Vm) {
    debug!(Log::cycle(), "lua close the global Lua VM {}", Pointer(vm.stack().as_ptr()));
    recycle::forget(vm);
    vm.close();
}
