use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a read that is over times nothing out: not a pause, not the next read
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            while true do
                local delay = peer:receive()
                if not delay or delay == "" then return end
                ngx.sleep(tonumber(delay))
                peer:send("after " .. delay .. "\n")
            end
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            socket:settimeout(600)
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\n"))

            local function ask(delay)
                assert(socket:send(delay .. "\n"))
                return socket:receive()
            end
            ngx.say(ask("0.01"))
            -- The limit of the read before passes while this one waits.
            ngx.sleep(0.3)
            ngx.say(ask("0.4"))
            -- And while none does.
            ngx.sleep(0.7)
            ngx.say(ask("0.02"))
        }
    }
--- request
GET /t
--- response_body
after 0.01
after 0.4
after 0.02
--- no_error_log
[error]



=== a later read may be given less time
--- config
    location = /peer {
        content_by_lua_block {
            local peer = assert(ngx.req.socket(true))
            peer:receive()
            ngx.sleep(0.01)
            peer:send("one\n")
            peer:receive()
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(socket:send("GET /peer HTTP/1.0\r\n\r\nnow\n"))
            socket:settimeout(60000)
            ngx.say(socket:receive())
            socket:settimeout(20)
            local _, message = socket:receive()
            ngx.say(message)
            socket:close()
        }
    }
--- request
GET /t
--- response_body
one
timeout
--- error_log
lua tcp socket read timed out
