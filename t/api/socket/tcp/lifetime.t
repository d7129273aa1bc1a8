use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== another request cannot use it
--- config
    location = /use {
        content_by_lua_block {
            ngx.say(select(2, pcall(kept.send, kept, "x")))
            ngx.say(select(2, pcall(kept.receive, kept)))
            ngx.say(select(2, pcall(kept.close, kept)))
            ngx.say(select(2, pcall(kept.setkeepalive, kept)))
            ngx.say(select(2, pcall(kept.connect, kept, "127.0.0.1", 1)))
        }
    }
    location = /t {
        content_by_lua_block {
            kept = ngx.socket.tcp()
            assert(kept:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.print(ngx.location.capture("/use").body)
            ngx.say(kept:send("x"))
        }
    }
--- request
GET /t
--- response_body
bad request
bad request
bad request
bad request
bad request
1
--- no_error_log
[error]



=== it ends with its request, also when nobody closes it
--- config
    location = /t {
        content_by_lua_block {
            kept = ngx.socket.tcp()
            assert(kept:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.say("kept")
        }
        log_by_lua_block {
            ngx.log(ngx.INFO, "then: ", kept:close())
        }
    }
    location = /after {
        content_by_lua_block {
            ngx.say(kept:send("x"))
        }
    }
--- pipelined_requests eval
["GET /t", "GET /after"]
--- response_body eval
["kept\n", "nilclosed\n"]
--- no_error_log
[alert]



=== the collector closes what nobody refers to
--- config
    location = /t {
        content_by_lua_block {
            local function open()
                ngx.sleep(0.005)
                local list = io.popen("ls /proc/" .. ngx.worker.pid() .. "/fd | wc -l")
                local count = tonumber(list:read("*a"))
                list:close()
                return count
            end
            -- The other ends are nginx's own, which opens and closes them in rounds of its event loop.
            local function becomes(wanted)
                local count = open()
                for i = 1, 100 do
                    if count == wanted then break end
                    count = open()
                end
                return count
            end
            local before = open()
            for i = 1, 5 do
                assert(ngx.socket.tcp():connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            end
            local between = becomes(before + 10)
            collectgarbage()
            ngx.say(between - before, " ", becomes(before) - before)
        }
    }
--- request
GET /t
--- response_body
10 0
--- no_error_log
[error]



=== the client goes while a coroutine waits
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            socket:receive()
            ngx.log(ngx.ERR, "not reached")
        }
    }
--- request
GET /t
--- ignore_response
--- timeout: 0.1
--- abort
--- error_log
client prematurely closed connection
lua close socket connection
--- no_error_log
[error]



=== the request is left while a coroutine waits
--- config
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.thread.spawn(function () socket:receive() end)
            ngx.exec("/other")
        }
    }
    location = /other {
        content_by_lua_block { ngx.say("other") }
    }
--- request
GET /t
--- response_body
other
--- no_error_log
[error]



=== a table that is no socket, and a handle of another
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:receive(1)
        }
    }
    location = /t {
        lua_socket_log_errors off;
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local other = ngx.socket.tcp()
            other[1] = newproxy(true)
            ngx.say(other:send("x"))
            other[1] = io.stdout
            ngx.say(other:receive())
            other[1] = socket[1]
            ngx.say(other:send("x"))
            socket[1] = nil
            socket = nil
            collectgarbage()
            ngx.say(other:receive("*a"), " ", other:close())
            local gc = getmetatable(other[1]).__gc
            gc(other[1])
            gc(other[1])
            ngx.say(other:close())
        }
    }
--- request
GET /t
--- response_body
nilclosed
nilclosed
1
 1
nilclosed
--- no_error_log
[error]



=== a redirect keeps what belongs to the request
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.ctx.socket = ngx.socket.tcp()
            assert(ngx.ctx.socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
        }
        content_by_lua_block {
            ngx.say(ngx.ctx.socket:send("x"), " ", ngx.ctx.socket:close())
        }
    }
--- request
GET /t
--- response_body
1 1
--- no_error_log
[error]
