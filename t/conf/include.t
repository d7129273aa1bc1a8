# Lua in included files, and included files in Lua's neighbourhood.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== an include per level
--- http_config
    include ../html/http.conf;
--- config
    include ../html/server.conf;
    location = /t { include ../html/location.conf; }
--- user_files
>>> http.conf
init_by_lua_block { from_http = "http" }
>>> server.conf
rewrite_by_lua_block { ngx.ctx.server = "server" }
>>> location.conf
content_by_lua_block { ngx.say(from_http, " ", ngx.ctx.server, " location") }
--- request
GET /t
--- response_body
http server location
--- no_error_log
[error]



=== a glob of files, each with a block
--- config
    include ../html/loc_*.conf;
--- user_files
>>> loc_a.conf
location = /a { content_by_lua_block { ngx.say("a") } }
>>> loc_b.conf
location = /b { content_by_lua_block { ngx.say("b") } }
--- request eval
["GET /a", "GET /b"]
--- response_body eval
["a\n", "b\n"]
--- no_error_log
[error]



=== the same file included twice is the same code
--- config
    location = /a { set $me "a"; include ../html/say.conf; }
    location = /b { set $me "b"; include ../html/say.conf; }
--- user_files
>>> say.conf
content_by_lua_block { ngx.say(ngx.var.me) }
--- request eval
["GET /a", "GET /b"]
--- response_body eval
["a\n", "b\n"]
--- no_error_log
[error]



=== a file that ends right after the brace, without a newline
--- config
    location = /t { include ../html/end.conf; }
--- user_files eval
">>> end.conf\ncontent_by_lua_block { ngx.say('end') }"
--- request
GET /t
--- response_body
end
--- no_error_log
[error]



=== a large included file
--- config
    include ../html/large.conf;
--- user_files eval
">>> large.conf\nlocation = /t { content_by_lua_block {\nlocal x\n" . ("x = { '}' } -- {\n" x 4000) . "ngx.say(x[1])\n} }\nlocation = /u { return 204; }\n"
--- request eval
["GET /t", "GET /u"]
--- error_code eval
[200, 204]
--- no_error_log
[error]



=== an error in an included file names that file
--- config
    include ../html/bad.conf;
--- user_files
>>> bad.conf
location = /t {
    content_by_lua_block { ngx.say("x") }
    content_by_lua_block { ngx.say("y") }
}
--- must_die
--- error_log eval
qr/\[emerg\] .* is duplicate in .*html\/bad\.conf:3/
