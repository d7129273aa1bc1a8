# Debug lines of a request's life, which test suites of Lua libraries look for.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a handler runs: thread, resume, end, cleanup
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- error_log
lua content handler, uri:"/t" c:1
lua creating new thread
lua run thread, top:
lua say response
lua resume returned 0
lua light thread ended normally
lua sending last buf of the response body
--- no_error_log
[error]



=== every phase has its handler line
--- config
    server_rewrite_by_lua_block { local x }
    location = /t {
        rewrite_by_lua_block { local x }
        access_by_lua_block { local x }
        content_by_lua_block { ngx.print("ok\n") }
        log_by_lua_block { local x }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua server rewrite handler, uri:"/t" c:1
lua rewrite handler, uri:"/t" c:1
lua access handler, uri:"/t" c:1
lua content handler, uri:"/t" c:1
lua log handler, uri:"/t" c:0
lua print response
--- no_error_log
[error]



=== output calls
--- config
    location = /t {
        content_by_lua_block {
            ngx.send_headers()
            ngx.say("ok")
            ngx.flush()
            ngx.eof()
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua send headers
lua flush asynchronously
lua send eof
--- no_error_log
[error]



=== a wait: yield, expiry, resume
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.002)
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua resume returned 1
lua thread yielded
lua ready to sleep for 2 ms
lua sleep timer expired: "/t?"
lua run thread returned 0
--- no_error_log
[error]



=== exit
--- config
    location = /t { content_by_lua_block { ngx.exit(204) } }
--- request
GET /t
--- error_code: 204
--- error_log
lua exit with code 204
lua thread aborting request with status 204
lua request cleanup: forcible=0
--- no_error_log
[error]



=== user coroutines
--- config
    location = /t {
        content_by_lua_block {
            coroutine.wrap(function () coroutine.yield() end)()
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua coroutine: resume
lua coroutine: yield
--- no_error_log
[error]



=== ngx.ctx is released
--- config
    location = /t { content_by_lua_block { ngx.ctx.x = 1 ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- error_log
lua release ngx.ctx at ref
--- no_error_log
[error]
