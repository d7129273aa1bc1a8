use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== 100,000 coroutines, light threads and semaphores, of five kinds, leave nothing behind
--- config
    location = /t {
        content_by_lua_block {
            -- LuaJIT's own traces count as memory of Lua.
            jit.off()
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
                for _ = 1, 100000 do make() end
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
--- timeout: 60



=== 100,000 timers leave nothing behind, in Lua or in the worker
--- config
    location = /t {
        content_by_lua_block {
            jit.off()
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
            -- So much garbage that LuaJIT collects.
            round(50000)
            local lua, worker = round(50000)
            local lua_after, worker_after = round(100000)
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
--- timeout: 60



=== 100,000 requests leave nothing behind, in Lua or in the worker
--- config
    keepalive_requests 1000000;
    location = /small {
        rewrite_by_lua_block { ngx.ctx.phase = "rewrite" }
        access_by_lua_block { ngx.sleep(0) }
        content_by_lua_block { ngx.say(ngx.ctx.phase) }
        header_filter_by_lua_block { ngx.header["X-A"] = "a" }
        log_by_lua_block { ngx.ctx.phase = nil }
    }
    location = /t {
        content_by_lua_block {
            jit.off()
            local function resident()
                return tonumber(io.open("/proc/self/statm"):read("*a"):match("^%d+ (%d+)")) * 4
            end
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", ngx.var.server_port))
            local batch = ("GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"):rep(100)
            local function round(n)
                local answers = 0
                while answers < n do
                    assert(socket:send(batch))
                    for i = 1, 100 do
                        repeat
                            local line = assert(socket:receive())
                            if line == "rewrite" then answers = answers + 1 end
                        until line == "0"
                        assert(socket:receive())
                    end
                end
                collectgarbage()
                collectgarbage()
                return collectgarbage("count"), resident()
            end
            -- So much garbage that LuaJIT collects.
            round(50000)
            local lua, worker = round(50000)
            local lua_after, worker_after = round(100000)
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
--- timeout: 60



=== a phase that no other Lua follows keeps nothing while its request goes on
--- http_config
    init_by_lua_block {
        seen = {}
        function note() seen[tostring(coroutine.running())] = true end
    }
--- config
    location = /slow {
        access_by_lua_block { note() }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/plain;
    }
    location = /plain { return 200 "done"; }
    location = /t {
        content_by_lua_block {
            local sockets = {}
            for i = 1, 20 do
                local socket = ngx.socket.tcp()
                assert(socket:connect("127.0.0.1", ngx.var.server_port))
                socket:send("GET /slow HTTP/1.0\r\n\r\n")
                sockets[i] = socket
            end
            for i = 1, 20 do assert(sockets[i]:receive("*a"):find("done")) end
            local count = 0
            for _ in pairs(seen) do count = count + 1 end
            ngx.say(count)
        }
    }
--- request
GET /t
--- response_body
1
--- log_level: error
--- no_error_log
[error]
