//! What another thread does: it calls the function on a VM's stack. It must not touch anything else: no
//! static of this crate, no request, no other VM ([other-thread]).
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::vms::Lent;
use crate::vm::sys::LUA_MULTRET;

/// A function and its arguments on the stack of a VM, and afterwards its results or its error.
pub(super) struct Job {
    pub(super) vm: Lent,
    args: c_int,
    pub(super) succeeded: bool,
}

// SAFETY: the VM belongs to whoever has the job, and shares no memory with other VMs. `Lent` gives it back where
// jobs are dropped: in the main thread.
unsafe impl Send for Job {}

impl Job {
    pub(super) const fn new(vm: Lent, args: c_int) -> Self {
        Self { vm, args, succeeded: false }
    }

    pub(super) fn run(&mut self) {
        self.succeeded = self.vm.stack().call(self.args, LUA_MULTRET, 0);
    }
}
