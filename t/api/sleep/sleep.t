# ngx.sleep: where it may wait, its errors, and what happens while it does.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== in content, returning nothing
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("before")
            ngx.say(select("#", ngx.sleep(0.01)))
        }
    }
--- request
GET /t
--- response_body
before
0
--- error_log
lua ready to sleep for 10 ms
lua sleep timer expired: "/t?"
--- no_error_log
[error]



=== in rewrite, access and server_rewrite
--- config
    server_rewrite_by_lua_block { ngx.sleep(0.003) ngx.ctx.t = "s" }
    location = /t {
        rewrite_by_lua_block { ngx.sleep(0.004) ngx.ctx.t = ngx.ctx.t .. "r" }
        access_by_lua_block { ngx.sleep(0.005) ngx.ctx.t = ngx.ctx.t .. "a" }
        content_by_lua_block { ngx.sleep(0.006) ngx.say(ngx.ctx.t, "c") }
    }
--- request
GET /t
--- response_body
srac
--- error_log
lua ready to sleep for 3 ms
lua ready to sleep for 4 ms
lua ready to sleep for 5 ms
lua ready to sleep for 6 ms
--- no_error_log
[error]



=== less than a millisecond is zero: one round of the event loop
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.0005)
            ngx.sleep(0)
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua ready to sleep for 0 ms
lua sleep timer expired
--- no_error_log
[error]



=== a numeric string will do
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep("0.01")
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua ready to sleep for 10 ms
--- no_error_log
[error]



=== bad arguments
--- config
    location = /t {
        content_by_lua_block {
            local function try(...) ngx.say(select(2, pcall(ngx.sleep, ...))) end
            try()
            try(1, 2)
            try("x")
            try(nil)
            try(-1)
        }
    }
--- request
GET /t
--- response_body
attempt to pass 0 arguments, but accepted 1
attempt to pass 2 arguments, but accepted 1
bad argument #1 to '?' (number expected, got string)
bad argument #1 to '?' (number expected, got nil)
invalid sleep duration "-1000"
--- no_error_log
[error]



=== disabled in log
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            ngx.log(ngx.WARN, "sleep: ", select(2, pcall(ngx.sleep, 0.1)))
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
sleep: API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== no request in init, and what cannot wait in set
--- http_config
    init_by_lua_block { at_init = select(2, pcall(ngx.sleep, 0)) }
--- config
    location = /t {
        set_by_lua_block $at_set { return select(2, pcall(ngx.sleep, 0)) }
        content_by_lua_block { ngx.say(at_init, "\n", ngx.var.at_set) }
    }
--- request
GET /t
--- response_body
no request found
API disabled in the context of set_by_lua*
--- no_error_log
[error]



=== locals, upvalues and pcall frames survive
--- config
    location = /t {
        content_by_lua_block {
            local sum = 0
            local function add(n)
                ngx.sleep(0.001)
                sum = sum + n
                return n
            end
            local ok, v = pcall(function () return add(1) + add(2) end)
            for i in (function () return add(3) end) do
                if sum > 8 then break end
            end
            ngx.say(ok, " ", v, " ", sum)
        }
    }
--- request
GET /t
--- response_body
true 3 9
--- no_error_log
[error]



=== an error after a sleep is caught by pcall around it
--- config
    location = /t {
        content_by_lua_block {
            local ok, err = pcall(function ()
                ngx.sleep(0.001)
                error("woken to fail", 0)
            end)
            ngx.say(ok, " ", err)
        }
    }
--- request
GET /t
--- response_body
false woken to fail
--- no_error_log
[error]



=== an uncaught error after a sleep is a 500
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.001)
            error("woken to fail")
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log
lua entry thread aborted: runtime error: content_by_lua(nginx.conf:
:3: woken to fail



=== in a user coroutine
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function ()
                ngx.sleep(0.001)
                coroutine.yield("first")
                ngx.sleep(0.001)
                return "second"
            end)
            ngx.say(co(), " ", co())
        }
    }
--- request
GET /t
--- response_body
first second
--- no_error_log
[error]



=== in a metamethod, an iterator and a sort comparison
--- config
    location = /t {
        content_by_lua_block {
            local t = setmetatable({}, { __index = function (_, k)
                ngx.sleep(0.001)
                return k .. "!"
            end })
            ngx.say(t.a, t.b)
            ngx.say(pcall(table.sort, { 2, 1 }, function (a, b)
                ngx.sleep(0.001)
                return a < b
            end))
        }
    }
--- request
GET /t
--- response_body
a!b!
falseattempt to yield across C-call boundary
--- no_error_log
[error]



=== many sleeps in a row
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 50 do
                ngx.sleep(0.001)
            end
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== a pipelined request waits for a sleeping one
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(tonumber(ngx.var.arg_s))
            ngx.say(ngx.var.arg_s)
        }
    }
--- pipelined_requests eval
["GET /t?s=0.05", "GET /t?s=0.001"]
--- response_body eval
["0.05\n", "0.001\n"]
--- no_error_log
[error]



=== a client that goes away does not end the sleep
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.2)
            ngx.send_headers()
            ngx.log(ngx.WARN, "slept through")
        }
    }
--- request
GET /t
--- timeout: 0.05
--- abort
--- wait: 0.3
--- ignore_response
--- error_log
slept through
--- no_error_log
[error]
