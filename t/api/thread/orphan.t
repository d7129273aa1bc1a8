# Light threads of a coroutine that stays suspended for ever: they do not keep the request.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== ended at once, later, with an error; the entry ends or exits
--- config
    location = /a {
        content_by_lua_block {
            coroutine.resume(coroutine.create(function()
                ngx.thread.spawn(function() end)
                coroutine.yield(1)
            end))
            ngx.say("a")
        }
    }
    location = /b {
        content_by_lua_block {
            local co = coroutine.create(function()
                ngx.thread.spawn(function() ngx.sleep(0.01) ngx.say("thread") end)
                coroutine.yield(1)
            end)
            ngx.say(coroutine.resume(co))
        }
    }
    location = /c {
        content_by_lua_block {
            coroutine.wrap(function()
                ngx.thread.spawn(function() ngx.sleep(0.001) error("expected") end)
                coroutine.yield(1)
            end)()
            ngx.say("c")
        }
    }
    location = /d {
        content_by_lua_block {
            local co = coroutine.create(function()
                ngx.thread.spawn(function() ngx.sleep(0.01) end)
                coroutine.yield(1)
            end)
            ngx.say(coroutine.resume(co))
            ngx.exit(200)
        }
    }
--- request eval
["GET /a", "GET /b", "GET /c", "GET /d"]
--- response_body eval
["a\n", "true1\nthread\n", "c\n", "true1\n"]
--- no_error_log
[alert]



=== another thread may still take what they returned
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function()
                local thread = ngx.thread.spawn(function() return "result" end)
                coroutine.yield()
                ngx.say(ngx.thread.wait(thread))
            end)
            coroutine.resume(co)
            ngx.thread.spawn(function() ngx.sleep(0.01) coroutine.resume(co) end)
        }
    }
--- request
GET /t
--- response_body
trueresult
--- no_error_log
[error]
