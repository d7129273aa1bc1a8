use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== without on_abort the code ends when the client goes
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            ngx.sleep(0.5)
            ngx.log(ngx.ERR, "still here")
        }
    }
--- request
GET /t
--- abort
--- timeout: 0.1
--- wait: 0.6
--- ignore_response
--- error_log
client prematurely closed connection
--- no_error_log
[error]



=== off by default: the code goes on
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.2)
            ngx.log(ngx.WARN, "still here")
        }
    }
--- request
GET /t
--- abort
--- timeout: 0.1
--- wait: 0.3
--- ignore_response
--- error_log
still here
--- no_error_log
[error]



=== on_abort runs, and can end the request
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            ngx.say(ngx.on_abort(function ()
                ngx.log(ngx.WARN, "on abort called")
                ngx.exit(499)
            end))
            ngx.say(ngx.on_abort(function () end))
            ngx.flush(true)
            ngx.sleep(0.5)
            ngx.log(ngx.ERR, "still here")
        }
    }
--- request
GET /t
--- abort
--- timeout: 0.1
--- wait: 0.6
--- ignore_response
--- error_log
on abort called
--- no_error_log
[error]



=== on_abort that only notes it: the code goes on, in access as well
--- config
    location = /t {
        lua_check_client_abort on;
        access_by_lua_block {
            local gone
            ngx.on_abort(function () ngx.sleep(0.001) gone = true end)
            ngx.sleep(0.2)
            ngx.log(ngx.WARN, "client gone: ", gone)
        }
        content_by_lua_block { ngx.exit(200) }
    }
--- request
GET /t
--- abort
--- timeout: 0.1
--- wait: 0.3
--- ignore_response
--- error_log
client gone: true
--- no_error_log
[error]



=== a handler that never runs does not keep the request
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            ngx.on_abort(function () ngx.log(ngx.ERR, "called") end)
            ngx.sleep(0.001)
            ngx.say("done")
        }
    }
--- request
GET /t
--- response_body
done
--- no_error_log
[error]



=== where it is refused
--- config
    location = /off { content_by_lua_block { ngx.say(ngx.on_abort(function () end)) } }
    location = /bad {
        lua_check_client_abort on;
        content_by_lua_block { ngx.say(select(2, pcall(ngx.on_abort, 1))) }
    }
--- request eval
["GET /off", "GET /bad"]
--- response_body eval
["nillua_check_client_abort is off\n", "bad argument #1 to '?' (Lua function expected)\n"]
--- no_error_log
[error]
