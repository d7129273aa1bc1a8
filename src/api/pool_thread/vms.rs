//! The VMs for other threads: made when they are needed, up to `lua_worker_thread_vm_pool_size`, and used
//! again. They hold what needs no request: `ngx.config` and the functions on text.
#![allow(unsafe_code)]
use core::cell::{Cell, RefCell};

use super::run::in_foreign_vm;
use crate::api::resty_core;
use crate::conf::MainConf;
use crate::nginx::{Level, Log};
use crate::vm::function::protect;
use crate::vm::{Stack, Vm, c_stack, finalizer};

struct Vms {
    /// With the configuration they were made for, whose dictionaries they know.
    idle: RefCell<Vec<(Vm, &'static MainConf)>>,
    /// Idle and lent ones.
    count: Cell<usize>,
}

static VMS: Vms = Vms { idle: RefCell::new(Vec::new()), count: Cell::new(0) };

// SAFETY: [single-thread]: VMs are lent and given back in the main thread.
unsafe impl Sync for Vms {}

/// A VM in use, with an empty stack; dropping it gives it back.
pub(super) struct Lent(Vm, &'static MainConf);

impl Lent {
    pub(super) fn stack(&self) -> Stack {
        self.0.stack()
    }

    /// Closes the VM instead of giving it back: what went wrong in it may not be over.
    pub(super) fn discard(self) {
        VMS.count.set(VMS.count.get() - 1);
        self.0.close();
        core::mem::forget(self);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.stack().set_top(0);
        VMS.idle.borrow_mut().push((self.0, self.1));
    }
}

/// A VM that looks for modules where the coroutine `parent` does. `None`: `max` of them are in use.
pub(super) fn lend(parent: Stack, conf: &'static MainConf, max: usize) -> Option<Lent> {
    let pop = || VMS.idle.borrow_mut().pop();
    while let Some((vm, made_for)) = pop() {
        if core::ptr::eq(made_for, conf) {
            return Some(Lent(vm, conf));
        }
        VMS.count.set(VMS.count.get() - 1);
        vm.close();
    }
    if VMS.count.get() >= max {
        return None;
    }
    let vm = create(parent, conf)?;
    VMS.count.set(VMS.count.get() + 1);
    Some(Lent(vm, conf))
}

/// Parts of lua-resty-core that need no request.
const PARTS: &[&[u8]] =
    &[b"resty.core.regex", b"resty.core.hash", b"resty.core.base64", b"resty.core.shdict"];

fn create(parent: Stack, conf: &MainConf) -> Option<Vm> {
    let vm = Vm::new()?;
    vm.copy_package_paths(parent);
    let found = resty_core::find(vm);
    let guarded = finalizer::guard(vm).and_then(|()| c_stack::guard(vm));
    let installed = guarded.and_then(|()| {
        protect(vm.stack(), |stack| crate::api::install_for_threads(stack, &found, conf))
    });
    let loaded = installed
        .map_err(|message| String::from_utf8_lossy(&message).into_owned())
        .and_then(|()| in_foreign_vm(|| resty_core::load_parts(vm, &found, PARTS)));
    if let Err(text) = loaded {
        Log::cycle().write(Level::Error, text.as_bytes());
        vm.close();
        return None;
    }
    vm.stack().set_top(0);
    Some(vm)
}

/// Closes what is not in use: the worker ends.
pub(crate) fn close_idle() {
    for (vm, _) in VMS.idle.take() {
        vm.close();
    }
}
