//! `ngx.location.capture` and `capture_multi`: subrequests whose responses Lua gets.
//!
//! One suspension owns all subrequests of a call. Each subrequest has a note in the request's pool, by
//! which the filters and the end of the subrequest find the suspension; when that is dropped (the
//! coroutine was killed, the request failed), the notes lead nowhere, and what comes is thrown away.
#![allow(unsafe_code)]
mod answer;
mod filter;
mod lua;
mod spare;

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;

pub(crate) use filter::install;
pub(crate) use lua::DOMAIN;

use crate::coroutine::{RequestCtx, Suspension, Waker};
use crate::nginx::output::Stopped;
use crate::nginx::subrequest::{DonePlace, NoSubrequest};
use crate::nginx::sys::{self, ngx_http_request_t, ngx_int_t};
use crate::nginx::uri::Target;
use crate::nginx::{Level, Request, debug, guard};
use crate::vm::{Stack, Vm};

/// The note of a captured subrequest; it lies in the pool that all subrequests share.
struct Captured {
    place: DonePlace,
    /// The suspension, while it waits.
    group: Cell<Option<NonNull<Group>>>,
    index: usize,
    vm: Vm,
    done: Cell<bool>,
}

impl Captured {
    /// The note of `r`, if it is a captured subrequest.
    #[inline]
    fn of(r: Request) -> Option<&'static Self> {
        // SAFETY: [request-alive]; `create` handed it to nginx together with `on_done`.
        r.done_data(on_done).map(|data| unsafe { &*data.cast::<Self>() })
    }

    /// Who waits for the response, if anybody still does.
    fn group(&self) -> Option<&Group> {
        // SAFETY: a group takes itself from its notes when it is dropped.
        self.group.get().map(|group| unsafe { group.as_ref() })
    }
}

/// The response of one subrequest.
struct Answer {
    request: Request,
    note: &'static Captured,
    status: Cell<usize>,
    body: Cell<Vec<u8>>,
    /// The end of the body was seen.
    complete: Cell<bool>,
}

impl Answer {
    /// Makes a subrequest, which is not started yet.
    fn create(parent: &RequestCtx, index: usize, target: Target) -> Result<Self, NoSubrequest> {
        let note = Captured {
            place: DonePlace::new(),
            group: Cell::new(None),
            index,
            vm: parent.vm,
            done: Cell::new(false),
        };
        let note = parent.request.pool().place(note).ok_or(NoSubrequest)?;
        let data: *const Captured = note;
        let request = parent.request.subrequest(target, &note.place, on_done, data.cast())?;
        Ok(Self {
            request,
            note,
            status: Cell::new(0),
            body: Cell::new(Vec::new()),
            complete: Cell::new(false),
        })
    }

    /// Adds to the body.
    fn append(&self, data: &[u8]) {
        let mut body = self.body.take();
        if body.capacity() == 0 {
            body = spare::take(self.request.log(), data.len());
        }
        body.extend_from_slice(data);
        self.body.set(body);
    }
}

/// The subrequests that one call waits for.
struct Group {
    waker: Waker,
    answers: Vec<Answer>,
    pending: Cell<usize>,
}

impl Group {
    fn new(waker: Waker, answers: Vec<Answer>) -> Self {
        if let Some(ctx) = waker.context() {
            ctx.capture_begins();
        }
        Self { waker, answers, pending: Cell::new(0) }
    }
}

impl Suspension for Group {
    /// Starts the subrequests.
    fn arm(&mut self) {
        let group = NonNull::from(&*self);
        self.pending.set(self.answers.len());
        for answer in &self.answers {
            answer.note.group.set(Some(group));
        }
    }

    fn refuses_kill(&self) -> Option<&'static str> {
        Some("pending subrequests")
    }

    fn results(&mut self, stack: Stack) -> i32 {
        answer::push_all(&self.answers, stack)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for answer in &self.answers {
            answer.note.group.set(None);
        }
        if let Some(ctx) = self.waker.context() {
            ctx.capture_ends();
        }
    }
}

/// The VM that a subrequest shares with the one that captures it.
pub(crate) fn parent_vm(r: Request) -> Option<Vm> {
    Captured::of(r).map(|note| note.vm)
}

/// nginx finalizes a captured subrequest.
unsafe extern "C" fn on_done(
    r: *mut ngx_http_request_t,
    data: *mut c_void,
    code: ngx_int_t,
) -> ngx_int_t {
    // SAFETY: [request-alive]; `data` is what `create` passed.
    let (r, note) = unsafe { (Request::from_raw(r), &*data.cast::<Captured>()) };
    let Some(r) = r else { return sys::ERROR };
    guard(sys::ERROR, || end(r, note, code))
}

fn end(r: Request, note: &Captured, code: ngx_int_t) -> ngx_int_t {
    if note.done.replace(true) {
        r.end_apart();
        return sys::OK;
    }
    debug!(r.log(), "lua run post subrequest handler, rc:{code} c:{}", r.count());
    let Some(group) = note.group() else {
        r.end_apart();
        return if is_special(code) { sys::OK } else { code };
    };
    let answer = &group.answers[note.index];
    let mut code = code;
    let mut status = r.status();
    if status == 0 {
        code = match code {
            sys::OK => sys::NGX_HTTP_OK as ngx_int_t,
            sys::ERROR => sys::NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
            code => code,
        };
        status = usize::try_from(code).ok().filter(|code| *code >= 100).unwrap_or(0);
    }
    answer.status.set(status);
    if let Some(completed) = RequestCtx::of(r).and_then(|ctx| ctx.output.complete_headers(r)) {
        if completed.is_err() {
            let message = b"failed to set default content type: -1";
            r.log().write(Level::Error, message);
            return sys::ERROR;
        }
        code = sys::OK;
    }
    let pending = group.pending.get() - 1;
    group.pending.set(pending);
    r.end_apart();
    if is_special(code) {
        if code > sys::OK && respond(r, note, code.unsigned_abs()).is_err() {
            return sys::ERROR;
        }
        code = sys::OK;
    }
    if pending == 0 {
        resume(group);
    }
    code
}

/// Has nginx run the coroutine that waited, before any other request. The group is gone afterwards.
fn resume(group: &Group) {
    let Some(ctx) = group.waker.context() else { return };
    if ctx.entered_content() {
        debug!(ctx.log(), "lua restoring write event handler");
    }
    ctx.request.post_first(on_parent);
    debug!(ctx.log(), "lua run subrequests done, resuming lua thread");
    debug!(ctx.log(), "lua handle subrequest responses");
    group.waker.wake_later();
}

/// Whether nginx would answer with a page of its own.
const fn is_special(code: ngx_int_t) -> bool {
    matches!(code, sys::ERROR | 201 | 204) || (code >= 300 && !matches!(code, 408 | 444 | 499))
}

/// Sends the headers of an empty response in the place of nginx's page.
fn respond(r: Request, note: &Captured, status: usize) -> Result<(), Stopped> {
    r.set_error_status(status);
    if r.header_sent() {
        return Ok(());
    }
    let ctx = RequestCtx::of(r).or_else(|| RequestCtx::create(r, note.vm));
    match ctx.map_or(Ok(()), |ctx| ctx.output.send_headers(r)) {
        Err(Stopped(sys::ERROR)) => Err(Stopped(sys::ERROR)),
        _ => Ok(()),
    }
}

/// nginx's write handler of a request whose subrequests have ended.
unsafe extern "C" fn on_parent(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx calls write handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        r.forget_posted();
        if let Some(ctx) = RequestCtx::of(r) {
            ctx.wake_on_write();
        }
    });
}
