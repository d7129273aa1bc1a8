# ngx.var: writing nginx variables.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== set a declared variable
--- config
    location = /t {
        set $name "";
        content_by_lua_block {
            ngx.var.name = "value"
            ngx.say(ngx.var.name)
            ngx.var.NAME = "upper"
            ngx.say(ngx.var.name)
        }
    }
--- request
GET /t
--- response_body
value
upper
--- no_error_log
[error]



=== other types become strings
--- config
    location = /t {
        set $v "";
        content_by_lua_block {
            ngx.var.v = 42
            ngx.say(type(ngx.var.v), ngx.var.v)
            ngx.var.v = 1.5
            ngx.say(ngx.var.v)
            ngx.var.v = true
            ngx.say(ngx.var.v)
            ngx.var.v = "a\0b"
            ngx.say(#ngx.var.v)
        }
    }
--- request
GET /t
--- response_body
string42
1.5
true
3
--- no_error_log
[error]



=== nil unsets, the empty string does not
--- config
    location = /t {
        set $v "full";
        content_by_lua_block {
            ngx.var.v = ""
            ngx.say("[", ngx.var.v, "]")
            ngx.var.v = nil
            ngx.say(ngx.var.v)
        }
    }
--- request
GET /t
--- response_body
[]
nil
--- no_error_log
[error]



=== nginx sees what Lua has set
--- config
    location = /t {
        set $to "";
        rewrite_by_lua_block { ngx.var.to = "lua" }
        add_header X-To "$to";
        return 200 "to $to\n";
    }
    location = /u {
        set $to "";
        access_by_lua_block { ngx.var.to = "lua" }
        add_header X-To "$to";
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /u
--- response_headers
X-To: lua
--- response_body
ok
--- no_error_log
[error]



=== $args and $limit_rate have setters of their own
--- config
    location = /t {
        content_by_lua_block {
            ngx.var.args = "x=9"
            ngx.var.limit_rate = 1000000
            ngx.say(ngx.var.args, " ", ngx.var.arg_x, " ", ngx.var.query_string,
                    " ", ngx.var.limit_rate)
        }
    }
--- request
GET /t?a=1
--- response_body
x=9 9 x=9 1000000
--- no_error_log
[error]



=== an undefined variable cannot be set
--- config
    location = /t {
        content_by_lua_block { ngx.var.unheard_of = 1 }
    }
--- request
GET /t
--- error_code: 500
--- error_log
variable "unheard_of" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use "set $unheard_of '';" in the config file to define it first



=== a built-in variable is not changeable
--- config
    location = /t {
        # names it, so that it has an entry
        set $dummy "$uri $arg_a";
        content_by_lua_block {
            ngx.say(select(2, pcall(function () ngx.var.uri = "/x" end)))
            ngx.say(select(2, pcall(function () ngx.var.QUERY_STRING = "/x" end)))
        }
    }
--- request
GET /t
--- response_body_like
variable "uri" not changeable
.*variable "query_string" not changeable
--- no_error_log
[error]



=== prefixed names cannot be set unless declared
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(function () ngx.var.http_x = "1" end)))
        }
    }
--- request
GET /t
--- response_body_like: variable "http_x" not found for writing
--- no_error_log
[error]



=== captures cannot be set
--- config
    location ~ ^/t/(\w+)$ {
        content_by_lua_block {
            ngx.say(select(2, pcall(function () ngx.var[1] = "x" end)))
            ngx.say(ngx.var[1])
        }
    }
--- request
GET /t/cap
--- response_body_like
bad variable name
cap
--- no_error_log
[error]



=== each request has its own values
--- config
    location = /t {
        set $v "fresh";
        content_by_lua_block {
            local before = ngx.var.v
            ngx.var.v = "used"
            ngx.say(before)
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t"]
--- response_body eval
["fresh\n", "fresh\n"]
--- no_error_log
[error]



=== values survive an internal redirect
--- config
    location = /t {
        set $v "";
        rewrite_by_lua_block { ngx.var.v = "kept" }
        try_files /nowhere /next;
    }
    location = /next {
        internal;
        content_by_lua_block { ngx.say(ngx.var.v, " ", ngx.var.uri) }
    }
--- request
GET /t
--- response_body
kept /next
--- no_error_log
[error]
