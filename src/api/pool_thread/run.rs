//! What another thread does: it calls the function on a VM's stack. It must not touch anything else: no
//! static of this crate, no request, no other VM ([other-thread]).
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::c_int;

use super::vms::Lent;
use crate::vm::sys::LUA_MULTRET;

thread_local! {
    /// Lua code of a VM for other threads runs, in this one or in its own.
    static IN_FOREIGN_VM: Cell<bool> = const { Cell::new(false) };
}

/// Whether Lua code of a VM for other threads runs: what it makes must share nothing with other VMs.
pub(crate) fn is_foreign() -> bool {
    IN_FOREIGN_VM.get()
}

/// Runs Lua code of a VM for other threads.
pub(super) fn in_foreign_vm<T>(body: impl FnOnce() -> T) -> T {
    let outer = IN_FOREIGN_VM.replace(true);
    let result = body();
    IN_FOREIGN_VM.set(outer);
    result
}

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
        self.succeeded = in_foreign_vm(|| self.vm.stack().call(self.args, LUA_MULTRET, 0));
    }
}
