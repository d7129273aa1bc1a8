# ngx.worker with two workers.

use Test::Nginx::Socket 'no_plan';

no_long_string();
master_on();
workers(2);
run_tests();

__DATA__

=== count, and an id below it
--- config
    location = /t {
        content_by_lua_block {
            local id = ngx.worker.id()
            ngx.say(ngx.worker.count(), " ", id == 0 or id == 1)
        }
    }
--- request
GET /t
--- response_body
2 true
--- no_error_log
[error]



=== each worker runs init_worker with its own id
--- http_config
    init_worker_by_lua_block { ngx.log(ngx.WARN, "worker ", ngx.worker.id(), " up") }
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_body
ok
--- error_log
worker 0 up
worker 1 up
--- no_error_log
[error]



=== both are in pids
--- config
    location = /t {
        content_by_lua_block {
            local mine = false
            local pids = ngx.worker.pids()
            for _, pid in ipairs(pids) do
                mine = mine or pid == ngx.worker.pid()
            end
            ngx.say(mine)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]
