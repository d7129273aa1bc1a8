use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a thread runs at once, up to where it waits
--- config
    location = /t {
        content_by_lua_block {
            local thread = ngx.thread.spawn(function (a, b)
                ngx.say("in ", a, b)
                ngx.sleep(0.001)
                ngx.say("on")
            end, "x", 1)
            ngx.say("out ", coroutine.status(thread))
        }
    }
--- request
GET /t
--- response_body
in x1
out running
on
--- no_error_log
[error]



=== wait returns true and the results
--- config
    location = /t {
        content_by_lua_block {
            local now = ngx.thread.spawn(function () return 1, "a", nil end)
            local later = ngx.thread.spawn(function () ngx.sleep(0.001) return "b" end)
            ngx.say(coroutine.status(now), " ", select("#", ngx.thread.wait(now)))
            ngx.say(ngx.thread.wait(later))
            ngx.say(ngx.thread.wait(later))
            ngx.say(coroutine.status(now), " ", coroutine.status(later))
        }
    }
--- request
GET /t
--- response_body
zombie 4
trueb
nilalready waited or killed
dead dead
--- no_error_log
[error]



=== wait for any: the first to end
--- config
    location = /t {
        content_by_lua_block {
            local slow = ngx.thread.spawn(function () ngx.sleep(0.1) return "slow" end)
            local quick = ngx.thread.spawn(function () ngx.sleep(0.001) return "quick" end)
            ngx.say(ngx.thread.wait(slow, quick))
            ngx.say(coroutine.status(slow))
            ngx.say(ngx.thread.wait(slow))
        }
    }
--- request
GET /t
--- response_body
truequick
running
trueslow
--- no_error_log
[error]



=== one that ends while its parent waits for something else is no surprise
--- config
    location = /t {
        content_by_lua_block {
            local a = ngx.thread.spawn(function () ngx.sleep(0.001) return "a" end)
            local b = ngx.thread.spawn(function () ngx.sleep(0.005) return "b" end)
            ngx.say(ngx.thread.wait(a, b))
            ngx.sleep(0.02)
            ngx.say("slept")
            ngx.say(ngx.thread.wait(b))
        }
    }
--- request
GET /t
--- response_body
truea
slept
trueb
--- no_error_log
[error]



=== an error is logged, and returned to who waits
--- config
    location = /t {
        content_by_lua_block {
            local thread = ngx.thread.spawn(function () ngx.sleep(0.001) error("oops") end)
            local ok, text = ngx.thread.wait(thread)
            ngx.say(ok, " ", text)
        }
    }
--- request
GET /t
--- response_body
false oops
--- error_log
lua user thread aborted: runtime error: content_by_lua(nginx.conf:40):2: oops
--- no_error_log
[alert]



=== kill ends what waits
--- config
    location = /t {
        content_by_lua_block {
            local thread = ngx.thread.spawn(function () ngx.sleep(10) ngx.say("never") end)
            ngx.say(ngx.thread.kill(thread))
            ngx.say(ngx.thread.kill(thread))
            local ended = ngx.thread.spawn(function () end)
            ngx.say(ngx.thread.kill(ended))
        }
    }
--- request
GET /t
--- response_body
1
nilalready waited or killed
nilalready terminated
--- error_log
lua clean up the timer for pending ngx.sleep
--- no_error_log
[error]



=== exit ends all threads
--- config
    location = /t {
        content_by_lua_block {
            ngx.thread.spawn(function () ngx.sleep(10) ngx.say("never") end)
            ngx.thread.spawn(function () ngx.sleep(0.001) ngx.say("bye") ngx.exit(200) end)
            ngx.sleep(10)
        }
    }
--- request
GET /t
--- response_body
bye
--- no_error_log
[error]



=== threads of threads, and coroutines in them
--- config
    location = /t {
        access_by_lua_block {
            local outer = ngx.thread.spawn(function ()
                local inner = ngx.thread.spawn(function ()
                    local step = coroutine.wrap(function ()
                        for i = 1, 3 do ngx.sleep(0.001) coroutine.yield(i) end
                    end)
                    return step() + step() + step()
                end)
                return select(2, ngx.thread.wait(inner))
            end)
            ngx.ctx.sum = select(2, ngx.thread.wait(outer))
        }
        content_by_lua_block { ngx.say(ngx.ctx.sum) }
    }
--- request
GET /t
--- response_body
6
--- no_error_log
[error]



=== many, one after the other and at once
--- config
    location = /t {
        content_by_lua_block {
            local sum, threads = 0, {}
            for i = 1, 2000 do
                sum = sum + select(2, ngx.thread.wait(ngx.thread.spawn(function () return i end)))
            end
            for i = 1, 200 do
                threads[i] = ngx.thread.spawn(function () ngx.sleep(0) return i end)
            end
            for i = 1, 200 do sum = sum + select(2, ngx.thread.wait(threads[i])) end
            ngx.say(sum)
        }
    }
--- request
GET /t
--- response_body
2021100
--- no_error_log
[error]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.thread.spawn, 1)))
            ngx.say(select(2, pcall(ngx.thread.wait)))
            ngx.say(select(2, pcall(ngx.thread.wait, {})))
            local co = coroutine.create(function () end)
            ngx.say(select(2, pcall(ngx.thread.wait, co)))
            ngx.say(ngx.thread.kill(co))
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (Lua function expected)
at least one coroutine should be specified
bad argument #1 to '?' (lua thread expected)
attempt to wait on a coroutine that is not a user thread
nilnot user thread
--- no_error_log
[error]



=== a wait that was refused halfway is over
--- config
    location = /t {
        content_by_lua_block {
            local thread = ngx.thread
            local one = thread.spawn(function () ngx.sleep(0.005) return "one" end)
            local two = thread.spawn(function () ngx.sleep(0.005) return "two" end)
            ngx.say(select(2, pcall(thread.wait, one, "two")))
            -- It does not end this wait.
            ngx.sleep(0.02)
            ngx.say(coroutine.status(one), " ", coroutine.status(two))
            ngx.say(thread.wait(two, one))
            ngx.say(thread.wait(two, one))
            ngx.say(thread.wait(two, one))
        }
    }
--- request
GET /t
--- response_body
bad argument #2 to '?' (lua thread expected)
zombie zombie
truetwo
trueone
nilalready waited or killed
--- no_error_log
[error]
