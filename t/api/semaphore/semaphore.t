use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== resources are taken at once while there are some
--- config
    location = /t {
        content_by_lua_block {
            local semaphore = require "ngx.semaphore"
            local sem = semaphore.new(2)
            ngx.say(sem:count(), " ", sem:wait(0), " ", sem:wait(1), " ", sem:count())
            local ok, err = sem:wait(0)
            ngx.say(tostring(ok), " ", err)
            ngx.say(sem:post(3), " ", sem:count(), " ", sem:wait(0), " ", sem:count())
            ngx.say(semaphore.new():count())
        }
    }
--- request
GET /t
--- response_body
2 true true 0
nil timeout
true 3 true 2
0
--- no_error_log
[error]



=== a wait that nobody ends times out
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local results = { sem:wait(0.01) }
            ngx.say(#results, " ", tostring(results[1]), " ", results[2], " ", sem:count())
        }
    }
--- request
GET /t
--- response_body
2 false timeout 0
--- error_log
http lua semaphore wait yielding
--- no_error_log
[error]



=== waiters go on in the order they came, after the poster has yielded
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local threads = {}
            for i = 1, 4 do
                threads[i] = ngx.thread.spawn(function ()
                    ngx.say(i, " ", tostring(sem:wait(1)))
                end)
            end
            ngx.say(sem:count())
            sem:post()
            sem:post(2)
            ngx.say("posted ", sem:count())
            for i = 1, 3 do ngx.thread.wait(threads[i]) end
            ngx.say("last ", sem:count())
            sem:post()
            ngx.thread.wait(threads[4])
            ngx.say(sem:count())
        }
    }
--- request
GET /t
--- response_body
-4
posted -1
1 true
2 true
3 true
last -1
4 true
0
--- no_error_log
[error]



=== nobody takes a resource past those who wait
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local waiter = ngx.thread.spawn(function () ngx.say("first ", sem:wait(1)) end)
            sem:post()
            ngx.say(tostring(sem:wait(0)))
            ngx.thread.wait(waiter)
            sem:post()
            ngx.say(tostring(sem:wait(0)))
        }
    }
--- request
GET /t
--- response_body
nil
first truenil
true
--- no_error_log
[error]



=== between requests and timers
--- http_config
    init_worker_by_lua_block {
        sem, done = require "ngx.semaphore".new(), require "ngx.semaphore".new()
        ngx.timer.at(0, function ()
            while sem:wait(10) do
                ngx.log(ngx.WARN, "served")
                done:post()
            end
        end)
    }
--- config
    location = /t {
        content_by_lua_block {
            sem:post()
            ngx.say(done:wait(1), " ", done:count())
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["true 0\n", "true 0\n", "true 0\n"]
--- error_log
served
--- no_error_log
[error]
[alert]



=== in the phases that may wait, and in no other
--- config
    location = /t {
        rewrite_by_lua_block {
            local sem = require "ngx.semaphore".new()
            ngx.timer.at(0.005, function () sem:post(2) end)
            ngx.ctx.sem, ngx.ctx.rewrite = sem, sem:wait(1)
        }
        access_by_lua_block { ngx.ctx.access = ngx.ctx.sem:wait(1) }
        content_by_lua_block { ngx.say(ngx.ctx.rewrite, " ", ngx.ctx.access) }
        header_filter_by_lua_block {
            ngx.header["X-Wait"] = select(2, ngx.ctx.sem:wait(0))
            ngx.ctx.sem:post()
        }
        log_by_lua_block { ngx.log(ngx.WARN, "count ", ngx.ctx.sem:count()) }
    }
--- request
GET /t
--- response_body
true true
--- response_headers
X-Wait: API disabled in the context of header_filter_by_lua*
--- error_log
count 1
--- no_error_log
[error]



=== a semaphore made in init serves all phases
--- http_config
    init_by_lua_block {
        sem = require "ngx.semaphore".new(1)
        sem:post()
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(sem:count(), " ", sem:wait(0), " ", sem:count()) }
    }
--- request
GET /t
--- response_body
2 true 1
--- no_error_log
[error]



=== arguments that are refused
--- config
    location = /t {
        content_by_lua_block {
            local semaphore = require "ngx.semaphore"
            local sem = semaphore.new()
            ngx.say(select(2, pcall(semaphore.new, -1)))
            ngx.say(select(2, pcall(sem.post, sem, 0)))
            ngx.say(select(2, pcall(sem.wait, sem, -1)))
            ngx.say(select(2, pcall(sem.wait, {}, 1)))
        }
    }
--- request
GET /t
--- response_body
no negative number
positive number required
no negative number
not a semaphore instance
--- no_error_log
[error]



=== a thread that waits can be killed, and the resource goes to the next
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local first = ngx.thread.spawn(function () sem:wait(10) ngx.say("never") end)
            local second = ngx.thread.spawn(function () return "second", sem:wait(1) end)
            ngx.say(sem:count(), " ", ngx.thread.kill(first), " ", sem:count())
            sem:post()
            ngx.say(ngx.thread.wait(second))
            ngx.say(sem:count())
        }
    }
--- request
GET /t
--- response_body
-2 1 -1
truesecondtruenil
0
--- error_log
http lua semaphore cleanup
--- no_error_log
[error]



=== a waiter is killed after the post for it
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local waiter = ngx.thread.spawn(function () sem:wait(10) ngx.say("never") end)
            sem:post()
            ngx.thread.kill(waiter)
            ngx.sleep(0)
            ngx.say(sem:count(), " ", sem:wait(0))
        }
    }
--- request
GET /t
--- response_body
1 true
--- error_log
semaphore handler: wait queue: empty, resource count: 1
--- no_error_log
[error]



=== the request ends while threads wait
--- http_config
    init_worker_by_lua_block { sem = require "ngx.semaphore".new() }
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 3 do ngx.thread.spawn(function () sem:wait(10) end) end
            ngx.say(sem:count())
            ngx.exit(200)
        }
    }
    location = /after { content_by_lua_block { ngx.say(sem:count()) } }
--- request eval
["GET /t", "GET /after"]
--- response_body eval
["-3\n", "0\n"]
--- no_error_log
[error]



=== the client goes while the request waits
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            sem = require "ngx.semaphore".new()
            sem:wait(10)
        }
    }
--- raw_request eval
"GET /t HTTP/1.0\r\n\r\n"
--- abort
--- timeout: 0.05
--- wait: 0.1
--- ignore_response
--- error_log
http lua semaphore cleanup
--- no_error_log
[error]



=== a resumed waiter waits again, posts and lets go of the semaphore
--- config
    location = /t {
        content_by_lua_block {
            local sem = require "ngx.semaphore".new()
            local function worker(i, sem)
                for round = 1, 3 do
                    sem:wait(1)
                    ngx.print(i)
                    sem:post()
                end
                return i
            end
            local a, b = ngx.thread.spawn(worker, "a", sem), ngx.thread.spawn(worker, "b", sem)
            sem:post()
            sem = nil
            collectgarbage()
            ngx.thread.wait(a)
            ngx.thread.wait(b)
            collectgarbage()
            ngx.say()
        }
    }
--- request
GET /t
--- response_body
ababab
--- no_error_log
[error]



=== the collector takes a semaphore that is awaited
--- config
    location = /t {
        content_by_lua_block {
            -- The library keeps the object alive while it is awaited; the C functions do not.
            local ffi = require "ffi"
            require "ngx.semaphore"
            local place = ffi.new("ngx_http_lua_sema_t *[1]")
            ffi.C.ngx_http_lua_ffi_sema_new(place, 0, nil)
            local request = require "resty.core.base".get_request()
            local function wait(ms)
                local size = ffi.new("size_t[1]", 100)
                local code = ffi.C.ngx_http_lua_ffi_sema_wait(request, place[0], ms, ffi.new("char[100]"), size)
                return code, coroutine._yield()
            end
            local timed_out = ngx.thread.spawn(wait, 10)
            local killed = ngx.thread.spawn(wait, 1000)
            ffi.C.ngx_http_lua_ffi_sema_post(place[0], 1)
            ffi.C.ngx_http_lua_ffi_sema_gc(place[0])
            ngx.say(ngx.thread.wait(timed_out))
            ngx.say(ngx.thread.kill(killed))
        }
    }
--- request
GET /t
--- response_body
true-2truenil
1
--- error_log
in lua semaphore gc wait queue is not empty while the semaphore
--- no_error_log
[alert]



=== many semaphores leave nothing behind
--- config
    location = /t {
        content_by_lua_block {
            -- LuaJIT's own traces count as memory of Lua.
            jit.off()
            local semaphore = require "ngx.semaphore"
            local function round(n)
                for i = 1, n do
                    local sem = semaphore.new()
                    local waiter = ngx.thread.spawn(sem.wait, sem, 1)
                    sem:post()
                    ngx.thread.wait(waiter)
                    if i % 1000 == 0 then collectgarbage() end
                end
                collectgarbage()
                collectgarbage()
                return collectgarbage("count")
            end
            round(2000)
            local before = round(1000)
            local grown = round(5000) - before
            ngx.say(grown < 8 and "flat" or grown)
        }
    }
--- request
GET /t
--- response_body
flat
--- no_error_log
[error]
--- timeout: 20
