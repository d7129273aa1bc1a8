# satisfy any|all with access_by_lua.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== all: a refusing Lua refuses
--- config
    location = /t {
        satisfy all;
        allow all;
        access_by_lua_block { ngx.exit(403) }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- error_code: 403
--- no_error_log
[error]



=== any: nginx's allow is enough, Lua is not asked
--- config
    location = /t {
        satisfy any;
        allow all;
        access_by_lua_block { ngx.log(ngx.ERR, "access ran") ngx.exit(403) }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]
access ran



=== any: Lua's exit(ngx.OK) is enough
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block { ngx.exit(ngx.OK) }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]



=== any: Lua coming to its end is enough as well
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block { local x = 1 }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]



=== any: both refuse
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block { ngx.exit(403) }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- error_code: 403
--- error_log
access forbidden by rule



=== any: 401 of Lua asks for credentials
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block {
            ngx.header.www_authenticate = "Basic"
            ngx.exit(401)
        }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- response_headers
WWW-Authenticate: Basic
--- error_code: 401
--- error_log
lua exit with code 401



=== any: an error of Lua is a 500
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block { error("no luck") }
        content_by_lua_block { ngx.say("in") }
    }
--- request
GET /t
--- error_code: 500
--- error_log
no luck



=== any, after a sleep
--- config
    location = /t {
        satisfy any;
        deny all;
        access_by_lua_block {
            ngx.sleep(0.005)
            ngx.exit(ngx.var.arg_deny and 403 or ngx.OK)
        }
        content_by_lua_block { ngx.say("in") }
    }
--- request eval
["GET /t", "GET /t?deny=1"]
--- error_code eval
[200, 403]
--- no_error_log
[alert]
