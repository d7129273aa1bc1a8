//! Running a coroutine within the call of its parent, as Lua's own `coroutine.resume` does: `resume` and `spawn` need
//! not yield then, and their caller goes on when they return.
//!
//! That is as far as it goes. If the coroutine waits, fails, or ends the run, what it did is left `unsettled`: its
//! parent yields after all, all those around it do, and the scheduler settles it as if it had resumed the coroutine
//! itself. So whatever ends or drops coroutines happens in the scheduler, while none of them runs.
use super::context::{Ask, RequestCtx};
use super::scheduler::hand_over;
use super::task::{Co, Status};
use crate::vm::{Stack, Step, Top, Yield};

/// What a call returns that lets a coroutine run: the values on top, or later what the scheduler says.
pub(crate) type Nested = core::result::Result<Top, Yield>;

/// Each one takes a little of the C stack. Where it ends, the scheduler takes over.
const DEEPEST: u32 = 32;

/// Where a coroutine can run.
enum Place {
    /// Within the call of this one.
    Within(Co),
    /// Beside the one that calls, which yields.
    Beside,
    /// Nowhere: the one that calls cannot yield, and fails when it tries.
    Nowhere,
}

impl RequestCtx {
    /// Lets `child` run, which the running coroutine, `from`, resumes with its topmost `args` values.
    #[inline]
    pub(crate) fn resume(&self, from: Stack, child: Co, args: i32) -> Nested {
        let parent = match self.place_for(from, child) {
            Place::Within(parent) => parent,
            Place::Beside => {
                self.ask_to_resume(child, args);
                return Err(Yield { values: args });
            }
            Place::Nowhere => return Err(Yield::NOTHING),
        };
        parent.set_status(Status::Normal);
        child.set_parent(Some(parent));
        child.set_status(Status::Running);
        from.move_to(child.stack(), args);
        let step = self.run_nested(child, args);
        let values = match (step, self.asked.get()) {
            (Step::YIELDED, Ask::Yield(values)) if self.settles() => {
                self.asked.set(Ask::Wait);
                hand_over(child, parent, values)
            }
            (Step::FINISHED, _) => self.end_child(child, parent),
            _ => {
                self.leave_unsettled(child, step);
                return Err(Yield::NOTHING);
            }
        };
        self.current.set(Some(parent));
        Ok(Top(values))
    }

    /// Lets `child` run, a new light thread with its function and `args` values. It lies on top of the stack of the
    /// running coroutine, `from`: the value that the call returns.
    #[inline]
    pub(crate) fn spawn(&self, from: Stack, child: Co, args: i32) -> Nested {
        let parent = match self.place_for(from, child) {
            Place::Within(parent) if !self.in_spawn.get() => parent,
            // The parent of a light thread around this call is to go on before this coroutine does.
            Place::Within(_) | Place::Beside => {
                self.ask_to_spawn(child);
                return Err(Yield { values: 1 });
            }
            Place::Nowhere => return Err(Yield::NOTHING),
        };
        child.set_parent(Some(parent));
        child.set_status(Status::Running);
        self.threads.set(self.threads.get() + 1);
        self.in_spawn.set(true);
        let step = self.run_nested(child, args);
        self.in_spawn.set(false);
        match (step, self.asked.get()) {
            (Step::YIELDED, Ask::Wait) if self.settles() => {}
            (Step::FINISHED, _) => self.end_unawaited(child),
            _ => {
                self.leave_unsettled(child, step);
                parent.results.set(1);
                self.make_ready_first(parent);
                return Err(Yield { values: 1 });
            }
        }
        self.current.set(Some(parent));
        Ok(Top(1))
    }

    /// `child` can run within the call of the running coroutine if nobody else is to run first, and if it has made no
    /// light thread that could be among those around it, whom it could kill then.
    #[inline]
    fn place_for(&self, from: Stack, child: Co) -> Place {
        let Some(parent) = self.current.get() else { return Place::Beside };
        let fits = self.ready.get().is_none()
            && self.nested.get() < DEEPEST
            && child.children.get() == 0
            && !self.debugs();
        match from.is_yieldable() {
            Some(true) if fits => Place::Within(parent),
            Some(false) => Place::Nowhere,
            _ => Place::Beside,
        }
    }

    /// Runs `child` up to where it yields or ends.
    #[inline]
    fn run_nested(&self, child: Co, args: i32) -> Step {
        self.nested.set(self.nested.get() + 1);
        self.current.set(Some(child));
        let step = self.resume_once(child, args);
        self.nested.set(self.nested.get() - 1);
        step
    }

    /// Whether a coroutine that has yielded did so of its own, and the run goes on.
    #[inline]
    fn settles(&self) -> bool {
        self.unsettled.get().is_none() && self.leaving().is_none()
    }

    /// Leaves to the scheduler what `child` did, unless it has itself yielded for the sake of another one.
    fn leave_unsettled(&self, child: Co, step: Step) {
        if self.unsettled.get().is_none() {
            self.unsettled.set(Some((child, step)));
        }
    }
}
