# print() goes to the error log at level notice.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== print logs at notice
--- config
    location = /t {
        content_by_lua_block {
            print("printed ", 1, nil, true)
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/\[notice\] .*\[lua\] content_by_lua\(nginx\.conf:\d+\):2: printed 1niltrue,/
--- no_error_log
[error]



=== arguments are not separated and tostring is not called
--- config
    location = /t {
        content_by_lua_block {
            local _, err = pcall(print, {})
            print("a", "b")
            ngx.say(err)
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (expected table to have __tostring metamethod)
--- error_log
:3: ab,
--- no_error_log
[error]



=== silent below notice
--- config
    location = /t {
        content_by_lua_block {
            print("unseen")
            ngx.say("ok")
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
ok
--- no_error_log
unseen



=== print in log and init_worker
--- http_config
    init_worker_by_lua_block { print("worker print") }
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { print("log print") }
    }
--- request
GET /t
--- response_body
ok
--- error_log
worker print
log print
--- no_error_log
[error]
