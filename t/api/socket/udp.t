# ngx.socket.udp.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a datagram goes out, and one comes back
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
            ngx.say(sock:send("ping"))
            ngx.say(sock:receive())
            ngx.say(sock:close())
            ngx.say(sock:close())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_query: ping
--- udp_reply: pong
--- request
GET /t
--- response_body
1
1
pong
1
nilclosed
--- no_error_log
[error]



=== only so much of a datagram is taken
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            sock:send("x")
            ngx.say(sock:receive(4))
            sock:settimeout(30)
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: a long reply
--- request
GET /t
--- response_body
a lo
niltimeout
--- error_log
lua udp socket receive buffer size: 4
lua udp socket read timed out



=== what can be sent
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            ngx.say(sock:send({ "a", 1, { "b", 2.5 }, "" }))
            ngx.say(pcall(sock.send, sock, print))
            ngx.say(pcall(sock.send, sock, { true, print }))
            ngx.say(pcall(sock.send, sock))
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_query: a1b2.5
--- udp_reply: done
--- request
GET /t
--- response_body
1
falsebad argument #2 to '?' (string, number, boolean, nil, or array table expected, got function)
falsebad argument #2 to '?' (bad data type boolean found)
falseexpecting 2 arguments (including the object), but got 1
done
--- no_error_log
[error]



=== a unix datagram socket is answered
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("unix:$TEST_NGINX_HTML_DIR/peer.sock"))
            ngx.say(sock:send("hello"))
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_HTML_DIR/peer.sock
--- udp_reply: from a path
--- request
GET /t
--- response_body
1
1
from a path
--- no_error_log
[error]



=== nobody is there
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
            ngx.say(sock:send("x"))
            ngx.say(sock:receive())
            ngx.say(ngx.socket.udp():setpeername("unix:/no/such/socket"))
        }
    }
--- request
GET /t
--- response_body
1
1
nilconnection refused
nilno such file or directory
--- error_log
recv() failed (111: Connection refused)
connect() failed (2: No such file or directory)



=== without a peer
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:send("x"))
            ngx.say(sock:receive())
            ngx.say(sock:close())
            ngx.say(sock:setpeername("127.0.0.1", 65536))
            ngx.say(sock:setpeername("127.0.0.1", -1))
            ngx.say(sock:setpeername("a/b", 53))
            ngx.say(sock:setpeername("", 53))
            ngx.say(sock:setpeername("name.test", 53))
            ngx.say(pcall(sock.setpeername, sock))
            ngx.say(pcall(ngx.socket.udp, 1))
        }
    }
--- request
GET /t
--- response_body
nilclosed
nilclosed
nilclosed
nilbad port number: 65536
nilbad port number: -1
nilfailed to parse host name "a/b": invalid host
nilfailed to parse host name "": no host
nilno resolver defined to resolve "name.test"
falsengx.socket.udp setpeername: expecting 2 or 3 arguments (including the object), but seen 1
falseexpecting zero arguments, but got 1
--- error_log
attempt to send data on a closed socket: u:0000000000000000, c:0000000000000000
attempt to receive data on a closed socket: u:0000000000000000, c:0000000000000000



=== lua_socket_log_errors off
--- config
    lua_socket_log_errors off;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:send("x"))
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            sock:settimeout(10)
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: never
--- request
GET /t
--- response_body
nilclosed
niltimeout
--- no_error_log
[error]



=== the location's timeout
--- config
    lua_socket_read_timeout 20ms;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: never
--- request
GET /t
--- response_body
niltimeout
--- error_log
lua udp socket read timeout: 20



=== the time of an earlier wait does not cut a later one short
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            sock:settimeout(100)
            local early = ngx.thread.spawn(function () return sock:receive() end)
            sock:settimeout(100)
            ngx.sleep(0.06)
            ngx.thread.kill(early)
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            sock:send("x")
            ngx.say(sock:receive())
            ngx.sleep(0.06)
            ngx.update_time()
            local begun = ngx.now()
            local _, err = sock:receive()
            ngx.update_time()
            ngx.say(err, " ", ngx.now() - begun >= 0.095)
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: pong
--- udp_reply_delay: 20ms
--- request
GET /t
--- response_body
pong
timeout true
--- error_log
lua udp socket read timed out



=== one coroutine at a time
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            local reader = ngx.thread.spawn(function () return sock:receive() end)
            ngx.say(sock:receive())
            ngx.say(sock:send("x"))
            ngx.say(sock:close())
            ngx.say(sock:setpeername("127.0.0.1", 1))
            ngx.say(ngx.thread.kill(reader))
            ngx.say(sock:send("x"))
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: never
--- request
GET /t
--- response_body
nilsocket busy
nilsocket busy
nilsocket busy
nilsocket busy
1
nilclosed
--- error_log
attempt to send data on a closed socket



=== a socket is of one request only
--- config
    location = /t {
        content_by_lua_block {
            local r = ngx.location.capture("/make")
            ngx.say(pcall(package.loaded.shared.send, package.loaded.shared, "x"))
            ngx.say(pcall(package.loaded.shared.receive, package.loaded.shared))
            ngx.say(pcall(package.loaded.shared.setpeername, package.loaded.shared, "127.0.0.1", 1))
        }
    }
    location = /make {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            sock:setpeername("127.0.0.1", $TEST_NGINX_SERVER_PORT)
            package.loaded.shared = sock
        }
    }
--- request
GET /t
--- response_body
falsebad request
falsebad request
falsebad request
--- no_error_log
[error]



=== bind
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:bind("127.0.0.2"))
            ngx.say(sock:bind("nonsense"))
            ngx.say(sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1))
            sock:send("x")
            ngx.say(sock:receive())
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: bound
--- request
GET /t
--- response_body
true
nilbad address
1
bound
--- no_error_log
[error]



=== in a timer, and given up with it
--- config
    location = /t {
        content_by_lua_block {
            local sema = require("ngx.semaphore").new()
            local got
            ngx.timer.at(0, function ()
                local sock = ngx.socket.udp()
                sock:setpeername("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
                sock:send("x")
                got = sock:receive()
                sema:post()
            end)
            ngx.say((sema:wait(1)))
            ngx.say(got)
        }
    }
--- udp_listen: $TEST_NGINX_RAND_PORT_1
--- udp_reply: to a timer
--- request
GET /t
--- response_body
true
to a timer
--- error_log
cleanup lua udp socket upstream request
lua close socket connection



=== where nothing can wait
--- config
    location = /t {
        content_by_lua_block { ngx.say("body") }
        log_by_lua_block {
            ngx.log(ngx.WARN, "in log: ", pcall(ngx.socket.udp))
        }
    }
--- request
GET /t
--- response_body
body
--- error_log
in log: falseAPI disabled in the context of log_by_lua*
