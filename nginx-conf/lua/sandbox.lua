-- sandbox.lua: runs a script that is not trusted.
--
-- It bounds what the script can name and how many instructions it may execute. It does not bound memory:
-- ("x"):rep(1e9) is a single instruction.
local sandbox = {}

local LIMIT = 1e6   -- instructions of LuaJIT's virtual machine: some milliseconds

-- What a script may name, and nothing else. Left out on purpose: whatever reaches files, the process, other
-- code's tables or the hook below (os, io, debug, require, load, getfenv, ngx), whatever could catch the
-- hook's error (pcall, xpcall) and whatever would run outside of it (coroutine).
local function environment(arg)
    return {
        arg = arg,
        ipairs = ipairs, pairs = pairs, next = next, select = select, unpack = unpack,
        tonumber = tonumber, tostring = tostring, type = type, error = error,
        math = { abs = math.abs, floor = math.floor, max = math.max, min = math.min, sqrt = math.sqrt },
        string = { byte = string.byte, char = string.char, lower = string.lower, sub = string.sub,
                   upper = string.upper },
        table = { concat = table.concat, insert = table.insert, remove = table.remove, sort = table.sort },
    }
end

local function too_hot()
    error("user script too hot", 0)
end

-- Runs `source`; returns true and its result, or false and a message.
function sandbox.run(source, name, arg)
    -- "t": text only. LuaJIT does not verify bytecode, so bytecode of a stranger can do anything.
    local script, err = load(source, "=" .. name, "t")
    if not script then
        return false, err
    end
    setfenv(script, environment(arg))

    -- Compiled code does not call hooks: the script and all functions in it stay in the interpreter.
    jit.off(script, true)

    -- The hook belongs to the whole VM, so nothing else may run before it is taken away again: the script must
    -- not be able to yield, and it is not.
    debug.sethook(too_hot, "", LIMIT)
    local ok, result = pcall(script)
    debug.sethook()
    return ok, result
end

return sandbox
