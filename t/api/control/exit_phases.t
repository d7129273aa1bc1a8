# ngx.exit in the phases before and after content.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== rewrite: exit(ngx.OK) goes on to the next phase
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.header["X-R"] = "r"
            ngx.exit(ngx.OK)
            ngx.log(ngx.ERR, "went on")
        }
        content_by_lua_block { ngx.say("content") }
    }
--- request
GET /t
--- response_headers
X-R: r
--- response_body
content
--- no_error_log
[error]
went on



=== rewrite: an error code ends the request
--- config
    location = /t {
        rewrite_by_lua_block { ngx.exit(tonumber(ngx.var.arg_c)) }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request eval
["GET /t?c=403", "GET /t?c=503", "GET /t?c=204", "GET /t?c=200"]
--- error_code eval
[403, 503, 204, 200]
--- no_error_log
[error]
content ran



=== rewrite: exit(200) answers with an empty body
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.status = 201
            ngx.exit(200)
        }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
--- error_code: 201
--- no_error_log
[error]
content ran



=== rewrite: exit(ngx.ERROR) drops the connection
--- config
    location = /t {
        rewrite_by_lua_block { ngx.exit(ngx.ERROR) }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- ignore_response
--- error_log
lua exit with code -1
--- no_error_log
[error]
content ran



=== rewrite: exit(ngx.DECLINED) goes on
--- config
    location = /t {
        rewrite_by_lua_block { ngx.exit(ngx.DECLINED) }
        content_by_lua_block { ngx.say("content") }
    }
--- request
GET /t
--- response_body
content
--- no_error_log
[error]



=== access: exit(ngx.OK) grants
--- config
    location = /t {
        access_by_lua_block {
            ngx.exit(ngx.OK)
            ngx.log(ngx.ERR, "went on")
        }
        content_by_lua_block { ngx.say("content") }
    }
--- request
GET /t
--- response_body
content
--- no_error_log
[error]
went on



=== access: 401 and 403 deny
--- config
    location = /t {
        access_by_lua_block { ngx.exit(tonumber(ngx.var.arg_c)) }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request eval
["GET /t?c=401", "GET /t?c=403", "GET /t?c=404", "GET /t?c=444"]
--- ignore_response
--- no_error_log
content ran



=== access: exit(200) answers
--- config
    location = /t {
        access_by_lua_block { ngx.exit(ngx.HTTP_OK) }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
--- error_code: 200
--- no_error_log
[error]
content ran



=== access: exit(ngx.DECLINED) goes on
--- config
    location = /t {
        access_by_lua_block { ngx.exit(ngx.DECLINED) }
        content_by_lua_block { ngx.say("content") }
    }
--- request
GET /t
--- response_body
content
--- no_error_log
[error]



=== server_rewrite: exit(ngx.OK) goes on, a code ends
--- config
    server_rewrite_by_lua_block {
        if ngx.var.arg_c then
            ngx.exit(tonumber(ngx.var.arg_c))
        end
        ngx.exit(ngx.OK)
    }
    location = /t {
        content_by_lua_block { ngx.say("content") }
    }
--- request eval
["GET /t", "GET /t?c=403", "GET /t?c=200"]
--- error_code eval
[200, 403, 200]
--- response_body_like eval
["^content\n\$", "403 Forbidden", "^\$"]
--- no_error_log
[error]



=== log: disabled
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            local _, err = pcall(ngx.exit, 200)
            ngx.log(ngx.WARN, "exit: ", err)
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
exit: API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== init: no request
--- http_config
    init_by_lua_block { why = select(2, pcall(ngx.exit, 0)) }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like: no request found$
--- no_error_log
[error]



=== init_worker: disabled
--- http_config
    init_worker_by_lua_block { why = select(2, pcall(ngx.exit, 0)) }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like: API disabled in the context of init_worker_by_lua\*
--- no_error_log
[error]



=== exit after a sleep behaves the same in every phase
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.sleep(0.001)
            ngx.exit(ngx.var.arg_in == "rewrite" and 403 or ngx.OK)
        }
        access_by_lua_block {
            ngx.sleep(0.001)
            ngx.exit(ngx.var.arg_in == "access" and 404 or ngx.OK)
        }
        content_by_lua_block {
            ngx.sleep(0.001)
            ngx.exit(ngx.var.arg_in == "content" and 503 or ngx.OK)
        }
    }
--- request eval
["GET /t?in=rewrite", "GET /t?in=access", "GET /t?in=content", "GET /t"]
--- error_code eval
[403, 404, 503, 200]
--- no_error_log
[error]



=== exit from a user coroutine ends the whole request
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("in")
            local co = coroutine.wrap(function () ngx.exit(200) end)
            co()
            ngx.log(ngx.ERR, "went on")
        }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]
went on
