# Calls that run Lua code of a filter, on another coroutine, and then raise, from code that LuaJIT compiles.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== ngx.flush(true) that may not wait
--- config
    location = /t {
        limit_rate 400;
        content_by_lua_block {
            local function flush() ngx.flush(true) end
            for round = 1, 100 do
                ngx.print("x")
                pcall(function()
                    string.gsub("xyz", ".", function()
                        pcall(flush)
                        error(ngx.ctx.none:call(0.001))
                    end)
                end)
            end
            ngx.say("end")
        }
        body_filter_by_lua_block { local part = ngx.arg[1] }
    }
--- request
GET /t
--- response_body_like
^x+end$
--- no_error_log
[alert]
