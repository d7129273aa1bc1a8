# lua_capture_error_log with several workers: each has a buffer of its own.

use Test::Nginx::Socket 'no_plan';

master_on();
workers(2);
no_long_string();
run_tests();

__DATA__

=== each worker has its own lines
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.ERR, "worker ", ngx.worker.id())
            local logs, own, foreign = require "ngx.errlog".get_logs(1000), 0, 0
            for i = 3, #logs, 3 do
                local id = logs[i]:match("worker (%d+), client")
                if id == tostring(ngx.worker.id()) then
                    own = own + 1
                elseif id then
                    foreign = foreign + 1
                end
            end
            ngx.say(own, " ", foreign)
        }
    }
--- log_level: warn
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- response_body eval
["1 0\n", "1 0\n", "1 0\n", "1 0\n"]
--- error_log eval
qr/worker [01], client/
