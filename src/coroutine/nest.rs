//! Running a coroutine within the call of its parent, as Lua's own `coroutine.resume` does: `resume` and `spawn` need
//! not yield then, and their caller goes on when they return.
//!
//! That is as far as it goes. If the coroutine waits, fails, or ends the run, what it did is left `unsettled`: its
//! parent yields after all, all those around it do, and the scheduler settles it as if it had resumed the coroutine
//! itself. So whatever ends or drops coroutines happens in the scheduler, while none of them runs.
use super::context::{Ask, RequestCtx};
use super::scheduler::give_way;
use super::task::{Co, Status};
use crate::vm::{Step, Top, Yield};

/// What a call returns that lets a coroutine run: the values on top, or later what the scheduler says.
pub(crate) type Nested = core::result::Result<Top, Yield>;

/// Each one takes a little of the C stack. Where it ends, the scheduler takes over.
const DEEPEST: u32 = 32;

impl RequestCtx {
    /// Lets `child` run, which the running coroutine, `parent`, resumes with its topmost `args` values; it can yield.
    ///
    /// Where `parent` yields, it keeps all that is on its stack: the child may be among that, and nothing else need
    /// refer to it while it waits.
    #[inline]
    pub(crate) fn resume(&self, parent: Co, child: Co, args: i32) -> Nested {
        let from = parent.stack();
        if !self.fits_within(child) {
            self.ask_to_resume(child, args);
            return Err(Yield { values: from.top() });
        }
        parent.set_status(Status::Normal);
        child.set_parent(Some(parent));
        child.set_status(Status::Running);
        from.move_to(child.stack(), args);
        let step = self.run_nested(child, args);
        let values = match step {
            Step::YIELDED if self.settles() && self.reason_of(child) == Ask::Yield => {
                self.asked.set(Ask::Nothing);
                child.cancel();
                give_way(child, parent)
            }
            Step::FINISHED => self.end_child(child, parent),
            _ => {
                self.leave_unsettled(child, step);
                return Err(Yield { values: from.top() });
            }
        };
        self.current.set(Some(parent));
        Ok(Top(values))
    }

    /// Lets `child` run, a new light thread with its function and `args` values. It lies on top of the stack of the
    /// running coroutine, `parent`, which can yield: the value that the call returns.
    #[inline]
    pub(crate) fn spawn(&self, parent: Co, child: Co, args: i32) -> Nested {
        // The parent of a light thread around this call is to go on before this coroutine does.
        if !self.fits_within(child) || self.in_spawn.get() {
            self.ask_to_spawn(child);
            return Err(Yield { values: 1 });
        }
        child.set_parent(Some(parent));
        child.set_status(Status::Running);
        self.threads.set(self.threads.get() + 1);
        self.in_spawn.set(true);
        let step = self.run_nested(child, args);
        self.in_spawn.set(false);
        match step {
            Step::YIELDED if self.settles() && self.reason_of(child) == Ask::Wait => {
                self.asked.set(Ask::Nothing);
            }
            Step::FINISHED => self.end_unawaited(child),
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
    fn fits_within(&self, child: Co) -> bool {
        self.ready.get().is_none()
            && self.depth.get() <= DEEPEST
            && child.children.get() == 0
            && !self.debugs()
    }

    /// Runs `child` up to where it yields or ends.
    #[inline]
    fn run_nested(&self, child: Co, args: i32) -> Step {
        self.current.set(Some(child));
        self.resume_once(child, args)
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
