# Coroutines and light threads that run within the calls of their parents, and what makes them leave these.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== deeper than calls are nested
--- config
    location = /t {
        content_by_lua_block {
            local function deep(n)
                if n == 0 then
                    coroutine.yield("bottom")
                    return 0
                end
                local co = coroutine.wrap(deep)
                local got = co(n - 1)
                if got == "bottom" then
                    coroutine.yield(got)
                    got = co()
                end
                return got + 1
            end
            local co = coroutine.create(deep)
            ngx.say(coroutine.resume(co, 300))
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.status(co))
        }
    }
--- request
GET /t
--- response_body
truebottom
true300
dead
--- no_error_log
[error]



=== waiting at the bottom, and on the way back
--- config
    location = /t {
        content_by_lua_block {
            local function deep(n)
                if n == 0 then
                    ngx.sleep(0.001)
                    coroutine.yield("slept")
                    return 0
                end
                local co = coroutine.wrap(deep)
                local got = co(n - 1)
                if got == "slept" then
                    coroutine.yield(got)
                    ngx.sleep(0)
                    got = co()
                end
                return got + 1
            end
            local co = coroutine.create(deep)
            ngx.say(coroutine.resume(co, 50))
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.status(co))
        }
    }
--- request
GET /t
--- response_body
trueslept
true50
dead
--- no_error_log
[error]



=== threads of threads of threads
--- config
    location = /t {
        content_by_lua_block {
            local n = 0
            local function run(depth)
                n = n + 1
                if depth == 0 then return end
                local thread = ngx.thread.spawn(run, depth - 1)
                if depth % 3 == 0 then ngx.sleep(0) end
                if depth % 2 == 0 then ngx.thread.wait(thread) end
            end
            run(300)
            ngx.say(n)
        }
    }
--- request
GET /t
--- response_body
301
--- no_error_log
[error]



=== who gives way lets the parent go on first
--- config
    location = /t {
        content_by_lua_block {
            local function run(name, n)
                for i = 1, n do
                    ngx.say(name, i)
                    coroutine.yield()
                end
            end
            local a = ngx.thread.spawn(run, "a", 3)
            ngx.say("main 1")
            local b = ngx.thread.spawn(run, "b", 2)
            ngx.say("main 2")
            coroutine.yield()
            ngx.say("main 3")
            local c = ngx.thread.spawn(run, "c", 2)
            ngx.say("main 4")
            for _, thread in ipairs { a, b, c } do ngx.thread.wait(thread) end
            ngx.say("end")
        }
    }
--- request
GET /t
--- response_body
a1
main 1
b1
a2
main 2
b2
a3
main 3
c1
main 4
c2
end
--- no_error_log
[error]



=== an exit ends all that it runs in
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("begin")
            coroutine.wrap(function ()
                ngx.thread.spawn(function ()
                    coroutine.wrap(function ()
                        ngx.say("exit")
                        ngx.exit(200)
                    end)()
                    ngx.say("not here")
                end)
                ngx.say("nor here")
            end)()
            ngx.say("nor here")
        }
    }
--- request
GET /t
--- response_body
begin
exit
--- no_error_log
[error]



=== errors in nested coroutines
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function ()
                local inner = coroutine.create(function () error("inner", 0) end)
                ngx.say(coroutine.resume(inner))
                coroutine.yield(1)
                error("outer", 0)
            end)
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.resume(co))
            local thread = ngx.thread.spawn(function ()
                local co = coroutine.create(function () ngx.sleep(0.001) error("late", 0) end)
                ngx.say(coroutine.resume(co))
                return "ended"
            end)
            ngx.say(ngx.thread.wait(thread))
        }
    }
--- request
GET /t
--- response_body
falseinner
true1
falseouter
falsecannot resume dead coroutine
falselate
trueended
--- no_error_log
[error]



=== who cannot yield cannot let others run, and goes on
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function () coroutine.yield(1) end)
            local gsub = string.gsub
            ngx.say(pcall(gsub, "a", "a", function () coroutine.resume(co) end))
            ngx.say(pcall(gsub, "a", "a", function () ngx.thread.spawn(function () end) end))
            ngx.say(coroutine.status(co))
            ngx.say(coroutine.resume(co))
        }
    }
--- request
GET /t
--- response_body
falseattempt to yield across C-call boundary
falseattempt to yield across C-call boundary
suspended
true1
--- no_error_log
[error]



=== calls from a coroutine of LuaJIT's own
--- config
    location = /t {
        content_by_lua_block {
            local function message(...)
                return (select(2, pcall(...)))
            end
            local thread = ngx.thread.spawn(function () ngx.sleep(0.01) return "thread" end)
            local generator = coroutine.create(function () return 1 end)
            local own = coroutine._create(function (a, b)
                ngx.say("spawn: ", message(ngx.thread.spawn, function () end))
                ngx.say("wait: ", message(ngx.thread.wait, thread))
                ngx.say("resume: ", message(coroutine.resume, generator))
                ngx.say("wrap: ", message(coroutine.wrap(function () end)))
                ngx.say("yield: ", coroutine.yield(a), coroutine._yield(b))
                return "end"
            end)
            ngx.say(select(2, coroutine._resume(own, 1, 2)))
            ngx.say(select(2, coroutine._resume(own, "x")))
            ngx.say(select(2, coroutine._resume(own, "y")))
            ngx.sleep(0.001)
            ngx.say(select(2, coroutine.resume(generator)))
            ngx.say(ngx.thread.wait(thread))
        }
    }
--- request
GET /t
--- response_body
spawn: no co ctx found
wait: no co ctx found
resume: no parent co ctx found
wrap: no parent co ctx found
1
2
yield: xy
end
1
truethread
--- no_error_log
[error]



=== threads wait and end within generators, and generators within threads
--- config
    location = /t {
        content_by_lua_block {
            local numbers = coroutine.wrap(function ()
                for i = 1, 3 do
                    local thread = ngx.thread.spawn(function () ngx.sleep(0.001) return i end)
                    coroutine.yield(select(2, ngx.thread.wait(thread)))
                end
            end)
            for number in numbers do ngx.say(number) end
            local thread = ngx.thread.spawn(function ()
                local all = ""
                for i in coroutine.wrap(function () for i = 1, 3 do coroutine.yield(i) end end) do
                    all = all .. i
                    ngx.sleep(0)
                end
                return all
            end)
            ngx.say(ngx.thread.wait(thread))
        }
    }
--- request
GET /t
--- response_body
1
2
3
true123
--- no_error_log
[error]



=== globals set for the coroutine of one request are not another's
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(rawget(getfenv(0), "mine"))
            setfenv(0, setmetatable({ mine = 1 }, { __index = _G }))
            ngx.say(rawget(getfenv(0), "mine"))
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t"]
--- response_body eval
["nil\n1\n", "nil\n1\n"]
--- no_error_log
[error]



=== who spawned farther out goes on first
--- config
    location = /t {
        content_by_lua_block {
            local function leaf(name)
                ngx.say(name)
            end
            local function thread(name)
                ngx.thread.spawn(leaf, name .. ".leaf")
                ngx.say(name, " goes on")
                ngx.thread.spawn(leaf, name .. ".second")
                ngx.say(name, " ends")
            end
            ngx.thread.spawn(thread, "a")
            ngx.say("entry")
            ngx.thread.spawn(function ()
                coroutine.wrap(thread)("b")
                ngx.say("around b")
            end)
            ngx.say("entry ends")
        }
    }
--- request
GET /t
--- response_body
a.leaf
entry
b.leaf
a goes on
a.second
entry ends
b goes on
b.second
a ends
b ends
around b
--- no_error_log
[error]



=== a thread that gives way lets the one that spawned it go on first
--- config
    location = /t {
        content_by_lua_block {
            local function thread(name)
                coroutine.yield()
                ngx.say(name, " 1")
                coroutine.yield()
                ngx.say(name, " 2")
            end
            ngx.thread.spawn(thread, "a")
            ngx.say("entry")
            ngx.thread.spawn(function ()
                ngx.thread.spawn(thread, "b")
                ngx.say("between")
            end)
            ngx.say("entry ends")
        }
    }
--- request
GET /t
--- response_body
entry
a 1
entry ends
between
b 1
a 2
b 2
--- no_error_log
[error]
