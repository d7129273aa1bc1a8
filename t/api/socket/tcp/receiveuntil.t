use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== up to a pattern, again and again
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("a--b----c-d---e")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local read = socket:receiveuntil("--")
            for i = 1, 6 do
                ngx.say(read())
            end
        }
    }
--- request
GET /t
--- response_body
a
b

c-d
nilclosed-e
nilclosed
--- no_error_log
[error]



=== patterns that begin like themselves, byte by byte
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            for byte in ("abcabcabd.aaaab.----boundary."):gmatch(".") do
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

            for _, pattern in ipairs { "abcabd", "aaab", "--boundary", "." } do
                ngx.say("[", socket:receiveuntil(pattern)(), "]")
            end
        }
    }
--- request
GET /t
--- response_body
[abc]
[.a]
[.--]
[]
--- no_error_log
[error]



=== the pattern included
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("one,two,three")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local read = socket:receiveuntil(",", { inclusive = true })
            ngx.say(read())
            ngx.say(read())
            ngx.say(read())
        }
    }
--- request
GET /t
--- response_body
one,
two,
nilclosedthree
--- no_error_log
[error]



=== in pieces
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("0123456789--abcabcabd!next..")
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local read = socket:receiveuntil("--")
            while true do
                local piece, err = read(4)
                if not piece then
                    ngx.say(piece, err)
                    break
                end
                ngx.say(piece)
            end
            local read = socket:receiveuntil("abcabd")
            ngx.say(read(2))
            ngx.say(read(2))
            ngx.say(read(2))
            ngx.say(read(2))
            ngx.say(socket:receiveuntil("..")())
        }
    }
--- request
GET /t
--- response_body
0123
4567
89
nilnil
abc

nilnilnil
!n
ext
--- no_error_log
[error]



=== a timeout in the middle of the pattern
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:send("data\r")
            peer:receive(1)
            peer:send("\nmore\r")
            peer:receive(1)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            socket:settimeout(20)
            local read = socket:receiveuntil("\r\n")
            ngx.say(read())
            socket:send("x")
            ngx.say(read())
            ngx.say(read())
            socket:send("x")
        }
    }
--- request
GET /t
--- response_body
niltimeoutdata

niltimeoutmore
--- error_log
lua tcp socket read timed out



=== a long pattern over several buffers
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            local mark = ("="):rep(70) .. "end"
            peer:send(("x"):rep(5000) .. ("="):rep(30))
            ngx.sleep(0.002)
            peer:send(("="):rep(100))
            ngx.sleep(0.002)
            peer:send("end" .. mark)
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local read = socket:receiveuntil(("="):rep(70) .. "end")
            local data = read()
            ngx.say(#data, " ", data == ("x"):rep(5000) .. ("="):rep(60))
            ngx.say(#read())
            ngx.say(read())
        }
    }
--- request
GET /t
--- response_body
5060 true
0
nilclosed
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
                ngx.say(select(2, pcall(...)))
            end
            ngx.say(socket:receiveuntil(""))
            try(socket.receiveuntil, socket)
            try(socket.receiveuntil, socket, {})
            try(socket.receiveuntil, socket, "a", 1)
            try(socket.receiveuntil, socket, "a", { inclusive = 1 })
            try(socket:receiveuntil("a"), 1, 2)
            try(socket:receiveuntil("a"), {})
            local read = socket:receiveuntil("a")
            socket:close()
            ngx.say(read())
        }
    }
--- request
GET /t
--- response_body
nilpattern is empty
expecting 2 or 3 arguments (including the object), but got 1
bad argument #2 to '?' (string expected, got table)
bad argument #3 to '?' (table expected, got number)
bad "inclusive" option value type: number
expecting 0 or 1 arguments, but seen 2
bad argument #1 to '?' (number expected, got table)
nilclosed
--- no_error_log
[error]
