-- Calls functions of the module with values that nobody expects: calls.run(phase, seed).
local ffi = require "ffi"

local _M = {}

-- What would only end or stop the test itself, or is not the module's.
local excluded = {
    ["ngx.ctx"] = true,
    ["ngx.worker.pids"] = true,
    -- Has no end but the worker's; runtime.every counts them.
    ["ngx.timer.every"] = true,
    ["coroutine._yield"] = true, ["coroutine._resume"] = true, ["coroutine._wrap"] = true,
    ["coroutine._create"] = true, ["coroutine._status"] = true,
}

local functions, names = {}, {}

local function collect(path, holder, depth)
    local keys = {}
    for key, value in pairs(holder) do
        if type(key) == "string" then keys[#keys + 1] = key end
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
        local value, name = rawget(holder, key), path .. "." .. key
        if not excluded[name] then
            if name == "ngx.sleep" then
                -- A request must end: no time above this.
                value = function(time, ...)
                    if type(time) == "number" and time > 0.05 then time = 0.05 end
                    return ngx.sleep(time, ...)
                end
            end
            if type(value) == "function" then
                functions[#functions + 1] = value
                names[#names + 1] = name
            elseif type(value) == "table" and depth < 3 and value ~= holder then
                collect(name, value, depth + 1)
            end
        end
    end
end

collect("ngx", ngx, 1)
collect("coroutine", coroutine, 1)
functions[#functions + 1], names[#names + 1] = print, "print"

local function generator(seed)
    local state = (tonumber(seed) or 1) % 2147483647
    if state == 0 then state = 1 end
    return function(bound)
        state = (state * 16807) % 2147483647
        return math.floor(state / 7) % bound + 1
    end
end

local numbers = { 0, 1, -1, 2, 10, 0.5, 0.001, -0.5, 100, 200, 404, 499, 1e3, 65536, 2 ^ 31, -2 ^ 31, 2 ^ 32, 2 ^ 53,
                  2 ^ 63, 1e308, -1e308, 1 / 0, -1 / 0, 0 / 0 }
local strings = { "", "a", "/sub", "/sub?a=b&c", "/none", "@none", "content-length", "Content-Type", "Host", "arg_x",
                  "1", "-1", "nan", "1e5", "\0", "a\0b", "%", "%4", "%zz%20", "\r\n", "X: y\r\n", "a=b&c=%3d&&=", "jo",
                  "(", "[", "\\", "GET / HTTP/1.1", "127.0.0.1", "unix:/none", "YWJj", "====", "\255\254", "é", "w/\"*\"",
                  "k", "Mon, 28 Sep 1970 06:00:00 GMT", ("x"):rep(300), ("y="):rep(40000), ("%41"):rep(2000) }

local value

local function any_table(random, depth)
    local kind = random(8)
    if kind == 1 then return {} end
    if kind == 2 then return setmetatable({}, { __index = error, __tostring = function() return {} end }) end
    if kind == 3 then return setmetatable({ 1, 2 }, { __tostring = error, __len = error }) end
    if kind == 4 then
        local loop = {}
        loop[1] = { loop }
        return depth == 1 and { method = 2 ^ 3, body = value(random, 2), args = value(random, 2), vars = value(random, 2),
                                ctx = value(random, 2), share_all_vars = true } or {}
    end
    local t = {}
    for _ = 1, random(5) do
        local key = random(2) == 1 and #t + 1 or value(random, depth + 1)
        if key ~= nil and key == key then t[key] = value(random, depth + 1) end
    end
    return t
end

function value(random, depth)
    local kind = random(depth < 4 and 14 or 9)
    if kind <= 3 then return strings[random(#strings)] end
    if kind <= 6 then return numbers[random(#numbers)] end
    if kind == 7 then return nil end
    if kind == 8 then return random(2) == 1 end
    if kind == 9 then return ngx.null end
    if kind == 10 then return coroutine.create(function() end) end
    if kind == 11 then return ffi.new("int64_t[2]") end
    if kind == 12 then
        local inner = functions[random(#functions)]
        local choices = { print, error, function() error({}) end, function() ngx.sleep(0.001) return 1, nil, 2 end,
                          function() coroutine.yield(1) end, function(...) return inner(...) end }
        return choices[random(#choices)]
    end
    return any_table(random, depth)
end

local function index(random)
    local holders = { ngx.var, ngx.header, ngx.arg, ngx.ctx, ngx.req.get_headers and {} or {}, ngx, ngx.shared or {} }
    local holder = holders[random(5)]
    local key, to = value(random, 2), value(random, 2)
    if random(2) == 1 then
        return pcall(function() return holder[key] end)
    end
    return pcall(function() holder[key] = to end)
end

function _M.run(phase, seed)
    local random = generator(seed or ngx.var.arg_seed)
    for _ = 1, random(12) do
        if random(5) == 1 then
            pcall(index, random)
        else
            local at = random(#functions)
            local count = random(6) - 1
            pcall(function()
                local args = {}
                for i = 1, count do args[i] = value(random, 1) end
                return functions[at](unpack(args, 1, count))
            end)
        end
    end
    return phase
end

return _M
