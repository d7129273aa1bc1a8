//! `coroutine.*` that goes with nginx: coroutines made here may call any API that waits.
//!
//! LuaJIT's own functions stay reachable under `coroutine._create` and so on; they serve where Lua
//! cannot wait (filters, init). lua-resty-core, and the glue below for older ones, choose between them.
use super::Domain;
use super::resty_core::Found;
use crate::coroutine::{Co, RequestCtx, Role, Status, current, in_phase};
use crate::nginx::Phases;
use crate::vm::{Call, Error, Kind, Result, Stack, Top, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

const STANDARD: [(&[u8], &[u8]); 5] = [
    (b"create", b"_create"),
    (b"wrap", b"_wrap"),
    (b"resume", b"_resume"),
    (b"yield", b"_yield"),
    (b"status", b"_status"),
];

/// Makes the global `coroutine`: LuaJIT's functions and ours. Its entries are the reference's, which
/// users count; what else LuaJIT has (`isyieldable`) is found behind them.
fn setup(stack: Stack, _: &Found) {
    stack.new_table(0, 16);
    stack.global(c"coroutine");
    stack.raw_field(-1, b"running");
    stack.set_raw_field(-3, b"running");
    for (name, ours) in STANDARD {
        stack.raw_field(-1, name);
        stack.push_value(-1);
        stack.set_raw_field(-4, ours);
        stack.set_raw_field(-3, name);
    }
    stack.new_table(0, 1);
    stack.push_value(-2);
    stack.set_raw_field(-2, b"__index");
    stack.set_metatable(-3);
    stack.pop(1);
    for (name, function) in [
        (b"__create".as_slice(), lua_fn!(create)),
        (b"__wrap", lua_fn!(wrap)),
        (b"__resume", lua_fn!(resume)),
        (b"__yield", lua_fn!(yield_)),
        (b"__status", lua_fn!(status)),
    ] {
        stack.push_function(function, 0);
        stack.set_raw_field(-2, name);
    }
    stack.set_global(c"coroutine");
}

/// The context of the caller, where coroutines may wait.
fn context<'c>(call: &'c Call<'_>) -> Result<&'c RequestCtx> {
    in_phase(current(call)?, Phases::YIELDABLE)
}

fn function_arg(call: &Call<'_>) -> Result<()> {
    if call.kind(1) == Kind::Function && !call.stack().is_c_function(1) {
        return Ok(());
    }
    Err(Error::arg(1, "Lua function expected"))
}

fn thread_arg(call: &Call<'_>) -> Result<Stack> {
    call.stack().thread(1).ok_or(Error::arg(1, "coroutine expected"))
}

fn create(call: &Call<'_>) -> Result<Top> {
    let ctx = current(call)?;
    function_arg(call)?;
    in_phase(ctx, Phases::YIELDABLE)?.create_coroutine(call.stack(), 1, Role::User);
    Ok(Top(1))
}

fn wrap(call: &Call<'_>) -> Result<Top> {
    let ctx = current(call)?;
    function_arg(call)?;
    in_phase(ctx, Phases::YIELDABLE)?.create_coroutine(call.stack(), 1, Role::Wrapped);
    call.stack().push_function(lua_fn!(resume_wrapped), 1);
    Ok(Top(1))
}

fn resume_wrapped(call: &Call<'_>) -> Result<core::result::Result<Refusal, Yield>> {
    let stack = call.stack();
    stack.push_value(crate::vm::sys::lua_upvalueindex(1));
    stack.insert(1);
    resume(call)
}

/// Why a coroutine was not resumed: `false, message`.
struct Refusal(Status);

impl crate::vm::IntoResults for Refusal {
    fn push(self, stack: Stack) -> i32 {
        stack.push_boolean(false);
        stack.push_bytes(format!("cannot resume {} coroutine", self.0.name()).as_bytes());
        2
    }
}

fn resume(call: &Call<'_>) -> Result<core::result::Result<Refusal, Yield>> {
    let thread = thread_arg(call)?;
    let ctx = context(call)?;
    if ctx.current().is_none() {
        return Err(Error::raise("no parent co ctx found"));
    }
    // One that has ended is forgotten, and so are those of other requests.
    let Some(co) = Co::of(ctx, thread) else { return Ok(Ok(Refusal(Status::Dead))) };
    if co.status() != Status::Suspended {
        return Ok(Ok(Refusal(co.status())));
    }
    ctx.ask_to_resume(co);
    Ok(Err(Yield { values: call.count() - 1 }))
}

fn yield_(call: &Call<'_>) -> Result<Yield> {
    context(call)?.ask_to_yield();
    Ok(Yield { values: call.count() })
}

fn status(call: &Call<'_>) -> Result<&'static str> {
    let thread = thread_arg(call)?;
    Ok(Co::of(context(call)?, thread).map_or("dead", |co| co.status().name()))
}
