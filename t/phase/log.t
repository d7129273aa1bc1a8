# log_by_lua: after the answer.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs after content, with the request's variables
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            ngx.log(ngx.WARN, ngx.var.uri, " ", ngx.var.status, " ", ngx.var.bytes_sent > "0")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
/t 200 true while logging request
--- no_error_log
[error]



=== without any Lua in the earlier phases
--- config
    location = /t {
        return 200 "plain\n";
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.var.status) }
    }
--- request
GET /t
--- response_body
plain
--- error_log
logged 200
--- no_error_log
[error]



=== runs after a 404 of nginx
--- config
    location = /t {
        root html;
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.var.status) }
    }
--- request
GET /t
--- error_code: 404
--- error_log
logged 404



=== runs after a Lua error
--- config
    location = /t {
        content_by_lua_block { error("broken") }
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.status) }
    }
--- request
GET /t
--- error_code: 500
--- error_log
broken
logged 500



=== its own error is logged and changes nothing
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { error("too bad") }
    }
--- request
GET /t
--- response_body
ok
--- error_code: 200
--- error_log eval
qr/\[error\] .*failed to run log_by_lua\*: log_by_lua\(nginx\.conf:\d+\):1: too bad/
--- no_error_log
[alert]



=== error(nil) and error({}) have no reason
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block {
            if ngx.var.arg_nil then error(nil) end
            error({})
        }
    }
--- request eval
["GET /t", "GET /t?nil=1"]
--- response_body eval
["ok\n", "ok\n"]
--- error_log
failed to run log_by_lua*: unknown reason
--- no_error_log
[alert]



=== a syntax error is found when it is first run
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { if then }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/failed to load inlined Lua code: log_by_lua\(nginx\.conf:\d+\):1: unexpected symbol near 'then'/



=== as a string and as a file
--- config
    location = /a {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua 'ngx.log(ngx.WARN, "logged by something")';
    }
    location = /b {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_file html/log.lua;
    }
--- user_files
>>> log.lua
ngx.log(ngx.WARN, "logged by something")
--- request eval
["GET /a", "GET /b"]
--- response_body eval
["ok\n", "ok\n"]
--- error_log
logged by something
--- no_error_log
[error]



=== inherited from http and server, replaced in the location
--- http_config
    log_by_lua_block { ngx.log(ngx.WARN, "from http") }
--- config
    location = /t {
        return 200 "ok\n";
    }
    location = /own {
        return 200 "ok\n";
        log_by_lua_block { ngx.log(ngx.WARN, "from location") }
    }
--- request
GET /own
--- response_body
ok
--- error_log
from location
--- no_error_log
from http
[error]



=== once for a request with internal redirects, in the last location
--- config
    location = /t {
        try_files /nowhere /next;
        log_by_lua_block { ngx.log(ngx.ERR, "log in /t") }
    }
    location = /next {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.WARN, "log in /next") }
    }
--- request
GET /t
--- response_body
ok
--- grep_error_log eval
qr/log in \/\w+/
--- grep_error_log_out
log in /next
--- no_error_log
[error]
