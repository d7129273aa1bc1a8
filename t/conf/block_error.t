# Blocks that do not end: the error and the line it names.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== the file ends inside a block
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
# 1
init_by_lua_block {
    local a = {
--- must_die
--- error_log eval
qr/\[emerg\] .*unexpected end of file, expecting terminating characters for lua code block in .*html\/open\.conf:3/



=== the file ends after code at the first level
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
init_by_lua_block {
    local a = 1
    local b = 2
--- must_die
--- error_log eval
qr/\[emerg\] .*unexpected end of file, expecting terminating characters for lua code block in .*html\/open\.conf:1/



=== a long string without its end
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
init_by_lua_block {
    local a = 1
    local b = [==[ text ]=]
}
--- must_die
--- error_log eval
qr/\[emerg\] .*Lua code block missing the closing long bracket "\]==\]", the inlined Lua code may be too long in .*html\/open\.conf:3/



=== a long comment without its end
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
init_by_lua_block {

    --[=[ comment
    ]]
}
--- must_die
--- error_log eval
qr/\[emerg\] .*Lua code block missing the closing long bracket "\]=\]", the inlined Lua code may be too long in .*html\/open\.conf:3/



=== a comment on the last line hides the end
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
init_by_lua_block {
    local a = 1 -- }
--- must_die
--- error_log eval
qr/\[emerg\] .*unexpected end of file, expecting terminating characters for lua code block/



=== one brace too many ends the block early
--- http_config
    include ../html/open.conf;
--- config
--- user_files
>>> open.conf
init_by_lua_block {
    local a = {}}
}
--- must_die
--- error_log eval
qr/\[emerg\] .*unexpected "\}" in .*html\/open\.conf:3/



=== an unfinished string is not the reader's business but Lua's
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("no end)
        }
    }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/failed to load inlined Lua code: content_by_lua\(nginx\.conf:\d+\):2: unfinished string near '"no end\)'/

