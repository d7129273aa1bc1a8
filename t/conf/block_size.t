# Blocks larger than nginx's 4 KB configuration buffer, and their positions in it.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== 8 KB of short lines
--- config eval
"location = /t { content_by_lua_block {\n" . ("local x = { '}' } -- }\n" x 180) . "ngx.say('ok')\n} }\n"
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== 100 KB of short lines
--- config eval
"location = /t { content_by_lua_block {\nlocal n = 0\n" . ("n = n + #{ '}' } -- }\n" x 4600) . "ngx.say(n)\n} }\n"
--- request
GET /t
--- response_body
4600
--- no_error_log
[error]



=== line numbers stay right in a large block
--- config eval
"location = /t { content_by_lua_block {\n" . ("local x = '{' -- {\n" x 150) . "error('here')\n} }\n"
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/content_by_lua\(nginx\.conf:\d+\):152: here/



=== a long string of 2000 bytes after 5 KB of code
--- config eval
"location = /t { content_by_lua_block {\nlocal x\n" . ("x = { '}' }\n" x 420) . "ngx.say(#[==[" . ("}]]{" x 500) . "]==])\n} }\n"
--- request
GET /t
--- response_body
2000
--- no_error_log
[error]



=== a long comment of 2000 bytes after 5 KB of code
--- config eval
"location = /t { content_by_lua_block {\nlocal x\n" . ("x = { '}' }\n" x 420) . "--[==[" . ("}]]{" x 490) . "]==] ngx.say('ok')\n} }\n"
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== a quoted string of 2000 bytes
--- config eval
"location = /t { content_by_lua_block { ngx.say(#'" . ("}" x 2000) . "') } }\n"
--- request
GET /t
--- response_body
2000
--- no_error_log
[error]



=== a line comment of 2000 bytes
--- config eval
"location = /t { content_by_lua_block { --" . ("}" x 2000) . "\n ngx.say('ok') } }\n"
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== many blocks, each near the edge of the buffer
--- config eval
("location = /a { content_by_lua_block {\n" . ("-- {{{{{{{{{{\n" x 300) . "ngx.say('a')\n} }\n")
. ("location = /b { content_by_lua_block {\n" . ("-- }}}}}}}}}}\n" x 311) . "ngx.say('b')\n} }\n")
. ("location = /c { content_by_lua_block {\n" . ("-- [[[[[[[[[[\n" x 307) . "ngx.say('c')\n} }\n")
--- request eval
["GET /a", "GET /b", "GET /c"]
--- response_body eval
["a\n", "b\n", "c\n"]
--- no_error_log
[error]
