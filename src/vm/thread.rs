//! Lua coroutines: made, anchored against the collector, resumed, reset for reuse.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::stack::Stack;
use super::state::Vm;
use super::sys;

/// A coroutine that Rust keeps alive through a reference in the VM's table of coroutines.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    stack: Stack,
    anchor: c_int,
}

/// What one resume ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The results lie on the coroutine's stack.
    Finished,
    /// The yielded values lie on the coroutine's stack.
    Yielded,
    /// The error value is on top of the coroutine's stack.
    Failed(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Runtime,
    Syntax,
    Memory,
    Handler,
    Unknown,
}

impl Failure {
    /// The words the reference logs for it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Runtime => "runtime error",
            Self::Syntax => "syntax error",
            Self::Memory => "[lua] memory allocation error",
            Self::Handler => "error handler error",
            Self::Unknown => "unknown error",
        }
    }

    pub(crate) const fn of(status: c_int) -> Self {
        match status {
            sys::LUA_ERRRUN => Self::Runtime,
            sys::LUA_ERRSYNTAX => Self::Syntax,
            sys::LUA_ERRMEM => Self::Memory,
            sys::LUA_ERRERR => Self::Handler,
            _ => Self::Unknown,
        }
    }
}

impl Thread {
    /// A new coroutine of `vm`, anchored. stack of vm: [-0, +0, m]
    pub(crate) fn new(vm: Vm) -> Self {
        let main = vm.stack();
        vm.push_coroutines();
        // SAFETY: [lua-frame]; the new thread is on the main stack until it is anchored.
        let stack = Stack::from_raw(unsafe { sys::lua_newthread(main.as_ptr()) });
        let anchor = main.reference(-2);
        main.pop(1);
        Self { stack, anchor }
    }

    /// A coroutine that only Lua keeps alive; it is left on top of `vm`'s stack.
    /// stack of vm: [-0, +1, m]
    pub(crate) fn unanchored(vm: Vm) -> Self {
        // SAFETY: [lua-frame]
        let stack = Stack::from_raw(unsafe { sys::lua_newthread(vm.stack().as_ptr()) });
        Self { stack, anchor: sys::LUA_NOREF }
    }

    pub(crate) const fn stack(self) -> Stack {
        self.stack
    }

    pub(crate) const fn anchor(self) -> c_int {
        self.anchor
    }

    /// Runs the coroutine until it ends or yields; `args` values lie on its stack.
    pub(crate) fn resume(self, args: c_int) -> Step {
        // SAFETY: the thread is alive and not running; errors come back as a status.
        match unsafe { sys::lua_resume(self.stack.as_ptr(), args) } {
            sys::LUA_OK => Step::Finished,
            sys::LUA_YIELD => Step::Yielded,
            status => Step::Failed(Failure::of(status)),
        }
    }

    /// Whether the failure that the coroutine ended with was its stack's overflow.
    ///
    /// LuaJIT may find that out inside compiled code, whose frames it has not written to the stack yet.
    /// Whoever then looks at the frames (a traceback, the collector) reads garbage, until the coroutine
    /// is reset.
    pub(crate) fn has_overflowed(self, failure: Failure) -> bool {
        failure != Failure::Runtime || self.stack.error_message().ends_with(b"stack overflow")
    }

    /// Makes the coroutine as good as new; `false` if this LuaJIT cannot.
    pub(crate) fn reset(self, vm: Vm) -> bool {
        let Some(reset) = sys::extensions().reset_thread else { return false };
        // SAFETY: the thread belongs to `vm` and is not running.
        unsafe { reset(vm.stack().as_ptr(), self.stack.as_ptr()) };
        true
    }

    /// Leaves the coroutine to the collector.
    pub(crate) fn release(self, vm: Vm) {
        if self.anchor != sys::LUA_NOREF {
            vm.push_coroutines();
            vm.stack().unreference(-1, self.anchor);
            vm.stack().pop(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::CacheRef;
    use super::super::state::ChunkKind;
    use super::*;

    /// Runs the cached chunk in a coroutine with globals of its own, as on a LuaJIT without exdata.
    fn run(vm: Vm, cache: &CacheRef) -> Thread {
        let thread = Thread::new(vm);
        assert!(vm.push_cached(thread.stack(), c"key", cache));
        thread.stack().isolate_globals();
        assert_eq!(thread.resume(0), Step::Finished);
        thread
    }

    #[test]
    fn without_exdata_each_run_has_globals_of_its_own() {
        let vm = Vm::with_chunks(ChunkKind::Factory).unwrap();
        let cache = CacheRef::unset();
        let code = b"assert(mark == nil and _G._G == _G) mark = 1 assert(math.max(1, mark) == 1)";
        vm.compile(vm.stack(), code, c"=test").unwrap();
        vm.store_cached(vm.stack(), c"key", &cache).unwrap();
        vm.stack().pop(1);
        for _ in 0..3 {
            run(vm, &cache).release(vm);
        }
        vm.stack().global(c"mark");
        assert_eq!(vm.stack().kind(-1), super::super::Kind::Nil);
        vm.close();
    }

    #[test]
    fn released_coroutines_leave_no_memory_behind() {
        let vm = Vm::with_chunks(ChunkKind::Shared).unwrap();
        let make = |n| {
            for _ in 0..n {
                Thread::new(vm).release(vm);
            }
            vm.collect();
            vm.memory()
        };
        let before = make(100);
        assert_eq!(make(10_000), before);
        vm.close();
    }
}
