use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== element 1 of a socket shows its connection where libraries look for it
--- config
    location = /x { return 200 "x"; }
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef [[ int getpeername(int, void *, unsigned *); ]]
            local function connection(sock) return ffi.cast("void **", sock[1])[9] end
            local function port_of(c)
                local fd = ffi.cast("int *", ffi.cast("void **", c) + 3)[0]
                local address, len = ffi.new("unsigned char[128]"), ffi.new("unsigned[1]", 128)
                if ffi.C.getpeername(fd, address, len) ~= 0 then return "none" end
                return address[2] * 256 + address[3]
            end
            local null = ffi.cast("void *", nil)
            local function connected()
                local sock = ngx.socket.tcp()
                assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                return sock
            end

            local sock = ngx.socket.tcp()
            sock:connect("127.0.0.1", 1)
            ngx.say("refused: ", connection(sock) == null)

            sock = connected()
            ngx.say("connected: ", port_of(connection(sock)) == $TEST_NGINX_SERVER_PORT)
            sock:close()
            ngx.say("closed: ", connection(sock) == null)

            assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            ngx.say("again: ", port_of(connection(sock)) == $TEST_NGINX_SERVER_PORT)
            local first = connection(sock)
            assert(sock:setkeepalive())
            ngx.say("kept: ", connection(sock) == null)
            local other = connected()
            ngx.say("from the pool: ", other:getreusedtimes(), " ", connection(other) == first)

            -- One whose finalizer has been taken away.
            local lost = connected()
            debug.setmetatable(lost[1], nil)
            lost = nil
            collectgarbage() collectgarbage()
            package.loaded.kept = other
        }
    }
    location = /after {
        content_by_lua_block {
            local ffi = require "ffi"
            ngx.say(ffi.cast("void **", package.loaded.kept[1])[9] == ffi.cast("void *", nil))
        }
    }
    location = /body {
        content_by_lua_block {
            local ffi = require "ffi"
            local sock = assert(ngx.req.socket())
            local r = ffi.cast("void **", require("resty.core.base").get_request())
            ngx.say(ffi.cast("void **", sock[1])[9] == r[1])
        }
    }
--- request eval
["GET /t", "GET /after", "POST /body
hello"]
--- response_body eval
["refused: true
connected: true
closed: true
again: true
kept: true
from the pool: 1 true
", "true
", "true
"]
--- no_error_log
[alert]
[crit]
