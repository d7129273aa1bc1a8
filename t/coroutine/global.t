# Globals: shared by all requests of a worker, warned about when written.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a new global of a request is warned about, with a traceback
--- config
    location = /t {
        content_by_lua_block {
            local function set() accident = "x" end
            set()
            ngx.say(accident)
        }
    }
--- request
GET /t
--- response_body
x
--- error_log eval
[qr/\[warn\] .*\[lua\] _G write guard:12: __newindex\(\): writing a global Lua variable \('accident'\) which may lead to race conditions between concurrent requests, so prefer the use of 'local' variables/,
 qr/^stack traceback:$/,
 qr/^\tcontent_by_lua\(nginx\.conf:\d+\):2: in function 'set'$/]
--- no_error_log
[error]



=== once: the second write finds it there
--- config
    location = /t {
        content_by_lua_block {
            accident = (accident or 0) + 1
            accident = accident + 1
            ngx.say(accident)
        }
    }
--- request
GET /t
--- response_body
2
--- grep_error_log eval
qr/writing a global Lua variable \('\w+'\)/
--- grep_error_log_out
writing a global Lua variable ('accident')
--- no_error_log
[error]



=== globals live on in the worker
--- config
    location = /t {
        content_by_lua_block {
            rawset(_G, "count", (rawget(_G, "count") or 0) + 1)
            ngx.say(count)
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["1\n", "2\n", "3\n"]
--- no_error_log
[error]
writing a global Lua variable



=== each phase warns with its own chunk
--- config
    location = /t {
        rewrite_by_lua_block { in_rewrite = 1 }
        access_by_lua_block { in_access = 1 }
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { in_log = 1 }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/writing a global Lua variable \('in_rewrite'\)/, qr/\trewrite_by_lua\(nginx\.conf:\d+\):1: in main chunk/,
 qr/writing a global Lua variable \('in_access'\)/, qr/\taccess_by_lua\(nginx\.conf:\d+\):1: in main chunk/,
 qr/writing a global Lua variable \('in_log'\)/, qr/\tlog_by_lua\(nginx\.conf:\d+\):1: in/]
--- no_error_log
[error]



=== a function defined as a global by mistake
--- config
    location = /t {
        content_by_lua_block {
            function helper() return "helped" end
            ngx.say(helper())
        }
    }
--- request
GET /t
--- response_body
helped
--- error_log
writing a global Lua variable ('helper')
--- no_error_log
[error]



=== module() and setfenv code writes to its own table, unwarned
--- config
    location = /t {
        content_by_lua_block {
            local env = setmetatable({}, { __index = _G })
            local f = setfenv(loadstring("x = 1 return x + 1"), env)
            ngx.say(f(), " ", env.x, " ", rawget(_G, "x"))
        }
    }
--- request
GET /t
--- response_body
2 1 nil
--- no_error_log
[error]
writing a global Lua variable



=== a non-string key
--- config
    location = /t {
        content_by_lua_block {
            _G[7] = "seven"
            ngx.say(_G[7])
        }
    }
--- request
GET /t
--- response_body
seven
--- error_log
writing a global Lua variable ('7')
--- no_error_log
[error]



=== in a user coroutine
--- config
    location = /t {
        content_by_lua_block {
            coroutine.wrap(function () accident = 1 end)()
            ngx.say(accident)
        }
    }
--- request
GET /t
--- response_body
1
--- error_log
writing a global Lua variable ('accident')
--- no_error_log
[error]



=== standard libraries are those of Lua
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(_G._G == _G, " ", getfenv(0) == _G, " ", getfenv(1) == _G)
            ngx.say(type(string.format), type(table.concat), type(math.floor), type(os.time),
                    type(io.open), type(debug.getinfo), type(jit.version), type(require("bit").band))
        }
    }
--- request
GET /t
--- response_body
true true true
functionfunctionfunctionfunctionfunctionfunctionstringfunction
--- no_error_log
[error]
