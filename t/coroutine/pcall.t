# pcall, xpcall and debug.traceback in requests.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== pcall catches, the request goes on
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(error, "caught", 0))
            ngx.say(pcall(function () return 1, 2, 3 end))
        }
    }
--- request
GET /t
--- response_body
falsecaught
true123
--- no_error_log
[error]



=== xpcall with debug.traceback
--- config
    location = /t {
        content_by_lua_block {
            local function fail() error("traced") end
            local ok, trace = xpcall(fail, debug.traceback)
            ngx.say(ok)
            ngx.say((trace:gsub("nginx.conf:%d+", "conf")))
        }
    }
--- request
GET /t
--- response_body
false
content_by_lua(conf):2: traced
stack traceback:
	[C]: in function 'error'
	content_by_lua(conf):2: in function <content_by_lua(conf):2>
	[C]: in function 'xpcall'
	content_by_lua(conf):3: in main chunk
--- no_error_log
[error]



=== an error in the error handler
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(xpcall(error, function () error("handler") end))
        }
    }
--- request
GET /t
--- response_body_like: ^false
--- no_error_log
[error]



=== sleep inside nested pcalls, errors caught at their level
--- config
    location = /t {
        content_by_lua_block {
            local ok, err = pcall(function ()
                local inner, why = pcall(function ()
                    ngx.sleep(0.001)
                    error("inner", 0)
                end)
                ngx.sleep(0.001)
                error("outer after " .. why, 0)
            end)
            ngx.say(ok, " ", err)
        }
    }
--- request
GET /t
--- response_body
false outer after inner
--- no_error_log
[error]



=== xpcall keeps its handler across a sleep
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(xpcall(function ()
                ngx.sleep(0.001)
                error("late", 0)
            end, function (err) return "handled " .. err end))
        }
    }
--- request
GET /t
--- response_body
falsehandled late
--- no_error_log
[error]



=== 10000 caught errors
--- config
    location = /t {
        content_by_lua_block {
            local n = 0
            for i = 1, 10000 do
                if not pcall(error, i) then n = n + 1 end
            end
            ngx.say(n)
        }
    }
--- request
GET /t
--- response_body
10000
--- no_error_log
[error]
