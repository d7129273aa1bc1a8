# access_by_lua: after nginx's own access modules.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs after deny
--- config
    location = /t {
        access_by_lua_block { ngx.log(ngx.ERR, "access ran") }
        deny all;
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 403
--- error_log
access forbidden by rule
--- no_error_log
access ran



=== runs after allow
--- config
    location = /t {
        allow 127.0.0.1;
        deny all;
        access_by_lua_block { ngx.ctx.seen = "access" }
        content_by_lua_block { ngx.say(ngx.ctx.seen) }
    }
--- request
GET /t
--- response_body
access
--- no_error_log
[error]



=== an error is a 500
--- config
    location = /t {
        access_by_lua_block { error("no luck") }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/lua entry thread aborted: runtime error: access_by_lua\(nginx\.conf:\d+\):1: no luck/



=== 401 with WWW-Authenticate
--- config
    location = /t {
        access_by_lua_block {
            ngx.header.www_authenticate = 'Basic realm="lua"'
            ngx.exit(401)
        }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- response_headers
WWW-Authenticate: Basic realm="lua"
--- error_code: 401
--- no_error_log
[error]



=== not run for a subrequest
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        access_by_lua_block { ngx.log(ngx.WARN, "access /t") }
        content_by_lua_block { ngx.say('<!--# include virtual="/sub" -->') }
    }
    location = /sub {
        access_by_lua_block { ngx.log(ngx.ERR, "access /sub") }
        content_by_lua_block { ngx.print("sub") }
    }
--- request
GET /t
--- response_body
sub
--- error_log
access /t
--- no_error_log
access /sub



=== once per internal redirect
--- config
    access_by_lua_block { ngx.var.trace = ngx.var.trace .. ngx.var.uri }
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



=== basic auth of nginx and Lua: both must agree
--- config
    location = /t {
        auth_basic "realm";
        auth_basic_user_file ../html/users;
        access_by_lua_block {
            ngx.log(ngx.WARN, "user ", ngx.var.remote_user)
            if ngx.var.arg_deny then ngx.exit(403) end
        }
        content_by_lua_block { ngx.say("in") }
    }
--- user_files
>>> users
ann:{PLAIN}secret
--- more_headers
Authorization: Basic YW5uOnNlY3JldA==
--- request eval
["GET /t", "GET /t?deny=1"]
--- error_code eval
[200, 403]
--- error_log
user ann
--- no_error_log
[error]
