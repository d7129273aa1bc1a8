# Errors in the entry thread: the log line, the traceback, the answer.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a run-time error: 500, reason and traceback
--- config
    location = /t {
        content_by_lua_block {
            local function inner() error("the reason") end
            local function outer() inner() end
            outer()
        }
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log eval
[qr/\[error\] .*: \*\d+ lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):2: the reason$/,
 qr/^stack traceback:$/, qr/^coroutine 0:$/,
 qr/^\t\[C\]: in function 'error'$/,
 qr/^\tcontent_by_lua\(nginx\.conf:\d+\):2: in function 'inner'$/,
 qr/^\tcontent_by_lua\(nginx\.conf:\d+\):3: in function 'outer'$/,
 qr/^\tcontent_by_lua\(nginx\.conf:\d+\):4: in main chunk, client: 127\.0\.0\.1/]
--- no_error_log
[alert]



=== an anonymous function is named by its line
--- config
    location = /t {
        content_by_lua_block {
            local fs = { function ()
                error("x")
            end }
            fs[1]()
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/^\tcontent_by_lua\(nginx\.conf:\d+\):3: in function <content_by_lua\(nginx\.conf:\d+\):2>$/



=== the errors of the VM itself
--- config
    location = /t {
        content_by_lua_block {
            local t = {
                index = function () local a; return a.b end,
                call = function () local f = 1; f() end,
                arith = function () return {} + 1 end,
                global = function () return nothing.at_all end,
            }
            ngx.say(select(2, pcall(t[ngx.var.arg_k])))
        }
    }
--- request eval
["GET /t?k=index", "GET /t?k=call", "GET /t?k=arith", "GET /t?k=global"]
--- response_body_like eval
["attempt to index local 'a' \\(a nil value\\)", "attempt to call local 'f' \\(a number value\\)",
 "attempt to perform arithmetic on a table value", "attempt to index global 'nothing'"]
--- no_error_log
[error]



=== error(nil), error({}) and error() have no reason
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_k == "nil" then error(nil) end
            if ngx.var.arg_k == "table" then error({}) end
            error()
        }
    }
--- request eval
["GET /t?k=nil", "GET /t?k=table", "GET /t"]
--- error_code eval
[500, 500, 500]
--- error_log
lua entry thread aborted: runtime error: unknown reason



=== a number and a boolean as error values
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_b then error(true) end
            error(42, 0)
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log
lua entry thread aborted: runtime error: 42



=== an error object with __tostring is not asked
--- config
    location = /t {
        content_by_lua_block {
            error(setmetatable({}, { __tostring = function () return "me" end }))
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log
lua entry thread aborted: runtime error: unknown reason



=== error positions: level 0, 1 and 2
--- config
    location = /t {
        content_by_lua_block {
            local function fail(level) error("msg", level) end
            for i = 0, 2 do
                local _, err = pcall(function ()
                    fail(i)
                end)
                ngx.say((err:gsub("nginx.conf:%d+", "conf")))
            end
        }
    }
--- request
GET /t
--- response_body
msg
content_by_lua(conf):2: msg
content_by_lua(conf):5: msg
--- no_error_log
[error]



=== after output: the connection is cut, no second status
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.flush(true)
            error("late")
        }
    }
--- request
GET /t
--- ignore_response
--- error_log eval
qr/lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):4: late/
--- no_error_log
[alert]



=== stack overflow is an error like another
--- config
    location = /t {
        content_by_lua_block {
            local function down(n) return 1 + down(n + 1) end
            if ngx.var.arg_catch then
                ngx.say("caught ", not pcall(down, 1))
                return
            end
            down(1)
        }
    }
--- request eval
["GET /t", "GET /t?catch=1", "GET /t"]
--- response_body_like eval
["500 Internal", "caught true", "500 Internal"]
--- error_code eval
[500, 200, 500]
--- no_error_log
[alert]



=== runaway recursion through pcall and metamethods
--- config
    location = /t {
        content_by_lua_block {
            local mt = {}
            mt.__index = function (t, k) return t[k .. "x"] end
            ngx.say(pcall(function () return setmetatable({}, mt).k end))
            local function again() return pcall(again) end
            ngx.say(type(again()))
        }
    }
--- request
GET /t
--- response_body_like
^false.*(?:stack overflow|C stack overflow|error in error handling).*
boolean
--- no_error_log
[alert]



=== the traceback of a deep stack is cut
--- config
    location = /t {
        content_by_lua_block {
            local function down(n)
                if n == 0 then error("at the bottom") end
                down(n - 1)
                return n
            end
            down(60)
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
[qr/at the bottom/, qr/^\t\.\.\.,? client: 127/]



=== an error in a module names the module's file
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { require("mod").go() } }
--- user_files
>>> mod.lua
local M = {}
function M.go()
    error("in a module")
end
return M
--- request
GET /t
--- error_code: 500
--- error_log eval
[qr/runtime error: .*\/html\/mod\.lua:3: in a module/, qr/^\t.*\/html\/mod\.lua:3: in function 'go'/]



=== the next request on the same worker is served
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_bad then local x = nil; x.y = 1 end
            ngx.say("good")
        }
    }
--- request eval
["GET /t?bad=1", "GET /t", "GET /t?bad=1", "GET /t"]
--- error_code eval
[500, 200, 500, 200]
--- no_error_log
[alert]
