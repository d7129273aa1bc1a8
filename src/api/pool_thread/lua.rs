//! `ngx.run_worker_thread(pool, module, function, ...)`.
use core::cell::Cell;
use std::rc::Rc;

use super::copy;
use super::run::{Job, in_foreign_vm};
use super::vms::{self, Lent};
use crate::api::Domain;
use crate::conf::MainConf;
use crate::coroutine::{Suspension, Waker, current, in_phase};
use crate::nginx::Phases;
use crate::nginx::log::Text;
use crate::nginx::thread_pool::ThreadPool;
use crate::vm::{Call, IntoResults, Kind, Result, Stack, Yield, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"", c"run_worker_thread", lua_fn!(run_worker_thread))], setup: None };

/// `false, message`.
struct Refusal(String);

impl IntoResults for Refusal {
    fn push(self, stack: Stack) -> i32 {
        stack.push_boolean(false);
        stack.push_bytes(self.0.as_bytes());
        2
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Self {
        Self(message.to_owned())
    }
}

/// Where the job and the coroutine that waits for it meet, in the main thread.
#[derive(Default)]
struct Meeting {
    /// None: nobody waits any more.
    waker: Cell<Option<Waker>>,
    finished: Cell<Option<Job>>,
}

/// The coroutine waits. Dropping it does not stop the thread; its results are thrown away.
struct Wait(Rc<Meeting>);

impl Suspension for Wait {
    fn results(&mut self, stack: Stack) -> i32 {
        self.0.finished.take().map_or(0, |job| take_results(job, stack))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.waker.set(None);
    }
}

fn run_worker_thread(call: &Call<'_>) -> Result<core::result::Result<Refusal, Yield>> {
    let ctx = in_phase(current(call)?, Phases::YIELDABLE)?;
    ctx.waiter(call.stack())?;
    let (pool, job) = match prepare(call, MainConf::of(ctx.request)) {
        Ok(ready) => ready,
        Err(refusal) => return Ok(Ok(refusal)),
    };
    let meeting = Rc::new(Meeting::default());
    if pool.post(job, Rc::clone(&meeting), Job::run, on_done).is_err() {
        return Ok(Ok("ngx_thread_task_post failed".into()));
    }
    let wait = ctx.suspend(call.stack(), |waker| {
        meeting.waker.set(Some(waker));
        Ok(Wait(meeting))
    })?;
    Ok(Err(wait))
}

/// Loads the module into a VM and puts the function and its arguments on the VM's stack.
fn prepare(
    call: &Call<'_>,
    conf: &'static MainConf,
) -> core::result::Result<(ThreadPool, Job), Refusal> {
    let stack = call.stack();
    if call.count() < 3 {
        return Err("expecting at least 3 arguments".into());
    }
    let name = stack.bytes(1).ok_or("threadpool should be a string")?;
    let pool = ThreadPool::find(name)
        .ok_or_else(|| Refusal(format!("thread pool {} not found", Text(name))))?;
    let module = stack.bytes(2).ok_or("module name should be a string")?;
    let function = stack.bytes(3).ok_or("function name should be a string")?;
    let max = usize::try_from(conf.worker_thread_vm_pool_size).unwrap_or(0);
    let vm = vms::lend(stack, conf, max).ok_or("no available Lua vm")?;
    in_foreign_vm(|| load_function(vm.stack(), module, function))?;
    let args = call.count() - 3;
    if !vm.stack().reserve(args) {
        return Err("too many arguments".into());
    }
    for arg in 4..=call.count() {
        copy::value(stack, arg, vm.stack())
            .map_err(|why| Refusal(format!("{} in the argument", why.0)))?;
    }
    Ok((pool, Job::new(vm, args)))
}

/// stack: [-0, +1, e]
fn load_function(
    stack: Stack,
    module: &[u8],
    function: &[u8],
) -> core::result::Result<(), Refusal> {
    let error = || Refusal(Text(stack.error_message()).to_string());
    stack.global(c"require");
    stack.push_bytes(module);
    if !stack.call(1, 1, 0) {
        return Err(error());
    }
    if stack.kind(-1) != Kind::Table {
        return Err("invalid lua module".into());
    }
    if !stack.field(-1, function) {
        return Err(error());
    }
    if stack.kind(-1) != Kind::Function {
        return Err("invalid function".into());
    }
    stack.remove(-2);
    Ok(())
}

/// The thread is done.
fn on_done(job: Job, meeting: Rc<Meeting>) {
    let Some(waker) = meeting.waker.take() else { return };
    meeting.finished.set(Some(job));
    waker.wake();
}

/// Pushes what the function returned or raised, and gives the VM back. stack: [-0, +n, m]
fn take_results(job: Job, to: Stack) -> i32 {
    let from = job.vm.stack();
    let top = to.top();
    let refuse = |message: &[u8]| {
        to.set_top(top);
        to.push_boolean(false);
        to.push_bytes(message);
        2
    };
    if !job.succeeded {
        let message = from.error_message();
        let results = refuse(message);
        if message.ends_with(b"stack overflow") {
            // LuaJIT may have left frames behind that nobody can read.
            Lent::discard(job.vm);
        }
        return results;
    }
    let results = from.top();
    if !to.reserve(results + 1) {
        return refuse(b"too many results");
    }
    to.push_boolean(true);
    for i in 1..=results {
        if let Err(why) = copy::value(from, i, to) {
            return refuse(format!("{} in the return value", why.0).as_bytes());
        }
    }
    results + 1
}
