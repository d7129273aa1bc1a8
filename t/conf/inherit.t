# Inheritance of by_lua directives: http, server, location, nested, if.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== rewrite, access and log from http
--- http_config
    rewrite_by_lua_block { ngx.ctx.r = "http" }
    access_by_lua_block { ngx.ctx.a = "http" }
    log_by_lua_block { ngx.log(ngx.WARN, "log from http") }
--- config
    location = /t { content_by_lua_block { ngx.say(ngx.ctx.r, " ", ngx.ctx.a) } }
--- request
GET /t
--- response_body
http http
--- error_log
log from http
--- no_error_log
[error]



=== the server's replaces that of http, each phase on its own
--- http_config
    rewrite_by_lua_block { ngx.ctx.r = "http" }
    access_by_lua_block { ngx.ctx.a = "http" }
--- config
    access_by_lua_block { ngx.ctx.a = "server" }
    location = /t { content_by_lua_block { ngx.say(ngx.ctx.r, " ", ngx.ctx.a) } }
--- request
GET /t
--- response_body
http server
--- no_error_log
[error]



=== the location's replaces that of the server, it is not added
--- config
    rewrite_by_lua_block { ngx.ctx.server = true }
    location = /t {
        rewrite_by_lua_block { ngx.ctx.location = true }
        content_by_lua_block { ngx.say(ngx.ctx.server, " ", ngx.ctx.location) }
    }
--- request
GET /t
--- response_body
nil true
--- no_error_log
[error]



=== another form replaces an inherited one
--- config
    rewrite_by_lua_block { ngx.ctx.from = "server block" }
    location = /s {
        rewrite_by_lua 'ngx.ctx.from = "location string"';
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
    location = /f {
        rewrite_by_lua_file html/r.lua;
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
--- user_files
>>> r.lua
ngx.ctx.from = "location file"
--- request eval
["GET /s", "GET /f"]
--- response_body eval
["location string\n", "location file\n"]
--- no_error_log
[error]



=== a nested location inherits from the outer one
--- config
    location /t {
        rewrite_by_lua_block { ngx.ctx.r = "outer" }
        access_by_lua_block { ngx.ctx.a = "outer" }
        location = /t/inner {
            access_by_lua_block { ngx.ctx.a = "inner" }
            content_by_lua_block { ngx.say(ngx.ctx.r, " ", ngx.ctx.a) }
        }
    }
--- request
GET /t/inner
--- response_body
outer inner
--- no_error_log
[error]



=== content is not inherited by a nested location
--- config
    location /t {
        content_by_lua_block { ngx.say("outer") }
        location = /t/inner { root html; }
    }
--- request eval
["GET /t/x", "GET /t/inner"]
--- error_code eval
[200, 404]
--- no_error_log
[alert]



=== if: the matching branch has Lua of its own
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.r = "location" }
        if ($arg_i) {
            rewrite_by_lua_block { ngx.ctx.r = "if" }
        }
        content_by_lua_block { ngx.say(ngx.ctx.r) }
    }
--- request eval
["GET /t", "GET /t?i=1"]
--- response_body eval
["location\n", "if\n"]
--- no_error_log
[error]



=== if: without Lua of its own it inherits, content included
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.r = "location" }
        content_by_lua_block { ngx.say(ngx.ctx.r, " ", ngx.var.v) }
        set $v "plain";
        if ($arg_i) { set $v "in if"; }
    }
--- request eval
["GET /t", "GET /t?i=1"]
--- response_body eval
["location plain\n", "location in if\n"]
--- no_error_log
[error]



=== if: access, content and log
--- config
    location = /t {
        content_by_lua_block { ngx.say("location ", ngx.ctx.a) }
        if ($arg_i) {
            access_by_lua_block { ngx.ctx.a = "a" }
            content_by_lua_block { ngx.say("if ", ngx.ctx.a) }
            log_by_lua_block { ngx.log(ngx.WARN, "log in if") }
        }
    }
--- request eval
["GET /t?i=1", "GET /t?i=2"]
--- response_body eval
["if a\n", "if a\n"]
--- error_log
log in if
--- no_error_log
[error]



=== if: a return in it wins over Lua's rewrite
--- config
    location = /t {
        rewrite_by_lua_block { ngx.header["X-R"] = "ran" }
        if ($arg_i) { return 403; }
        content_by_lua_block { ngx.say("ok") }
    }
--- request eval
["GET /t", "GET /t?i=1"]
--- error_code eval
[200, 403]
--- no_error_log
[error]



=== limit_except
--- config
    location = /t {
        access_by_lua_block { ngx.header["X-Access"] = "lua" }
        limit_except GET { deny all; }
        content_by_lua_block { ngx.say("ok") }
    }
--- request eval
["GET /t", "POST /t\nx"]
--- error_code eval
[200, 403]
--- no_error_log
[alert]



=== two servers have each their own
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        rewrite_by_lua_block { ngx.ctx.r = "other" }
        location / { content_by_lua_block { ngx.say(ngx.ctx.r) } }
    }
--- config
    rewrite_by_lua_block { ngx.ctx.r = "main" }
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/x;
        log_by_lua_block { ngx.log(ngx.WARN, "front: ", ngx.ctx.r) }
    }
--- request
GET /t
--- response_body
other
--- error_log
front: main
--- no_error_log
[error]
