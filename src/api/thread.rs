//! `ngx.thread.spawn`, `ngx.thread.wait`, `ngx.thread.kill`: light threads.
use super::Domain;
use crate::coroutine::{Co, RequestCtx, Role, Status, current, in_phase};
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

/// The light thread runs at once, up to where it waits or ends; then the caller goes on with it.
fn spawn(call: &Call<'_>) -> Result<Yield> {
    let ctx = current(call)?;
    let stack = call.stack();
    if call.kind(1) != Kind::Function || stack.is_c_function(1) {
        return Err(Error::arg(1, "Lua function expected"));
    }
    let ctx = in_phase(ctx, Phases::WAITABLE)?;
    let args = call.count() - 1;
    let co = ctx.create_coroutine(stack, 1, Role::Light);
    // The thread takes the function's place, below the arguments, which it gets.
    stack.replace(1);
    stack.move_to(co.stack(), args);
    ctx.ask_to_spawn(co);
    Ok(Yield { values: 1 })
}

fn thread_arg(call: &Call<'_>, arg: i32) -> Result<Stack> {
    call.stack().thread(arg).ok_or(Error::arg(arg, "lua thread expected"))
}

const TAKEN: Error = Error::fail("already waited or killed");

/// Waits for the first of the light threads to end, and returns what it returned: `true` and its
/// results, or `false` and its error.
fn wait(call: &Call<'_>) -> Result<core::result::Result<Top, Yield>> {
    let ctx = in_phase(current(call)?, Phases::WAITABLE)?;
    let threads = call.count();
    if threads == 0 {
        return Err(Error::raise("at least one coroutine should be specified"));
    }
    let mut awaited = false;
    for arg in 1..=threads {
        let Some(co) = own_thread(ctx, thread_arg(call, arg)?)? else { continue };
        if co.status() == Status::Zombie {
            ctx.forget_awaited();
            return Ok(Ok(Top(ctx.take_results(co, call.stack()))));
        }
        ctx.await_thread(co);
        awaited = true;
    }
    if awaited { Ok(Err(Yield::NOTHING)) } else { Err(TAKEN) }
}

/// The light thread of `stack`, which the caller must have made; `None` if it is no more.
fn own_thread(ctx: &RequestCtx, stack: Stack) -> Result<Option<Co>> {
    let Some(co) = Co::of(ctx, stack).filter(|co| co.status() != Status::Dead) else {
        return Ok(None);
    };
    if co.role() != Role::Light {
        return Err(Error::raise("attempt to wait on a coroutine that is not a user thread"));
    }
    if co.parent() != ctx.current() {
        return Err(Error::raise("only the parent coroutine can wait on the thread"));
    }
    Ok(Some(co))
}

fn kill(call: &Call<'_>) -> Result<i32> {
    let ctx = in_phase(current(call)?, Phases::WAITABLE)?;
    let thread = thread_arg(call, 1)?;
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
