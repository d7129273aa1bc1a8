//! `ngx.sleep(seconds)`.
use super::Domain;
use crate::coroutine::{Suspension, Waker, current, in_phase};
use crate::nginx::event::Delay;
use crate::nginx::log::Text;
use crate::nginx::{Log, Msec, Phases, Timer, debug, trace};
use crate::vm::{Call, Error, Result, Yield, lua_fn};

pub(crate) const DOMAIN: Domain =
    Domain { functions: &[(c"", c"sleep", lua_fn!(sleep))], setup: None };

/// Owning the timer is the whole wait: dropping it (abort, kill, exit) disarms it.
struct Sleep {
    timer: Timer<Waker>,
    delay: Delay,
}

impl Suspension for Sleep {
    fn arm(&mut self) {
        self.timer.arm(self.delay);
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.timer.is_armed() {
            debug!(Log::cycle(), "lua clean up the timer for pending ngx.sleep");
        } else if self.timer.is_posted() {
            debug!(Log::cycle(), "lua clean up the posted event for pending ngx.sleep");
        }
    }
}

/// A sleep of 0 lets the event loop run once.
///
/// Reference: it needs a patched nginx for that, and arms a timer (and warns) on a stock one.
fn sleep(call: &Call<'_>) -> Result<Yield> {
    call.expect_args(1)?;
    let ctx = current(call)?;
    let seconds = call.number(1)?;
    let length = Msec::from_secs(seconds).ok_or_else(|| {
        let ms = (seconds * 1000.0) as i64;
        Error::Raise(format!("invalid sleep duration \"{ms}\"").into())
    })?;
    let ctx = in_phase(ctx, Phases::WAITABLE)?;
    let log = ctx.log();
    let delay = if length.0 == 0 { Delay::NextRound } else { Delay::After(length) };
    let waits = ctx
        .suspend_for(call.stack(), |waker| Sleep { timer: Timer::new(log, waker, on_timer), delay })
        .map_err(|error| refused(log, length, error))?;
    debug!(log, "lua ready to sleep for {} ms", length.0);
    Ok(waits)
}

/// Where the coroutine cannot be suspended, debug lines tell the same as those of the reference: a timer is armed, and
/// disarmed at once.
#[cold]
fn refused(log: Log, length: Msec, error: Error) -> Error {
    if log.debugs() {
        let mut timer = Timer::new(log, (), |()| {});
        timer.arm(Delay::After(length));
        debug!(log, "lua ready to sleep for {} ms", length.0);
        timer.disarm();
        debug!(log, "lua clean up the timer for pending ngx.sleep");
    }
    error
}

fn on_timer(waker: Waker) {
    if let Some(ctx) = waker.context().filter(|ctx| ctx.debugs()) {
        let r = ctx.request;
        r.enter_log();
        trace!(ctx, "lua sleep timer expired: \"{}?{}\"", Text(r.uri()), Text(r.args()));
    }
    waker.wake();
}
