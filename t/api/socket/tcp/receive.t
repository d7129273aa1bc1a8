use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== lines, with and without carriage returns
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("one\r\ntwo\n\r\nth\rr\ree\nfour")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            for i = 1, 5 do
                ngx.say(socket:receive())
            end
            ngx.say(socket:receive())
        }
    }
--- request
GET /t
--- response_body
one
two

three
nilclosedfour
nilclosed
--- error_log
attempt to receive data on a closed socket



=== so many bytes, over many buffers
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send(("0123456789"):rep(20000))
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local whole, at = ("0123456789"):rep(20000), 0
            for _, size in ipairs {1, 9, 10, 4096, 100000, 70000, 0} do
                local data = assert(socket:receive(size))
                ngx.say(#data, " ", data == whole:sub(at + 1, at + size))
                at = at + size
            end
            local rest = assert(socket:receive("*a"))
            ngx.say(#rest, " ", rest == whole:sub(at + 1))
            ngx.say(socket:close())
        }
    }
--- request
GET /t
--- response_body
1 true
9 true
10 true
4096 true
100000 true
70000 true
0 true
25884 true
1
--- no_error_log
[error]



=== a peer that sends byte by byte
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            for byte in ("first\r\n5678second\n"):gmatch(".") do
                peer:send(byte)
                ngx.sleep(0.001)
            end
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            ngx.say(socket:receive())
            ngx.say(socket:receive(4))
            ngx.say(socket:receive("*l"))
            ngx.say(socket:receive())
        }
    }
--- request
GET /t
--- response_body
first
5678
second
nilclosed
--- no_error_log
[error]



=== a timeout gives what has come, and reading goes on
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("12")
            peer:receive(1)
            peer:send("345\nrest")
            peer:receive(1)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            socket:settimeout(20)
            ngx.say(socket:receive(5))
            socket:send("x")
            ngx.say(socket:receive(3))
            ngx.say(socket:receive())
            ngx.say(socket:receive("*a"))
            socket:send("x")
        }
    }
--- request
GET /t
--- response_body
niltimeout12
345

niltimeoutrest
--- error_log
lua tcp socket read timed out



=== what comes first
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("abcdef")
            peer:receive(1)
            peer:send("gh")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            ngx.say(socket:receiveany(4))
            ngx.say(socket:receiveany(4))
            socket:send("x")
            ngx.say(socket:receiveany(4))
            ngx.say(socket:receiveany(4))
        }
    }
--- request
GET /t
--- response_body
abcd
ef
gh
nilclosed
--- no_error_log
[error]



=== a peer that resets the connection
--- config
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /reset HTTP/1.0\r\n\r\n"))
            ngx.say(socket:receive("*a"))
            ngx.say(socket:close())
        }
    }
    location = /reset {
        reset_timedout_connection on;
        content_by_lua_block {
            ngx.exit(444)
        }
    }
--- request
GET /t
--- response_body
nilconnection reset by peer
1
--- error_log eval
qr/recv\(\) failed .104: Connection reset by peer/



=== buffers of one byte
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("line\r\n12345until--rest")
        }
    }
    location = /t {
        lua_socket_buffer_size 1;
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            ngx.say(socket:receive())
            ngx.say(socket:receive(5))
            ngx.say(socket:receiveuntil("--")())
            ngx.say(socket:receive("*a"))
        }
    }
--- request
GET /t
--- response_body
line
12345
until
rest
--- no_error_log
[error]



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
                ngx.say((select(2, pcall(...))))
            end
            try(socket.receive, socket, "*x")
            try(socket.receive, socket, "line")
            try(socket.receive, socket, -1)
            try(socket.receive, socket, true)
            try(socket.receive, socket, 1, 2)
            try(socket.receiveany, socket)
            try(socket.receiveany, socket, 0)
            try(socket.receiveany, socket, "x")
            try(socket.receive)
            try(socket.receive, 1)
            ngx.say(ngx.socket.tcp():receive())
            try(socket.receive, { "no socket" })
        }
    }
--- request
GET /t
--- response_body
bad argument #2 to '?' (bad pattern argument)
bad argument #2 to '?' (bad pattern argument: line)
bad argument #2 to '?' (bad pattern argument)
bad argument #2 to '?' (bad pattern argument)
expecting 1 or 2 arguments (including the object), but got 3
expecting 2 arguments (including the object), but got 1
bad argument #2 to '?' (bad max argument)
bad argument #2 to '?' (bad max argument)
expecting 1 or 2 arguments (including the object), but got 0
bad argument #1 to '?' (table expected, got number)
nilclosed
nil
--- error_log
attempt to receive data on a closed socket: u:0000000000000000, c:0000000000000000, ft:0 eof:0
