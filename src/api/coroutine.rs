//! `coroutine.*` that goes with nginx: coroutines made here may call any API that waits.
//!
//! LuaJIT's own functions stay reachable under `coroutine._create` and so on; they serve where Lua
//! cannot wait (filters, init). lua-resty-core chooses between them in Lua, at each call; functions here that
//! do the same without Lua take the place of its own.
use super::Domain;
use super::resty_core::Found;
use crate::coroutine::{Co, RequestCtx, Role, Status, current, in_phase, request_of};
use crate::nginx::{Phase, Phases};
use crate::vm::sys::{LUA_MULTRET, lua_upvalueindex};
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

/// Puts functions in front of lua-resty-core's, which choose in Lua, at each call, between LuaJIT's and ours.
/// stack: [-0, +0, m]
pub(crate) fn choose_here(stack: Stack) {
    stack.global(c"coroutine");
    for ((name, standard), function) in STANDARD.into_iter().zip([
        lua_fn!(create_any),
        lua_fn!(wrap_any),
        lua_fn!(resume_any),
        lua_fn!(yield_any),
        lua_fn!(status_any),
    ]) {
        stack.raw_field(-1, standard);
        stack.push_function(function, 1);
        stack.set_raw_field(-2, name);
    }
    stack.pop(1);
}

/// Whether LuaJIT's own coroutines serve here: without a request, and in filters, which cannot wait.
#[inline]
fn uses_standard(call: &Call<'_>) -> bool {
    match request_of(call.stack()).and_then(RequestCtx::of) {
        Some(ctx) => matches!(ctx.phase(), Phase::HeaderFilter | Phase::BodyFilter),
        None => true,
    }
}

/// LuaJIT's function, the upvalue.
fn standard(call: &Call<'_>) -> Result<Top> {
    let (stack, args) = (call.stack(), call.count());
    stack.push_value(lua_upvalueindex(1));
    stack.insert(1);
    if stack.call(args, LUA_MULTRET, 0) { Ok(Top(stack.top())) } else { Err(Error::Rethrow) }
}

fn create_any(call: &Call<'_>) -> Result<Top> {
    if uses_standard(call) { standard(call) } else { create(call) }
}

fn wrap_any(call: &Call<'_>) -> Result<Top> {
    if uses_standard(call) { standard(call) } else { wrap(call) }
}

fn resume_any(
    call: &Call<'_>,
) -> Result<core::result::Result<Top, core::result::Result<Refusal, Yield>>> {
    if uses_standard(call) { standard(call).map(Ok) } else { resume(call).map(Err) }
}

fn yield_any(call: &Call<'_>) -> Result<Yield> {
    if uses_standard(call) { Ok(Yield { values: call.count() }) } else { yield_(call) }
}

fn status_any(call: &Call<'_>) -> Result<core::result::Result<Top, &'static str>> {
    if uses_standard(call) { standard(call).map(Ok) } else { status(call).map(Err) }
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
    match call.stack().thread(lua_upvalueindex(1)) {
        Some(thread) => resume_thread(call, thread, call.count()),
        None => Err(Error::raise("coroutine expected")),
    }
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
    resume_thread(call, thread_arg(call)?, call.count() - 1)
}

/// Resumes with the topmost `args` values.
fn resume_thread(
    call: &Call<'_>,
    thread: Stack,
    args: i32,
) -> Result<core::result::Result<Refusal, Yield>> {
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
    Ok(Err(Yield { values: args }))
}

fn yield_(call: &Call<'_>) -> Result<Yield> {
    context(call)?.ask_to_yield();
    Ok(Yield { values: call.count() })
}

fn status(call: &Call<'_>) -> Result<&'static str> {
    let thread = thread_arg(call)?;
    Ok(Co::of(context(call)?, thread).map_or("dead", |co| co.status().name()))
}
