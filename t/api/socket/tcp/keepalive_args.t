use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== the size of a pool is looked at where there is none, before the timeout
--- config
    location = /x { return 200 "x"; }
    location = /t {
        content_by_lua_block {
            local function connected(options)
                local sock = ngx.socket.tcp()
                assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT, options))
                return sock
            end
            local function say(sock, ...)
                local ok, err = pcall(sock.setkeepalive, sock, ...)
                ngx.say(ok, " ", (tostring(err):gsub("^.-bad", "bad"):gsub("to '.-'", "to it")))
            end
            say(connected(), "x", "y")
            say(connected(), "x")
            say(connected({ pool = "q" }), 1000, 0)
            say(connected({ pool_size = 2, pool = "p" }), "x", "y")
            say(connected({ pool = "p" }), 1000, "y")
        }
    }
--- request
GET /t
--- response_body
false bad argument #3 to it (number expected, got string)
false bad argument #2 to it (number expected, got string)
false bad argument #3 to it (bad "pool_size" option value: 0)
false bad argument #2 to it (number expected, got string)
true 1
--- no_error_log
[alert]
