# Calls that may have to wait, where the coroutine cannot be suspended: within a C function that calls Lua. Each refuses
# before it has done anything.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== coroutine.yield: the coroutine runs on, and cannot be resumed
--- config
    location = /t {
        content_by_lua_block {
            string.gsub("x", ".", function()
                ngx.say(pcall(coroutine.yield))
                ngx.say(coroutine.status(coroutine.running()))
            end)
            ngx.say(coroutine.resume(coroutine.running()))
            ngx.say("end")
        }
    }
--- request
GET /t
--- response_body
falseattempt to yield across C-call boundary
running
falsecannot resume running coroutine
end
--- no_error_log
[error]
[alert]



=== coroutine.yield: what was not yielded is not handed over later
--- config
    location = /t {
        content_by_lua_block {
            local many = {}
            for i = 1, 200 do many[i] = i end
            local co = coroutine.create(function()
                string.gsub("x", ".", function() pcall(coroutine.yield, unpack(many)) end)
                coroutine._yield()
                coroutine._yield("a", "b")
                return "last"
            end)
            for _ = 1, 3 do
                local r = { coroutine.resume(co) }
                ngx.say(#r, " ", tostring(r[1]), " ", tostring(r[2]), " ", tostring(r[3]))
            end
            ngx.say(coroutine.status(co))
        }
    }
--- request
GET /t
--- response_body
1 true nil nil
3 true a b
2 true last nil
dead
--- no_error_log
[error]
[alert]



=== LuaJIT's own yield: an entry and a light thread go on
--- config
    location = /t {
        content_by_lua_block {
            local order = {}
            ngx.thread.wait(ngx.thread.spawn(function()
                order[#order + 1] = "thread"
                coroutine._yield("nobody gets this")
                order[#order + 1] = "on"
            end))
            coroutine._yield()
            order[#order + 1] = "entry"
            ngx.say(table.concat(order, " "))
        }
    }
--- request
GET /t
--- response_body
thread on entry
--- no_error_log
[error]



=== every call that waits
--- http_config
    lua_shared_dict d 1m;
--- main_config
    thread_pool pool threads=1;
--- config
    server_tokens off;
    location = /fast { content_by_lua_block { ngx.log(ngx.WARN, "fast runs") } }
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            local semaphore = require "ngx.semaphore".new(0)
            local pipe = require "ngx.pipe".spawn({ "sleep", "10" })
            local tcp = ngx.socket.tcp()
            local thread = ngx.thread.spawn(function() ngx.sleep(0.001) return "slept" end)
            local co = coroutine.create(function() return "ran" end)
            local wrapped = coroutine.wrap(function() return "ran" end)
            local calls = {
                { "sleep", ngx.sleep, 0 },
                { "capture", ngx.location.capture, "/fast" },
                { "capture_multi", ngx.location.capture_multi, { { "/fast" }, { "/fast" } } },
                { "thread.wait", ngx.thread.wait, thread },
                { "thread.spawn", ngx.thread.spawn, function() ngx.log(ngx.WARN, "thread runs") end },
                { "resume", coroutine.resume, co },
                { "wrapped", wrapped },
                { "semaphore", semaphore.wait, semaphore, 10 },
                { "pipe wait", pipe.wait, pipe },
                { "pipe read", pipe.stdout_read_line, pipe },
                { "worker thread", ngx.run_worker_thread, "pool", "string", "len", "x" },
                { "exit", ngx.exit, 403 },
                { "exec", ngx.exec, "/fast" },
                { "redirect", ngx.redirect, "/fast" },
                { "udp", function()
                    local udp = ngx.socket.udp()
                    assert(udp:setpeername("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                    return udp:receive()
                end },
                { "tcp", function() return tcp:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT) end },
            }
            for _, call in ipairs(calls) do
                string.gsub("x", ".", function()
                    local ok, message = pcall(unpack(call, 2))
                    if ok or not message:find("attempt to yield across C-call boundary", 1, true) then
                        ngx.say(call[1], ": ", ok, " ", message)
                    end
                end)
            end
            -- Nothing has happened.
            ngx.say(semaphore:count())
            ngx.say(ngx.thread.wait(thread))
            ngx.say(coroutine.resume(co))
            ngx.say(wrapped())
            pipe:kill(9)
            ngx.say(select(2, pipe:wait()))
            ngx.say(ngx.run_worker_thread("pool", "string", "len", "x"))
            ngx.say(ngx.location.capture("/fast").status)
            ngx.say(tcp:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
        }
    }
--- request
GET /t
--- response_body
0
trueslept
trueran
ran
signal9
true1
200
1
--- grep_error_log: fast runs
--- grep_error_log_out
fast runs
--- no_error_log
[error]
[alert]
thread runs



=== a read that cannot wait leaves what has come
--- config
    location = /peer {
        lua_http10_buffering off;
        content_by_lua_block {
            ngx.print("one\ntw")
            ngx.flush(true)
            ngx.sleep(0.02)
            ngx.print("o\n")
        }
    }
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(sock:send("GET /peer HTTP/1.0\r\n\r\n"))
            repeat local line = sock:receive() until line == ""
            ngx.sleep(0.005)
            string.gsub("xx", ".", function() ngx.say(pcall(sock.receive, sock)) end)
            ngx.say(sock:receive())
            ngx.say(sock:receive())
        }
    }
--- request
GET /t
--- response_body
trueone
falseattempt to yield across C-call boundary
two
nilclosed
--- no_error_log
[alert]



=== the body: one that is there can be read anywhere, one that is not is left alone
--- config
    location = /t {
        content_by_lua_block {
            string.gsub("xx", ".", function() ngx.say(pcall(ngx.req.read_body)) end)
            ngx.req.read_body()
            string.gsub("x", ".", function() ngx.say(pcall(ngx.req.read_body)) end)
            ngx.say(ngx.req.get_body_data())
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", "he", "llo"]
--- response_body
falseattempt to yield across C-call boundary
falseattempt to yield across C-call boundary
true
hello
--- no_error_log
[error]
[alert]



=== a failed capture loses nothing: rewrite, access, content
--- config
    location = /fast { content_by_lua_block { ngx.say("fast") } }
    location = /rewrite {
        rewrite_by_lua_block {
            string.gsub("x", ".", function() pcall(ngx.location.capture, "/fast") end)
        }
        content_by_lua_block { ngx.say("rewrite") }
    }
    location = /access {
        access_by_lua_block {
            string.gsub("x", ".", function() pcall(ngx.location.capture, "/fast") end)
        }
        content_by_lua_block { ngx.say("access") }
    }
    location = /exit {
        content_by_lua_block {
            string.gsub("x", ".", function() pcall(ngx.location.capture, "/fast") end)
            ngx.exit(403)
        }
    }
    location = /multi {
        content_by_lua_block {
            string.gsub("x", ".", function() pcall(ngx.location.capture_multi, { { "/fast" } }) end)
        }
    }
--- pipelined_requests eval
["GET /rewrite", "GET /access", "GET /exit", "GET /multi", "GET /fast"]
--- error_code eval
[200, 200, 403, 200, 200]
--- response_body_like eval
["^rewrite\n\$", "^access\n\$", "403 Forbidden", "^\$", "^fast\n\$"]
--- no_error_log
[error]
[alert]



=== ngx.exit that fails to yield is forgotten
--- config
    location = /t {
        content_by_lua_block {
            string.gsub("x", ".", function() pcall(ngx.exit, 403) end)
            ngx.sleep(0)
            ngx.say("here")
        }
    }
--- request
GET /t
--- response_body
here
--- no_error_log
[error]



=== a wait that was begun but not yielded for ends when the coroutine does anything else
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            local C = ffi.C
            local base = require "resty.core.base"
            local semaphore = require "ngx.semaphore"
            local errmsg, errlen = base.get_string_buf(64), base.get_size_ptr()
            -- What ngx.semaphore's wait does before it yields.
            local function begin(sem)
                errlen[0] = 64
                return C.ngx_http_lua_ffi_sema_wait(base.get_request(), sem.sem, 10, errmsg, errlen)
            end
            local sem = semaphore.new(0)
            local ways = {
                function() return coroutine.wrap(function() ngx.sleep(0.03) return "wrapped" end)() end,
                function() return select(2, coroutine.resume(coroutine.create(function() ngx.sleep(0.03) return "resumed" end))) end,
                function() return select(2, ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0.03) return "thread" end))) end,
                function() ngx.sleep(0.03) return "slept" end,
                function() return ngx.location.capture("/sub").body end,
            }
            for _, way in ipairs(ways) do
                ngx.say(begin(sem), " ", sem:count(), " ", way(), " ", sem:count())
            end
            local co = coroutine.create(function() begin(sem) coroutine.yield("one") return "two" end)
            ngx.say(select(2, coroutine.resume(co)), " ", sem:count())
            ngx.sleep(0.03)
            ngx.say(coroutine.status(co), " ", select(2, coroutine.resume(co)))
        }
    }
    location = /sub { content_by_lua_block { ngx.sleep(0.03) ngx.print("captured") } }
--- request
GET /t
--- response_body
-2 -1 wrapped 0
-2 -1 resumed 0
-2 -1 thread 0
-2 -1 slept 0
-2 -1 captured 0
one 0
suspended two
--- no_error_log
[error]
[alert]
