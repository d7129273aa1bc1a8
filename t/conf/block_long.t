# Single strings and comments larger than nginx's configuration buffer, and
# strings with an escaped line end: the reader follows Lua's own rules.
#
# Deliberate difference: lua-nginx-module takes a token only if it fits into
# what is left of the 4 KB buffer, so this file does not pass with it.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a long string of 6 KB
--- config eval
"location = /t { content_by_lua_block { ngx.say(#[[" . ("}" x 6000) . "]]) } }\n"
--- request
GET /t
--- response_body
6000
--- no_error_log
[error]



=== a long string of 100 KB
--- config eval
"location = /t { content_by_lua_block { ngx.say(#[==[" . ("{]]" x 33000) . "]==]) } }\n"
--- request
GET /t
--- response_body
99000
--- no_error_log
[error]



=== a quoted string of 6 KB
--- config eval
"location = /t { content_by_lua_block { ngx.say(#'" . ("}" x 6000) . "') } }\n"
--- request
GET /t
--- response_body
6000
--- no_error_log
[error]



=== a line comment of 6 KB
--- config eval
"location = /t { content_by_lua_block { --" . ("}" x 6000) . "\n ngx.say('ok') } }\n"
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== a long comment of 6 KB, and the lines after it
--- config eval
"location = /t { content_by_lua_block {\n--[[" . ("}\n" x 3000) . "]]\nerror('here') } }\n"
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/content_by_lua\(nginx\.conf:\d+\):3003: here/



=== an escaped line end inside a string
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("one \
}two")
        }
    }
--- request
GET /t
--- response_body eval
"one \n}two\n"
--- no_error_log
[error]
