use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== 100,000 coroutines, light threads and semaphores, of five kinds, leave nothing behind
--- config
    location = /t {
        content_by_lua_block {
            local semaphore, spawn, wait = require "ngx.semaphore", ngx.thread.spawn, ngx.thread.wait
            local kinds = {
                coroutines = function ()
                    local co = coroutine.create(function (a) coroutine.yield(a) end)
                    coroutine.resume(co, 1)
                    coroutine.resume(co)
                end,
                wrapped = function () coroutine.wrap(function () end)() end,
                threads = function () wait(spawn(function () return 1 end)) end,
                killed = function () ngx.thread.kill(spawn(function () ngx.sleep(10) end)) end,
                semaphores = function ()
                    local sem = semaphore.new(1)
                    sem:wait(0)
                    sem:post()
                end,
            }
            local function bytes()
                collectgarbage()
                collectgarbage()
                return collectgarbage("count") * 1024
            end
            for _, name in ipairs { "coroutines", "wrapped", "threads", "killed", "semaphores" } do
                local make = kinds[name]
                for _ = 1, 2000 do make() end
                local before = bytes()
                for _ = 1, 20000 do make() end
                local grown = bytes() - before
                ngx.say(name, grown < 4096 and " flat" or " " .. grown)
            end
        }
    }
--- request
GET /t
--- response_body
coroutines flat
wrapped flat
threads flat
killed flat
semaphores flat
--- no_error_log
[error]
--- log_level: error
--- timeout: 30



=== timers leave nothing behind, in Lua or in the worker
--- config
    location = /t {
        content_by_lua_block {
            local function resident()
                return tonumber(io.open("/proc/self/statm"):read("*a"):match("^%d+ (%d+)")) * 4
            end
            local function round(n)
                local done = 0
                for i = 1, n do
                    ngx.timer.at(0, function () done = done + 1 end)
                    if i % 100 == 0 then
                        while done < i do ngx.sleep(0) end
                    end
                end
                collectgarbage()
                collectgarbage()
                return collectgarbage("count"), resident()
            end
            round(5000)
            local lua, worker = round(5000)
            local lua_after, worker_after = round(20000)
            ngx.say(lua_after - lua < 4 and "flat" or lua_after - lua)
            ngx.say(worker_after - worker < 256 and "flat" or worker_after - worker)
        }
    }
--- request
GET /t
--- response_body
flat
flat
--- no_error_log
[error]
--- log_level: error
--- timeout: 30
