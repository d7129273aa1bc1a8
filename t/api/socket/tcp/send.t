use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== strings, numbers, booleans, nil, and nested arrays
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send(assert(peer:receive("*l")) .. "\n")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local sent = 0
            for _, data in ipairs { "a", 12, 3.5, { "b", 1, { "c", { 2.5 } } }, "", {} } do
                local bytes = assert(socket:send(data))
                sent = sent + bytes
                ngx.print(bytes, " ")
            end
            ngx.print(socket:send(nil), " ", socket:send(true), " ", socket:send(false), "\n")
            socket:send("\n")
            ngx.say(socket:receive())
        }
    }
--- request
GET /t
--- response_body
1 2 3 6 0 0 3 4 5
a123.5b1c2.5niltruefalse
--- no_error_log
[error]



=== more than the system has room for
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            local got = assert(peer:receive(4 * 1024 * 1024))
            peer:send(ngx.md5(got))
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local data = ("0123456789abcdef"):rep(256 * 1024)
            ngx.say(socket:send(data))
            ngx.say(socket:receive(32) == ngx.md5(data))
        }
    }
--- request
GET /t
--- response_body
4194304
true
--- no_error_log
[error]



=== a peer that takes nothing
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:receive(1)
            ngx.sleep(0.2)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            socket:settimeouts(1000, 30, 1000)
            local data = ("x"):rep(16 * 1024 * 1024)
            ngx.say(socket:send(data))
            ngx.say(socket:send("y"))
            ngx.say(socket:close())
        }
    }
--- request
GET /t
--- response_body
niltimeout
nilclosed
1
--- error_log
lua tcp socket write timed out
attempt to send data on a closed socket



=== a peer that has gone
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            ngx.exit(444)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            assert(socket:receive("*a") == "")
            local ok, err
            for i = 1, 5 do
                ok, err = socket:send("more")
                if not ok then break end
                ngx.sleep(0.005)
            end
            ngx.say(ok, " ", err == "broken pipe" or err == "connection reset by peer" or err)
            ngx.say(socket:send("again"))
        }
    }
--- request
GET /t
--- response_body
nil true
nilclosed
--- error_log
attempt to send data on a closed socket



=== bad arguments
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

            local function try(...)
                ngx.say(select(2, pcall(...)))
            end
            try(socket.send, socket)
            try(socket.send, socket, print)
            try(socket.send, socket, { a = 1 })
            try(socket.send, socket, { true })
            try(socket.send, socket, "a", "b")
            ngx.say(ngx.socket.tcp():send("a"))
        }
    }
--- request
GET /t
--- response_body
expecting 2 arguments (including the object), but got 1
bad argument #2 to '?' (string, number, boolean, nil, or array table expected, got function)
bad argument #2 to '?' (non-array table found)
bad argument #2 to '?' (bad data type boolean found)
expecting 2 arguments (including the object), but got 3
nilclosed
--- error_log
attempt to send data on a closed socket
