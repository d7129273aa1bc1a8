use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== arguments go in as copies, and results come back
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local run = ngx.run_worker_thread
            ngx.say(select("#", run("pool", "task", "count")), " ", select("#", run("pool", "task", "none")))
            ngx.say(run("pool", "task", "count", nil, false, "a", nil))
            local given = { 1, 2, name = { "x", [3.5] = true } }
            local ok, got = run("pool", "task", "change", given)
            ngx.say(tostring(ok), #got, got.name[1], tostring(got.name[3.5]), got.added, tostring(given.added))
            ngx.say(select(2, run("pool", "task", "change", { null = ngx.null })).null == ngx.null)
            ngx.say(#select(2, run("pool", "task", "back", ("x"):rep(1000000))))
        }
    }
--- user_files
>>> task.lua
local task = {}
function task.count(...) return select("#", ...) end
function task.none() end
function task.back(...) return ... end
function task.change(t) t.added = "added" return t end
return task
--- request
GET /t
--- response_body
2 1
true4
true2xtrueaddednil
true
1000000
--- no_error_log
[error]



=== what cannot be copied
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local run = ngx.run_worker_thread
            local circle = {}
            circle.circle = circle
            for _, value in ipairs { print, { print }, coroutine.create(function () end), newproxy(), 1LL, circle } do
                local ok, why = run("pool", "task", "back", value)
                ngx.say(tostring(ok), " ", why)
            end
            ngx.say(run("pool", "task", "bad"))
            ngx.say(run("pool", "task", "back", "still works"))
        }
    }
--- user_files
>>> task.lua
return { back = function (...) return ... end, bad = function () return 1, { print } end }
--- request
GET /t
--- response_body
false unsupported Lua type: LUA_TFUNCTION in the argument
false unsupported Lua type: LUA_TFUNCTION in the argument
false unsupported Lua type: LUA_TTHREAD in the argument
false unsupported Lua type: LUA_TUSERDATA in the argument
false unsupported Lua type in the argument
false suspicious circular references, table depth exceed max depth: 100 in the argument
falseunsupported Lua type: LUA_TFUNCTION in the return value
truestill works
--- no_error_log
[error]



=== what is wrong with a call is its second result
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local function say(...)
                local ok, why = ngx.run_worker_thread(...)
                ngx.say(tostring(ok), " ", why:match("^[^\n]*"))
            end
            say("pool", "task")
            say({}, "task", "f")
            say("pool", {}, "f")
            say("pool", "task", {})
            say("elsewhere", "task", "f")
            say("pool", "nowhere", "f")
            say("pool", "broken", "f")
            say("pool", "empty", "f")
            say("pool", "task", "missing")
            say("pool", "task", "name")
        }
    }
--- user_files
>>> task.lua
return setmetatable({ name = "x" }, { __index = function (_, key) error("no " .. key, 0) end })
>>> broken.lua
error("broken module", 0)
>>> empty.lua
--- request
GET /t
--- response_body
false expecting at least 3 arguments
false threadpool should be a string
false module name should be a string
false function name should be a string
false thread pool elsewhere not found
false module 'nowhere' not found:
false broken module
false invalid lua module
false no missing
false invalid function
--- no_error_log
[error]



=== an error of the function
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local run = ngx.run_worker_thread
            local ok, why = run("pool", "task", "fail", "now")
            ngx.say(tostring(ok), " ", why:match("task.lua:1: now$"))
            ngx.say(run("pool", "task", "fail", nil))
            ngx.say(run("pool", "task", "fail", { "a table" }))
            ok, why = run("pool", "task", "deep", 1)
            ngx.say(tostring(ok), " ", why:match("stack overflow$"))
            ngx.say(run("pool", "task", "fine", 1))
        }
    }
--- user_files
>>> task.lua
local function fail(x) error(x) end
local deep
function deep(n) return 1 + deep(n + 1) end
return { fail = fail, deep = deep, fine = function (x) return x + 1 end }
--- request
GET /t
--- response_body
false task.lua:1: now
falseunknown reason
falseunknown reason
false stack overflow
true2
--- no_error_log
[alert]
[error]



=== the event loop goes on meanwhile, and threads work side by side
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local file = ngx.config.prefix() .. "html/"
            local function task(name)
                return select(2, ngx.run_worker_thread("pool", "task", name, file))
            end
            local slow = ngx.thread.spawn(task, "slow")
            local quick = ngx.thread.spawn(task, "quick")
            ngx.sleep(0.01)
            io.open(file .. "slept", "w"):close()
            ngx.say(ngx.thread.wait(slow))
            ngx.say(ngx.thread.wait(quick))
        }
    }
--- user_files
>>> task.lua
local function appears(file)
    for _ = 1, 1000 do
        local made = io.open(file)
        if made then made:close() return true end
        os.execute("sleep 0.01")
    end
    return false
end
return {
    -- The request slept meanwhile, or this would wait in vain; and so would the other.
    quick = function (file)
        local slept = appears(file .. "slept")
        io.open(file .. "quick", "w"):close()
        return slept
    end,
    slow = function (file) return appears(file .. "quick") end,
}
--- request
GET /t
--- response_body
truetrue
truetrue
--- no_error_log
[error]



=== in every phase that may wait, and in timers; in others not
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.a = select(2, ngx.run_worker_thread("pool", "task", "back", "rewrite")) }
        access_by_lua_block { ngx.ctx.b = select(2, ngx.run_worker_thread("pool", "task", "back", "access")) }
        content_by_lua_block {
            ngx.timer.at(0, function ()
                ngx.log(ngx.WARN, "timer: ", select(2, ngx.run_worker_thread("pool", "task", "back", "ran")))
            end)
            ngx.sleep(0.05)
            ngx.say(ngx.ctx.a, " ", ngx.ctx.b)
        }
        log_by_lua_block {
            ngx.log(ngx.WARN, "log: ", select(2, pcall(ngx.run_worker_thread, "pool", "task", "back", 1)))
        }
    }
--- user_files
>>> task.lua
return { back = function (...) return ... end }
--- request
GET /t
--- response_body
rewrite access
--- wait: 0.1
--- error_log
timer: ran
log: API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== what a thread's VM holds
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local ok, here = ngx.run_worker_thread("pool", "task", "look")
            ngx.say(here)
        }
    }
--- user_files
>>> task.lua
return { look = function ()
    return table.concat({
        ngx.encode_base64("hello"), ngx.md5("x"), ngx.crc32_long("x"), ngx.quote_sql_str("it's"),
        ngx.encode_args { a = "b c" }, ngx.config.subsystem, type(ngx.config.prefix()), type(ngx.say),
        type(ngx.sleep), type(ngx.ctx), type(ngx.log), tostring(ngx.null),
    }, " ")
end }
--- request
GET /t
--- response_body
aGVsbG8= 9dd4e461268c8034f5c8564e155c67a6 2363233923 'it\'s' a=b%20c http string nil nil nil nil userdata: NULL
--- no_error_log
[error]



=== VMs are used again, with what modules keep, and no more of them than allowed
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_worker_thread_vm_pool_size 1;
--- config
    location = /t {
        content_by_lua_block {
            local function run(...) return ngx.run_worker_thread(...) end
            ngx.say(run("pool", "task", "next"))
            ngx.say(run("pool", "task", "next"))
            local busy = ngx.thread.spawn(run, "pool", "task", "sleep")
            ngx.say(run("pool", "task", "next"))
            ngx.thread.wait(busy)
            ngx.say(run("pool", "task", "next"))
        }
    }
--- user_files
>>> task.lua
local n = 0
return {
    next = function () n = n + 1 return n end,
    sleep = function () os.execute("sleep 0.05") end,
}
--- request
GET /t
--- response_body
true1
true2
falseno available Lua vm
true3
--- no_error_log
[error]



=== a full queue
--- main_config
    thread_pool pool threads=1 max_queue=1;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local function run(...) return ngx.run_worker_thread(...) end
            local threads = {}
            for i = 1, 5 do threads[i] = ngx.thread.spawn(run, "pool", "task", "sleep", i) end
            local refused = 0
            for i = 1, 5 do
                local _, ok, why = ngx.thread.wait(threads[i])
                if not ok then
                    refused = refused + 1
                    ngx.ctx.why = why
                end
            end
            ngx.say(refused >= 3, " ", ngx.ctx.why)
            ngx.say(run("pool", "task", "sleep", "again"))
        }
    }
--- user_files
>>> task.lua
return { sleep = function (x) os.execute("sleep 0.05") return x end }
--- request
GET /t
--- response_body
true ngx_thread_task_post failed
trueagain
--- error_log
thread pool "pool" queue overflow



=== results for nobody are thrown away
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_worker_thread_vm_pool_size 1;
--- config
    location = /killed {
        content_by_lua_block {
            local thread = ngx.thread.spawn(function () ngx.run_worker_thread("pool", "task", "sleep", 0.05) end)
            ngx.say(ngx.thread.kill(thread))
        }
    }
    location = /left {
        content_by_lua_block {
            ngx.thread.spawn(function () ngx.run_worker_thread("pool", "task", "sleep", 0.05) end)
            ngx.say("left")
            ngx.exit(200)
        }
    }
    location = /after {
        content_by_lua_block {
            for i = 1, 100 do
                local ok, result = ngx.run_worker_thread("pool", "task", "sleep", 0)
                if ok then ngx.say(result) return end
                ngx.sleep(0.01)
            end
        }
    }
--- user_files
>>> task.lua
return { sleep = function (seconds) os.execute("sleep " .. seconds) return "slept " .. seconds end }
--- request eval
["GET /killed", "GET /after", "GET /left", "GET /after"]
--- response_body eval
["1\n", "slept 0\n", "left\n", "slept 0\n"]
--- no_error_log
[error]
[alert]



=== many calls leave nothing behind
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            -- LuaJIT's own traces count as memory of Lua.
            jit.off()
            local run = ngx.run_worker_thread
            local function round(n)
                for i = 1, n do run("pool", "task", "back", { i, "x" }) end
                collectgarbage()
                collectgarbage()
                return collectgarbage("count")
            end
            round(200)
            local before, theirs = round(200), select(2, run("pool", "task", "memory"))
            local grown = round(2000) - before
            ngx.say(grown < 8 and "flat" or grown)
            grown = select(2, run("pool", "task", "memory")) - theirs
            ngx.say(grown < 8 and "flat" or grown)
        }
    }
--- user_files
>>> task.lua
jit.off()
return {
    back = function (...) return ... end,
    memory = function () collectgarbage() collectgarbage() return collectgarbage("count") end,
}
--- request
GET /t
--- response_body
flat
flat
--- no_error_log
[error]



=== patterns are a VM's own
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            local subject = ("word "):rep(20000) .. "1234"
            local threads = {}
            for i = 1, 8 do
                threads[i] = ngx.thread.spawn(function ()
                    return ngx.run_worker_thread("pool", "task", "count", subject, i % 2 == 0 and "jo" or "")
                end)
            end
            local here = select(2, ngx.re.gsub(subject, [[\b\w]], "", "jo"))
            for i = 1, 8 do
                local _, ok, n, last = ngx.thread.wait(threads[i])
                if not ok or n ~= here then ngx.say(i, ": ", n) end
                ngx.print(last, " ")
            end
            ngx.say(here)
        }
    }
--- user_files
>>> task.lua
local loaded = ngx.re.match("loaded 7", [[\d]], "jo")[0]
return { count = function (subject, options)
    local n = 0
    for word in ngx.re.gmatch(subject, [[\b(?<first>\w)\w*]], options) do
        n = n + (word.first and 1 or 0)
    end
    return n, loaded .. ngx.re.match(subject, [[(\d+)$]], options)[1]
end }
--- request
GET /t
--- response_body
71234 71234 71234 71234 71234 71234 71234 71234 20001
--- no_error_log
[error]
[alert]
