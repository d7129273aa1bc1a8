//! `coroutine.*` that goes with nginx: coroutines made here may call any API that waits.
//!
//! LuaJIT's own functions stay reachable under `coroutine._create` and so on; they serve where Lua
//! cannot wait (filters, init). lua-resty-core chooses between them in Lua, at each call; functions here that
//! do the same without Lua take the place of its own.
use super::Domain;
use super::resty_core::Found;
use crate::coroutine::{
    Co, Nested, RequestCtx, Resumer, Role, Status, current, in_phase, request_of,
};
use crate::nginx::{Phase, Phases};
use crate::vm::c_stack;
use crate::vm::sys::{LUA_MULTRET, lua_upvalueindex};
use crate::vm::{Call, Error, Kind, Result, Stack, Top, Vm, Yield, lua_fn};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

const STANDARD: [(&[u8], &[u8]); 5] = [
    (b"create", b"_create"),
    (b"wrap", b"_wrap"),
    (b"resume", b"_resume"),
    (b"yield", b"_yield"),
    (b"status", b"_status"),
];

/// Reference: none of this.
///
/// Puts functions of ours around LuaJIT's that make and resume coroutines, in the library's own table: whoever calls
/// them, a coroutine of the scheduler is resumed by nobody else, and one that LuaJIT resumes works for the request of the
/// one that has resumed it. Without debug information their calls look like those of LuaJIT's in messages.
const GUARD: &[u8] = br#"
local source, create, admit, thread_of = ...
local library = coroutine
local make = loadstring(string.dump(loadstring(source), true), "=[C]")
library.create = create
library.wrap, library.resume = make(library.wrap, library.resume, admit, thread_of)
"#;

const GUARDED: &[u8] = br#"
local wrap, resume, admit, thread_of = ...
local type, error = type, error

return function(code)
    if type(code) ~= "function" then return wrap(code) end
    local run = wrap(code)
    local co = thread_of(run)
    return function(...)
        local refusal = admit(co)
        if refusal then return error(refusal, 0) end
        return run(...)
    end
end, function(co, ...)
    local refusal = admit(co)
    if refusal then return false, refusal end
    return resume(co, ...)
end
"#;

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

/// Guards LuaJIT's own functions in a new VM. stack: [-0, +0, e]
pub(crate) fn guard(vm: Vm) -> core::result::Result<(), Vec<u8>> {
    let stack = vm.stack();
    vm.compile_plain(stack, GUARD, c"=coroutine").map_err(|error| error.message().to_vec())?;
    stack.push_bytes(GUARDED);
    stack.push_function(lua_fn!(create_standard), 0);
    stack.push_function(lua_fn!(admit), 0);
    stack.push_function(lua_fn!(thread_of), 0);
    if stack.call(4, 0, 0) {
        return Ok(());
    }
    let message = stack.error_message().to_vec();
    stack.pop(1);
    Err(message)
}

/// As LuaJIT's `coroutine.create`: one that LuaJIT alone resumes.
fn create_standard(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    if call.kind(1) != Kind::Function {
        return Err(Error::BadArg { index: 1, expected: c"function" });
    }
    let thread = stack.new_thread();
    thread.set_number_of_record(0);
    stack.push_value(1);
    stack.move_to(thread, 1);
    Ok(Top(1))
}

/// `thread_of(run)`: the coroutine that LuaJIT's `coroutine.wrap` has made `run` for.
fn thread_of(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    if !stack.push_upvalue_of(1, 1) {
        return Err(Error::raise("coroutine expected"));
    }
    if let Some(thread) = stack.thread(-1) {
        thread.set_number_of_record(0);
    }
    Ok(Top(1))
}

/// `admit(co)`: why LuaJIT may not resume a coroutine, if so. What is no coroutine is left to LuaJIT.
fn admit(call: &Call<'_>) -> Result<Option<Vec<u8>>> {
    let stack = call.stack();
    let Some(thread) = stack.thread(1) else { return Ok(None) };
    if !c_stack::has_room_for_coroutine() {
        return Ok(Some(c_stack::OVERFLOW.into()));
    }
    let ctx = request_of(stack).and_then(RequestCtx::of);
    let status = match Co::resumer_of(ctx, thread) {
        Resumer::LuaJit => {
            stack.lend_owner(thread);
            return Ok(None);
        }
        Resumer::Scheduler(co) if co.is_idle() => return Ok(None),
        Resumer::Scheduler(co) => co.status(),
        Resumer::Nobody => Status::Dead,
    };
    Ok(Some(refusal(status)))
}

fn refusal(status: Status) -> Vec<u8> {
    format!("cannot resume {} coroutine", status.name()).into_bytes()
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

/// The context of the request, unless LuaJIT's own coroutines serve here: without a request, and in filters,
/// which cannot wait.
#[inline]
fn context_of<'c>(call: &'c Call<'_>) -> Option<&'c RequestCtx> {
    let ctx = request_of(call.stack()).and_then(RequestCtx::of)?;
    (!matches!(ctx.phase(), Phase::HeaderFilter | Phase::BodyFilter)).then_some(ctx)
}

/// LuaJIT's function, the upvalue.
fn standard(call: &Call<'_>) -> Result<Top> {
    let (stack, args) = (call.stack(), call.count());
    stack.push_value(lua_upvalueindex(1));
    stack.insert(1);
    if stack.call(args, LUA_MULTRET, 0) { Ok(Top(stack.top())) } else { Err(Error::Rethrow) }
}

fn create_any(call: &Call<'_>) -> Result<Top> {
    match context_of(call) {
        Some(ctx) => create_in(ctx, call),
        None => standard(call),
    }
}

fn wrap_any(call: &Call<'_>) -> Result<Top> {
    match context_of(call) {
        Some(ctx) => wrap_in(ctx, call),
        None => standard(call),
    }
}

fn resume_any(call: &Call<'_>) -> Result<core::result::Result<Top, Resumed>> {
    match context_of(call) {
        Some(ctx) => resume_in(ctx, call).map(Err),
        None => standard(call).map(Ok),
    }
}

fn yield_any(call: &Call<'_>) -> Result<Yield> {
    match context_of(call) {
        Some(ctx) => yield_in(ctx, call),
        None => yield_standard(call),
    }
}

/// Yields to whoever has resumed a coroutine that the scheduler does not run.
///
/// Reference: also within a hook or a finalizer.
fn yield_standard(call: &Call<'_>) -> Result<Yield> {
    if !call.stack().can_yield() {
        return Err(Error::CannotYield);
    }
    Ok(Yield { values: call.count() })
}

fn status_any(call: &Call<'_>) -> Result<core::result::Result<Top, &'static str>> {
    match context_of(call) {
        Some(ctx) => status_in(ctx, call).map(Err),
        None => standard(call).map(Ok),
    }
}

fn create(call: &Call<'_>) -> Result<Top> {
    create_in(current(call)?, call)
}

fn wrap(call: &Call<'_>) -> Result<Top> {
    wrap_in(current(call)?, call)
}

fn resume(call: &Call<'_>) -> Result<Resumed> {
    resume_in(current(call)?, call)
}

fn yield_(call: &Call<'_>) -> Result<Yield> {
    yield_in(current(call)?, call)
}

fn status(call: &Call<'_>) -> Result<&'static str> {
    status_in(current(call)?, call)
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

fn create_in(ctx: &RequestCtx, call: &Call<'_>) -> Result<Top> {
    function_arg(call)?;
    in_phase(ctx, Phases::YIELDABLE)?.create_coroutine(call.stack(), 1, Role::User);
    Ok(Top(1))
}

fn wrap_in(ctx: &RequestCtx, call: &Call<'_>) -> Result<Top> {
    function_arg(call)?;
    in_phase(ctx, Phases::YIELDABLE)?.create_coroutine(call.stack(), 1, Role::Wrapped);
    call.stack().push_function(lua_fn!(resume_wrapped), 1);
    Ok(Top(1))
}

fn resume_wrapped(call: &Call<'_>) -> Result<Resumed> {
    match call.stack().thread(lua_upvalueindex(1)) {
        Some(thread) => resume_thread(current(call)?, call, thread, call.count()),
        None => Err(Error::raise("coroutine expected")),
    }
}

/// The coroutine has run or will run, or it was not resumed.
type Resumed = core::result::Result<Nested, Refusal>;

/// Why a coroutine was not resumed: `false, message`.
struct Refusal(Status);

impl crate::vm::IntoResults for Refusal {
    #[cold]
    fn push(self, stack: Stack) -> i32 {
        stack.push_boolean(false);
        stack.push_bytes(&refusal(self.0));
        2
    }
}

fn resume_in(ctx: &RequestCtx, call: &Call<'_>) -> Result<Resumed> {
    resume_thread(ctx, call, thread_arg(call)?, call.count() - 1)
}

/// Resumes with the topmost `args` values.
#[inline(always)]
fn resume_thread(ctx: &RequestCtx, call: &Call<'_>, thread: Stack, args: i32) -> Result<Resumed> {
    let ctx = in_phase(ctx, Phases::YIELDABLE)?;
    if ctx.running(call.stack()).is_none() {
        return Err(Error::raise("no parent co ctx found"));
    }
    // One that has ended is forgotten, and so are those of other requests.
    let Some(co) = Co::of(ctx, thread) else { return Ok(Err(Refusal(Status::Dead))) };
    if co.status() != Status::Suspended {
        return Ok(Err(Refusal(co.status())));
    }
    Ok(Ok(ctx.resume(ctx.waiter(call.stack())?, co, args)))
}

fn yield_in(ctx: &RequestCtx, call: &Call<'_>) -> Result<Yield> {
    let ctx = in_phase(ctx, Phases::YIELDABLE)?;
    if ctx.running(call.stack()).is_none() {
        return yield_standard(call);
    }
    ctx.waiter(call.stack())?;
    ctx.ask_to_yield();
    Ok(Yield { values: call.count() })
}

fn status_in(ctx: &RequestCtx, call: &Call<'_>) -> Result<&'static str> {
    let thread = thread_arg(call)?;
    let co = Co::of(in_phase(ctx, Phases::YIELDABLE)?, thread);
    Ok(co.filter(|co| !co.has_ended_elsewhere()).map_or("dead", |co| co.status().name()))
}
