# Errors in user coroutines, and tracebacks through several coroutines.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== resume returns false and the message
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function () error("inside", 0) end)
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.status(co))
        }
    }
--- request
GET /t
--- response_body
falseinside
dead
--- no_error_log
[error]



=== error values are passed as they are
--- config
    location = /t {
        content_by_lua_block {
            local key = {}
            local co = coroutine.create(function () error(key) end)
            local ok, err = coroutine.resume(co)
            ngx.say(ok, " ", err == key)
            co = coroutine.create(function () error(nil) end)
            ngx.say(coroutine.resume(co))
        }
    }
--- request
GET /t
--- response_body
false true
falsenil
--- no_error_log
[error]



=== an error through wrap aborts the request with all tracebacks
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function ()
                error("inside wrap")
            end)
            co()
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
[qr/lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):3: inside wrap/,
 qr/^coroutine 0:$/, qr/^coroutine 1:$/]



=== pcall does not catch an error through wrap
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function () error("inside wrap") end)
            pcall(co)
            ngx.log(ngx.ERR, "went on")
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log
inside wrap
--- no_error_log
went on



=== an error after a sleep inside
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function ()
                ngx.sleep(0.001)
                error("later", 0)
            end)
            ngx.say(coroutine.resume(co))
        }
    }
--- request
GET /t
--- response_body
falselater
--- no_error_log
[error]



=== stack overflow in a coroutine
--- config
    location = /t {
        content_by_lua_block {
            local function down() return 1 + down() end
            local ok, err = coroutine.resume(coroutine.create(down))
            ngx.say(ok, " ", err:match("stack overflow"))
        }
    }
--- request
GET /t
--- response_body
false stack overflow
--- no_error_log
[error]



=== yield across pcall, xpcall and metamethods
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function ()
                local mt = { __add = function () return coroutine.yield("meta") end }
                pcall(function () coroutine.yield("pcall") end)
                xpcall(function () coroutine.yield("xpcall") end, print)
                local _ = setmetatable({}, mt) + 1
                return "end"
            end)
            ngx.say(co(), " ", co(), " ", co(), " ", co())
        }
    }
--- request
GET /t
--- response_body
pcall xpcall meta end
--- no_error_log
[error]



=== no yield across a C function
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function ()
                ("x"):gsub("x", function () coroutine.yield() end)
            end)
            ngx.say(coroutine.resume(co))
        }
    }
--- request
GET /t
--- response_body
falseattempt to yield across C-call boundary
--- no_error_log
[error]




=== the traceback of an error goes through all wrapped coroutines that it came out of
--- config
    location = /t {
        content_by_lua_block {
            local inner = coroutine.wrap(function () error("deep down") end)
            local middle = coroutine.wrap(function () inner() end)
            local outer = coroutine.wrap(function () middle() end)
            outer()
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
[qr/aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):2: deep down/,
 "coroutine 0:", "coroutine 1:", "coroutine 2:", "coroutine 3:"]



=== wrapped coroutines that fail inside of resumed ones are not kept
--- config
    location = /t {
        content_by_lua_block {
            local function failing()
                local inner = coroutine.wrap(function () error("no") end)
                local middle = coroutine.wrap(function () inner() end)
                middle()
            end
            local ok, message
            for _ = 1, 2000 do
                ok, message = coroutine.resume(coroutine.create(failing))
            end
            collectgarbage()
            local before = collectgarbage("count")
            for _ = 1, 2000 do
                ok, message = coroutine.resume(coroutine.create(failing))
            end
            collectgarbage()
            ngx.say(ok, " ", message:match("no$"), " ", collectgarbage("count") - before < 300)
        }
    }
--- request
GET /t
--- response_body
false no true
--- no_error_log
[error]
