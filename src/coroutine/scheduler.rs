//! The scheduler: resumes a coroutine, and whatever it resumes in turn, until all of them wait or
//! the entry coroutine has ended.
//!
//! Coroutines made by Lua run beside their parent, not on top of it: `coroutine.resume` yields to
//! here, and the child is resumed from here. So any of them can be suspended by any API. A child that does not wait
//! need not come here at all (`nest`).
use super::context::{Ask, Leave, RequestCtx};
use super::loads;
use super::task::{Co, Role, Status};
use crate::conf::{Chunk, MainConf};
use crate::nginx::log::Text;
use crate::nginx::{Level, Log, Phase, trace};
use crate::vm::thread::Failure;
use crate::vm::{Stack, Step, traceback};

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    /// Coroutines wait.
    Suspended,
    /// The entry coroutine has ended, and nothing else runs.
    Finished,
    /// An API was called that ends it: the context knows how.
    Left,
    /// The entry coroutine failed; it has been logged.
    Failed,
    /// The request has ended within a call of its Lua code.
    Ended,
}

/// What to do after one step of one coroutine.
enum Next {
    Resume(Co, i32),
    Stop(Run),
}

impl RequestCtx {
    /// Runs `co`, for which `args` values lie on its stack.
    pub(crate) fn run(&self, co: Co, args: i32) -> Run {
        trace!(self, "lua run thread, top:{} c:{}", co.stack().top(), self.request.count());
        let mut next = Next::Resume(co, args);
        loop {
            next = match next {
                Next::Resume(co, args) => self.step(co, args),
                Next::Stop(run) => {
                    self.current.set(None);
                    return run;
                }
            }
        }
    }

    /// Runs the coroutines that are ready, up to one that ends the run.
    pub(crate) fn run_ready(&self) -> Run {
        while let Some(co) = self.next_ready() {
            if co.status() != Status::Running {
                continue;
            }
            let run = self.run(co, co.results.take());
            trace!(self, "lua run thread returned {}", self.run_code(run));
            if run != Run::Suspended {
                return run;
            }
        }
        Run::Suspended
    }

    /// nginx's number of a run's end, as debug lines show it.
    fn run_code(&self, run: Run) -> i32 {
        match run {
            Run::Suspended => -2,
            Run::Finished => 0,
            Run::Left => match self.leaving() {
                Some(Leave::Exit(code)) => code,
                Some(Leave::Exec(_)) => -4,
                Some(Leave::Jump) | None => 0,
            },
            Run::Failed if self.headers_sent() || self.failed_in_capture() => -1,
            Run::Failed => 500,
            Run::Ended => -1,
        }
    }

    fn step(&self, co: Co, args: i32) -> Next {
        self.current.set(Some(co));
        if co.propagates.take() {
            return self.on_failure(co, Failure::Runtime);
        }
        let step = self.resume_once(co, args);
        if self.catches_up() {
            self.unsettled.set(None);
            return Next::Stop(Run::Ended);
        }
        let (co, step) = self.unsettled.take().unwrap_or((co, step));
        self.settle(co, step)
    }

    /// Resumes `co`, up to where it yields or ends.
    #[inline(always)]
    pub(super) fn resume_once(&self, co: Co, args: i32) -> Step {
        self.asked.set(Ask::Nothing);
        self.depth.set(self.depth.get() + 1);
        let step = co.thread.resume(args);
        self.depth.set(self.depth.get() - 1);
        trace!(self, "lua resume returned {}", step.0);
        if co.loads.get() > 0 {
            loads::review(co, step == Step::YIELDED);
        }
        step
    }

    #[inline(always)]
    fn settle(&self, co: Co, step: Step) -> Next {
        match step {
            Step::YIELDED => self.on_yield(co),
            Step::FINISHED => self.on_finish(co),
            failed => {
                // The failure may have hit while it asked to resume another one.
                self.current.set(Some(co));
                self.on_failure(co, failed.failure())
            }
        }
    }

    fn on_yield(&self, co: Co) -> Next {
        trace!(self, "lua thread yielded");
        if self.leaving().is_some() {
            co.cancel();
            co.set_status(Status::Dead);
            return Next::Stop(Run::Left);
        }
        let reason = self.reason_of(co);
        self.asked.set(Ask::Nothing);
        match reason {
            Ask::Wait => Next::Stop(Run::Suspended),
            Ask::Resume(args) => {
                trace!(self, "lua coroutine: resume");
                let Some(child) = self.current() else { return Next::Stop(Run::Suspended) };
                co.stack().move_to(child.stack(), args);
                Next::Resume(child, args)
            }
            Ask::Yield | Ask::Nothing => {
                trace!(self, "lua coroutine: yield");
                self.on_user_yield(co)
            }
            Ask::Spawn => {
                trace!(self, "lua user thread resume");
                let Some(child) = self.current() else { return Next::Stop(Run::Suspended) };
                Next::Resume(child, child.stack().top() - 1)
            }
        }
    }

    /// Reference: LuaJIT's own `coroutine._yield` waits for whatever was asked for last.
    fn on_user_yield(&self, co: Co) -> Next {
        // A wait that was begun, but not yielded for.
        co.cancel();
        let resumed = matches!(co.role(), Role::User | Role::Wrapped);
        let Some(parent) = co.parent.get().filter(|_| resumed) else {
            // Nobody resumed it: it gives way to those that are ready, and goes on.
            co.stack().set_top(0);
            if let Some(first) = self.next_ready() {
                self.make_ready(co);
                return Next::Resume(first, first.results.take());
            }
            return Next::Resume(co, 0);
        };
        Next::Resume(parent, give_way(co, parent))
    }

    #[inline(always)]
    fn on_finish(&self, co: Co) -> Next {
        match co.role() {
            Role::Entry => {
                self.end(co);
                self.end_entry();
                Next::Stop(self.unless_threads_run())
            }
            Role::Light => {
                self.end(co);
                self.on_thread_end(co, true)
            }
            Role::User | Role::Wrapped => {
                let Some(parent) = co.parent.get() else {
                    self.end(co);
                    return self.orphaned();
                };
                Next::Resume(parent, self.end_child(co, parent))
            }
        }
    }

    /// `co` has ended normally.
    #[inline(always)]
    fn end(&self, co: Co) {
        co.cancel();
        co.set_status(Status::Dead);
        self.disown(co);
        trace!(self, "lua light thread ended normally");
    }

    /// A coroutine that `parent` has resumed has ended normally: how many values that makes on the stack of `parent`.
    pub(super) fn end_child(&self, co: Co, parent: Co) -> i32 {
        self.end(co);
        let results = hand_over(co, parent);
        parent.set_status(Status::Running);
        trace!(self, "lua coroutine: lua user thread ended normally");
        self.bury(co);
        results
    }

    /// A light thread has ended normally, and its parent does not wait for it.
    pub(super) fn end_unawaited(&self, co: Co) {
        self.end(co);
        self.keep_results(co, true, co.stack().top());
    }

    /// Keeps the topmost `results` of a light thread that has ended, for the one that waits for it.
    fn keep_results(&self, co: Co, ok: bool, results: i32) {
        let stack = co.stack();
        stack.push_boolean(ok);
        stack.insert(-results - 1);
        // Only what is to be returned stays on the stack.
        for _ in results + 1..stack.top() {
            stack.remove(1);
        }
        co.set_status(Status::Zombie);
        self.threads.set(self.threads.get() - 1);
    }

    /// How the run ends when the coroutine that ran has ended.
    fn unless_threads_run(&self) -> Run {
        let done = self.threads.get() == 0 && self.entry.get().is_none();
        if done { Run::Finished } else { Run::Suspended }
    }

    /// A light thread has ended, with results or (`ok` is false) an error on top of its stack. Its
    /// parent gets them at once if it waits for them, or when it asks for them.
    fn on_thread_end(&self, co: Co, ok: bool) -> Next {
        let results = if ok { co.stack().top() } else { error_values(co.stack()) };
        let Some(parent) = co.parent.get().filter(|parent| parent.is_alive()) else {
            self.end_thread(co);
            return Next::Stop(self.unless_threads_run());
        };
        if !co.is_awaited_by(parent) {
            self.keep_results(co, ok, results);
            // Nobody is left to take them, perhaps: the parent may be one that nobody resumes any more.
            return Next::Stop(self.unless_threads_run());
        }
        parent.next_wait();
        // What it yielded is gone: there is room for a value more.
        parent.stack().push_boolean(ok);
        co.stack().move_to(parent.stack(), results);
        parent.set_status(Status::Running);
        trace!(self, "lua coroutine: lua user thread ended normally");
        self.end_thread(co);
        Next::Resume(parent, results + 1)
    }

    #[cold]
    fn on_failure(&self, co: Co, failure: Failure) -> Next {
        co.cancel();
        if failure == Failure::Memory {
            self.log().write(Level::Alert, failure.text().as_bytes());
        }
        match co.role() {
            Role::Entry => return self.entry_failed(co, failure),
            Role::Light => {
                self.report_failure("user", co, failure);
                co.set_status(Status::Dead);
                self.disown(co);
                return self.on_thread_end(co, false);
            }
            Role::User | Role::Wrapped => {}
        }
        co.set_status(Status::Dead);
        if co.role.get() == Role::Wrapped {
            self.disown_but_failed(co);
        } else {
            self.disown(co);
        }
        let overflow = co.thread.has_overflowed(failure);
        let Some(parent) = co.parent.get() else { return self.orphaned() };
        parent.set_status(Status::Running);
        if co.role.get() == Role::Wrapped {
            // The parent fails with the same error, from where it called the function.
            co.stack().push_value(-1);
            co.stack().move_to(parent.stack(), 1);
            parent.propagates.set(true);
            if overflow {
                co.thread.reset(self.vm);
            }
            return Next::Resume(parent, 0);
        }
        parent.stack().push_boolean(false);
        co.stack().move_to(parent.stack(), 1);
        if overflow {
            co.thread.reset(self.vm);
        }
        self.bury(co);
        Next::Resume(parent, 2)
    }

    fn entry_failed(&self, co: Co, failure: Failure) -> Next {
        let start =
            MainConf::of(self.request).init_worker.filter(|_| self.phase() == Phase::InitWorker);
        match start {
            Some(chunk) => self.report_start(chunk, co, failure),
            None => self.report_failure("entry", co, failure),
        }
        self.stop_failed()
    }

    /// The code for the start of a worker has failed: that is said in the words for code that cannot wait.
    fn report_start(&self, chunk: &Chunk, co: Co, failure: Failure) {
        let message = co.stack().error_text();
        let traced = message
            .filter(|_| !co.thread.has_overflowed(failure))
            .map(|message| traceback::append(self.vm.stack(), co.stack(), message));
        chunk.report(Log::cycle(), traced.as_deref().or(message));
    }

    fn report_failure(&self, kind: &str, co: Co, failure: Failure) {
        let message = co.stack().error_message();
        let unreadable = usize::from(co.thread.has_overflowed(failure));
        let stacks = self.blame(co).ancestry().map(Co::stack).skip(unreadable);
        self.log().print(
            Level::Error,
            format_args!(
                "lua {kind} thread aborted: {}: {}\n{}",
                failure.text(),
                Text(message),
                traceback::of(stacks)
            ),
        );
    }

    /// The coroutine where the error arose: a wrapped child that handed it on, or `co` itself.
    fn blame(&self, co: Co) -> Co {
        self.coroutines()
            .find(|c| c.role.get() == Role::Wrapped && c.parent.get() == Some(co) && c.failed())
            .map_or(co, |child| self.blame(child))
    }

    fn orphaned(&self) -> Next {
        self.log().write(Level::Error, b"lua handler aborted: user coroutine has no parent");
        self.stop_failed()
    }

    fn stop_failed(&self) -> Next {
        self.entry_fails();
        if self.request.filter_finalize() {
            self.reattach();
        }
        self.drop_coroutines();
        Next::Stop(Run::Failed)
    }
}

impl super::task::Coroutine {
    /// Whether it ended with an error that it handed to its parent.
    pub(super) fn failed(&self) -> bool {
        self.status.get() == Status::Dead && self.thread.stack().top() > 0
    }
}

/// What `ngx.thread.wait` returns of the error on top of the stack, and how many values that is: the
/// text that `error` was called with, and then the message with its position.
///
/// Reference: it returns whatever is left on the stack, of which the first value is that text.
fn error_values(stack: Stack) -> i32 {
    let (message, text) = (stack.error_text(), stack.bytes_of_string(1));
    match (message, text) {
        (Some(message), Some(text)) if stack.top() > 1 && message.ends_with(text) => {
            stack.push_value(1);
            stack.insert(-2);
            2
        }
        _ => 1,
    }
}

/// `co` has yielded to `parent`, which has resumed it: how many values its `resume` returns, which lie on its stack.
pub(super) fn give_way(co: Co, parent: Co) -> i32 {
    co.set_status(Status::Suspended);
    parent.set_status(Status::Running);
    hand_over(co, parent)
}

/// Moves what `co` has yielded or returned to `parent`, as what its `resume` returns; with `true` in front
/// unless the coroutine is wrapped.
fn hand_over(co: Co, parent: Co) -> i32 {
    let values = co.stack().top();
    if co.role.get() == Role::Wrapped {
        co.stack().move_to(parent.stack(), values);
        return values;
    }
    // What it yielded has gone to the child: there is room for a value more.
    parent.stack().push_boolean(true);
    co.stack().move_to(parent.stack(), values);
    values + 1
}
