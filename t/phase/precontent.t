# precontent_by_lua: after access, before content.
#
# Newer than lua-nginx-module 0.10.23: this file does not pass with it.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs between access and content
--- config
    location = /t {
        access_by_lua_block { ngx.ctx.t = "a" }
        precontent_by_lua_block { ngx.ctx.t = ngx.ctx.t .. "p" }
        content_by_lua_block { ngx.say(ngx.ctx.t, "c") }
    }
--- request
GET /t
--- response_body
apc
--- no_error_log
[error]



=== its name in get_phase and in the log
--- config
    location = /t {
        precontent_by_lua_block {
            ngx.log(ngx.WARN, "phase: ", ngx.config.subsystem)
            ngx.sleep(0.001)
            ngx.ctx.ok = true
        }
        content_by_lua_block { ngx.say(ngx.ctx.ok) }
    }
--- request
GET /t
--- response_body
true
--- error_log eval
qr/\[lua\] precontent_by_lua\(nginx\.conf:\d+\):2: phase: http/
--- no_error_log
[error]



=== as a file
--- config
    location = /t {
        precontent_by_lua_file html/pre.lua;
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
--- user_files
>>> pre.lua
ngx.ctx.from = "file"
--- request
GET /t
--- response_body
file
--- no_error_log
[error]



=== say answers and skips content
--- config
    location = /t {
        precontent_by_lua_block { ngx.say("precontent") }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
precontent
--- no_error_log
[error]
content ran



=== exit: ngx.OK goes on, a code ends
--- config
    location = /t {
        precontent_by_lua_block {
            ngx.exit(ngx.var.arg_c and tonumber(ngx.var.arg_c) or ngx.OK)
        }
        content_by_lua_block { ngx.say("content") }
    }
--- request eval
["GET /t", "GET /t?c=403", "GET /t?c=503"]
--- error_code eval
[200, 403, 503]
--- no_error_log
[error]



=== an error is a 500
--- config
    location = /t {
        precontent_by_lua_block { error("no luck") }
        content_by_lua_block { ngx.say("never") }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/lua entry thread aborted: runtime error: precontent_by_lua\(nginx\.conf:\d+\):1: no luck/



=== after try_files: runs in the new location only
--- config
    location = /t {
        try_files /nowhere /next;
        precontent_by_lua_block { ngx.log(ngx.ERR, "old location ran") }
    }
    location = /next {
        precontent_by_lua_block { ngx.ctx.pre = "next" }
        content_by_lua_block { ngx.say(ngx.ctx.pre) }
    }
--- request
GET /t
--- response_body
next
--- no_error_log
[error]
old location ran



=== no_postpone: before try_files
--- http_config
    precontent_by_lua_no_postpone on;
--- config
    location = /t {
        try_files /nowhere /next;
        precontent_by_lua_block { ngx.log(ngx.WARN, "old location ran") }
    }
    location = /next { content_by_lua_block { ngx.say("next") } }
--- request
GET /t
--- response_body
next
--- error_log
old location ran
--- no_error_log
[error]



=== inherited from server, replaced in the location
--- config
    precontent_by_lua_block { ngx.ctx.from = "server" }
    location = /t { content_by_lua_block { ngx.say(ngx.ctx.from) } }
    location = /own {
        precontent_by_lua_block { ngx.ctx.from = "location" }
        content_by_lua_block { ngx.say(ngx.ctx.from) }
    }
--- request eval
["GET /t", "GET /own"]
--- response_body eval
["server\n", "location\n"]
--- no_error_log
[error]
