//! `ngx.thread.spawn`, `ngx.thread.wait`, `ngx.thread.kill`: light threads.
use super::Domain;
use crate::coroutine::{Co, Nested, RequestCtx, Role, Status, current, in_phase};
use crate::nginx::Phases;
use crate::vm::{Call, Error, Kind, Result, Stack, Top, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain {
    functions: &[
        (c"thread", c"spawn", lua_fn!(spawn)),
        (c"thread", c"wait", lua_fn!(wait)),
        (c"thread", c"kill", lua_fn!(kill)),
    ],
    setup: None,
};

/// Reference: a request waits until results of threads that have ended are taken, which may be never.
///
/// The light thread runs at once, up to where it waits or ends; then the caller goes on with it.
fn spawn(call: &Call<'_>) -> Result<Nested> {
    let ctx = current(call)?;
    let stack = call.stack();
    if call.kind(1) != Kind::Function || stack.is_c_function(1) {
        return Err(Error::arg(1, "Lua function expected"));
    }
    let parent = in_phase(ctx, Phases::WAITABLE)?.waiter(stack)?;
    let args = call.count() - 1;
    let co = ctx.create_coroutine(stack, 1, Role::Light);
    if args > 0 {
        // The thread takes the function's place, below the arguments, which it gets.
        stack.replace(1);
        stack.move_to(co.stack(), args);
    }
    Ok(ctx.spawn(parent, co, args))
}

const TAKEN: Error = Error::fail("already waited or killed");

/// Waits for the first of the light threads to end, and returns what it returned: `true` and its
/// results, or `false` and its error.
fn wait(call: &Call<'_>) -> Result<core::result::Result<Top, Yield>> {
    let ctx = in_phase(current(call)?, Phases::WAITABLE)?;
    let parent = ctx.waiter(call.stack())?;
    let ended = match wait_in(ctx, call, parent) {
        Ok(None) => return Ok(Err(ctx.wait_for_threads(parent))),
        Ok(Some(ended)) => Ok(ended),
        Err(error) => Err(error),
    };
    parent.next_wait();
    Ok(Ok(Top(ctx.take_results(ended?, call.stack()))))
}

/// Makes the threads end the wait of `parent` that begins, unless one of them, the result, has ended already.
fn wait_in(ctx: &RequestCtx, call: &Call<'_>, parent: Co) -> Result<Option<Co>> {
    let (threads, wait) = (call.count(), parent.next_wait());
    if threads == 0 {
        return Err(Error::raise("at least one coroutine should be specified"));
    }
    let mut awaited = false;
    let mut arg = 0;
    while arg < threads {
        arg += 1;
        let Some(thread) = call.stack().thread(arg) else {
            return Err(Error::arg(arg, "lua thread expected"));
        };
        if let Some(co) = Co::child_of(parent, thread)
            && co.role() == Role::Light
            && co.is_alive()
        {
            co.await_in(wait);
            awaited = true;
        } else if let Some(ended) = ended_thread(ctx, parent, thread)? {
            return Ok(Some(ended));
        }
    }
    if awaited { Ok(None) } else { Err(TAKEN) }
}

/// The light thread, which does not run, if its results can still be taken.
#[inline(never)]
fn ended_thread(ctx: &RequestCtx, parent: Co, thread: Stack) -> Result<Option<Co>> {
    let Some(co) = Co::of(ctx, thread).filter(|co| co.status() != Status::Dead) else {
        return Ok(None);
    };
    if co.role() != Role::Light {
        return Err(Error::raise("attempt to wait on a coroutine that is not a user thread"));
    }
    if co.parent() != Some(parent) {
        return Err(Error::raise("only the parent coroutine can wait on the thread"));
    }
    Ok(Some(co))
}

fn kill(call: &Call<'_>) -> Result<i32> {
    let ctx = in_phase(current(call)?, Phases::WAITABLE)?;
    let thread = call.stack().thread(1).ok_or(Error::arg(1, "lua thread expected"))?;
    let Some(co) = Co::of(ctx, thread) else { return Err(TAKEN) };
    if co.role() != Role::Light {
        return Err(Error::fail("not user thread"));
    }
    if co.status() == Status::Dead {
        return Err(TAKEN);
    }
    if co.parent() != ctx.current() {
        return Err(Error::fail("killer not parent"));
    }
    if let Some(reason) = co.stays() {
        return Err(Error::fail(reason));
    }
    let ended = co.status() == Status::Zombie;
    ctx.end_thread(co);
    if ended { Err(Error::fail("already terminated")) } else { Ok(1) }
}
