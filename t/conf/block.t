# The block reader: where a { Lua block } ends.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== nested tables and functions
--- config
    location = /t {
        content_by_lua_block {
            local t = { a = { b = { c = {} } }, f = function () return { 1 } end }
            if t then ngx.say(#t.f(), type(t.a.b.c)) end
        }
    }
--- request
GET /t
--- response_body
1table
--- no_error_log
[error]



=== braces in strings
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("}}}", '{', "\"}", '\'{', "\\", '\\', "}")
        }
    }
--- request
GET /t
--- response_body
}}}{"}'{\\}
--- no_error_log
[error]



=== braces and quotes in comments
--- config
    location = /t {
        content_by_lua_block {
            -- } it's not the end "
            ngx.say("a") --} }} '
            --{ nor this
            ngx.say("b") ---[[ a line comment }
        }
    }
--- request
GET /t
--- response_body
a
b
--- no_error_log
[error]



=== long strings of any level
--- config
    location = /t {
        content_by_lua_block {
            ngx.say([[ } ]], [=[ ]] } ]=], [==[ ]=] { ]==], [====[]===]}]====])
        }
    }
--- request
GET /t
--- response_body eval
" }  ]] }  ]=] { ]===]}\n"
--- no_error_log
[error]



=== a long string over lines keeps its line ends
--- config
    location = /t {
        content_by_lua_block {
            ngx.print([[
    {{{
    "not closed
    ]])
            ngx.say(debug.getinfo(1, "l").currentline)
        }
    }
--- request
GET /t
--- response_body eval
"    {{{\n    \"not closed\n    6\n"
--- no_error_log
[error]



=== long comments of any level
--- config
    location = /t {
        content_by_lua_block {
            --[[ } ' " ]] ngx.say("a")
            --[==[ ]] } ]=]
            }}} ]==]
            ngx.say("b")
            --[=[ }]=]--[[}]]ngx.say("c")
        }
    }
--- request
GET /t
--- response_body
a
b
c
--- no_error_log
[error]



=== what only looks like a long bracket
--- config
    location = /t {
        content_by_lua_block {
            local t = { 1, 2, [3] = { 4 } }
            local i = { 3 }
            ngx.say(t[i[1]][1], " ", t[ 1 ], " ", #"[==", " [=")
        }
    }
--- request
GET /t
--- response_body
4 1 3 [=
--- no_error_log
[error]



=== all on one line, and the brace on its own line
--- config
    location = /a { content_by_lua_block { ngx.say({ "a" }) } }
    location = /b {
        content_by_lua_block
        {
            ngx.say("b")
        }
    }
    location = /c { content_by_lua_block{ngx.say("c")} }
--- request eval
["GET /a", "GET /b", "GET /c"]
--- response_body eval
["a\n", "b\n", "c\n"]
--- no_error_log
[error]



=== characters that nginx would treat specially
--- config
    location = /t {
        content_by_lua_block {
            local a = 1; local b = "#not a comment; $uri \$ %n" # nginx would stop here
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log
failed to load inlined Lua code: content_by_lua(nginx.conf:



=== semicolons, dollars and hashes are Lua's
--- config
    location = /t {
        content_by_lua_block {
            local t = { 1; 2; 3 };
            ngx.say(#t, " # $uri ; ");
        }
    }
--- request
GET /t
--- response_body eval
"3 # \$uri ; \n"
--- no_error_log
[error]



=== UTF-8 and control bytes
--- config eval
"location = /t { content_by_lua_block { ngx.say('\x{c3}\x{a4} }', \"\t\x{01}\") } }"
--- request
GET /t
--- response_body eval
"\x{c3}\x{a4} }\t\x{01}\n"
--- no_error_log
[error]



=== CRLF line ends
--- config eval
"location = /t { content_by_lua_block {\r\n -- it's }\r\n ngx.say('ok')\r\n }\r\n}\r\n"
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== directives after the block are read as usual
--- config
    location = /t {
        content_by_lua_block { ngx.say("{", ngx.var.after) }
        set $after "set after }";
        add_header X-After "$after";
    }
--- request
GET /t
--- response_headers
X-After: set after }
--- response_body
{set after }
--- no_error_log
[error]
