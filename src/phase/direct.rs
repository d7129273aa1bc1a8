//! Lua that runs to its end at once, on the VM's main coroutine: it cannot wait, so it needs neither a
//! coroutine of its own nor any memory. One engine for set, the filters and log.
//!
//! Filters run while another phase of the same request runs, or another request's: what they change
//! of the VM and the context, they put back.
use super::{boot, load};
use crate::conf::Chunk;
use crate::coroutine::RequestCtx;
use crate::nginx::{Level, Outcome, Phase, Request};
use crate::vm::Stack;

/// The chunk was not loaded or raised an error; it has been logged.
#[derive(Debug)]
pub(super) struct Failed;

/// The context of `r`, a new one if Lua has not worked on it.
pub(super) fn context<'a>(r: Request) -> Result<&'a RequestCtx, Outcome> {
    RequestCtx::of(r).map_or_else(|| boot::create_context(r), Ok)
}

/// Runs `chunk` in `phase`. `push` pushes its arguments, and says how many; `take` reads its one
/// result from the top of the stack.
pub(super) fn run<T>(
    ctx: &RequestCtx,
    phase: Phase,
    chunk: &Chunk,
    push: impl FnOnce(Stack) -> i32,
    take: impl FnOnce(Stack) -> T,
) -> Result<T, Failed> {
    let (r, stack) = (ctx.request, ctx.vm.stack());
    let base = stack.top();
    ctx.vm.push_message_handler();
    let result = match load::push(r, ctx.vm, chunk, stack) {
        Err(_) => Err(Failed),
        Ok(()) => {
            let args = push(stack);
            let outer = stack.owner();
            stack.set_owner(r.as_ptr().cast());
            let done = ctx.within(phase, || stack.call(args, 1, base + 1));
            stack.set_owner(outer);
            if done { Ok(take(stack)) } else { Err(report(r, phase, stack)) }
        }
    };
    stack.set_top(base);
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
