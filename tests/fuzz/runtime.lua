-- Runs the chunks of generated programs, and offers what they call: runtime.run(phase).
--
-- A request names its program and variant in headers, so a server runs any number of programs without a reload.
-- A chunk gets a token of its request, a table that all requests of the program share (the stash), one of its own,
-- and the stash of an earlier program, whose objects' requests have ended long ago.
local ffi = require "ffi"

local _M = { root = "." }

-- How many functions a program may begin: what calls itself through the stash must end.
local FUEL = 400
-- What a coroutine may pass on is looked at up to here.
local MANY = 300

local raw_gc, type, select, pcall, tostring = collectgarbage, type, select, pcall, tostring
local open, load = io.open, loadstring
local ALERT, log = ngx.ALERT, ngx.log
local stashes, order, kept = {}, {}, {}
-- How many programs must have gone until own() is of use again.
local raw = 0

-- Collections take time: a program may ask for so many, and for so many with new objects made behind them.
local COLLECTIONS, LITTERS = 40, 8

local function stash(program)
    local found = stashes[program]
    if not found then
        found = { fuel = FUEL, collections = COLLECTIONS, litters = LITTERS, older = order[#order] and stashes[order[#order]] or {} }
        found.older.older = nil
        stashes[program] = found
        order[#order + 1] = program
        raw = raw - 1
        if #order > 3 then
            stashes[table.remove(order, 1)] = nil
        end
    end
    return found
end

-- Touches whatever a call has given, so that a bad value shows.
local function look(...)
    local count = select("#", ...)
    if count > MANY then
        log(ALERT, "fuzz: ", count, " values")
    end
    for at = 1, math.min(count, MANY) do
        local value = select(at, ...)
        local kind = type(value)
        if kind == "string" then
            local _ = #value > 0 and value:byte(-1)
        elseif kind == "table" then
            local _ = next(value)
        elseif kind == "function" then
            debug.getinfo(value, "S")
        elseif kind == "thread" then
            debug.traceback(value)
        end
    end
    return ...
end

function _M.out(...)
    look(...)
    ngx.say(select("#", ...), " ", type((...)))
end

_M.look = look

-- Whether a function is to end at once, as its program has begun enough of them.
function _M.spent(S)
    S.fuel = S.fuel - 1
    return S.fuel < 0
end

local function token_of_request()
    return ngx.var.http_x_t
end

-- What runs in a coroutine of a request may see that request or none, never another one. With LuaJIT's own functions
-- it may: they make a coroutine a part of whoever resumes it.
function _M.own(T)
    if raw > 0 then return end
    local ok, seen = pcall(token_of_request)
    if ok and type(seen) == "string" and seen ~= T then
        log(ALERT, "fuzz: code of ", T, " sees the request ", seen)
    end
end

-- What is handed on must come back.
function _M.same(T, ok, seen)
    if ok == true and type(seen) == "string" and seen:sub(1, 4) == "tok:" and seen ~= T then
        log(ALERT, "fuzz: ", T, " was handed ", seen)
    end
    return ok, seen
end

function _M.collect(S)
    S.collections = S.collections - 1
    if S.collections >= 0 then raw_gc() end
end

-- A collection, and new objects of many sizes in the memory it has freed.
function _M.litter(S, sizes)
    S.litters = S.litters - 1
    if S.litters < 0 then return end
    raw_gc()
    raw_gc()
    local made = {}
    for size = 24, sizes, 8 do
        for n = 1, 12 do
            made[#made + 1] = ("%d "):format(n):rep(size):sub(1, size - 10) .. ("%08d"):format(n * 1000 + size)
        end
    end
    for n = 1, 50 do
        made[#made + 1] = coroutine.create(_M.look)
        made[#made + 1] = { n, n, n }
        made[#made + 1] = function() return n, made end
    end
    -- They live as long as the program's next litter.
    kept[#kept % 3 + 1] = made
end

function _M.numbers(count)
    local many = {}
    for n = 1, count do many[n] = n end
    return unpack(many, 1, count)
end

-- A timer that fires again and again has no end but its worker's.
local repeated = 0
function _M.every(delay, f)
    repeated = repeated + 1
    if repeated > 6 then return nil, "enough" end
    return ngx.timer.every(delay, f)
end

function _M.pipe(args, opts)
    local proc, err = require "ngx.pipe".spawn(args, opts)
    if proc then proc:set_timeouts(20, 20, 20, 20) end
    return proc, err
end

function _M.connect(S, how, options)
    local sock = ngx.socket.tcp()
    sock:settimeouts(30, 30, 30)
    local ok, err = sock:connect("127.0.0.1", _M.peer, options)
    if ok then sock:send(how .. "\n") end
    return sock, err
end

function _M.udp()
    local sock = ngx.socket.udp()
    sock:settimeout(20)
    sock:setpeername("127.0.0.1", _M.peer)
    return sock
end

-- What a subrequest is to run; not deeper than this, as each may make more of them.
function _M.deeper()
    local depth = tonumber(ngx.var.arg_d) or 0
    if depth >= 2 then error("deep enough", 0) end
    return depth + 1
end

function _M.raw_pointer(value)
    return ffi.cast("void *", value)
end

local function chunk_of(program, phase, variant)
    local path = _M.root .. "/programs/" .. program .. "/" .. phase .. "." .. variant .. ".lua"
    local file = open(path)
    if not file then return end
    local text = file:read("*a")
    file:close()
    if text:find("coroutine._", 1, true) then raw = 2 end
    local f, err = load(text, "=" .. phase .. "." .. variant)
    -- A hook may raise in here as well.
    if not f and err:find(" near ", 1, true) then log(ALERT, "fuzz: not Lua: ", err) end
    return f
end

-- The program's chunk for a phase, if it has one.
function _M.run(phase)
    local var = ngx.var
    local program, token = var.http_x_p, var.http_x_t
    if not program or not token or program:find("[^%w]") or not token:find("^tok:%w+$") then return end
    local variant = var.arg_c == "s" and "s" or var.http_x_c or "a"
    local S = stash(program)
    local f = chunk_of(program, phase, variant)
    if not f then return end
    if _M.spent(S) then return end
    return f(token, S, {}, S.older)
end

-- The chunk that a worker begins or ends with; the program that wrote it sends the HUP as well.
function _M.worker(phase)
    local file = open(_M.root .. "/worker." .. phase)
    if not file then return end
    local program = file:read("*l")
    file:close()
    local f = chunk_of(program, phase, "a")
    if f then
        local S = stash(program)
        f("none", S, {}, S.older)
    end
end

return _M
