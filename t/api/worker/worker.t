# ngx.worker.

use Test::Nginx::Socket 'no_plan';

no_long_string();
master_on();
run_tests();

__DATA__

=== pid, id, count, exiting
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.worker.pid() == tonumber(ngx.var.pid), " ", ngx.worker.id(),
                    " ", ngx.worker.count(), " ", ngx.worker.exiting())
        }
    }
--- request
GET /t
--- response_body
true 0 1 false
--- no_error_log
[error]



=== at init the id is 0 and the pid is not the worker's
--- http_config
    init_by_lua_block {
        id, count, pid = ngx.worker.id(), ngx.worker.count(), ngx.worker.pid()
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(id, " ", pid ~= ngx.worker.pid(), " ", type(count))
        }
    }
--- request
GET /t
--- response_body
0 true number
--- no_error_log
[error]



=== in init_worker the id is known
--- http_config
    init_worker_by_lua_block { id, pid = ngx.worker.id(), ngx.worker.pid() }
--- config
    location = /t {
        content_by_lua_block { ngx.say(id, " ", pid == ngx.worker.pid()) }
    }
--- request
GET /t
--- response_body
0 true
--- no_error_log
[error]



=== pids lists this worker
--- config
    location = /t {
        content_by_lua_block {
            local pids = ngx.worker.pids()
            ngx.say(#pids, " ", pids[1] == ngx.worker.pid())
        }
    }
--- request
GET /t
--- response_body
1 true
--- no_error_log
[error]



=== pids is not there before the workers are
--- http_config
    init_by_lua_block { at_init = { ngx.worker.pids() } }
    init_worker_by_lua_block { at_worker = { ngx.worker.pids() } }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(at_init[1], " ", at_init[2])
            ngx.say(at_worker[1], " ", at_worker[2])
        }
    }
--- request
GET /t
--- response_body
nil API disabled in the current context
nil API disabled in the current context
--- no_error_log
[error]
