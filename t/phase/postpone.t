# rewrite_by_lua_no_postpone and access_by_lua_no_postpone: run before
# nginx's own modules of the phase instead of after them.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== rewrite: off is the default, Lua sees what set has done
--- http_config
    rewrite_by_lua_no_postpone off;
--- config
    location = /t {
        set $v "set";
        rewrite_by_lua_block { ngx.ctx.seen = ngx.var.v }
        content_by_lua_block { ngx.say("[", ngx.ctx.seen, "]") }
    }
--- request
GET /t
--- response_body
[set]
--- no_error_log
[error]



=== rewrite: on, Lua comes before set
--- http_config
    rewrite_by_lua_no_postpone on;
--- config
    location = /t {
        set $v "set";
        rewrite_by_lua_block { ngx.ctx.seen = ngx.var.v }
        content_by_lua_block { ngx.say("[", ngx.ctx.seen, "] then ", ngx.var.v) }
    }
--- request
GET /t
--- response_body
[] then set
--- no_error_log
[error]



=== rewrite: on, Lua comes before return
--- http_config
    rewrite_by_lua_no_postpone on;
--- config
    location = /t {
        rewrite_by_lua_block { ngx.header["X-Lua"] = "first" }
        return 200 "nginx\n";
    }
--- request
GET /t
--- response_headers
X-Lua: first
--- response_body
nginx
--- no_error_log
[error]



=== access: off is the default, deny comes first
--- http_config
    access_by_lua_no_postpone off;
--- config
    location = /t {
        deny all;
        access_by_lua_block { ngx.exit(404) }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 403
--- error_log
access forbidden by rule



=== access: on, Lua comes before deny
--- http_config
    access_by_lua_no_postpone on;
--- config
    location = /t {
        deny all;
        access_by_lua_block { ngx.exit(404) }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 404
--- no_error_log
[error]



=== access: on, allowed by Lua, denied by nginx
--- http_config
    access_by_lua_no_postpone on;
--- config
    location = /t {
        deny all;
        access_by_lua_block { ngx.log(ngx.WARN, "Lua saw it") }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 403
--- error_log
Lua saw it
access forbidden by rule



=== only at the level of http
--- config
    location = /t {
        access_by_lua_no_postpone on;
    }
--- must_die
--- error_log
"access_by_lua_no_postpone" directive is not allowed here
