# init_by_lua: once, in the master, while the configuration is read.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== globals and modules are seen by requests, without a warning
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    init_by_lua_block {
        shared = "global"
        require "preloaded"
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(shared, " ", package.loaded.preloaded.name)
        }
    }
--- user_files
>>> preloaded.lua
return { name = "module" }
--- request
GET /t
--- response_body
global module
--- no_error_log
[error]
writing a global Lua variable



=== as a string
--- http_config
    init_by_lua 'from = "string"';
--- config
    location = /t {
        content_by_lua_block { ngx.say(from) }
    }
--- request
GET /t
--- response_body
string
--- no_error_log
[error]



=== as a file
--- http_config
    init_by_lua_file html/init.lua;
--- config
    location = /t {
        content_by_lua_block { ngx.say(from) }
    }
--- user_files
>>> init.lua
from = "file"
--- request
GET /t
--- response_body
file
--- no_error_log
[error]



=== an error stops the start
--- http_config
    init_by_lua_block {
        error("cannot go on")
    }
--- config
--- must_die
--- error_log eval
qr/\[error\] .*init_by_lua error: init_by_lua\(nginx\.conf:\d+\):2: cannot go on/



=== error({}) stops the start as well
--- http_config
    init_by_lua_block { error({}) }
--- config
--- must_die
--- error_log
init_by_lua error: unknown error



=== a syntax error stops the start
--- http_config
    init_by_lua_block {
        local = 1
    }
--- config
--- must_die
--- error_log eval
qr/\[error\] .*init_by_lua error: init_by_lua\(nginx\.conf:\d+\):2: '<name>' expected near '='/



=== a missing file stops the start
--- http_config
    init_by_lua_file html/nowhere.lua;
--- config
--- must_die
--- error_log eval
qr/init_by_lua_file error: cannot open .*html\/nowhere\.lua/



=== yielding is impossible
--- http_config
    init_by_lua_block {
        ok, why = pcall(coroutine.yield)
        co = coroutine.create(function () coroutine.yield(7) end)
        got = { coroutine.resume(co) }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(ok, " ", why, " ", got[2]) }
    }
--- request
GET /t
--- response_body
false attempt to yield across C-call boundary 7
--- no_error_log
[error]



=== only once
--- http_config
    init_by_lua_block { a = 1 }
    init_by_lua_block { b = 1 }
--- config
--- must_die
--- error_log eval
qr/\[emerg\] .* is duplicate in .*nginx\.conf:\d+/



=== not in a server
--- config
    init_by_lua_block { a = 1 }
--- must_die
--- error_log
"init_by_lua_block" directive is not allowed here



=== os.getenv sees the env directive
--- main_config
    env LUA_TEST_VALUE=from-nginx;
--- http_config
    init_by_lua_block { at_init = os.getenv("LUA_TEST_VALUE") }
--- config
    location = /t {
        content_by_lua_block { ngx.say(at_init, " ", os.getenv("LUA_TEST_VALUE")) }
    }
--- request
GET /t
--- response_body
from-nginx from-nginx
--- no_error_log
[error]
