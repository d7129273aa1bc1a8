use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== one coroutine reads while another writes
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            while true do
                local line = peer:receive()
                if not line then break end
                peer:send("echo " .. line .. "\n")
            end
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local reader = ngx.thread.spawn(function ()
                for i = 1, 3 do
                    ngx.say(socket:receive())
                end
            end)
            for i = 1, 3 do
                socket:send("line " .. i .. "\n")
                ngx.sleep(0.002)
            end
            ngx.thread.wait(reader)
            ngx.say(socket:close())
        }
    }
--- request
GET /t
--- response_body
echo line 1
echo line 2
echo line 3
1
--- no_error_log
[error]



=== a second reader is refused, and what else must wait
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:receive(1)
            peer:send("done")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local reader = ngx.thread.spawn(function () return socket:receive(4) end)
            local read = socket:receiveuntil("x")
            ngx.say(socket:receive())
            ngx.say(read())
            ngx.say(socket:receiveany(1))
            ngx.say(socket:close())
            ngx.say(socket:setkeepalive())
            ngx.say(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.say(socket:send("x"))
            ngx.say(ngx.thread.wait(reader))
        }
    }
--- request
GET /t
--- response_body
nilsocket busy reading
nilsocket busy reading
nilsocket busy reading
nilsocket busy reading
nilsocket busy reading
nilsocket busy reading
1
truedone
--- no_error_log
[error]



=== a reader that is killed takes the connection with it
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:receive(1)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local reader = ngx.thread.spawn(function () return socket:receive(4) end)
            ngx.say(ngx.thread.kill(reader))
            ngx.say(socket:send("x"))
            ngx.say(socket:receive())
        }
    }
--- request
GET /t
--- response_body
1
nilclosed
nilclosed
--- error_log
attempt to send data on a closed socket



=== but not from under one that writes
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            ngx.sleep(0.02)
            local data = peer:receive(8 * 1024 * 1024)
            peer:send(data and "all" or "less")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local reader = ngx.thread.spawn(function () return socket:receive(4) end)
            local writer = ngx.thread.spawn(function ()
                return socket:send(("x"):rep(8 * 1024 * 1024))
            end)
            ngx.say(ngx.thread.kill(reader))
            ngx.say(ngx.thread.wait(writer))
            ngx.say(socket:receive())
            ngx.say(socket:close())
        }
    }
--- request
GET /t
--- response_body
1
true8388608
nilclosed
1
--- error_log
attempt to receive data on a closed socket
