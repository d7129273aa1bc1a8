use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a timer runs its function once, with the arguments, outside of the request
--- config
    location = /t {
        content_by_lua_block {
            local log = {}
            assert(ngx.timer.at(0, function (premature, a, b)
                log[#log + 1] = tostring(premature) .. " " .. a .. " " .. tostring(b) .. " " .. ngx.get_phase()
            end, "x"))
            log[1] = "set"
            while #log < 2 do ngx.sleep(0.001) end
            ngx.say(table.concat(log, ", "))
        }
    }
--- request
GET /t
--- response_body
set, false x nil timer
--- no_error_log
[error]



=== a timer may wait, and what it waits for is counted
--- config
    location = /t {
        content_by_lua_block {
            local function counts()
                return ngx.timer.pending_count() .. "+" .. ngx.timer.running_count()
            end
            local go = false
            ngx.timer.at(0.01, function ()
                while not go do ngx.sleep(0.001) end
            end)
            ngx.say("pending: ", counts())
            while ngx.timer.running_count() == 0 do ngx.sleep(0.001) end
            ngx.say("running: ", counts())
            go = true
            while ngx.timer.running_count() > 0 do ngx.sleep(0.001) end
            ngx.say("ended: ", counts())
        }
    }
--- request
GET /t
--- response_body
pending: 1+0
running: 0+1
ended: 0+0
--- no_error_log
[error]



=== every: again and again, with the same arguments
--- config
    location = /t {
        content_by_lua_block {
            local ticks = {}
            assert(ngx.timer.every(0.001, function (_, name)
                if #ticks < 3 then ticks[#ticks + 1] = name end
            end, "tick"))
            while #ticks < 3 do ngx.sleep(0.001) end
            ngx.say(table.concat(ticks, " "), ", pending ", ngx.timer.pending_count())
        }
    }
--- request
GET /t
--- response_body
tick tick tick, pending 1
--- no_error_log
[error]



=== what is wrong is said
--- config
    location = /t {
        content_by_lua_block {
            local function f() end
            for _, args in ipairs { { 1 }, { 1, 2 }, { 1, print }, { "x", f } } do
                ngx.say(select(2, pcall(ngx.timer.at, unpack(args))))
            end
            ngx.say(select(2, pcall(ngx.timer.every, 0, f)))
        }
    }
--- request
GET /t
--- response_body
expecting at least 2 arguments but got 1
bad argument #2 to '?' (Lua function expected)
bad argument #2 to '?' (Lua function expected)
bad argument #1 to '?' (number expected, got string)
delay cannot be zero
--- no_error_log
[error]



=== an error ends the timer, is logged, and harms nobody
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(0, function () error("in a timer") end)
            while ngx.timer.pending_count() > 0 do ngx.sleep(0.001) end
            ngx.say(ngx.timer.running_count())
        }
    }
--- request
GET /t
--- response_body
0
--- error_log eval
qr/\[error\] .* lua entry thread aborted: runtime error: content_by_lua\(nginx\.conf:\d+\):2: in a timer/
--- no_error_log
[alert]



=== there is no request in it
--- config
    location = /t {
        content_by_lua_block {
            local said
            ngx.timer.at(0, function ()
                local _, a = pcall(ngx.say, "x")
                local _, b = pcall(function () return ngx.var.uri end)
                b = b:gsub("^.-: ", "")
                local _, c = pcall(ngx.req.get_headers)
                ngx.ctx.own = 1
                said = { a, b, c }
            end)
            while not said do ngx.sleep(0.001) end
            ngx.say(table.concat(said, "\n"), "\n", ngx.ctx.own)
        }
    }
--- request
GET /t
--- response_body
API disabled in the context of ngx.timer
API disabled in the current context
API disabled in the current context
nil
--- no_error_log
[error]



=== light threads, coroutines and timers in a timer
--- config
    location = /t {
        content_by_lua_block {
            local log = {}
            ngx.timer.at(0, function ()
                local thread = ngx.thread.spawn(function ()
                    ngx.sleep(0.001)
                    return "thread"
                end)
                local co = coroutine.wrap(function () coroutine.yield("co") end)
                log[1] = co()
                log[2] = select(2, ngx.thread.wait(thread))
                ngx.timer.at(0, function () log[3] = "timer" end)
            end)
            while not log[3] do ngx.sleep(0.001) end
            ngx.say(table.concat(log, " "))
        }
    }
--- request
GET /t
--- response_body
co thread timer
--- no_error_log
[error]



=== not more pending timers than the server allows
--- http_config
    lua_max_pending_timers 2;
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 3 do ngx.say(ngx.timer.at(10, function () end)) end
        }
    }
--- request
GET /t
--- response_body
1
1
niltoo many pending timers
--- no_error_log
[error]



=== not more running timers than the server allows
--- http_config
    lua_max_running_timers 1;
--- config
    location = /t {
        content_by_lua_block {
            local ran, go = 0, false
            for i = 1, 3 do
                ngx.timer.at(0, function ()
                    ran = ran + 1
                    while not go do ngx.sleep(0.001) end
                end)
            end
            while ngx.timer.pending_count() > 0 do ngx.sleep(0.001) end
            go = true
            while ngx.timer.running_count() > 0 do ngx.sleep(0.001) end
            ngx.say(ran, " ", ngx.timer.pending_count(), " ", ngx.timer.running_count())
        }
    }
--- request
GET /t
--- response_body
1 0 0
--- error_log eval
qr/\[alert\] .* lua failed to run timer with function defined at =?content_by_lua\(nginx\.conf:\d+\):4: 1 lua_max_running_timers are not enough/



=== a VM of one request outlives it as long as its timers wait
--- config
    location = /t {
        lua_code_cache off;
        content_by_lua_block {
            local greeting = "hello from the past"
            ngx.timer.at(0.005, function ()
                collectgarbage()
                ngx.sleep(0.005)
                ngx.log(ngx.WARN, greeting)
            end)
            ngx.say("set")
        }
    }
--- request
GET /t
--- response_body
set
--- wait: 0.1
--- error_log
hello from the past
--- no_error_log
[error]



=== timers from where there is no client: init_worker and log
--- http_config
    init_worker_by_lua_block {
        ngx.timer.at(0, function () package.loaded.from_worker = true end)
    }
--- config
    location = /t {
        content_by_lua_block {
            while not package.loaded.from_worker do ngx.sleep(0.001) end
            ngx.say(package.loaded.from_worker)
        }
        log_by_lua_block {
            ngx.timer.at(0, function (_, status) ngx.log(ngx.WARN, "after ", status) end, ngx.status)
        }
    }
--- request
GET /t
--- response_body
true
--- wait: 0.05
--- error_log
after 200
--- no_error_log
[error]



=== many arguments arrive
--- config
    location = /t {
        content_by_lua_block {
            local list, got = {}, nil
            for i = 1, 5000 do list[i] = i end
            ngx.timer.at(0, function (_, ...) got = select("#", ...) + select(5000, ...) end, unpack(list))
            while not got do ngx.sleep(0.001) end
            ngx.say(got)
            ngx.say(select("#", select(2, ngx.thread.wait(ngx.thread.spawn(function (...) return ... end, unpack(list))))))
        }
    }
--- request
GET /t
--- response_body
10000
5000
--- no_error_log
[error]



=== timers of timers belong to the client of the first
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(0, function ()
                ngx.timer.at(0, function () ngx.log(ngx.WARN, "second") end)
            end)
            ngx.say("set")
        }
    }
--- request
GET /t
--- response_body
set
--- wait: 0.1
--- error_log eval
qr/second, context: ngx\.timer, client: 127\.0\.0\.1, server: [\d.]+:\d+/
--- no_error_log
[error]



=== a delay without an end does not come at once
--- config
    location = /t {
        content_by_lua_block {
            local fired = 0
            local function f(premature) if not premature then fired = fired + 1 end end
            for _, delay in ipairs { 1e308, 2 ^ 63, math.huge } do
                assert(ngx.timer.at(delay, f))
                assert(ngx.timer.every(delay, f))
            end
            ngx.sleep(0.02)
            ngx.say(fired, " ", ngx.timer.pending_count())
            local thread = ngx.thread.spawn(ngx.sleep and function() ngx.sleep(1e308) end)
            ngx.sleep(0.02)
            ngx.say(coroutine.status(thread))
            ngx.thread.kill(thread)
        }
    }
--- request
GET /t
--- response_body
0 6
running
--- no_error_log
[error]
[alert]



=== timers without a delay fire in the order in which they were made, however many there are
--- config
    location = /t {
        content_by_lua_block {
            local order, done = {}, require "ngx.semaphore".new()
            for i = 1, 200 do
                ngx.timer.at(0, function ()
                    order[#order + 1] = i
                    if i == 200 then done:post() end
                end)
            end
            done:wait(10)
            for i = 1, 200 do
                if order[i] ~= i then return ngx.say("at ", i, ": ", order[i]) end
            end
            ngx.say(#order)
        }
    }
--- request
GET /t
--- response_body
200
--- no_error_log
[error]



=== code that makes one timer after another without a delay does not keep others from running
--- config
    location = /t {
        content_by_lua_block {
            local turn, timers, done = require "ngx.semaphore".new(), 0, false
            local function post()
                timers = timers + 1
                turn:post()
            end
            local busy = ngx.thread.spawn(function ()
                while not done and timers < 1e6 do
                    ngx.timer.at(0, post)
                    turn:wait(10)
                end
            end)
            ngx.sleep(0.01)
            done = true
            ngx.thread.wait(busy)
            ngx.say(timers > 0 and timers < 1e6)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]
