# exit_worker_by_lua: when a worker leaves. The worker is asked to leave by a
# request, so that its last words are in the log while the test still looks.

use Test::Nginx::Socket 'no_plan';

no_long_string();
master_on();
run_tests();

__DATA__

=== runs when the worker quits, in its own phase
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int);" }
    exit_worker_by_lua_block {
        ngx.log(ngx.WARN, "leaving from ", ngx.get_phase())
    }
--- config
    location = /t {
        content_by_lua_block {
            ffi.C.kill(ngx.worker.pid(), 3)
            ngx.say("quit")
        }
    }
--- request
GET /t
--- response_body
quit
--- wait: 0.2
--- error_log eval
qr/\[lua\] exit_worker_by_lua\(nginx\.conf:\d+\):2: leaving from exit_worker/
--- no_error_log
[error]



=== as a file, seeing the worker's globals
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int);" }
    init_worker_by_lua_block { name = "worker" }
    exit_worker_by_lua_file html/exit.lua;
--- config
    location = /t {
        content_by_lua_block {
            ffi.C.kill(ngx.worker.pid(), 3)
            ngx.say("quit")
        }
    }
--- user_files
>>> exit.lua
ngx.log(ngx.WARN, "farewell ", name, ", exiting: ", ngx.worker.exiting())
--- request
GET /t
--- response_body
quit
--- wait: 0.2
--- error_log
farewell worker, exiting: true
--- no_error_log
[error]



=== an error is logged
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int);" }
    exit_worker_by_lua_block { error("last words") }
--- config
    location = /t {
        content_by_lua_block {
            ffi.C.kill(ngx.worker.pid(), 3)
            ngx.say("quit")
        }
    }
--- request
GET /t
--- response_body
quit
--- wait: 0.2
--- error_log eval
qr/exit_worker_by_lua error: exit_worker_by_lua\(nginx\.conf:\d+\):1: last words/



=== waiting is disabled there
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int);" }
    exit_worker_by_lua_block {
        ngx.log(ngx.WARN, "sleep: ", select(2, pcall(ngx.sleep, 0.1)))
        ngx.log(ngx.WARN, "say: ", select(2, pcall(ngx.say, "x")))
    }
--- config
    location = /t {
        content_by_lua_block {
            ffi.C.kill(ngx.worker.pid(), 3)
            ngx.say("quit")
        }
    }
--- request
GET /t
--- response_body
quit
--- wait: 0.2
--- error_log
sleep: API disabled in the context of exit_worker_by_lua*
say: API disabled in the context of exit_worker_by_lua*
--- no_error_log
[error]



=== there is no plain string form
--- http_config
    exit_worker_by_lua 'ngx.log(ngx.WARN, "x")';
--- config
--- must_die
--- error_log
unknown directive "exit_worker_by_lua"
