# Lua code that calls itself through C functions, or resumes coroutines within coroutines, without end.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== each ends in an error
--- http_config
    init_by_lua_block {
        function deeper(how, count)
            local function go(n)
                if n == 0 then return "bottom" end
                return how(go, n - 1)
            end
            local ok, message = pcall(go, count)
            return tostring(ok) .. " " .. tostring(message):gsub("^.*: ", "")
        end
        ways = {
            gsub = function(go, n) return (("x"):gsub(".", function() return go(n) end)) end,
            gsub_table = function(go, n)
                return (string.gsub("x", ".", setmetatable({}, { __index = function() return go(n) end })))
            end,
            resume = function(go, n)
                local ok, result = coroutine._resume(coroutine._create(go), n)
                if ok then return result end
                return error(result, 0)
            end,
            wrap = function(go, n) return (coroutine._wrap(go)(n)) end,
            tostring = function(go, n)
                local result
                tostring(setmetatable({}, { __tostring = function() result = go(n) return "" end }))
                return result
            end,
            log = function(go, n)
                local result
                ngx.log(ngx.INFO, setmetatable({}, { __tostring = function() result = go(n) return "" end }))
                return result
            end,
            sort = function(go, n)
                local result
                table.sort({ 1, 2 }, function() result = result or go(n) return false end)
                return result
            end,
            mixed = function(go, n)
                return (("x"):gsub(".", function() return coroutine._wrap(go)(n) end))
            end,
        }
        names = { "gsub", "gsub_table", "resume", "wrap", "tostring", "log", "sort", "mixed" }
    }
--- config
    location = /t {
        content_by_lua_block {
            for _, name in ipairs(names) do
                local few, many = deeper(ways[name], 40), deeper(ways[name], 1e6)
                ngx.say(name, ": ", few, ", ", (many:gsub("^false C stack overflow$", "false stack overflow")))
            end
        }
    }
    location = /filter {
        content_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block {
            local filter = function(go, n) return (select(2, assert(coroutine.resume(coroutine.create(go), n)))) end
            ngx.header.X = deeper(filter, 1000) .. ", " .. deeper(filter, 1e6)
        }
    }
--- request eval
["GET /t", "GET /filter"]
--- response_body eval
["gsub: true bottom, false stack overflow
gsub_table: true bottom, false stack overflow
resume: true bottom, false stack overflow
wrap: true bottom, false stack overflow
tostring: true bottom, false stack overflow
log: true bottom, false stack overflow
sort: true bottom, false stack overflow
mixed: true bottom, false stack overflow
", "x
"]
--- response_headers eval
["", "X: true bottom, false C stack overflow"]
--- no_error_log
[alert]
--- timeout: 20



=== string.gsub is LuaJIT's otherwise
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(("hello"):gsub("l", { l = "L" }, 1))
            ngx.say(string.gsub("hello", "l", "%0%0"))
            ngx.say(string.gsub("hello", "(h)(e)", function(a, b) return b .. a end, nil))
            for _, args in ipairs { { "x", "." }, { "x", ".", true }, { "x", "[", "y" } } do
                ngx.say(select(2, pcall(string.gsub, unpack(args))))
            end
        }
    }
--- request
GET /t
--- response_body
heLlo1
hellllo2
ehllo1
bad argument #3 to '?' (string/function/table expected)
bad argument #3 to '?' (string/function/table expected)
malformed pattern (missing ']')
--- no_error_log
[error]
