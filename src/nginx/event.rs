//! One-shot timers and posted wake-ups whose ownership is a Rust value.
#![allow(unsafe_code)]
use core::mem;

use super::log::Log;
use super::request::Request;
use super::sys::{self, ngx_event_t};

/// Milliseconds, the unit of every nginx timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Msec(pub(crate) usize);

impl Msec {
    /// Beyond that, nginx takes a time for one that has passed.
    const MAX: usize = usize::MAX / 4;

    /// Lua passes seconds as a double; negative ones and NaN are refused.
    pub(crate) fn from_secs(secs: f64) -> Option<Self> {
        let ms = (secs * 1000.0).min(Self::MAX as f64);
        (secs >= 0.0).then_some(Self(ms as i64 as usize))
    }
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
    /// In this round of the event loop, when its events have been handled.
    ThisRound,
    /// In the next round of the event loop.
    NextRound,
    After(Msec),
}

/// An nginx timer that calls `fire(data)` once, from the event loop. Dropping it disarms it, so it can
/// never outlive its owner.
#[repr(C)]
pub(crate) struct Timer<D: Copy> {
    event: ngx_event_t,
    fire: fn(D),
    data: D,
}

impl<D: Copy> Timer<D> {
    pub(crate) fn new(log: Log, data: D, fire: fn(D)) -> Self {
        // SAFETY: an all-zero `ngx_event_t` is nginx's own initial state.
        let mut event: ngx_event_t = unsafe { mem::zeroed() };
        event.handler = Some(Self::on_event);
        event.log = log.as_ptr();
        Self { event, fire, data }
    }

    /// Arms the timer, which must stay where it is from now on until it is dropped: its owner is boxed.
    pub(crate) fn arm(&mut self, delay: Delay) {
        self.event.data = (&raw mut *self).cast();
        let event = &raw mut self.event;
        // SAFETY: the event stays in place until `drop` takes it from nginx's tree or queue.
        unsafe {
            match delay {
                Delay::After(Msec(delay)) => sys::ngx_add_timer(event, delay),
                Delay::ThisRound => sys::ngx_post_event(event, &raw mut sys::ngx_posted_events),
                Delay::NextRound => {
                    sys::ngx_post_event(event, &raw mut sys::ngx_posted_next_events);
                }
            }
        }
    }

    /// Changes what `fire` is called with; the timer is not armed yet.
    pub(crate) fn aim(&mut self, data: D) {
        self.data = data;
    }

    /// Prepares a timer that has fired, or was disarmed, for another time.
    pub(crate) fn renew(&mut self, log: Log) {
        self.event.log = log.as_ptr();
    }

    /// Whether the timer has still to fire.
    pub(crate) fn is_armed(&self) -> bool {
        self.event.timer_set() != 0
    }

    /// Whether it waits for this or the next round of the event loop.
    pub(crate) fn is_posted(&self) -> bool {
        self.event.posted() != 0
    }

    unsafe extern "C" fn on_event(ev: *mut ngx_event_t) {
        // SAFETY: `data` was set by `arm`, and the timer is disarmed before it is freed.
        let (fire, data) = unsafe {
            let timer = (*ev).data.cast::<Self>();
            ((*timer).fire, (*timer).data)
        };
        // `fire` may drop the timer itself: it is not touched any more.
        super::guard((), || fire(data));
    }
}

impl<D: Copy> Timer<D> {
    /// Takes the timer out of nginx's tree or queue, if it is there.
    #[inline]
    pub(crate) fn disarm(&mut self) {
        if self.is_armed() {
            // SAFETY: armed, not yet removed.
            unsafe { sys::ngx_del_timer(&raw mut self.event) };
        }
        if self.is_posted() {
            // SAFETY: posted, not yet taken from its queue.
            unsafe { sys::ngx_delete_posted_event(&raw mut self.event) };
        }
    }
}

impl<D: Copy> Drop for Timer<D> {
    #[inline]
    fn drop(&mut self) {
        self.disarm();
    }
}

/// What a write event of a request's connection says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteEvent {
    /// The client has not taken anything for `send_timeout`.
    TimedOut,
    /// Nothing can be written yet.
    NotReady,
    Ready,
}

/// Watching for the client to take what was written; dropping it stops watching.
pub(crate) struct WriteWatch(Request);

// SAFETY (every block of this impl): [request-alive]; the connection's events live as long as it does.
#[allow(clippy::undocumented_unsafe_blocks)]
impl WriteWatch {
    /// Calls `handler` when something can be written, or `send_timeout` has passed.
    pub(crate) fn start(
        r: Request,
        handler: unsafe extern "C" fn(*mut sys::ngx_http_request_t),
    ) -> Option<Self> {
        unsafe { (*r.as_ptr()).write_event_handler = Some(handler) };
        let watch = Self(r);
        watch.arm().then_some(watch)
    }

    /// Goes on watching after an event.
    pub(crate) fn arm(&self) -> bool {
        unsafe {
            let wev = (*self.0.connection()).write;
            let conf = self.0.core_loc_conf();
            if (*wev).delayed() == 0 {
                sys::ngx_add_timer(wev, (*conf).send_timeout);
            }
            sys::ngx_handle_write_event(wev, (*conf).send_lowat) == sys::OK
        }
    }

    /// What the event that called the handler is.
    pub(crate) fn event(&self) -> WriteEvent {
        unsafe {
            let c = self.0.connection();
            let wev = (*c).write;
            if (*wev).timedout() != 0 {
                if (*wev).delayed() == 0 {
                    (*c).set_timedout(1);
                    return WriteEvent::TimedOut;
                }
                // `limit_rate` lets it go on.
                (*wev).set_timedout(0);
                (*wev).set_delayed(0);
            }
            if (*wev).ready() == 0 { WriteEvent::NotReady } else { WriteEvent::Ready }
        }
    }
}

impl Drop for WriteWatch {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe {
            let wev = (*self.0.connection()).write;
            if (*wev).timer_set() != 0 && (*wev).delayed() == 0 {
                sys::ngx_del_timer(wev);
            }
        }
    }
}
