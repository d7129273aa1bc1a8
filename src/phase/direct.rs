//! Lua that runs to its end at once, on the VM's main coroutine: it cannot wait, so it needs neither a
//! coroutine of its own nor any memory. One engine for set, the filters and log.
//!
//! Filters run while another phase of the same request runs, or another request's: what they change
//! of the VM and the context, they put back.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr;

use super::{boot, load};
use crate::conf::Chunk;
use crate::coroutine::RequestCtx;
use crate::nginx::{Level, Outcome, Phase, Request};
use crate::vm::sys::LUA_MULTRET;
use crate::vm::{Stack, Vm};

/// The chunk was not loaded or raised an error; it has been logged.
#[derive(Debug)]
pub(super) struct Failed;

/// The context of `r`, a new one if Lua has not worked on it.
pub(super) fn context<'a>(r: Request) -> Result<&'a RequestCtx, Outcome> {
    RequestCtx::of(r).map_or_else(|| boot::create_context(r), Ok)
}

/// Whether Lua runs on the main coroutine of a VM.
struct Busy(Cell<bool>);

static BUSY: Busy = Busy(Cell::new(false));

// SAFETY: [single-thread]
unsafe impl Sync for Busy {}

/// Runs `body`, which runs Lua on the main coroutine of a VM.
pub(super) fn while_busy<T>(body: impl FnOnce() -> T) -> T {
    let outer = BUSY.0.replace(true);
    let result = body();
    BUSY.0.set(outer);
    result
}

/// The place of the message handler, at the bottom of the main coroutine's stack.
const HANDLER: c_int = 1;

/// Prepares a new VM for [`run`]. stack: [-0, +1, -]
pub(super) fn prepare(vm: Vm) {
    vm.push_message_handler();
    debug_assert_eq!(vm.stack().top(), HANDLER);
}

/// What a run finds on the main coroutine.
struct Ground {
    /// Where the message handler lies.
    handler: c_int,
    /// What the run leaves above that is its own.
    top: c_int,
    owner: *mut c_void,
}

impl Ground {
    /// Of a main coroutine that runs nothing.
    const fn idle(top: c_int) -> Self {
        Self { handler: HANDLER, top, owner: ptr::null_mut() }
    }

    /// Within a C function that the main coroutine has called: the bottom of the stack is out of reach.
    /// stack: [-0, +1, -]
    #[cold]
    fn within(vm: Vm) -> Self {
        vm.push_message_handler();
        let handler = vm.stack().top();
        Self { handler, top: handler, owner: vm.stack().owner() }
    }
}

/// Runs `chunk` in `phase`. `push` pushes its arguments, and says how many; `take` reads its first
/// result, if there is one, at the given index.
#[inline]
pub(super) fn run<T>(
    ctx: &RequestCtx,
    phase: Phase,
    chunk: &Chunk,
    push: impl FnOnce(Stack) -> c_int,
    take: impl FnOnce(Stack, c_int) -> T,
) -> Result<Option<T>, Failed> {
    let (r, stack) = (ctx.request, ctx.vm.stack());
    let top = stack.top();
    let was_busy = BUSY.0.replace(true);
    // Who else has the VM, a C module, may have emptied the stack.
    let is_idle = !was_busy && top >= HANDLER;
    let ground = if is_idle { Ground::idle(top) } else { Ground::within(ctx.vm) };
    let result = match load::push(r, &ctx.vm, chunk, stack) {
        Err(_) => Err(Failed),
        Ok(()) => {
            let args = push(stack);
            stack.set_owner(r.as_ptr().cast());
            let done = ctx.within(phase, || stack.call(args, LUA_MULTRET, ground.handler));
            stack.set_owner(ground.owner);
            if !done {
                Err(report(r, phase, stack))
            } else if stack.top() > ground.top {
                Ok(Some(take(stack, ground.top + 1)))
            } else {
                Ok(None)
            }
        }
    };
    if ground.top != top || !matches!(result, Ok(None)) {
        stack.set_top(top);
    }
    BUSY.0.set(was_busy);
    result
}

#[cold]
fn report(r: Request, phase: Phase, stack: Stack) -> Failed {
    let text = [
        b"failed to run ",
        phase.directive().as_bytes(),
        b"*: ",
        stack.error_text().unwrap_or(b"unknown reason"),
    ];
    r.log().write(Level::Error, &text.concat());
    Failed
}
