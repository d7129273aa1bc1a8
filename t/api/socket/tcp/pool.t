use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a connection comes back
--- config
    location = /t {
        content_by_lua_block {
            local function ask(socket)
                socket:send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                socket:receiveuntil("\r\n\r\n")()
                return (socket:receive(5))
            end

            for i = 1, 3 do
                local socket = ngx.socket.tcp()
                assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                ngx.say(ask(socket), " ", socket:getreusedtimes(), " ", socket:setkeepalive(1000, 4), " ",
                    socket:close())
            end
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
hello 0 1 nilclosed
hello 1 1 nilclosed
hello 2 1 nilclosed
--- no_error_log
[error]



=== pools by name, and what does not fit
--- config
    location = /t {
        content_by_lua_block {
            local function ask(socket)
                socket:send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                socket:receiveuntil("\r\n\r\n")()
                return (socket:receive(5))
            end

            local port, sockets = $TEST_NGINX_SERVER_PORT, {}
            for i = 1, 3 do
                sockets[i] = ngx.socket.tcp()
                assert(sockets[i]:connect("127.0.0.1", port, { pool = "named" }))
                ask(sockets[i])
            end
            for i = 1, 3 do
                ngx.say(sockets[i]:setkeepalive(1000, 2))
            end
            for i = 1, 4 do
                assert(sockets[i % 3 + 1]:connect("127.0.0.1", port, { pool = i == 4 and "other" or "named" }))
                ngx.say(sockets[i % 3 + 1]:getreusedtimes())
            end
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
1
1
1
1
1
0
0
--- no_error_log
[error]



=== idle for too long
--- config
    location = /t {
        content_by_lua_block {
            local function ask(socket)
                socket:send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                socket:receiveuntil("\r\n\r\n")()
                return (socket:receive(5))
            end

            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ask(socket)
            assert(socket:setkeepalive(10))
            ngx.sleep(0.05)
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.say(socket:getreusedtimes())
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
0
--- error_log
lua tcp socket keepalive max idle timeout
--- no_error_log
[error]



=== a peer that closes, or says something, while the connection is idle
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("a")
            peer:receive(1)
            peer:send("unasked")
            peer:receive(1)
        }
    }
    location = /t {
        content_by_lua_block {
            local function use(say)
                local socket = ngx.socket.tcp()
                assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                local reused = socket:getreusedtimes()
                socket:send("GET /peer HTTP/1.0\r\n\r\n")
                socket:receive(1)
                if say then socket:send("b") end
                ngx.say(reused, " ", socket:setkeepalive())
                ngx.sleep(0.02)
            end
            use(true)
            use(false)
        }
    }
--- request
GET /t
--- response_body
0 1
0 1
--- error_log
lua tcp socket keepalive close handler: fd:
--- no_error_log
[error]



=== what may not go to a pool
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("line\nmore")
            peer:receive(1)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            ngx.say(socket:receive(), " ", select(2, socket:setkeepalive()))
            socket:receive(4)
            socket:send("x")
            ngx.say(socket:receive())
            ngx.say(socket:setkeepalive())
        }
    }
--- request
GET /t
--- response_body
line unread data in buffer
nilclosed
nilclosed
--- no_error_log
[error]



=== connects wait for a place, and for no longer than they may
--- config
    location = /t {
        content_by_lua_block {
            local function ask(socket)
                socket:send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                socket:receiveuntil("\r\n\r\n")()
                return (socket:receive(5))
            end

            local port = $TEST_NGINX_SERVER_PORT
            local options = { pool = "queue", pool_size = 1, backlog = 1 }
            local first = ngx.socket.tcp()
            assert(first:connect("127.0.0.1", port, options))
            local waiting = ngx.thread.spawn(function ()
                local socket = ngx.socket.tcp()
                local ok, err = socket:connect("127.0.0.1", port, options)
                ngx.say("waited: ", ok, " ", err, " ", ok and socket:getreusedtimes())
                ngx.say(ask(socket), " ", socket:close())
            end)
            ngx.say(ngx.socket.tcp():connect("127.0.0.1", port, options))
            ask(first)
            ngx.say(first:setkeepalive())
            ngx.thread.wait(waiting)
            assert(first:connect("127.0.0.1", port, options))
            local late = ngx.socket.tcp()
            late:settimeout(20)
            ngx.say(late:connect("127.0.0.1", port, options))
            local killed = ngx.thread.spawn(function ()
                ngx.socket.tcp():connect("127.0.0.1", port, options)
            end)
            ngx.say(ngx.thread.kill(killed))
            ngx.say(first:close())
            ngx.say(late:connect("127.0.0.1", port, options))
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
niltoo many waiting connect operations
1
waited: 1 nil 1
hello 1
niltimeout
1
1
1
--- error_log
lua tcp socket queued connect timed out, when trying to connect to 127.0.0.1:
lua tcp socket abort queueing



=== waiting connects go on when the one in front fails or is closed
--- config
    location = /t {
        lua_socket_log_errors off;
        content_by_lua_block {
            local options = { pool = "queue", pool_size = 1, backlog = 9 }
            local first = ngx.socket.tcp()
            assert(first:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT, options))
            local threads = {}
            for i = 1, 4 do
                threads[i] = ngx.thread.spawn(function ()
                    local socket = ngx.socket.tcp()
                    local port = i % 2 == 0 and $TEST_NGINX_SERVER_PORT or $TEST_NGINX_RAND_PORT_1
                    ngx.say(i, " ", socket:connect("127.0.0.1", port, options))
                    socket:close()
                end)
            end
            first:close()
            for i = 1, 4 do
                ngx.thread.wait(threads[i])
            end
        }
    }
--- request
GET /t
--- response_body
1 nilconnection refused
2 1
3 nilconnection refused
4 1
--- no_error_log
[alert]
