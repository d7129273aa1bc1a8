//! The coroutines of a request and their kinship: who made whom, who runs, who is ready, and what becomes
//! of the children when one ends.
use core::ffi::c_int;

use super::context::{Ask, RequestCtx};
use super::task::{Co, Role, Status};
use crate::vm::state::Term;
use crate::vm::{Stack, Thread};

impl RequestCtx {
    /// Ties an entry coroutine to this request: Lua finds the request through it.
    pub(super) fn bind(&self, co: Co) {
        if self.vm.chunks() == crate::vm::state::ChunkKind::Factory {
            co.stack().isolate_globals();
        }
        co.stack().set_owner(self.request.as_ptr().cast());
    }

    /// A coroutine for the Lua function at `function` of `from`, a coroutine of this request; it is left on
    /// top of `from`.
    ///
    /// Reference: gives it the VM's globals, not those of `from`.
    #[inline(always)]
    pub(crate) fn create_coroutine(&self, from: Stack, function: c_int, role: Role) -> Co {
        let mut thread = Thread::unanchored(from);
        if role == Role::Light || from.number_of_record().is_none() {
            // Nothing of Lua may refer to a light thread while it waits. Without a number a coroutine is known by its
            // address, which must be no other's.
            thread = thread.anchored(self.vm, Term::Short);
        }
        let co = Co::new(self, thread, role);
        self.link(co);
        from.push_value(function);
        from.move_to(co.stack(), 1);
        co
    }

    fn link(&self, co: Co) {
        let first = self.others.replace(Some(co));
        co.next.set(first);
        if let Some(first) = first {
            first.previous.set(Some(co));
        }
    }

    fn unlink(&self, co: Co) {
        match co.previous.get() {
            Some(previous) => previous.next.set(co.next.get()),
            None => self.others.set(co.next.get()),
        }
        if let Some(next) = co.next.get() {
            next.previous.set(co.previous.get());
        }
    }

    /// Forgets a coroutine that has ended and whose results have been taken. Those it made live on
    /// without a parent; so does its memory until they have ended.
    pub(super) fn bury(&self, co: Co) {
        co.set_status(Status::Dead);
        co.cancel();
        if self.is_entry(co) || co.children.get() > 0 {
            return;
        }
        let parent = co.parent.get();
        co.set_parent(None);
        if self.abort_handler.get() == Some(co) {
            // It stands for having been called.
            return;
        }
        self.unready(co);
        self.unlink(co);
        co.thread.release();
        co.free(self);
        if let Some(parent) = parent.filter(|parent| parent.status() == Status::Dead) {
            self.bury(parent);
        }
    }

    /// The coroutines that `parent` made or resumed last.
    pub(super) fn children(&self, parent: Co) -> impl Iterator<Item = Co> {
        self.coroutines().filter(move |co| co.parent.get() == Some(parent))
    }

    pub(crate) fn coroutines(&self) -> impl Iterator<Item = Co> {
        let others = core::iter::successors(self.others.get(), |co| co.next.get());
        self.entry.get().into_iter().chain(others)
    }

    pub(crate) fn current(&self) -> Option<Co> {
        self.current.get()
    }

    /// The running coroutine, if `stack` is its. It is not if that has resumed one which LuaJIT's own functions have
    /// made: the scheduler knows nothing of those, nor gets what they yield.
    ///
    /// Reference: does not tell them apart.
    #[inline]
    pub(crate) fn running(&self, stack: Stack) -> Option<Co> {
        self.current.get().filter(|co| co.stack() == stack)
    }

    pub(crate) fn is_entry(&self, co: Co) -> bool {
        self.entry.get() == Some(co)
    }

    /// Puts a coroutine at the end of the queue of those that are ready.
    pub(super) fn make_ready(&self, co: Co) {
        if co.is_ready.replace(true) {
            return;
        }
        match self.ready.get().and(self.last_ready.get()) {
            Some(last) => last.next_ready.set(Some(co)),
            None => self.ready.set(Some(co)),
        }
        self.last_ready.set(Some(co));
    }

    /// Puts a coroutine in front of the queue of those that are ready.
    pub(super) fn make_ready_first(&self, co: Co) {
        if co.is_ready.replace(true) {
            return;
        }
        let rest = self.ready.replace(Some(co));
        if rest.is_none() {
            self.last_ready.set(Some(co));
        }
        co.next_ready.set(rest);
    }

    /// Takes a coroutine out of the queue of those that are ready, if it is there.
    fn unready(&self, co: Co) {
        if !co.is_ready.replace(false) {
            return;
        }
        let next = co.next_ready.take();
        if self.ready.get() == Some(co) {
            self.ready.set(next);
            return;
        }
        let mut queue = core::iter::successors(self.ready.get(), |other| other.next_ready.get());
        let Some(before) = queue.find(|other| other.next_ready.get() == Some(co)) else { return };
        before.next_ready.set(next);
        if next.is_none() {
            self.last_ready.set(Some(before));
        }
    }

    /// The first coroutine that is ready.
    pub(crate) fn next_ready(&self) -> Option<Co> {
        let co = self.ready.get()?;
        self.ready.set(co.next_ready.take());
        co.is_ready.set(false);
        Some(co)
    }

    /// The running coroutine, which is about to yield, wants `child` to run in its place, with the topmost
    /// `values` of its stack.
    pub(super) fn ask_to_resume(&self, child: Co, values: i32) {
        let parent = self.current.get();
        if let Some(parent) = parent {
            parent.set_status(Status::Normal);
        }
        child.set_parent(parent);
        child.set_status(Status::Running);
        self.asked.set(Ask::Resume(values));
        self.current.set(Some(child));
    }

    /// The running coroutine, which is about to yield, wants `child` to run beside it, at once: it goes
    /// on itself when the child waits or ends, with the one value that it yields.
    pub(super) fn ask_to_spawn(&self, child: Co) {
        let parent = self.current.get();
        if let Some(parent) = parent {
            parent.results.set(1);
            self.make_ready(parent);
        }
        child.set_parent(parent);
        child.set_status(Status::Running);
        self.threads.set(self.threads.get() + 1);
        self.asked.set(Ask::Spawn);
        self.current.set(Some(child));
    }

    /// Moves the results of a light thread that has ended to `to`, and forgets it.
    pub(crate) fn take_results(&self, zombie: Co, to: Stack) -> c_int {
        let results = zombie.stack().top();
        zombie.stack().move_to(to, results);
        self.end_thread(zombie);
        results
    }

    /// A light thread is no more: it has ended and been waited for, or was killed.
    pub(crate) fn end_thread(&self, thread: Co) {
        if thread.status() != Status::Zombie {
            self.threads.set(self.threads.get() - 1);
        }
        self.disown(thread);
        self.bury(thread);
    }

    /// `co` ends: what it runs in turn is cancelled, its light threads go on without a parent, and the
    /// results that it has not taken are dropped.
    #[inline]
    pub(super) fn disown(&self, co: Co) {
        if co.children.get() > 0 {
            self.disown_those(co, |_| true);
        }
    }

    /// The same for one that failed and hands its error on: the child that the error came from stays,
    /// for the traceback.
    pub(super) fn disown_but_failed(&self, co: Co) {
        self.disown_those(co, |child| !child.failed());
    }

    fn disown_those(&self, co: Co, goes: impl Fn(Co) -> bool) {
        while co.children.get() > 0 {
            let Some(child) = self.children(co).find(|child| goes(*child)) else { break };
            child.set_parent(None);
            match (child.role(), child.status()) {
                (Role::Light, Status::Zombie) => self.end_thread(child),
                (Role::Light, _) | (_, Status::Suspended) => {}
                (Role::Wrapped, Status::Dead) if child.failed() => {
                    self.disown(child);
                    self.bury(child);
                }
                _ => {
                    self.disown(child);
                    child.cancel();
                    child.set_status(Status::Dead);
                }
            }
        }
    }

    pub(crate) fn abort_handler(&self) -> Option<Co> {
        self.abort_handler.get()
    }

    pub(crate) fn set_abort_handler(&self, co: Co) {
        co.set_parent(self.current.get());
        self.abort_handler.set(Some(co));
    }

    /// Makes the light thread that waits for the client to go ready; `false` if it has been before.
    pub(crate) fn start_abort_handler(&self) -> bool {
        let waits = |co: &Co| co.status() == Status::Suspended;
        let Some(co) = self.abort_handler.get().filter(waits) else { return false };
        co.set_status(Status::Running);
        self.threads.set(self.threads.get() + 1);
        self.make_ready(co);
        true
    }

    /// The running coroutine, which is about to yield, gives way to whoever resumed it, who gets what it yields.
    pub(crate) fn ask_to_yield(&self) {
        self.asked.set(Ask::Yield);
    }
}
