//! `RequestCtx`: what the module knows of a request while Lua works on it.
//!
//! It lies in the request's pool and is shared by every API call, hence `Cell`s and no `&mut`. nginx
//! forgets it at an internal redirect (the next phase makes a new one), but its memory stays until
//! the request's pool goes, and its coroutines until the request's cleanup.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;

use super::ending::Ending;
use super::recycle;
use super::suspension::Suspension;
use super::task::{Co, Place, Status};
use crate::conf::{LocConf, MainConf};
use crate::nginx::pool::DestroyPlace;
use crate::nginx::request::CleanupPlace;
use crate::nginx::script::Values;
use crate::nginx::uri::Target;
use crate::nginx::{FilteredBody, Log, Output, Phase, Phases, Request, slot, trace};
use crate::vm::sys::LUA_NOREF;
use crate::vm::{Call, Error, Result, Stack, Step, Thread, Vm};

/// Said where no coroutine of the request's runs.
pub(super) const NO_COROUTINE: Error = Error::raise("no co ctx found");

/// What the running coroutine asked for when it yielded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// Nothing was said: it waits for its suspension if it has one; if not, it has called LuaJIT's own
    /// `coroutine.yield`.
    Nothing,
    /// `ngx.thread.wait`: it waits for light threads, which end the wait.
    Wait,
    /// `coroutine.resume` with N values: `current` is the coroutine to run.
    Resume(i32),
    /// `coroutine.yield`.
    Yield,
    /// `ngx.thread.spawn`: `current` is the light thread to run, whose arguments are in place.
    Spawn,
}

/// How Lua code leaves its run for good: noted by an API, acted upon when the coroutine yields.
#[derive(Clone, Copy)]
pub(crate) enum Leave {
    /// `ngx.exit`, `ngx.redirect`: the request ends with a status, or with one of nginx's codes.
    Exit(c_int),
    /// `ngx.exec`: the request starts again elsewhere.
    Exec(Target),
    /// `ngx.req.set_uri(uri, true)`: nginx looks for the location of the new URI.
    Jump,
}

/// Who waits for nginx to read the request's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyWait {
    Nobody,
    /// A phase that starts when it is there (`lua_need_request_body`).
    Phase,
    /// So many coroutines (`ngx.req.read_body`).
    Coroutines(u32),
}

pub(crate) struct RequestCtx {
    pub(crate) request: Request,
    pub(crate) vm: Vm,
    pub(crate) output: Output,
    pub(crate) body_wait: Cell<BodyWait>,
    /// What the location's body filter sees of the response.
    pub(crate) body: FilteredBody,
    /// The arguments of the `set_by_lua*` that runs.
    pub(crate) set_args: Cell<Values>,
    phase: Cell<Phase>,
    /// The phases whose handler has started and not let the request go on.
    entered: Cell<Phases>,
    pub(super) entry: Cell<Option<Co>>,
    pub(super) current: Cell<Option<Co>>,
    /// The coroutines that Lua code made, newest first.
    pub(super) others: Cell<Option<Co>>,
    /// How many of them are light threads that have not ended.
    pub(super) threads: Cell<u32>,
    /// The entry of a phase that has ended, for the next one.
    spare: Cell<Option<Co>>,
    /// Memory of records whose coroutines have ended.
    pub(super) unused_records: Cell<Option<Co>>,
    /// The queue of coroutines that are ready to run.
    pub(super) ready: Cell<Option<Co>>,
    /// Its end, while there is one.
    pub(super) last_ready: Cell<Option<Co>>,
    pub(super) asked: Cell<Ask>,
    /// How many of its coroutines are on the C stack: one that runs, and those within whose calls that does.
    pub(super) depth: Cell<u32>,
    /// Its coroutines are to be dropped when none of them is on the C stack any more.
    drops_later: Cell<bool>,
    /// The request has ended meanwhile.
    ends_later: Cell<bool>,
    /// Whether one of those is a light thread: its parent goes on before whom it makes room for.
    pub(super) in_spawn: Cell<bool>,
    /// What became of one that did, which waits for its parent to yield.
    pub(super) unsettled: Cell<Option<(Co, Step)>>,
    leave: Cell<Option<Leave>>,
    /// The light thread that starts when the client goes.
    pub(super) abort_handler: Cell<Option<Co>>,
    /// How many coroutines wait for subrequests, without which the request cannot end well.
    captures: Cell<u32>,
    /// The entry coroutine failed while there were some.
    failed_in_capture: Cell<bool>,
    /// The reference of `ngx.ctx`'s table, in the table that lua-resty-core keeps.
    ctx_ref: Cell<c_int>,
    /// What ends with the request.
    pub(super) endings: Cell<Option<NonNull<Ending>>>,
    /// How many things ended before it, for debug lines.
    pub(super) untied: Cell<u32>,
    cleanup: CleanupPlace,
    cleanup_is_set: Cell<bool>,
    debugs: Cell<bool>,
    destroy: DestroyPlace,
    drive: Cell<fn(&Self)>,
}

/// A context, and memory for a record: a request that Lua works on has one coroutine at least.
struct Placed {
    ctx: RequestCtx,
    first: Place,
}

impl RequestCtx {
    /// The context of `r`, if Lua has worked on it.
    #[inline]
    pub(crate) fn of<'a>(r: Request) -> Option<&'a Self> {
        // SAFETY: null or stored by `create`; the pool outlives its use.
        unsafe { slot::ctx(r).cast::<Self>().as_ref() }
    }

    /// The context of `r` for a phase that starts. There is none as long as Lua code of an earlier phase is on the C
    /// stack: a filter or an error page has sent the request elsewhere, and what it does there is none of that code's.
    #[inline]
    pub(crate) fn for_phase<'a>(r: Request) -> Option<&'a Self> {
        Self::of(r).filter(|ctx| ctx.depth.get() == 0)
    }

    /// A context for `r`, whose Lua code runs in `vm`.
    pub(crate) fn create<'a>(r: Request, vm: Vm) -> Option<&'a Self> {
        const { assert!(!core::mem::needs_drop::<Self>()) };
        let place = r.pool().place_raw::<Placed>()?.as_ptr();
        // SAFETY: fresh memory, which lives as long as the request's pool.
        let (at, first) = unsafe { (&raw mut (*place).ctx, Co::unused(&raw mut (*place).first)) };
        let ctx = Self {
            request: r,
            vm,
            output: Output::new(LocConf::of(r).output),
            body_wait: Cell::new(BodyWait::Nobody),
            body: FilteredBody::new(),
            set_args: Cell::new(Values::NONE),
            phase: Cell::new(Phase::Init),
            entered: Cell::new(Phases::NONE),
            entry: Cell::new(None),
            current: Cell::new(None),
            others: Cell::new(None),
            threads: Cell::new(0),
            spare: Cell::new(None),
            unused_records: Cell::new(Some(first)),
            ready: Cell::new(None),
            last_ready: Cell::new(None),
            asked: Cell::new(Ask::Nothing),
            depth: Cell::new(0),
            drops_later: Cell::new(false),
            ends_later: Cell::new(false),
            in_spawn: Cell::new(false),
            unsettled: Cell::new(None),
            leave: Cell::new(None),
            abort_handler: Cell::new(None),
            captures: Cell::new(0),
            failed_in_capture: Cell::new(false),
            ctx_ref: Cell::new(LUA_NOREF),
            endings: Cell::new(None),
            untied: Cell::new(0),
            cleanup: CleanupPlace::new(),
            cleanup_is_set: Cell::new(false),
            debugs: Cell::new(r.log().debugs()),
            destroy: DestroyPlace::new(),
            drive: Cell::new(|_| {}),
        };
        // SAFETY: as above.
        let ctx = unsafe {
            at.write(ctx);
            &*at
        };
        slot::set_ctx(r, core::ptr::from_ref(ctx).cast());
        if r.is_internal() {
            ctx.take_over_status();
        }
        Some(ctx)
    }

    /// Where an error page leads here after `ngx.exit`, a response of Lua's for which no status is set has that one.
    #[cold]
    fn take_over_status(&self) {
        let exited = self.request.registered(Self::on_request_end).find_map(|data| {
            // SAFETY: registered by `start`; the context's memory outlives the request's cleanups.
            let earlier = unsafe { &*data.cast::<Self>() };
            earlier.exit_code().filter(|_| earlier.request == self.request)
        });
        if let Some(status) = exited.and_then(|code| u16::try_from(code).ok()).filter(|s| *s >= 200)
        {
            self.output.set_default_status(status);
        }
    }

    /// Makes nginx find the context again after a special response has cleared the request's.
    pub(crate) fn reattach(&self) {
        slot::set_ctx(self.request, core::ptr::from_ref(self).cast());
    }

    pub(crate) fn log(&self) -> Log {
        self.request.log()
    }

    /// Whether the location's log takes debug lines.
    #[inline]
    pub(crate) fn debugs(&self) -> bool {
        self.debugs.get()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// Runs `body` in `phase`, and comes back to the phase that runs now.
    pub(crate) fn within<T>(&self, phase: Phase, body: impl FnOnce() -> T) -> T {
        let outer = self.phase.replace(phase);
        let result = body();
        self.phase.set(outer);
        result
    }

    /// Forgets what earlier phases left: `set_by_lua*` begins anew.
    pub(crate) fn reset(&self) {
        trace!(self, "lua reset ctx");
        self.drop_coroutines();
        self.entered.set(Phases::NONE);
        self.leave.set(None);
    }

    pub(crate) fn has_entered(&self, phase: Phase) -> bool {
        self.entered.get().contains(phase)
    }

    /// The phase's handler lets the request go on.
    pub(crate) fn leave(&self, phase: Phase) {
        self.entered.set(self.entered.get().without(phase));
    }

    pub(crate) fn entered_content(&self) -> bool {
        self.has_entered(Phase::Content)
    }

    pub(crate) fn ctx_ref(&self) -> c_int {
        self.ctx_ref.get()
    }

    /// Keeps the reference, and calls `release` with the context when the request's pool goes. An
    /// earlier reference is returned, and forgotten.
    pub(crate) fn set_ctx_ref(
        &self,
        reference: c_int,
        release: unsafe extern "C" fn(*mut c_void),
    ) -> Option<c_int> {
        let earlier = self.ctx_ref.replace(reference);
        if earlier == LUA_NOREF {
            let ctx: *const Self = self;
            self.request.pool().on_destroy_in(&self.destroy, release, ctx.cast());
            return None;
        }
        Some(earlier)
    }

    /// How the running code wants to leave, if it does.
    pub(crate) fn leaving(&self) -> Option<Leave> {
        self.leave.get()
    }

    pub(crate) fn set_leave(&self, leave: Leave) {
        self.leave.set(Some(leave));
    }

    /// Puts back what `leaving` has returned.
    pub(crate) fn restore_leave(&self, leave: Option<Leave>) {
        self.leave.set(leave);
    }

    /// What `ngx.exit` was called with.
    pub(crate) fn exit_code(&self) -> Option<c_int> {
        match self.leave.get() {
            Some(Leave::Exit(code)) => Some(code),
            _ => None,
        }
    }

    pub(crate) fn headers_sent(&self) -> bool {
        self.output.headers_sent(self.request)
    }

    /// Begins a phase: what an earlier one left is dropped, and an entry coroutine made, whose stack
    /// `push` puts the chunk on.
    #[inline(always)]
    pub(crate) fn start<E>(
        &self,
        phase: Phase,
        drive: fn(&Self),
        push: impl FnOnce(Stack) -> core::result::Result<(), E>,
    ) -> core::result::Result<Co, E> {
        if self.entry.get().is_some() || self.others.get().is_some() {
            self.drop_coroutines();
        }
        self.debugs.set(self.log().debugs());
        self.output.configure(LocConf::of(self.request).output);
        self.leave.set(None);
        self.asked.set(Ask::Nothing);
        self.phase.set(phase);
        self.entered.set(Phases::of(&[phase]));
        self.drive.set(drive);
        if !self.cleanup_is_set.get() {
            let ctx: *const Self = self;
            self.request.on_cleanup(&self.cleanup, Self::on_request_end, ctx.cast());
            self.cleanup_is_set.set(true);
        }
        let co = match self.spare.take() {
            Some(co) => co,
            None => Co::new_entry(self, recycle::take(self)),
        };
        self.entry.set(Some(co));
        if let Err(error) = push(co.stack()) {
            self.release_entry();
            return Err(error);
        }
        co.status.set(Status::Running);
        self.bind(co);
        Ok(co)
    }

    /// A coroutine for a function and its arguments, the topmost `values` of `from`, to be run outside of
    /// this request by [`RequestCtx::adopt`]. stack of from: [-values, +0, m]
    pub(crate) fn prepare_entry(&self, from: Stack, values: c_int) -> Thread {
        let thread = recycle::take(self);
        from.move_to(thread.stack(), values);
        thread
    }

    /// Makes a prepared coroutine the entry of this request, which is a detached one of its own.
    pub(crate) fn adopt(&self, thread: Thread, phase: Phase, drive: fn(&Self)) -> Co {
        self.phase.set(phase);
        self.entered.set(Phases::of(&[Phase::Content]));
        self.drive.set(drive);
        let ctx: *const Self = self;
        self.request.on_cleanup(&self.cleanup, Self::on_request_end, ctx.cast());
        self.cleanup_is_set.set(true);
        let co = Co::new_entry(self, thread);
        co.status.set(Status::Running);
        self.entry.set(Some(co));
        self.bind(co);
        co
    }

    /// Runs what is ready, from an nginx event; the request may be gone afterwards. What runs already comes to that
    /// itself.
    pub(crate) fn drive(&self) {
        if self.depth.get() == 0 {
            (self.drive.get())(self);
        }
    }

    /// Whether some coroutine waits for subrequests.
    pub(crate) fn has_captures(&self) -> bool {
        self.captures.get() > 0
    }

    /// A coroutine begins to wait for subrequests.
    pub(crate) fn capture_begins(&self) {
        self.captures.set(self.captures.get() + 1);
    }

    pub(crate) fn capture_ends(&self) {
        self.captures.set(self.captures.get().saturating_sub(1));
    }

    /// Notes that the entry coroutine has failed.
    pub(super) fn entry_fails(&self) {
        self.failed_in_capture.set(self.has_captures());
    }

    pub(crate) fn failed_in_capture(&self) -> bool {
        self.failed_in_capture.get()
    }

    /// A write event of the client's connection: wakes the coroutines whose wait it ends, and runs those
    /// that are ready. The request may be gone afterwards.
    pub(crate) fn wake_on_write(&self) {
        self.output.go_on(self.request);
        self.wake_if(|suspension| suspension.on_write_event());
    }

    /// A read event of the client's connection: as [`RequestCtx::wake_on_write`].
    pub(crate) fn wake_on_read(&self) {
        self.wake_if(|suspension| suspension.on_read_event());
    }

    /// nginx has read the body: wakes the coroutines that wait for it. The request may be gone
    /// afterwards.
    pub(crate) fn wake_on_body(&self) {
        self.wake_if(|suspension| suspension.on_body_read());
    }

    fn wake_if(&self, ends: impl Fn(&dyn Suspension) -> bool) {
        let mut woken = self.ready.get();
        for co in self.coroutines() {
            if co.room().ask(&ends) != Some(true) {
                continue;
            }
            if let Some(results) = co.room().finish(co.stack()) {
                co.results.set(results);
                self.make_ready(co);
                woken = Some(co);
            }
        }
        if woken.is_some() {
            self.drive();
        }
    }

    /// Gives an entry coroutine that has ended back to the pool.
    #[inline]
    pub(super) fn release_entry(&self) {
        if let Some(co) = self.entry.take() {
            self.recycle(co);
        }
    }

    #[inline(always)]
    fn recycle(&self, co: Co) {
        let max = MainConf::of(self.request).thread_cache_max_entries;
        let thread = co.thread;
        co.free(self);
        recycle::give(self, thread, max.unsigned_abs());
    }

    /// The entry has ended normally: it serves a later phase that has Lua. Without one it is other requests' at once,
    /// however long this one goes on.
    pub(super) fn end_entry(&self) {
        if self.debugs() || !self.has_later_chunk() {
            self.release_entry();
        } else if let Some(co) = self.entry.take() {
            co.renew();
            self.spare.set(Some(co));
        }
    }

    fn has_later_chunk(&self) -> bool {
        const ORDER: [Phase; 4] =
            [Phase::Rewrite, Phase::Access, Phase::Precontent, Phase::Content];
        let later = match self.phase() {
            Phase::ServerRewrite => &ORDER[..],
            Phase::Rewrite => &ORDER[1..],
            Phase::Access => &ORDER[2..],
            Phase::Precontent => &ORDER[3..],
            _ => &[],
        };
        later.iter().any(|phase| LocConf::of(self.request).chunk(*phase).is_some())
    }

    /// Ends every coroutine of the request and cancels what they wait for; when none of them is on the C stack any
    /// more, if one is.
    #[inline]
    pub(crate) fn drop_coroutines(&self) {
        if self.depth.get() > 0 {
            self.drops_later.set(true);
            return;
        }
        trace!(self, "http lua finalize threads");
        self.ready.set(None);
        self.current.set(None);
        self.threads.set(0);
        self.abort_handler.set(None);
        if [&self.others, &self.entry, &self.spare].iter().any(|list| list.get().is_some()) {
            self.drop_each();
        }
    }

    #[inline(never)]
    fn drop_each(&self) {
        while let Some(co) = self.others.get() {
            self.others.set(co.next.take());
            co.cancel();
            // The Lua coroutine may live on in a table; it is nobody's now.
            co.thread.release();
            co.free(self);
        }
        if let Some(co) = self.entry.get() {
            co.cancel();
            self.release_entry();
        }
        if let Some(co) = self.spare.take() {
            self.recycle(co);
        }
    }

    /// Ends the run that Lua code has left.
    pub(crate) fn clean_up(&self) {
        let forcible = matches!(self.leaving(), Some(Leave::Exec(_) | Leave::Jump));
        trace!(self, "lua request cleanup: forcible={}", u8::from(forcible));
        self.drop_coroutines();
    }

    unsafe extern "C" fn on_request_end(data: *mut c_void) {
        // SAFETY: registered by `start`; the context's memory outlives the request's cleanups.
        let ctx = unsafe { &*data.cast::<Self>() };
        trace!(ctx, "lua request cleanup: forcible=0");
        ctx.cleanup_is_set.set(false);
        ctx.drop_coroutines();
        if ctx.drops_later.get() {
            // A filter or an error page has ended the request, within a call of its Lua code. nginx frees it from the
            // event loop.
            ctx.ends_later.set(true);
        } else {
            ctx.end_request();
        }
    }

    fn end_request(&self) {
        self.end_all();
        self.output.give_back_all();
    }

    /// Whether the coroutines were to be dropped while one of them was on the C stack: they are now.
    #[inline]
    pub(super) fn catches_up(&self) -> bool {
        if self.drops_later.get() {
            self.catch_up();
            return true;
        }
        false
    }

    #[cold]
    fn catch_up(&self) {
        self.drops_later.set(false);
        self.drop_coroutines();
        if self.ends_later.replace(false) {
            self.end_request();
        }
    }
}

/// The request of the coroutine that makes `call`, for APIs that need no context.
pub(crate) fn request_of(stack: Stack) -> Option<Request> {
    // SAFETY: set by `bind` or by the phases that run on the main coroutine; [request-alive].
    unsafe { Request::from_raw(stack.owner().cast()) }
}

/// The request context of the coroutine that makes `call`; `missing` is what the reference says where
/// there is no request.
#[inline]
pub(crate) fn current_or<'c>(call: &'c Call<'_>, missing: &'static str) -> Result<&'c RequestCtx> {
    let r = request_of(call.stack()).ok_or(Error::raise(missing))?;
    RequestCtx::of(r).ok_or(Error::raise("no request ctx found"))
}

/// The request context of the coroutine that makes `call`.
pub(crate) fn current<'c>(call: &'c Call<'_>) -> Result<&'c RequestCtx> {
    current_or(call, "no request found")
}

/// `ctx`, if the API is allowed in its phase.
pub(crate) fn in_phase(ctx: &RequestCtx, allowed: Phases) -> Result<&RequestCtx> {
    if allowed.contains(ctx.phase()) {
        return Ok(ctx);
    }
    Err(Error::Raise(disabled(ctx.phase()).into()))
}

/// What is said of an API that does not work in a phase.
pub(crate) fn disabled(phase: Phase) -> String {
    format!("API disabled in the context of {}", phase.context_name())
}
