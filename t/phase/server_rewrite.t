# server_rewrite_by_lua: before the location is chosen.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs before the location's phases
--- config
    server_rewrite_by_lua_block { ngx.ctx.t = "server " .. ngx.var.uri }
    location = /t {
        rewrite_by_lua_block { ngx.ctx.t = ngx.ctx.t .. ", rewrite" }
        content_by_lua_block { ngx.say(ngx.ctx.t) }
    }
--- request
GET /t
--- response_body
server /t, rewrite
--- no_error_log
[error]



=== inherited from http
--- http_config
    server_rewrite_by_lua_block { ngx.ctx.from = "http" }
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
--- request
GET /t
--- response_body
http
--- no_error_log
[error]



=== the server's own replaces that of http
--- http_config
    server_rewrite_by_lua_block { ngx.ctx.http = true }
--- config
    server_rewrite_by_lua_block { ngx.ctx.server = true }
    location = /t {
        content_by_lua_block { ngx.say(ngx.ctx.http, " ", ngx.ctx.server) }
    }
--- request
GET /t
--- response_body
nil true
--- no_error_log
[error]



=== before the server's own set, which therefore wins
--- config
    set $v "nginx";
    server_rewrite_by_lua_block { ngx.var.v = "lua" }
    location = /t {
        content_by_lua_block { ngx.say(ngx.var.v) }
    }
--- request
GET /t
--- response_body
nginx
--- no_error_log
[error]



=== not allowed in a location
--- config
    location = /t {
        server_rewrite_by_lua_block { ngx.say("x") }
    }
--- must_die
--- error_log
"server_rewrite_by_lua_block" directive is not allowed here



=== as a file
--- config
    server_rewrite_by_lua_file html/srv.lua;
    location = /t {
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
--- user_files
>>> srv.lua
ngx.ctx.from = "a file"
--- request
GET /t
--- response_body
a file
--- no_error_log
[error]



=== there is no plain string form
--- config
    server_rewrite_by_lua 'ngx.say("x")';
--- must_die
--- error_log
unknown directive "server_rewrite_by_lua"



=== an error is a 500
--- config
    server_rewrite_by_lua_block { error("no luck") }
    location = /t {
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/lua entry thread aborted: runtime error: server_rewrite_by_lua\(nginx\.conf:\d+\):1: no luck/
