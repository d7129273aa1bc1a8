use Test::Nginx::Socket 'no_plan';

master_on();
no_long_string();
run_tests();

__DATA__

=== pending timers fire when the worker exits, prematurely
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(1000, function (premature, name)
                ngx.log(ngx.WARN, name, " premature: ", premature)
                ngx.log(ngx.WARN, "later: ", select(2, ngx.timer.at(1, function () end)))
                ngx.timer.at(0, function (again) ngx.log(ngx.WARN, "at once: ", again) end)
            end, "one")
            ngx.timer.every(1000, function (premature) ngx.log(ngx.WARN, "every premature: ", premature) end)
            ngx.say("set")
            require "ffi".cdef "int kill(int, int); int getpid(void);"
            local ffi = require "ffi"
            ffi.C.kill(ffi.C.getpid(), 3)
        }
    }
--- request
GET /t
--- response_body
set
--- wait: 0.3
--- error_log
one premature: true
later: process exiting
at once: false
every premature: true
--- no_error_log
[alert]
exited on signal
