use Test::Nginx::Socket 'no_plan';

master_on();
no_long_string();
run_tests();

__DATA__

=== wait: how it ended, once
--- config
    location = /t {
        content_by_lua_block {
            local spawn = require "ngx.pipe".spawn
            local function say(...)
                for i = 1, select("#", ...) do ngx.print(tostring((select(i, ...))), " ") end
                ngx.say()
            end
            local proc = spawn("sleep 0.02; exit 7")
            say(proc:wait())
            say(proc:wait())
            say(proc:stdout_read_all())
            say(proc:write("x"))
            say(proc:kill(15))
            say(proc:shutdown("stdin"))
            proc = spawn("kill -9 $$")
            for _ = 1, 200 do
                if not proc:kill(0) then break end
                ngx.sleep(0.01)
            end
            say(proc:kill(15))
            say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
false exit 7 
nil exited 
nil closed nil 
nil closed 
nil exited 
nil closed 
nil exited 
false signal 9 
--- error_log
lua pipe wait yielding
--- no_error_log
[error]
[alert]



=== wait takes too long, and two wait
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn({ "sleep", 10 }, { wait_timeout = 20 })
            local waiter = ngx.thread.spawn(function () return proc:wait() end)
            ngx.say(proc:wait())
            ngx.say(ngx.thread.wait(waiter))
            proc:set_timeouts(nil, nil, nil, 10000)
            waiter = ngx.thread.spawn(function () return proc:wait() end)
            ngx.say(proc:kill(15))
            ngx.say(ngx.thread.wait(waiter))
        }
    }
--- request
GET /t
--- response_body
nilpipe busy waiting
trueniltimeoutnil
true
truefalsesignal15
--- error_log
lua pipe add timer for waiting: 20(ms)
--- no_error_log
[error]



=== kill with a signal, pid, and what is no process
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done")
            proc:stdout_read_line()
            ngx.say(proc:pid() > 0, " ", proc:kill(0))
            ngx.say(proc:kill(1000))
            ngx.say(select(2, pcall(proc.kill, proc, "x")))
            ngx.say(select(2, pcall(proc.wait, {})))
            proc:kill(10)
            ngx.say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
true true
nilinvalid signal
bad signal arg: number expected, got x
not a process instance
falseexit5
--- no_error_log
[error]



=== a thread that waits for a process is killed
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("sleep 10")
            local waiter = ngx.thread.spawn(function () return proc:wait() end)
            ngx.say(ngx.thread.kill(waiter))
            proc:kill(9)
            ngx.say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
1
falsesignal9
--- error_log
lua pipe proc wait cleanup
--- no_error_log
[error]



=== processes end with the request that made them
--- config
    location = /t {
        content_by_lua_block {
            proc = require "ngx.pipe".spawn("sleep 100")
            ngx.say(proc:pid() > 0)
        }
    }
    location = /after {
        content_by_lua_block {
            local function runs() return os.execute("kill -0 " .. proc:pid() .. " 2>/dev/null") == 0 end
            for _ = 1, 100 do
                if not runs() then break end
                ngx.sleep(0.01)
            end
            ngx.say(not runs())
            ngx.say(select(2, proc:stdout_read_all()))
            ngx.say(proc:wait())
            ngx.say(proc:kill(9))
        }
    }
--- request eval
["GET /t", "GET /after"]
--- response_body eval
["true\n", "true\nclosednil\nnilexited\nnilexited\n"]
--- no_error_log
[error]
[alert]



=== another request waits for a process whose own request ends
--- config
    location = /t {
        content_by_lua_block {
            proc = require "ngx.pipe".spawn("sleep 100")
            local waiting = 0
            ngx.timer.at(0, function () waiting = waiting + 1 result = { proc:wait() } end)
            ngx.timer.at(0, function () waiting = waiting + 1 read = { proc:stdout_read_line() } end)
            while waiting < 2 do ngx.sleep(0.001) end
            ngx.say("left")
        }
    }
    location = /after {
        content_by_lua_block {
            for _ = 1, 100 do
                if result and read then break end
                ngx.sleep(0.01)
            end
            ngx.say(tostring(result[1]), result[2], result[3], " ", read[2])
        }
    }
--- request eval
["GET /t", "GET /after"]
--- response_body eval
["left\n", "falsesignal9 closed\n"]
--- no_error_log
[error]
[alert]



=== the collector takes a process
--- config
    location = /t {
        content_by_lua_block {
            local function spawn() return require "ngx.pipe".spawn("sleep 100"):pid() end
            local pid = spawn()
            collectgarbage()
            collectgarbage()
            local function runs() return os.execute("kill -0 " .. pid .. " 2>/dev/null") == 0 end
            for _ = 1, 100 do
                if not runs() then break end
                ngx.sleep(0.01)
            end
            ngx.say(not runs())
        }
    }
--- request
GET /t
--- response_body
true
--- error_log
lua pipe destroy process:
lua pipe kill process:
--- no_error_log
[error]



=== the worker exits while processes run and are waited for
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(0, function ()
                local proc = require "ngx.pipe".spawn("sleep 0.1; echo done")
                ngx.thread.spawn(function () ngx.log(ngx.WARN, "read: ", (proc:stdout_read_line())) end)
                ngx.thread.spawn(function () ngx.log(ngx.WARN, "ended: ", (proc:wait())) end)
            end)
            kept = require "ngx.pipe".spawn("sleep 100")
            ngx.sleep(0)
            ngx.say("quit")
            require "ngx.process".signal_graceful_exit()
        }
    }
--- request
GET /t
--- response_body
quit
--- wait: 0.3
--- error_log
read: done
ended: true
--- no_error_log
open socket
[alert]
[error]



=== many processes leave nothing behind
--- config
    location = /t {
        content_by_lua_block {
            -- LuaJIT's own traces count as memory of Lua.
            jit.off()
            local spawn = require "ngx.pipe".spawn
            local function round(n)
                for i = 1, n do
                    local proc = spawn { "true" }
                    proc:stdout_read_all()
                    proc:wait()
                end
                collectgarbage()
                collectgarbage()
                return collectgarbage("count")
            end
            local function descriptors()
                local n = 0
                for _ in io.popen("ls /proc/" .. ngx.worker.pid() .. "/fd"):lines() do n = n + 1 end
                return n
            end
            round(50)
            local before, open = round(50), descriptors()
            local grown = round(100) - before
            -- The last process may still be on the stack; each has three descriptors.
            local more = math.abs(descriptors() - open)
            ngx.say(grown < 4 and "flat" or grown, " ", more < 10 and "closed" or more)
            local children = "ps --no-headers --ppid " .. ngx.worker.pid() .. " | wc -l"
            ngx.say((require "ngx.pipe".spawn(children):stdout_read_line()))
        }
    }
--- request
GET /t
--- response_body
flat closed
1
--- no_error_log
[error]
[alert]
--- timeout: 10
