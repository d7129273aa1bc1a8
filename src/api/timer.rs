//! `ngx.timer.at`, `ngx.timer.every`, `ngx.timer.pending_count`, `ngx.timer.running_count`.
//!
//! A pending timer is its event and a coroutine with the function and the arguments on its stack. What
//! stands for a request is made when it fires. When the worker begins to exit, pending timers fire at
//! once, prematurely.
use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::ffi::CString;

use super::Domain;
use crate::conf::MainConf;
use crate::coroutine::{RequestCtx, Run, disabled, lease, recycle, request_of};
use crate::nginx::detached::{self, Confs, Context, Detached};
use crate::nginx::event::Delay;
use crate::nginx::{Level, Log, Msec, Phase, Phases, Request, Timer, debug, exit, grace, process};
use crate::vm::{Call, Error, Kind, Result, Thread, Vm, lua_fn, traceback};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"timer", c"at", lua_fn!(at)),
        (c"timer", c"every", lua_fn!(every)),
        (c"timer", c"pending_count", lua_fn!(pending_count)),
        (c"timer", c"running_count", lua_fn!(running_count)),
    ],
    setup: None,
};

/// A timer that has not fired. It owns itself: its event and its neighbours have its address.
struct Pending {
    timer: Timer<NonNull<Pending>>,
    job: Job,
    previous: Cell<Option<NonNull<Pending>>>,
    next: Cell<Option<NonNull<Pending>>>,
}

/// What a timer does when it fires.
struct Job {
    thread: Thread,
    /// How many values lie on its stack: the function and the arguments.
    values: i32,
    delay: Delay,
    /// For the next one, of `ngx.timer.every`.
    interval: Option<Msec>,
    vm: Vm,
    confs: Confs,
    conf: &'static MainConf,
    /// `ngx.timer` and the addresses of the request that made it, for log lines.
    context: Context,
}

/// Every pending timer of the process, and memory of some that have fired.
struct All {
    pending: Cell<Option<NonNull<Pending>>>,
    /// Linked by `next`. Their events are disarmed, and still know where they lie; their contexts are gone.
    spare: Cell<Option<NonNull<Pending>>>,
    spares: Cell<u32>,
    /// How many more without a delay may fire in the round of the event loop in which they are made.
    at_once: Cell<u32>,
}

static ALL: All = All {
    pending: Cell::new(None),
    spare: Cell::new(None),
    spares: Cell::new(0),
    at_once: Cell::new(All::MOST_AT_ONCE),
};

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for All {}

#[allow(unsafe_code)]
// SAFETY (every block of this impl): what is linked as pending is alive and whole; what is linked as spare is
// memory of a timer that nobody else has.
#[allow(clippy::undocumented_unsafe_blocks)]
impl All {
    const MOST_SPARE: u32 = 64;
    const MOST_AT_ONCE: u32 = 64;

    /// Arms a timer, which lives until it fires.
    fn start(&self, job: Job) {
        let delay = job.delay;
        lease::retain(job.vm);
        let this = match self.spare.get() {
            Some(spare) => unsafe {
                self.spare.set(spare.as_ref().next.get());
                self.spares.set(self.spares.get() - 1);
                (*spare.as_ptr()).timer.renew(Log::cycle());
                (&raw mut (*spare.as_ptr()).job).write(job);
                spare
            },
            None => {
                let timer = Timer::new(Log::cycle(), NonNull::dangling(), on_timer);
                let (previous, next) = (Cell::new(None), Cell::new(None));
                let this = Box::leak(Box::new(Pending { timer, job, previous, next }));
                let address = NonNull::from(&mut *this);
                this.timer.aim(address);
                address
            }
        };
        self.link(this);
        unsafe { (*this.as_ptr()).timer.arm(delay) };
    }

    /// Whether a timer may fire in this round. If not, it is the next round that lets so many again.
    fn fires_at_once(&self) -> bool {
        let rest = self.at_once.get();
        self.at_once.set(rest.saturating_sub(1));
        rest > 0
    }

    /// A timer is pending, and keeps a worker that exits: not every delay is one of nginx's timers.
    fn link(&self, this: NonNull<Pending>) {
        grace::begin();
        let first = self.pending.replace(Some(this));
        let pending = unsafe { this.as_ref() };
        let count = &pending.job.conf.pending_timers;
        count.set(count.get() + 1);
        pending.previous.set(None);
        pending.next.set(first);
        if let Some(first) = first {
            unsafe { first.as_ref() }.previous.set(Some(this));
        }
    }

    /// Takes a timer out of the list: it is no longer pending.
    fn unlink(&self, this: NonNull<Pending>) {
        grace::end();
        let pending = unsafe { this.as_ref() };
        let count = &pending.job.conf.pending_timers;
        count.set(count.get() - 1);
        let (previous, next) = (pending.previous.get(), pending.next.get());
        match previous {
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => self.pending.set(next),
        }
        if let Some(next) = next {
            unsafe { next.as_ref() }.previous.set(previous);
        }
    }

    /// A timer's time has come: it is no longer pending.
    fn expire(&self, this: NonNull<Pending>) {
        self.unlink(this);
        if unsafe { this.as_ref() }.job.delay == Delay::NextRound {
            self.at_once.set(Self::MOST_AT_ONCE);
        }
    }

    /// Ends a timer that fires, and is not pending. Its memory is kept for another one.
    fn retire(&self, this: NonNull<Pending>) -> Context {
        let context = unsafe {
            (*this.as_ptr()).timer.disarm();
            (&raw const (*this.as_ptr()).job.context).read()
        };
        if self.spares.get() < Self::MOST_SPARE {
            self.spares.set(self.spares.get() + 1);
            unsafe { this.as_ref() }.next.set(self.spare.replace(Some(this)));
        } else {
            drop(unsafe { Box::from_raw(this.as_ptr().cast::<MaybeUninit<Pending>>()) });
        }
        context
    }

    /// Lets a timer that fires be pending again. The coroutine has what its own has; `None` if there is no room.
    fn repeat(&self, this: NonNull<Pending>, interval: Msec) -> Option<Thread> {
        let Job { thread, values, vm, .. } = unsafe { this.as_ref() }.job;
        let stack = thread.stack();
        if !stack.reserve(values) {
            return None;
        }
        for i in 1..=values {
            stack.push_value(i);
        }
        let thread = recycle::take_for(vm);
        stack.move_to(thread.stack(), values);
        lease::retain(vm);
        debug!(
            Log::cycle(),
            "created next timer (co: {:p} delay: {} ms)",
            stack.as_ptr(),
            interval.0
        );
        self.link(this);
        unsafe { (*this.as_ptr()).timer.arm(Delay::After(interval)) };
        Some(thread)
    }
}

fn main_conf(call: &Call<'_>) -> Result<&'static MainConf> {
    let r = request_of(call.stack()).ok_or(Error::raise("no request"))?;
    Ok(MainConf::of(r))
}

fn pending_count(call: &Call<'_>) -> Result<f64> {
    Ok(main_conf(call)?.pending_timers.get() as f64)
}

fn running_count(call: &Call<'_>) -> Result<f64> {
    Ok(main_conf(call)?.running_timers.get() as f64)
}

fn at(call: &Call<'_>) -> Result<i32> {
    let delay = read_delay(call)?;
    start(call, delay, None)
}

fn every(call: &Call<'_>) -> Result<i32> {
    let delay = read_delay(call)?;
    if delay.0 == 0 {
        return Err(Error::raise("delay cannot be zero"));
    }
    start(call, delay, Some(delay))
}

fn read_delay(call: &Call<'_>) -> Result<Msec> {
    let args = call.count();
    if args < 2 {
        let message = format!("expecting at least 2 arguments but got {args}");
        return Err(Error::Raise(message.into()));
    }
    // Reference: wraps a negative delay around to years.
    Ok(Msec::from_secs(call.number(1)?).unwrap_or(Msec(0)))
}

fn start(call: &Call<'_>, delay: Msec, interval: Option<Msec>) -> Result<i32> {
    let stack = call.stack();
    if call.kind(2) != Kind::Function || stack.is_c_function(2) {
        return Err(Error::arg(2, "Lua function expected"));
    }
    let r = request_of(stack).ok_or(Error::raise("no request"))?;
    let ctx = RequestCtx::of(r).ok_or(Error::raise("no request ctx found"))?;
    if ctx.phase() == Phase::ExitWorker {
        return Err(Error::Raise(disabled(ctx.phase()).into()));
    }
    if process::exiting() && delay.0 > 0 {
        return Err(Error::fail("process exiting"));
    }
    let conf = MainConf::of(r);
    if conf.pending_timers.get() >= conf.max_pending_timers {
        return Err(Error::fail("too many pending timers"));
    }
    // While the worker exits it is too late to watch for that, and the timers fire by themselves.
    if !conf.watches_exit.get() && !process::exiting() {
        debug!(Log::cycle(), "lua creating fake watcher connection");
        exit::on_exit(abort_pending).ok_or(Error::raise("no memory"))?;
        conf.watches_exit.set(true);
    }
    let values = call.count() - 1;
    let thread = ctx.prepare_entry(stack, values);
    let (vm, confs, context) = (ctx.vm, Confs::of(r), context_of(r));
    debug!(
        Log::cycle(),
        "created timer (co: {:p} delay: {} ms): sz={values}",
        thread.stack().as_ptr(),
        delay.0
    );
    let delay = when(ctx.phase(), delay);
    ALL.start(Job { thread, values, delay, interval, vm, confs, conf, context });
    Ok(1)
}

/// Without a delay, a timer that code for a client makes fires when the events of this round of the event loop have
/// been handled; but not too many after one another, and others in the next round, so that nothing that makes timers
/// keeps the event loop from looking for events.
///
/// Reference: while the worker exits, timers without a delay that make one another keep it from ever looking again.
fn when(phase: Phase, delay: Msec) -> Delay {
    if delay.0 > 0 {
        Delay::After(delay)
    } else if Phases::WITH_CLIENT.contains(phase) && ALL.fires_at_once() {
        Delay::ThisRound
    } else {
        Delay::NextRound
    }
}

/// What log lines of a timer that `r` makes end in: a timer's own timers belong to the same client.
fn context_of(r: Request) -> Context {
    if let Some(context) = detached::context(r).filter(|text| text.as_bytes().starts_with(NAME)) {
        return context;
    }
    let (client, server) = r.addresses();
    NEWEST.of(client, server)
}

const NAME: &[u8] = b"ngx.timer";

/// The context that was made last: a client makes many timers.
struct Newest(RefCell<Option<Named>>);

static NEWEST: Newest = Newest(RefCell::new(None));

/// A context and the addresses in it.
struct Named {
    client: Vec<u8>,
    server: Vec<u8>,
    context: Context,
}

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for Newest {}

impl Newest {
    fn of(&self, client: &[u8], server: &[u8]) -> Context {
        let mut newest = self.0.borrow_mut();
        if let Some(named) = &*newest
            && named.client == client
            && named.server == server
        {
            return named.context.clone();
        }
        let mut text = NAME.to_vec();
        for (name, address) in [(b", client: ", client), (b", server: ", server)] {
            if !address.is_empty() {
                text.extend_from_slice(name);
                text.extend_from_slice(address);
            }
        }
        // An address has no NUL in it.
        let context = Context::new(CString::new(text).unwrap_or_default());
        let (client, server) = (client.to_vec(), server.to_vec());
        *newest = Some(Named { client, server, context: context.clone() });
        context
    }
}

/// The worker begins to exit: what is pending fires now, the oldest first. Timers made meanwhile fire by themselves.
fn abort_pending() {
    debug!(Log::cycle(), "lua abort pending timers");
    let mut pending = Vec::new();
    while let Some(this) = ALL.pending.get() {
        ALL.unlink(this);
        pending.push(this);
    }
    debug!(Log::cycle(), "lua found {} pending timers to be aborted prematurely", pending.len());
    for this in pending.into_iter().rev() {
        fire(this, true);
    }
}

fn on_timer(this: NonNull<Pending>) {
    ALL.expire(this);
    fire(this, false);
}

fn fire(this: NonNull<Pending>, premature: bool) {
    debug!(Log::cycle(), "lua ngx.timer expired");
    #[allow(unsafe_code)]
    // SAFETY: it is whole until it is retired.
    let job = unsafe { &this.as_ref().job };
    let &Job { values, vm, confs, conf, interval, .. } = job;
    let next = interval.filter(|_| !process::exiting());
    let (thread, context) = match next.and_then(|interval| ALL.repeat(this, interval)) {
        Some(thread) => (thread, job.context.clone()),
        None => (job.thread, ALL.retire(this)),
    };
    let running = conf.running_timers.get();
    if running >= conf.max_running_timers {
        let why = format!("{} lua_max_running_timers are not enough", conf.max_running_timers);
        refuse(vm, thread, &why);
        return;
    }
    let detached = Detached::new(&confs, Some(context));
    let ctx = detached.as_ref().and_then(|d| RequestCtx::create(d.request(), vm));
    let (Some(detached), Some(ctx)) = (detached, ctx) else {
        refuse(vm, thread, "could not create fake request");
        return;
    };
    detached.release();
    conf.running_timers.set(running + 1);
    let co = ctx.adopt(thread, Phase::Timer, drive);
    let stack = co.stack();
    stack.push_boolean(premature);
    if values > 1 {
        stack.insert(2);
    }
    let run = match ctx.run(co, values) {
        Run::Suspended => ctx.run_ready(),
        ended => ended,
    };
    conclude(ctx, run);
}

fn refuse(vm: Vm, thread: Thread, why: &str) {
    let (source, line) = traceback::definition(thread.stack(), 1);
    Log::cycle().print(
        Level::Alert,
        format_args!("lua failed to run timer with function defined at {source}:{line}: {why}"),
    );
    thread.release();
    lease::release(vm);
}

/// Runs what is ready after a wake-up.
fn drive(ctx: &RequestCtx) {
    let run = ctx.run_ready();
    conclude(ctx, run);
}

/// Ends the detached request, unless coroutines wait.
fn conclude(ctx: &RequestCtx, run: Run) {
    if run == Run::Suspended {
        return;
    }
    let (request, vm) = (ctx.request, ctx.vm);
    let conf = MainConf::of(request);
    debug!(request.log(), "http lua close fake request");
    debug!(request.log(), "http lua close fake http connection {:p}", request.connection());
    drop(Detached::reclaim(request));
    conf.running_timers.set(conf.running_timers.get() - 1);
    lease::release(vm);
}
