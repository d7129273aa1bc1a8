//! `require` with modules that may wait while they are loaded: LuaJIT's own is a C function, across which no coroutine can be
//! suspended.
//!
//! A module that has been loaded is found without a call. Where the code of others may not wait, LuaJIT's function loads
//! them; where it may, this does the same, step by step and word by word. Who asks for a module that another coroutine is
//! loading waits for that (docs/decisions/0042).
use crate::conf::LocConf;
use crate::coroutine::loads::{self, Await, Claim};
use crate::coroutine::{Co, RequestCtx, request_of};
use crate::nginx::{Phase, Phases};
use crate::vm::sys::lua_upvalueindex;
use crate::vm::traceback::{Frame, place};
use crate::vm::{Call, Error, IntoResults, Kind, Result, Stack, Top, Vm, Yield, lua_fn};

/// Makes the function. Its arguments: the one that there is, `package.loaded`, what stands there for a module that is being loaded, and
/// the three below.
const SOURCE: &[u8] = br#"
local builtin, loaded, mark, claim, find, finish = ...
local error, type, tostring = error, type, tostring

return function(name)
    local value = loaded[name]
    if value and value ~= mark then return value end
    local kind = type(name)
    if kind == "number" then
        name = tostring(name)
    elseif kind ~= "string" then
        return builtin(name)
    end
    repeat
        value = loaded[name]
        if value and value ~= mark then return value end
        local next, why = claim(name, value == mark)
        if next == false then return builtin(name) end
        if why then return error(why, 0) end
    until not next
    local code, why = find(name)
    if why then
        finish(name)
        return error(why, 0)
    end
    loaded[name] = mark
    value = code(name)
    if value ~= nil then loaded[name] = value end
    value = loaded[name]
    if value == mark then
        value = true
        loaded[name] = value
    end
    finish(name)
    return value
end
"#;

/// Without debug information its calls look like calls of a C function in tracebacks and messages, as those of LuaJIT's do.
const INSTALL: &[u8] = br#"
local source, claim, find, finish = ...
local loaded, builtin = debug.getregistry()._LOADED, require
local probe, mark = "ngx.require.probe", nil
package.preload[probe] = function() mark = loaded[probe] end
builtin(probe)
package.preload[probe], loaded[probe] = nil, nil
local make = loadstring(string.dump(loadstring(source), true), "=[C]")
require = make(builtin, loaded, mark, claim, find, finish)
"#;

/// Puts it in the place of the function that there is, which may be lua-resty-core's. stack: [-0, +0, e]
pub(crate) fn install(vm: Vm) -> core::result::Result<(), Vec<u8>> {
    let stack = vm.stack();
    vm.compile_plain(stack, INSTALL, c"=require").map_err(|error| error.message().to_vec())?;
    stack.push_bytes(SOURCE);
    stack.push_function(lua_fn!(claim), 0);
    stack.global(c"package");
    stack.push_function(lua_fn!(find), 1);
    stack.push_function(lua_fn!(finish), 0);
    if stack.call(4, 0, 0) {
        return Ok(());
    }
    let message = stack.error_message().to_vec();
    stack.pop(1);
    Err(message)
}

/// The coroutine that makes the call, where it is one of a request's: all others run to their end at once.
fn caller<'c>(call: &'c Call<'_>) -> Option<(&'c RequestCtx, Co)> {
    let ctx = request_of(call.stack()).and_then(RequestCtx::of)?;
    let co = ctx.current().filter(|co| co.stack() == call.stack())?;
    Some((ctx, co))
}

/// Whether code that `ctx` loads may wait.
fn may_wait(ctx: &RequestCtx) -> bool {
    // Reference: nowhere.
    match ctx.phase() {
        Phase::InitWorker | Phase::Timer => true,
        phase => {
            LocConf::of(ctx.request).yieldable_require == 1 && Phases::WAITABLE.contains(phase)
        }
    }
}

/// `claim(name, is_marked)`: nothing if the caller may load the module, `true` when another coroutine has ended loading it,
/// `false` if the function that there was is to be called, or `nil` and why the module cannot be loaded.
fn claim(call: &Call<'_>) -> Result<Next> {
    let stack = call.stack();
    let (name, is_marked) = (call.bytes(1)?, stack.truth(2));
    let Some((ctx, co)) = caller(call) else {
        let vm = request_of(stack).and_then(RequestCtx::of).map(|ctx| ctx.vm);
        let is_loading = vm.is_some_and(|vm| loads::is_loading(vm, name));
        return Ok(if is_marked && is_loading {
            Next::Refuse(taken(stack, name))
        } else {
            Next::CallOther
        });
    };
    if !loads::is_loading(ctx.vm, name) && (is_marked || !may_wait(ctx)) {
        return Ok(Next::CallOther);
    }
    match loads::claim(ctx.vm, co, name, Frame::of_caller(stack), is_marked) {
        Claim::Circular if is_marked => Ok(Next::Refuse(circular(stack, name))),
        Claim::Circular | Claim::Granted => Ok(Next::Load),
        Claim::Taken if Phases::WAITABLE.contains(ctx.phase()) => {
            let wait = ctx.suspend(stack, |waker| Ok(Await::new(ctx.vm, name, co, waker)))?;
            Ok(Next::Wait(wait))
        }
        Claim::Taken => Ok(Next::Refuse(taken(stack, name))),
    }
}

/// What `claim` answers.
enum Next {
    Load,
    Wait(Yield),
    CallOther,
    Refuse(Refusal),
}

impl IntoResults for Next {
    fn push(self, stack: Stack) -> i32 {
        match self {
            Self::Load => 0,
            Self::Wait(wait) => wait.push(stack),
            Self::CallOther => false.push(stack),
            Self::Refuse(refusal) => refusal.push(stack),
        }
    }
}

fn circular(stack: Stack, name: &[u8]) -> Refusal {
    Refusal::new(stack, &[b"loop or previous error loading module '", name, b"'"])
}

fn taken(stack: Stack, name: &[u8]) -> Refusal {
    Refusal::new(stack, &[b"module '", name, b"' is being loaded by another coroutine"])
}

/// Why a module cannot be loaded, with the place where it was asked for in front.
struct Refusal(Vec<u8>);

impl Refusal {
    fn new(stack: Stack, message: &[&[u8]]) -> Self {
        let mut text = place(stack, 2);
        message.iter().for_each(|part| text.extend_from_slice(part));
        Self(text)
    }
}

impl IntoResults for Refusal {
    fn push(self, stack: Stack) -> i32 {
        stack.push_nil();
        1 + self.0.push(stack)
    }
}

/// `find(name)`: the module's code, or `nil` and why there is none. Loaders are called from a C function, as by LuaJIT's
/// `require`: they cannot wait, and their messages have no place in front.
fn find(call: &Call<'_>) -> Result<core::result::Result<Top, Refusal>> {
    let (stack, name) = (call.stack(), call.bytes(1)?);
    if !stack.field(lua_upvalueindex(1), b"loaders") {
        return Err(Error::Rethrow);
    }
    let loaders = stack.top();
    if stack.kind(loaders) != Kind::Table {
        return Ok(Err(Refusal::new(stack, &[b"'package.loaders' must be a table"])));
    }
    let mut tried = Vec::new();
    for number in 1.. {
        stack.raw_geti(loaders, number);
        if stack.kind(-1) == Kind::Nil {
            break;
        }
        stack.push_value(1);
        if !stack.call(1, 1, 0) {
            return Err(Error::Rethrow);
        }
        match stack.kind(-1) {
            Kind::Function => return Ok(Ok(Top(1))),
            Kind::String | Kind::Number => {
                tried.extend_from_slice(stack.bytes(-1).unwrap_or_default());
            }
            _ => {}
        }
        stack.pop(1);
    }
    Ok(Err(Refusal::new(stack, &[b"module '", name, b"' not found:", &tried])))
}

/// `finish(name)`: the caller has loaded the module.
fn finish(call: &Call<'_>) -> Result<()> {
    if let Some((ctx, co)) = caller(call) {
        loads::finish(ctx.vm, co, call.bytes(1)?);
    }
    Ok(())
}
