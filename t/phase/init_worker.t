# init_worker_by_lua: once in each worker.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== runs after init, before requests
--- http_config
    init_by_lua_block { trace = "init" }
    init_worker_by_lua_block { trace = trace .. " worker" }
--- config
    location = /t {
        content_by_lua_block { ngx.say(trace) }
    }
--- request
GET /t
--- response_body
init worker
--- no_error_log
[error]
writing a global Lua variable



=== as a string
--- http_config
    init_worker_by_lua 'from = "string"';
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
    init_worker_by_lua_file html/worker.lua;
--- config
    location = /t {
        content_by_lua_block { ngx.say(from) }
    }
--- user_files
>>> worker.lua
from = "file"
--- request
GET /t
--- response_body
file
--- no_error_log
[error]



=== an error is logged, the worker serves
--- http_config
    init_worker_by_lua_block {
        before = "set"
        error("cannot go on")
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(before) }
    }
--- request
GET /t
--- response_body
set
--- error_log eval
qr/\[error\] .*init_worker_by_lua error: init_worker_by_lua\(nginx\.conf:\d+\):3: cannot go on/



=== a syntax error is logged, the worker serves
--- http_config
    init_worker_by_lua_block { = }
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/init_worker_by_lua error: init_worker_by_lua\(nginx\.conf:\d+\):1: unexpected symbol near '='/



=== a missing file is logged, the worker serves
--- http_config
    init_worker_by_lua_file html/nowhere.lua;
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/init_worker_by_lua_file error: cannot open .*html\/nowhere\.lua/



=== coroutines are disabled
--- http_config
    init_worker_by_lua_block {
        ok, why = pcall(function ()
            return coroutine.wrap(function () coroutine.yield(7) end)()
        end)
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(ok, " ", why) }
    }
--- request
GET /t
--- response_body_like
^false init_worker_by_lua\(nginx\.conf:\d+\):3: API disabled in the context of init_worker_by_lua\*
--- no_error_log
[error]



=== only once
--- http_config
    init_worker_by_lua_block { a = 1 }
    init_worker_by_lua_block { b = 1 }
--- config
--- must_die
--- error_log eval
qr/\[emerg\] .* is duplicate in .*nginx\.conf:\d+/
