# Who resumes a coroutine: the scheduler those that it has made, LuaJIT its own. Nobody resumes another's.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== LuaJIT's resume leaves alone what the scheduler runs
--- config
    location = /t {
        content_by_lua_block {
            local p = coroutine.running()
            local answers = {}
            ngx.thread.spawn(function()
                for _, resume in ipairs { coroutine._resume, require "coroutine".resume } do
                    ngx.thread.spawn(function()
                        answers[#answers + 1] = table.concat({ tostring((resume(p))), select(2, resume(p)) }, " ")
                    end)
                end
            end)
            ngx.sleep(0.01)
            for _, answer in ipairs(answers) do ngx.say(answer) end
            local sleeper = coroutine.create(function() ngx.sleep(0.001) return "slept" end)
            local thread = ngx.thread.spawn(function() return coroutine.resume(sleeper) end)
            ngx.say(coroutine._resume(sleeper))
            ngx.say(coroutine._resume(thread))
            ngx.say(ngx.thread.wait(thread))
            ngx.say(coroutine._resume(sleeper))
            ngx.say("alive")
        }
    }
--- request
GET /t
--- response_body
false cannot resume running coroutine
false cannot resume running coroutine
falsecannot resume running coroutine
falsecannot resume normal coroutine
truetrueslept
falsecannot resume dead coroutine
alive
--- no_error_log
[error]
[alert]



=== a filter resumes what its own request has left idle, and the scheduler sees how that ended
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function() coroutine.yield("one") coroutine.yield("two") return "three" end)
            ngx.ctx.co = co
            ngx.say(coroutine.resume(co))
            ngx.say(coroutine.status(co), " ", coroutine.resume(co))
        }
        header_filter_by_lua_block {
            ngx.ctx.answers = { select(2, coroutine.resume(ngx.ctx.co)), select(2, coroutine.resume(ngx.ctx.co)) }
            ngx.header.X = table.concat(ngx.ctx.answers, " ")
            ngx.header.Content_Length = nil
        }
    }
    location = /waits {
        content_by_lua_block {
            local co = coroutine.create(function() ngx.sleep(0.01) return "slept" end)
            ngx.ctx.co, ngx.ctx.entry = co, coroutine.running()
            ngx.thread.spawn(function() ngx.sleep(0) ngx.say("x") end)
            ngx.say(coroutine.resume(co))
        }
        header_filter_by_lua_block {
            ngx.header.X = tostring(select(2, coroutine.resume(ngx.ctx.co))) .. ", "
                .. tostring(select(2, coroutine.resume(ngx.ctx.entry)))
        }
    }
--- request eval
["GET /t", "GET /waits"]
--- response_headers eval
["X: two three", "X: cannot resume running coroutine, cannot resume normal coroutine"]
--- response_body eval
["trueone
dead falsecannot resume dead coroutine
", "x
trueslept
"]
--- no_error_log
[error]
[alert]



=== coroutines of requests that have ended, resumed everywhere
--- http_config
    init_worker_by_lua_block {
        kept = {}
        function use(resume)
            local answers = {}
            for _, name in ipairs { "entry", "filter", "new", "thread", "used" } do
                local ok, answer = (resume or coroutine.resume)(kept[name])
                answers[#answers + 1] = name .. " " .. tostring(ok) .. " " .. tostring(answer)
            end
            return table.concat(answers, ",")
        end
    }
--- config
    location = /a {
        content_by_lua_block {
            local function body() while true do coroutine.yield(ngx.var.arg_n .. ngx.get_phase()) end end
            kept.new = coroutine.create(body)
            kept.used = coroutine.create(body)
            coroutine.resume(kept.used)
            kept.entry = coroutine.running()
            ngx.thread.spawn(function() kept.thread = coroutine.running() ngx.sleep(10) end)
            ngx.say("x")
            ngx.exit(200)
        }
        header_filter_by_lua_block {
            kept.wrapped = coroutine.wrap(function() while true do coroutine._yield(ngx.var.arg_n) end end)
            kept.wrapped()
            kept.filter = coroutine.create(function() while true do coroutine._yield(ngx.get_phase()) end end)
            coroutine.resume(kept.filter)
        }
    }
    location = /b {
        set_by_lua_block $set { return use(coroutine._resume) .. "," .. kept.wrapped() }
        rewrite_by_lua_block { ngx.ctx.rewrite = use() .. "," .. kept.wrapped() }
        content_by_lua_block {
            ngx.timer.at(0, function() timer = use(coroutine._resume) end)
            ngx.sleep(0.01)
            ngx.say(ngx.var.set)
            ngx.say(ngx.ctx.rewrite)
            ngx.say(use(coroutine._resume))
            ngx.say(timer)
        }
        header_filter_by_lua_block { ngx.header.X = use() }
        log_by_lua_block { logged = use(coroutine._resume) }
    }
    location = /log { content_by_lua_block { ngx.say(logged) } }
--- request eval
["GET /a?n=1", "GET /b?n=2", "GET /log"]
--- response_body eval
["x
", "entry false cannot resume dead coroutine,filter true set,new false cannot resume dead coroutine,thread false cannot resume dead coroutine,used false cannot resume dead coroutine,2
entry false cannot resume running coroutine,filter false cannot resume dead coroutine,new false cannot resume dead coroutine,thread false cannot resume dead coroutine,used false cannot resume dead coroutine,2
entry false cannot resume running coroutine,filter true content,new false cannot resume dead coroutine,thread false cannot resume dead coroutine,used false cannot resume dead coroutine
entry false cannot resume dead coroutine,filter true timer,new false cannot resume dead coroutine,thread false cannot resume dead coroutine,used false cannot resume dead coroutine
", "entry false cannot resume dead coroutine,filter true log,new false cannot resume dead coroutine,thread false cannot resume dead coroutine,used false cannot resume dead coroutine
"]
--- response_headers_like eval
["", "X: entry false cannot resume running coroutine,filter true header_filter,.*", ""]
--- no_error_log
[alert]



=== one that LuaJIT resumes works for the request of the one that resumes it
--- config
    location = /a {
        content_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block {
            kept = coroutine.create(function() while true do coroutine.yield(ngx.var.uri .. ngx.get_phase()) end end)
            ngx.header.X = select(2, coroutine.resume(kept))
        }
    }
    location = /b {
        content_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block { ngx.header.X = select(2, coroutine.resume(kept)) }
    }
--- request eval
["GET /a", "GET /b"]
--- response_headers eval
["X: /aheader_filter", "X: /bheader_filter"]
--- no_error_log
[error]



=== LuaJIT's functions keep their messages
--- config
    location = /t {
        content_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block {
            local function message(...) return tostring(select(2, pcall(...))) end
            ngx.header.A = message(coroutine.create, "x")
            ngx.header.B = message(coroutine.wrap, 1)
            ngx.header.C = message(coroutine.resume, nil)
            ngx.header.D = message(coroutine.wrap(function() error("own", 0) end))
            local w = coroutine.wrap(function() end)
            w()
            ngx.header.E = message(w)
        }
    }
--- request
GET /t
--- response_headers
A: bad argument #1 to '?' (function expected, got string)
B: bad argument #1 to '?' (function expected, got number)
C: bad argument #1 to '?' (coroutine expected)
D: own
E: cannot resume dead coroutine
--- no_error_log
[error]



=== LuaJIT's coroutines that yield while a finalizer or a hook runs
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            local function try(make, resume)
                local co = make(function()
                    local ok, why = pcall(coroutine.yield, 1)
                    kept = kept .. tostring(ok) .. tostring(why) .. " "
                    kept = kept .. tostring(coroutine._yield(2)) .. " "
                end)
                kept = ""
                kept = kept .. tostring(select(2, resume(co))) .. " "
                return co
            end
            local co
            for _, make in ipairs { coroutine._create } do
                ffi.gc(ffi.new("int[2]"), function() co = try(make, coroutine._resume) end)
                collectgarbage()
                collectgarbage()
                ngx.say(kept, tostring(coroutine._resume(co, "x")), " ", kept)
                debug.sethook(function() debug.sethook() co = try(make, coroutine._resume) end, "l")
                local x = 1
                ngx.say(kept, tostring(coroutine._resume(co, "y")), " ", kept)
            end
            co = try(coroutine._create, coroutine._resume)
            ngx.say(kept, tostring(coroutine._resume(co, "z")), " ", kept)
        }
        header_filter_by_lua_block {
            local ffi = require "ffi"
            ffi.gc(ffi.new("int[2]"), function()
                c1 = coroutine.create(function() ngx.header.X = tostring(pcall(coroutine.yield, 1)) end)
                coroutine.resume(c1)
            end)
            collectgarbage()
            collectgarbage()
        }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["2 true falseattempt to yield across C-call boundary x 
2 true falseattempt to yield across C-call boundary y 
1 true 1 truez 
", "2 true falseattempt to yield across C-call boundary x 
2 true falseattempt to yield across C-call boundary y 
1 true 1 truez 
"]
--- response_headers eval
["X: false", "X: false"]
--- no_error_log
[error]
[alert]
