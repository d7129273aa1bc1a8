# Finalizers and the garbage collector.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== an error in __gc during a request does not harm it
--- config
    location = /t {
        content_by_lua_block {
            getmetatable(newproxy(true)).__gc = function () error("in gc") end
            ngx.say(pcall(collectgarbage))
            collectgarbage()
            ngx.say("alive")
        }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body_like eval
["alive\n\$", "alive\n\$"]
--- no_error_log
[alert]



=== __gc may log
--- config
    location = /t {
        content_by_lua_block {
            local log, warn = ngx.log, ngx.WARN
            getmetatable(newproxy(true)).__gc = function () log(warn, "collected") end
            collectgarbage()
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
collected
--- no_error_log
[error]



=== collectgarbage in every phase
--- config
    location = /t {
        rewrite_by_lua_block { collectgarbage() }
        access_by_lua_block { collectgarbage() ngx.sleep(0.001) collectgarbage() }
        content_by_lua_block {
            local co = coroutine.wrap(function () collectgarbage() ngx.sleep(0.001) return "co" end)
            collectgarbage()
            ngx.say(co(), " ", collectgarbage("count") > 0)
        }
        log_by_lua_block { collectgarbage() ngx.log(ngx.WARN, "swept") }
    }
--- request
GET /t
--- response_body
co true
--- error_log
swept
--- no_error_log
[error]



=== what a request leaves behind is collectable
--- config
    location = /t {
        content_by_lua_block {
            local weak = package.loaded.weak or setmetatable({}, { __mode = "v" })
            package.loaded.weak = weak
            collectgarbage()
            collectgarbage()
            local n = 0
            for _ in pairs(weak) do n = n + 1 end
            local big = { string.rep("x", 1000) }
            weak[#weak + 1] = big
            ngx.sleep(0.001)
            ngx.say(n <= 1)
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- response_body eval
["true\n", "true\n", "true\n", "true\n"]
--- no_error_log
[error]



=== a recycled thread has a clean stack and environment
--- config
    location = /dirty {
        content_by_lua_block {
            debug.sethook(function () end, "c")
            setfenv(0, { ngx = ngx })
            ngx.say("dirty")
        }
    }
    location = /t {
        content_by_lua_block {
            ngx.say("env ", getfenv(0) == _G, " ", select("#", ...))
        }
    }
--- request eval
["GET /dirty", "GET /t"]
--- response_body_like eval
["dirty", " true 0\$"]
--- no_error_log
[alert]



=== a coroutine that waits is kept, although nothing refers to it
--- config
    location = /t {
        content_by_lua_block {
            local function fill()
                collectgarbage()
                collectgarbage()
                keep = {}
                for len = 40, 200 do
                    for j = 1, 20 do
                        keep[#keep + 1] = (j .. " "):rep(100):sub(1, len - 8) .. ("%08d"):format(j * 1000 + len)
                    end
                end
            end
            local function sleep() ngx.sleep(0.01) return "fine" end
            local function nested(depth, make)
                if depth == 0 then return sleep() end
                return make(nested, depth - 1, make)
            end
            local function resume(f, ...) return select(2, coroutine.resume(coroutine.create(f), ...)) end
            local function wrap(f, ...) return coroutine.wrap(f)(...) end
            for _, make in ipairs { resume, wrap } do
                for _, depth in ipairs { 1, 2, 5, 40 } do
                    ngx.timer.at(0.002, fill)
                    ngx.say(tostring(nested(depth, make)))
                end
            end
            ngx.timer.at(0.002, fill)
            local thread = ngx.thread.spawn(nested, 3, resume)
            ngx.say(tostring(select(2, ngx.thread.wait(thread))))
        }
    }
--- request
GET /t
--- response_body
fine
fine
fine
fine
fine
fine
fine
fine
fine
--- no_error_log
[error]
[alert]
