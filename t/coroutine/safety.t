# Coroutines handled with less care than they need: the worker must survive.
#
# Deliberate difference: lua-nginx-module 0.10.23 reads freed or unset memory
# in these cases and may lose the worker, so this file does not pass with it.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a coroutine of another request is not resumed
--- config
    location = /keep {
        content_by_lua_block {
            package.loaded.kept = coroutine.create(function () ngx.say("ran") end)
            ngx.say(coroutine.status(package.loaded.kept))
        }
    }
    location = /t {
        content_by_lua_block {
            ngx.say(coroutine.status(package.loaded.kept))
            ngx.say((pcall(coroutine.resume, package.loaded.kept)))
            ngx.say("alive")
        }
    }
--- request eval
["GET /keep", "GET /t"]
--- response_body_like eval
["^suspended\$", "alive\$"]
--- no_error_log
[alert]



=== resuming one that has yielded in its own request
--- config
    location = /keep {
        content_by_lua_block {
            package.loaded.gen = coroutine.wrap(function ()
                while true do coroutine.yield("next") end
            end)
            ngx.say(package.loaded.gen())
        }
    }
    location = /t {
        content_by_lua_block {
            pcall(package.loaded.gen)
            ngx.say("alive")
        }
    }
--- request eval
["GET /keep", "GET /t", "GET /keep"]
--- response_body_like eval
["next", "alive", "next"]
--- no_error_log
[alert]



=== an error through wrap inside resume arrives as resume's message
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function ()
                coroutine.wrap(function () error("from the inner one", 0) end)()
            end)
            ngx.say(coroutine.resume(co))
        }
    }
--- request
GET /t
--- response_body
falsefrom the inner one
--- no_error_log
[error]
