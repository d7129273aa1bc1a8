//! Lua coroutines: made, anchored against the collector, resumed, reset for reuse.
#![allow(unsafe_code)]
use core::ffi::c_int;
use core::ptr;

use super::anchor::Anchor;
use super::stack::Stack;
use super::state::{Term, Vm};
use super::sys;

/// A coroutine, and what Rust keeps it alive by, if it does.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    stack: Stack,
    anchor: Option<Anchor>,
}

/// What one resume ended with: LuaJIT's number of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step(pub(crate) c_int);

impl Step {
    /// The results lie on the coroutine's stack.
    pub(crate) const FINISHED: Self = Self(sys::LUA_OK);
    /// The yielded values lie on the coroutine's stack.
    pub(crate) const YIELDED: Self = Self(sys::LUA_YIELD);

    /// What failed where it is neither of them: the error value is on top of the coroutine's stack.
    #[cold]
    pub(crate) const fn failure(self) -> Failure {
        Failure::of(self.0)
    }
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
        let thread = Self::unanchored(vm.stack()).anchored(vm, Term::Long);
        vm.stack().pop(1);
        thread
    }

    /// A coroutine that only Lua keeps alive; it is left on top of `from`, whose globals and owner it has.
    /// stack of from: [-0, +1, m]
    pub(crate) fn unanchored(from: Stack) -> Self {
        Self { stack: from.new_thread(), anchor: None }
    }

    /// The same coroutine, kept alive until it is released. stack of vm: [-0, +0, m]
    #[inline]
    pub(crate) fn anchored(self, vm: Vm, term: Term) -> Self {
        Self { anchor: Some(vm.keep(self.stack, term)), ..self }
    }

    #[inline]
    pub(crate) const fn stack(self) -> Stack {
        self.stack
    }

    /// What debug lines call the reference of the coroutine.
    pub(crate) fn anchor(self) -> c_int {
        self.anchor.map_or(sys::LUA_NOREF, Anchor::slot)
    }

    /// Runs the coroutine until it ends or yields; `args` values lie on its stack.
    #[inline]
    pub(crate) fn resume(self, args: c_int) -> Step {
        if self.has_ended(args) {
            return self.refuse();
        }
        // SAFETY: the thread is alive; errors, also that it runs, come back as a status.
        Step(unsafe { sys::lua_resume(self.stack.as_ptr(), args) })
    }

    /// Whether there is neither a function below the `args` values on its stack nor a call that has yielded: it has run
    /// to its end, whoever resumed it. LuaJIT does not look.
    #[inline]
    pub(crate) fn has_ended(self, args: c_int) -> bool {
        // SAFETY: the thread is alive.
        let status = unsafe { sys::lua_status(self.stack.as_ptr()) };
        status != sys::LUA_YIELD && (status != sys::LUA_OK || self.stack.top() <= args)
    }

    #[cold]
    fn refuse(self) -> Step {
        self.stack.push_bytes(b"cannot resume dead coroutine");
        Step(sys::LUA_ERRRUN)
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
    #[inline]
    pub(crate) fn reset(self, vm: Vm) -> bool {
        let Some(reset) = sys::extensions().reset_thread else { return false };
        if self.stack.is_spent() && vm.gives_globals_of(self.stack) {
            // It has ended well, and no `setfenv(0)` has given it globals: what is left of its run is the owner.
            self.stack.set_owner(ptr::null_mut());
            return true;
        }
        // SAFETY: the thread belongs to `vm` and is not running.
        unsafe { reset(vm.stack().as_ptr(), self.stack.as_ptr()) };
        true
    }

    /// Leaves the coroutine to the collector.
    #[inline]
    pub(crate) fn release(self) {
        if let Some(anchor) = self.anchor {
            anchor.release(self.stack);
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
        assert_eq!(thread.resume(0), Step::FINISHED);
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
            run(vm, &cache).release();
        }
        vm.stack().global(c"mark");
        assert_eq!(vm.stack().kind(-1), super::super::Kind::Nil);
        vm.close();
    }

    #[test]
    fn anchored_coroutines_outlive_collections() {
        let vm = Vm::with_chunks(ChunkKind::Shared).unwrap();
        let threads: Vec<_> = (0..1000).map(|_| Thread::new(vm)).collect();
        for (n, thread) in threads.iter().enumerate() {
            thread.stack().push_bytes(format!("number {n}").as_bytes());
        }
        for thread in threads.iter().step_by(2) {
            thread.release();
        }
        vm.collect();
        for (n, thread) in threads.iter().enumerate().skip(1).step_by(2) {
            assert_eq!(thread.stack().bytes(1), Some(format!("number {n}").as_bytes()));
        }
        assert_eq!(vm.stack().top(), 0);
        vm.close();
    }

    #[test]
    fn a_coroutine_that_is_given_up_keeps_nothing_alive() {
        let vm = Vm::with_chunks(ChunkKind::Shared).unwrap();
        let [_other, thread] = [Thread::new(vm), Thread::new(vm)];
        vm.collect();
        let before = vm.memory();
        thread.stack().push_bytes(&[b'x'; 100_000]);
        assert!(vm.memory() > before + 100_000);
        thread.release();
        vm.collect();
        assert!(vm.memory() < before);
        vm.close();
    }

    #[test]
    fn released_coroutines_leave_no_memory_behind() {
        let vm = Vm::with_chunks(ChunkKind::Shared).unwrap();
        let make = |n| {
            for _ in 0..n {
                Thread::new(vm).release();
            }
            vm.collect();
            vm.memory()
        };
        let before = make(100);
        assert_eq!(make(10_000), before);
        vm.close();
    }
}
