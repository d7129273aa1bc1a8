# Where the output API may be called.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== say in rewrite answers the request and skips the later phases
--- config
    location = /t {
        rewrite_by_lua_block { ngx.say("from rewrite") }
        access_by_lua_block { ngx.log(ngx.ERR, "access ran") }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
from rewrite
--- no_error_log
[error]
access ran
content ran



=== say in access answers the request and skips content
--- config
    location = /t {
        access_by_lua_block { ngx.say("from access") }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
from access
--- no_error_log
[error]
content ran



=== say in server_rewrite answers the request
--- config
    server_rewrite_by_lua_block { ngx.say("from server rewrite") }
    location = /t {
        rewrite_by_lua_block { ngx.log(ngx.ERR, "rewrite ran") }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
from server rewrite
--- no_error_log
[error]
rewrite ran
content ran



=== say and print are disabled in log
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            local _, e1 = pcall(ngx.say, "x")
            local _, e2 = pcall(ngx.print, "x")
            local _, e3 = pcall(ngx.send_headers)
            ngx.log(ngx.WARN, "say: ", e1)
            ngx.log(ngx.WARN, "print: ", e2)
            ngx.log(ngx.WARN, "send_headers: ", e3)
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
say: API disabled in the context of log_by_lua*
print: API disabled in the context of log_by_lua*
send_headers: API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== say in init has no request
--- http_config
    init_by_lua_block {
        said, why = pcall(ngx.say, "x")
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(said, " ", why) }
    }
--- request
GET /t
--- response_body
false no request object found
--- no_error_log
[error]



=== output in init_worker is disabled
--- http_config
    init_worker_by_lua_block {
        local _, e = pcall(ngx.say, "x")
        local _, f = pcall(ngx.flush)
        local _, g = pcall(ngx.eof)
        local _, h = pcall(ngx.send_headers)
        why = { e, "\n", f, "\n", g, "\n", h }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body
API disabled in the context of init_worker_by_lua*
API disabled in the context of init_worker_by_lua*
API disabled in the context of init_worker_by_lua*
API disabled in the context of init_worker_by_lua*
--- no_error_log
[error]



=== a HEAD request: say reports header only once the header is out
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, "first: ", ngx.say("a"))
            local ok, err = ngx.say("b")
            ngx.log(ngx.WARN, "second: ", ok, " ", err)
        }
    }
--- request
HEAD /t
--- response_body
--- error_log
first: 1
second: nil header only
--- no_error_log
[error]
