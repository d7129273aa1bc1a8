//! Finalizers that raise, on LuaJITs that raise their errors where memory was taken when they ran.
//!
//! That is in Lua code that has nothing to do with them, and kills the process if that code has been compiled. So each
//! finalizer that Lua code gives to an object is called through one that catches and reports its errors. LuaJITs that
//! make an event of such errors need none of this (`held`).
//!
//! A finalizer is given by `ffi.gc`, `ffi.metatype`, the metatable of `newproxy(true)`, and `debug.setmetatable`. What else
//! is written into the metatable of a userdata of a library's is not found.
use std::sync::OnceLock;

use super::function::{Call, Result, lua_fn};
use super::held;
use super::state::Vm;

/// Whether this LuaJIT raises errors of finalizers.
const PROBE: &[u8] = br#"
getmetatable(newproxy(true)).__gc = function() error("probe") end
return not pcall(collectgarbage)
"#;

/// Without debug information the functions look like LuaJIT's in messages.
const INSTALL: &[u8] = br#"
local source, report = ...
local ffi = require "ffi"
local make = loadstring(string.dump(loadstring(source), true), "=[C]")
ffi.gc, ffi.metatype, newproxy, debug.setmetatable =
    make(ffi.gc, ffi.metatype, newproxy, debug.setmetatable, report)
"#;

const SOURCE: &[u8] = br#"
local gc, metatype, newproxy, set_metatable, report = ...
local pcall, type, rawget, rawset = pcall, type, rawget, rawset
local getmetatable, setmetatable = getmetatable, setmetatable

local caught = setmetatable({}, { __mode = "kv" })

local function catch(finalizer)
    if type(finalizer) ~= "function" then return finalizer end
    local catching = caught[finalizer]
    if not catching then
        catching = function(object)
            local ok, message = pcall(finalizer, object)
            if not ok then pcall(report, message) end
        end
        caught[finalizer], caught[catching] = catching, catching
    end
    return catching
end

local function catch_in(metatable)
    if type(metatable) == "table" then
        local finalizer = rawget(metatable, "__gc")
        if type(finalizer) == "function" then rawset(metatable, "__gc", catch(finalizer)) end
    end
end

local of_proxies = {
    __newindex = function(metatable, key, value)
        if key == "__gc" then value = catch(value) end
        rawset(metatable, key, value)
    end,
}

-- Calls in the last place are replaced by LuaJIT's function, whose messages name the caller.
return function(object, finalizer)
    if type(object) ~= "cdata" then return gc(object, finalizer) end
    local same = gc(object, catch(finalizer))
    return same
end, function(ctype, metatable)
    if type(metatable) ~= "table" then return metatype(ctype, metatable) end
    catch_in(metatable)
    local made = metatype(ctype, metatable)
    return made
end, function(with)
    if with ~= true then return newproxy(with) end
    local proxy = newproxy(true)
    setmetatable(getmetatable(proxy), of_proxies)
    return proxy
end, function(object, metatable)
    if type(object) == "userdata" then catch_in(metatable) end
    return set_metatable(object, metatable)
end
"#;

/// Lets errors of finalizers in a new VM be reported. stack: [-0, +0, e]
pub(crate) fn guard(vm: Vm) -> core::result::Result<(), Vec<u8>> {
    static RAISES: OnceLock<bool> = OnceLock::new();
    let stack = vm.stack();
    let run = |args| {
        if stack.call(args, 1, 0) {
            return Ok(());
        }
        let message = stack.error_message().to_vec();
        stack.pop(1);
        Err(message)
    };
    let compile = |code| {
        vm.compile_plain(stack, code, c"=finalizer").map_err(|error| error.message().to_vec())
    };
    let raises = match RAISES.get() {
        Some(raises) => *raises,
        None => {
            compile(PROBE)?;
            run(0)?;
            let raises = stack.truth(-1);
            stack.pop(1);
            *RAISES.get_or_init(|| raises)
        }
    };
    if raises {
        compile(INSTALL)?;
        stack.push_bytes(SOURCE);
        stack.push_function(lua_fn!(report), 0);
        run(2)?;
        stack.pop(1);
    }
    Ok(())
}

fn report(call: &Call<'_>) -> Result<()> {
    held::report(call.stack().error_message());
    Ok(())
}
