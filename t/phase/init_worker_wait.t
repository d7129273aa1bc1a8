# init_worker_by_lua waits: sockets, sleeps and threads at the start of a worker.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a socket
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/peer.sock;
        location / { return 200 "settings"; }
    }
    init_worker_by_lua_block {
        local socket = ngx.socket.tcp()
        socket:settimeout(2000)
        assert(socket:connect("unix:$TEST_NGINX_HTML_DIR/peer.sock"))
        assert(socket:send("GET / HTTP/1.0\r\nHost: peer\r\n\r\n"))
        local all = assert(socket:receive("*a"))
        assert(socket:close())
        settings = all:match("[^\n]*$") .. " in " .. ngx.get_phase()
    }
--- config
    location = /t {
        content_by_lua_block {
            while not settings do ngx.sleep(0.001) end
            ngx.say(settings)
        }
    }
--- request
GET /t
--- response_body
settings in init_worker
--- no_error_log
[error]
[alert]



=== what comes before the first wait has happened before any request
--- http_config
    init_worker_by_lua_block {
        first = true
        ngx.sleep(0.1)
        second = true
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(first)
            while not second do ngx.sleep(0.001) end
            ngx.say(second)
        }
    }
--- request
GET /t
--- response_body
true
true
--- no_error_log
[error]
[alert]



=== as a file
--- http_config
    init_worker_by_lua_file html/worker.lua;
--- config
    location = /t {
        content_by_lua_block {
            while not from do ngx.sleep(0.001) end
            ngx.say(from)
        }
    }
--- user_files
>>> worker.lua
ngx.sleep(0.001)
from = "file"
--- request
GET /t
--- response_body
file
--- no_error_log
[error]



=== threads
--- http_config
    init_worker_by_lua_block {
        local function nap(n) ngx.sleep(0.001) return n end
        local threads = { ngx.thread.spawn(nap, 1), ngx.thread.spawn(nap, 2) }
        local sum = 0
        for _, thread in ipairs(threads) do
            local ok, n = ngx.thread.wait(thread)
            sum = sum + n
        end
        total = sum
    }
--- config
    location = /t {
        content_by_lua_block {
            while not total do ngx.sleep(0.001) end
            ngx.say(total)
        }
    }
--- request
GET /t
--- response_body
3
--- no_error_log
[error]
[alert]



=== datagrams, and timers made after a wait
--- http_config
    init_worker_by_lua_block {
        local socket = ngx.socket.udp()
        assert(socket:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
        socket:settimeout(1)
        socket:send("hello")
        local _, why = socket:receive()
        ngx.sleep(0)
        assert(ngx.timer.at(0, function() seen = why .. ", " .. ngx.get_phase() end))
    }
--- config
    location = /t {
        content_by_lua_block {
            while not seen do ngx.sleep(0.001) end
            ngx.say(seen)
        }
    }
--- request
GET /t
--- response_body_like: ^(timeout|connection refused), timer$
--- no_error_log
[alert]



=== an error before the first wait
--- http_config
    init_worker_by_lua_block {
        local function fail() error("no luck") end
        fail()
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say("serves") }
    }
--- request
GET /t
--- response_body
serves
--- error_log eval
[qr/\[error\] .*? init_worker_by_lua error: init_worker_by_lua\(nginx\.conf:\d+\):2: no luck$/, "[C]: in function 'error'", "in main chunk"]
--- no_error_log
[alert]



=== an error after a wait
--- http_config
    init_worker_by_lua_block {
        ngx.sleep(0.001)
        failed = true
        error("no luck")
    }
--- config
    location = /t {
        content_by_lua_block {
            while not failed do ngx.sleep(0.001) end
            ngx.say("serves")
        }
    }
--- request
GET /t
--- response_body
serves
--- error_log eval
[qr/\[error\] .*? init_worker_by_lua error: init_worker_by_lua\(nginx\.conf:\d+\):4: no luck$/, "[C]: in function 'error'", "in main chunk"]
--- no_error_log
[alert]
entry thread



=== an error that is no text
--- http_config
    init_worker_by_lua_block {
        ngx.sleep(0)
        error({})
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.01)
            ngx.say("serves")
        }
    }
--- request
GET /t
--- response_body
serves
--- error_log
init_worker_by_lua error: unknown error
--- no_error_log
[alert]



=== everything else stays disabled
--- http_config
    init_worker_by_lua_block {
        local semaphore = require("ngx.semaphore").new()
        local function why(f, ...)
            local _, error, message = pcall(f, ...)
            return tostring(error or message):match("API disabled in the context of init_worker_by_lua%*") and "disabled"
        end
        disabled = {
            why(ngx.say, "hello"),
            why(ngx.exit, 200),
            why(semaphore.wait, semaphore, 0.001),
            why(ngx.on_abort, function() end),
            why(ngx.location.capture, "/t"),
            why(coroutine.wrap, function() end),
        }
        ngx.sleep(0)
        disabled[7] = why(ngx.say, "hello")
    }
--- config
    location = /t {
        content_by_lua_block {
            while not disabled[7] do ngx.sleep(0.001) end
            ngx.say(table.concat(disabled, " "))
        }
    }
--- request
GET /t
--- response_body
disabled disabled disabled disabled disabled disabled disabled
--- no_error_log
[alert]



=== a connection of the worker's start serves requests out of a pool
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/peer.sock;
        location / { return 200 "peer"; }
    }
    init_worker_by_lua_block {
        local socket = ngx.socket.tcp()
        assert(socket:connect("unix:$TEST_NGINX_HTML_DIR/peer.sock", { pool = "peer", pool_size = 2 }))
        assert(socket:setkeepalive())
        ready = true
    }
--- config
    location = /t {
        content_by_lua_block {
            while not ready do ngx.sleep(0.001) end
            local socket = ngx.socket.tcp()
            assert(socket:connect("unix:$TEST_NGINX_HTML_DIR/peer.sock", { pool = "peer" }))
            ngx.say(socket:getreusedtimes())
        }
    }
--- request
GET /t
--- response_body
1
--- no_error_log
[error]
[alert]
