# Lua's coroutines in a request: create, resume, yield, wrap, status.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== resume and yield pass values both ways
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function (a, b)
                ngx.say("start ", a, b)
                local c = coroutine.yield(a + b)
                ngx.say("got ", c)
                return "done", nil, 3
            end)
            ngx.say(coroutine.resume(co, 1, 2))
            ngx.say(coroutine.resume(co, "x"))
        }
    }
--- request
GET /t
--- response_body
start 12
true3
got x
truedonenil3
--- no_error_log
[error]



=== wrap: a generator with output inside
--- config
    location = /t {
        content_by_lua_block {
            local gen = coroutine.wrap(function ()
                for i = 1, 3 do
                    ngx.print("[", i, "]")
                    coroutine.yield(i * i)
                end
            end)
            ngx.say(gen(), gen(), gen())
        }
    }
--- request
GET /t
--- response_body
[1][2][3]149
--- no_error_log
[error]



=== wrap as an iterator
--- config
    location = /t {
        content_by_lua_block {
            for v in coroutine.wrap(function ()
                for _, w in ipairs({ "a", "b" }) do coroutine.yield(w) end
            end) do
                ngx.say(v)
            end
        }
    }
--- request
GET /t
--- response_body
a
b
--- no_error_log
[error]



=== status, seen from inside and outside
--- config
    location = /t {
        content_by_lua_block {
            local outer, inner
            outer = coroutine.create(function ()
                ngx.say(coroutine.status(outer))
                inner = coroutine.create(function ()
                    ngx.say(coroutine.status(outer), " ", coroutine.status(inner))
                    coroutine.yield()
                end)
                coroutine.resume(inner)
            end)
            ngx.say(coroutine.status(outer))
            coroutine.resume(outer)
            ngx.say(coroutine.status(outer), " ", coroutine.status(inner))
        }
    }
--- request
GET /t
--- response_body
suspended
running
normal running
dead suspended
--- no_error_log
[error]



=== a dead or running coroutine cannot be resumed
--- config
    location = /t {
        content_by_lua_block {
            local co
            co = coroutine.create(function () return coroutine.resume(co) end)
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.resume(co))
            local w = coroutine.wrap(function () end)
            w()
            ngx.say(w())
        }
    }
--- request
GET /t
--- response_body
truefalsecannot resume running coroutine
falsecannot resume dead coroutine
falsecannot resume dead coroutine
--- no_error_log
[error]



=== arguments are checked
--- config
    location = /t {
        content_by_lua_block {
            local function try(f, ...) ngx.say(select(2, pcall(f, ...))) end
            try(coroutine.create)
            try(coroutine.create, "x")
            try(coroutine.wrap, print)
            try(coroutine.resume, "x")
            try(coroutine.status)
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (Lua function expected)
bad argument #1 to '?' (Lua function expected)
bad argument #1 to '?' (Lua function expected)
bad argument #1 to '?' (coroutine expected)
bad argument #1 to '?' (coroutine expected)
--- no_error_log
[error]



=== yield in the entry thread returns at once, with nothing
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("a")
            ngx.say(select("#", coroutine.yield(1, 2)))
            ngx.say("b")
        }
    }
--- request
GET /t
--- response_body
a
0
b
--- no_error_log
[error]



=== running
--- config
    location = /t {
        content_by_lua_block {
            local co
            co = coroutine.create(function () return coroutine.running() == co end)
            ngx.say(type(coroutine.running()), " ", select(2, coroutine.resume(co)))
        }
    }
--- request
GET /t
--- response_body
thread true
--- no_error_log
[error]



=== nested ten deep, each sleeping
--- config
    location = /t {
        content_by_lua_block {
            local function level(n)
                return coroutine.wrap(function ()
                    ngx.sleep(0.001)
                    if n == 10 then return "bottom" end
                    return level(n + 1)()
                end)
            end
            ngx.say(level(1)())
        }
    }
--- request
GET /t
--- response_body
bottom
--- no_error_log
[error]



=== many coroutines in one request
--- config
    location = /t {
        content_by_lua_block {
            local sum = 0
            for i = 1, 500 do
                sum = sum + coroutine.wrap(function (a) return a end)(i)
            end
            ngx.say(sum)
        }
    }
--- request
GET /t
--- response_body
125250
--- no_error_log
[error]



=== in rewrite and access, across a sleep
--- config
    location = /t {
        rewrite_by_lua_block {
            local co = coroutine.wrap(function () ngx.sleep(0.001) coroutine.yield("r") end)
            ngx.ctx.t = co()
        }
        access_by_lua_block {
            local co = coroutine.wrap(function () ngx.sleep(0.001) coroutine.yield("a") end)
            ngx.ctx.t = ngx.ctx.t .. co()
        }
        content_by_lua_block { ngx.say(ngx.ctx.t) }
    }
--- request
GET /t
--- response_body
ra
--- no_error_log
[error]



=== in init the coroutines are plain Lua's
--- http_config
    init_by_lua_block {
        local gen = coroutine.wrap(function () coroutine.yield(1) coroutine.yield(2) end)
        sum = gen() + gen()
    }
--- config
    location = /t { content_by_lua_block { ngx.say(sum) } }
--- request
GET /t
--- response_body
3
--- no_error_log
[error]



=== in log they are disabled
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            local _, err = pcall(coroutine.create, function () end)
            ngx.log(ngx.WARN, "create: ", err)
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
create: API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== an unfinished coroutine ends with its request
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function () coroutine.yield() end)
            coroutine.resume(co)
            ngx.say("ok")
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["ok\n", "ok\n", "ok\n"]
--- no_error_log
[error]



=== isyieldable is LuaJIT's
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(coroutine.isyieldable())
            ngx.say(coroutine.wrap(function() return coroutine.isyieldable() end)())
        }
        header_filter_by_lua_block {
            ngx.header["X-Yieldable"] = tostring(coroutine.isyieldable())
        }
    }
--- request
GET /t
--- response_headers
X-Yieldable: false
--- response_body
true
true
--- no_error_log
[error]
