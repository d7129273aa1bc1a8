//! `ngx.flush(true)`: waits until the client has taken what was written.
#![allow(unsafe_code)]
use crate::coroutine::{RequestCtx, Suspension};
use crate::nginx::event::{WriteEvent, WriteWatch};
use crate::nginx::request::ClientState;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Output, Request, debug, guard};
use crate::vm::{Error, Result, Stack, Yield};

/// Several coroutines of a request may flush at once: each owns a watch, and one event wakes all.
struct Flush {
    request: Request,
    watch: WriteWatch,
}

impl Suspension for Flush {
    fn results(&mut self, stack: Stack) -> i32 {
        let reason: &[u8] = match self.request.client_state() {
            ClientState::TimedOut => b"timeout",
            ClientState::Gone => b"client aborted",
            ClientState::There => {
                stack.push_integer(1);
                return 1;
            }
        };
        stack.push_nil();
        stack.push_bytes(reason);
        2
    }

    fn on_write_event(&self) -> bool {
        let r = self.request;
        let Some(ctx) = RequestCtx::of(r) else { return false };
        match self.watch.event() {
            WriteEvent::TimedOut => true,
            WriteEvent::NotReady => {
                self.watch.arm();
                false
            }
            WriteEvent::Ready => {
                let failed = ctx.output.write_blocked(r).is_err();
                if !failed && Output::is_blocked(r) {
                    debug!(r.log(), "lua flush still waiting: buffered 0x{:x}", r.buffered());
                    return !self.watch.arm();
                }
                true
            }
        }
    }
}

pub(super) fn wait(ctx: &RequestCtx, from: Stack) -> Result<Yield> {
    let request = ctx.request;
    ctx.suspend(from, |_| {
        let watch =
            WriteWatch::start(request, on_write_event).ok_or(Error::fail("connection broken"))?;
        Ok(Flush { request, watch })
    })
}

/// nginx's write handler of a request whose coroutines flush.
unsafe extern "C" fn on_write_event(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx calls write handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        if let Some(ctx) = RequestCtx::of(r) {
            ctx.wake_on_write();
        }
    });
}
