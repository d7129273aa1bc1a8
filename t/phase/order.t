# The order of all phases, and how an early end skips the later ones.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== each phase once, in order
--- config
    server_rewrite_by_lua_block { ngx.log(ngx.WARN, "step 1 server_rewrite") }
    location = /t {
        log_by_lua_block { ngx.log(ngx.WARN, "step 5 log") }
        content_by_lua_block { ngx.log(ngx.WARN, "step 4 content") ngx.say("ok") }
        access_by_lua_block { ngx.log(ngx.WARN, "step 3 access") }
        rewrite_by_lua_block { ngx.log(ngx.WARN, "step 2 rewrite") }
    }
--- request
GET /t
--- response_body
ok
--- grep_error_log eval
qr/step \d \w+/
--- grep_error_log_out
step 1 server_rewrite
step 2 rewrite
step 3 access
step 4 content
step 5 log
--- no_error_log
[error]



=== the same when each of them sleeps
--- config
    server_rewrite_by_lua_block { ngx.sleep(0.001) ngx.log(ngx.WARN, "step 1") }
    location = /t {
        rewrite_by_lua_block { ngx.sleep(0.001) ngx.log(ngx.WARN, "step 2") }
        access_by_lua_block { ngx.sleep(0.001) ngx.log(ngx.WARN, "step 3") }
        content_by_lua_block { ngx.sleep(0.001) ngx.log(ngx.WARN, "step 4") ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.WARN, "step 5") }
    }
--- request
GET /t
--- response_body
ok
--- grep_error_log eval
qr/step \d/
--- grep_error_log_out
step 1
step 2
step 3
step 4
step 5
--- no_error_log
[error]



=== exit(403) in access: rewrite and log ran, content did not
--- config
    location = /t {
        rewrite_by_lua_block { ngx.log(ngx.WARN, "step rewrite") }
        access_by_lua_block { ngx.log(ngx.WARN, "step access") ngx.exit(403) }
        content_by_lua_block { ngx.log(ngx.WARN, "step content") }
        log_by_lua_block { ngx.log(ngx.WARN, "step log") }
    }
--- request
GET /t
--- error_code: 403
--- grep_error_log eval
qr/step \w+/
--- grep_error_log_out
step rewrite
step access
step log
--- no_error_log
[error]



=== an error in rewrite: only log follows
--- config
    location = /t {
        rewrite_by_lua_block { error("step rewrite") }
        access_by_lua_block { ngx.log(ngx.WARN, "step access") }
        content_by_lua_block { ngx.log(ngx.WARN, "step content") }
        log_by_lua_block { ngx.log(ngx.WARN, "step log") }
    }
--- request
GET /t
--- error_code: 500
--- grep_error_log eval
qr/step \w+/
--- grep_error_log_out
step rewrite
step log
--- no_error_log
[alert]



=== Lua phases around a proxied content
--- config
    location = /t {
        rewrite_by_lua_block { ngx.header["X-R"] = "r" }
        access_by_lua_block { ngx.header["X-A"] = "a" }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
        log_by_lua_block { ngx.log(ngx.WARN, "front logged ", ngx.status) }
    }
    location = /backend {
        content_by_lua_block { ngx.status = 203 ngx.say("backend") }
    }
--- request
GET /t
--- response_headers
X-R: r
X-A: a
--- response_body
backend
--- error_code: 203
--- error_log
front logged 203
--- no_error_log
[error]



=== each request has its own phases, with keep-alive
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.n = ngx.var.arg_n }
        access_by_lua_block { if ngx.ctx.n == "2" then ngx.exit(403) end }
        content_by_lua_block { ngx.say("n", ngx.ctx.n) }
    }
--- pipelined_requests eval
["GET /t?n=1", "GET /t?n=2", "GET /t?n=3"]
--- response_body_like eval
["^n1\$", "403 Forbidden", "^n3\$"]
--- error_code eval
[200, 403, 200]
--- no_error_log
[error]
