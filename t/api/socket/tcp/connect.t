use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== by address, by unix socket, and by ngx.socket.connect
--- http_config
    server {
        listen unix:$TEST_NGINX_SERVER_ROOT/html/hello.sock;
        location = /hello {
            return 200 hello;
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local function status(socket)
                socket:send("GET /hello HTTP/1.0\r\n\r\n")
                local line = socket:receive()
                ngx.say(line, " ", socket:close(), " ", socket:close())
            end
            for _, target in ipairs {
                { "127.0.0.1", $TEST_NGINX_SERVER_PORT },
                { "127.0.0.1", "$TEST_NGINX_SERVER_PORT" },
                { "unix:$TEST_NGINX_SERVER_ROOT/html/hello.sock" },
                { "UNIX:$TEST_NGINX_SERVER_ROOT/html/hello.sock", nil },
            } do
                local socket = ngx.socket.stream()
                assert(socket:connect(unpack(target)))
                status(socket)
            end
            status(assert(ngx.socket.connect("127.0.0.1", $TEST_NGINX_SERVER_PORT)))
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
HTTP/1.1 200 OK 1 nilclosed
HTTP/1.1 200 OK 1 nilclosed
HTTP/1.1 200 OK 1 nilclosed
HTTP/1.1 200 OK 1 nilclosed
HTTP/1.1 200 OK 1 nilclosed
--- no_error_log
[error]



=== what cannot be connected
--- config
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            ngx.say(socket:connect("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
            ngx.say(socket:connect("unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock"))
            ngx.say(socket:connect("127.0.0.1"))
            ngx.say(socket:connect("127.0.0.1", 65536))
            ngx.say(socket:connect("127.0.0.1", -1))
            ngx.say(socket:connect("example.org", 80))
            ngx.say(socket:connect("a/b", 80))
            ngx.say(socket:receive())
            ngx.say(ngx.socket.connect("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
        }
    }
--- request
GET /t
--- response_body
nilconnection refused
nilno such file or directory
nilmissing the port number
nilbad port number: 65536
nilbad port number: -1
nilno resolver defined to resolve "example.org"
nilfailed to parse host name "a/b": invalid host
nilclosed
nilconnection refused
--- error_log
connect() failed (111: Connection refused)



=== a peer that does not answer in time
--- config
    location = /t {
        lua_socket_log_errors off;
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            socket:settimeout(30)
            ngx.say(socket:connect("unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock"))
            -- An address for documentation: nobody is there.
            local ok, err = socket:connect("192.0.2.1", 80)
            ngx.say(ok, " ", err ~= nil)
        }
    }
--- request
GET /t
--- response_body
nilno such file or directory
nil true
--- no_error_log
lua tcp socket connect timed out



=== in every phase that can wait
--- http_config
    init_by_lua_block {
        lines = {}
        function ask(phase)
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", port))
            socket:send("GET /hello HTTP/1.0\r\n\r\n")
            local line = phase .. " " .. socket:receive("*a"):match("%w+$")
            lines[#lines + 1] = line
        end
        port = $TEST_NGINX_SERVER_PORT
    }
--- config
    location = /t {
        rewrite_by_lua_block { ask("rewrite") }
        access_by_lua_block { ask("access") }
        precontent_by_lua_block { ask("precontent") }
        content_by_lua_block {
            ask("content")
            local asks = coroutine.wrap(function () ask("coroutine") end)
            asks()
            ngx.timer.at(0, function () ask("timer") end)
            ngx.sleep(0.02)
            ngx.thread.wait(ngx.thread.spawn(ask, "thread"))
            for _, line in ipairs(lines) do ngx.say(line) end
        }
        log_by_lua_block {
            ngx.log(ngx.INFO, select(2, pcall(ngx.socket.tcp)))
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
rewrite hello
access hello
precontent hello
content hello
coroutine hello
timer hello
thread hello
--- error_log
API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== connecting again closes what was connected
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

            local before = socket:getreusedtimes()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            socket:send("GET /hello HTTP/1.0\r\n\r\n")
            ngx.say(before, " ", socket:receive("*a"):match("%w+$"))
        }
    }
    location = /hello {
        return 200 hello;
    }
--- request
GET /t
--- response_body
0 hello
--- error_log
lua tcp socket reconnect without shutting down



=== bad arguments
--- config
    location = /t {
        content_by_lua_block {
            local function try(...)
                ngx.say(select(2, pcall(...)))
            end
            local socket = ngx.socket.tcp()
            try(ngx.socket.tcp, 1)
            try(socket.connect, socket)
            try(socket.connect, socket, "a", 1, {}, 1)
            try(socket.connect, socket, {}, 1)
            try(socket.connect, 1, "a", 1)
            try(socket.connect, socket, "127.0.0.1", 80, { pool_size = 0 })
            try(socket.connect, socket, "127.0.0.1", 80, { pool_size = {} })
            try(socket.connect, socket, "127.0.0.1", 80, { backlog = -1 })
            try(socket.connect, socket, "127.0.0.1", 80, { pool = {} })
            try(socket.settimeout, socket)
            try(socket.settimeout, socket, -1)
            try(socket.settimeouts, socket, 1, 2)
            try(socket.close)
            try(socket.bind, socket)
            ngx.say(socket:bind("nowhere"))
            ngx.say(socket:bind("127.0.0.1"))
            ngx.say(socket:getreusedtimes())
            ngx.say(socket:setkeepalive())
        }
    }
--- request
GET /t
--- response_body
expecting zero arguments, but got 1
ngx.socket connect: expecting 2, 3, or 4 arguments (including the object), but seen 1
ngx.socket connect: expecting 2, 3, or 4 arguments (including the object), but seen 5
bad argument #2 to '?' (string expected, got table)
bad argument #1 to '?' (table expected, got number)
bad argument #4 to '?' (bad "pool_size" option value: 0)
bad argument #4 to '?' (bad "pool_size" option type: table)
bad argument #4 to '?' (bad "backlog" option value: -1)
bad argument #4 to '?' (bad "pool" option type: table)
ngx.socket settimeout: expecting 2 arguments (including the object) but seen 1
bad timeout value
ngx.socket settimeout: expecting 4 arguments (including the object) but seen 3
expecting 1 argument (including the object) but seen 0
expecting 2 arguments, but got 1
nilbad address
true
nilclosed
nilclosed
--- no_error_log
[error]
