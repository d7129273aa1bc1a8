# rewrite_by_lua: after nginx's own rewrite rules, before access.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs after set and if, whatever the order of the directives
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.seen = ngx.var.v }
        set $v "first";
        if ($arg_b) { set $v "second"; }
        content_by_lua_block { ngx.say(ngx.ctx.seen) }
    }
--- request eval
["GET /t", "GET /t?b=1"]
--- response_body eval
["first\n", "second\n"]
--- no_error_log
[error]



=== a return of nginx's rewrite module comes first
--- config
    location = /t {
        rewrite_by_lua_block { ngx.log(ngx.ERR, "rewrite ran") }
        return 204;
    }
--- request
GET /t
--- error_code: 204
--- no_error_log
[error]
rewrite ran



=== a rewrite that changes the uri skips it in the old location
--- config
    location = /t {
        rewrite ^ /next;
        rewrite_by_lua_block { ngx.log(ngx.ERR, "old location ran") }
    }
    location = /next {
        rewrite_by_lua_block { ngx.ctx.in_next = ngx.var.uri }
        content_by_lua_block { ngx.say(ngx.ctx.in_next) }
    }
--- request
GET /t
--- response_body
/next
--- no_error_log
[error]
old location ran



=== rewrite ... break stays and runs it
--- config
    location = /t {
        rewrite ^ /other break;
        rewrite_by_lua_block { ngx.ctx.uri = ngx.var.uri }
        content_by_lua_block { ngx.say(ngx.ctx.uri) }
    }
--- request
GET /t
--- response_body
/other
--- no_error_log
[error]



=== an error is a 500 and ends the request
--- config
    location = /t {
        rewrite_by_lua_block { error("no luck") }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/lua entry thread aborted: runtime error: rewrite_by_lua\(nginx\.conf:\d+\):1: no luck/
--- no_error_log
content ran



=== with proxy_pass as content
--- config
    location = /t {
        rewrite_by_lua_block { ngx.var.args = "from=lua" }
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
        proxy_set_header X-Args $args;
    }
    location = /backend {
        content_by_lua_block { ngx.say(ngx.var.http_x_args) }
    }
--- request
GET /t
--- response_body
from=lua
--- no_error_log
[error]



=== with a static file as content
--- config
    location = /page.txt {
        root html;
        rewrite_by_lua_block { ngx.header["X-Lua"] = "yes" }
    }
--- user_files
>>> page.txt
static
--- request
GET /page.txt
--- response_headers
X-Lua: yes
Content-Length: 7
--- response_body
static
--- no_error_log
[error]



=== sleeping does not run nginx's rewrite rules twice
--- config
    location = /t {
        set $n "0";
        rewrite_by_lua_block {
            ngx.var.n = ngx.var.n + 1
            ngx.sleep(0.005)
            ngx.var.n = ngx.var.n + 1
        }
        content_by_lua_block { ngx.say(ngx.var.n) }
    }
--- request
GET /t
--- response_body
2
--- no_error_log
[error]



=== once for each internal redirect
--- config
    rewrite_by_lua_block { ngx.var.trace = ngx.var.trace .. ngx.var.uri }
    location = /t {
        set $trace "";
        try_files /nowhere /next;
    }
    location = /next {
        content_by_lua_block { ngx.say(ngx.var.trace) }
    }
--- request
GET /t
--- response_body
/t/next
--- no_error_log
[error]
