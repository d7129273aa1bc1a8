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



=== timers without a delay that make one another while the worker exits let it go on
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int); int getpid(void);" }
--- config
    location = /t {
        content_by_lua_block {
            local start, count = nil, 0
            local function again()
                start, count = start or ngx.now(), count + 1
                if ngx.now() - start < 0.1 then
                    assert(ngx.timer.at(0, again))
                else
                    ngx.log(ngx.WARN, "more than one: ", count > 1, ", exiting: ", ngx.worker.exiting())
                end
            end
            ngx.timer.at(1000, again)
            ngx.say("set")
            ffi.C.kill(ffi.C.getpid(), 3)
        }
    }
--- request
GET /t
--- response_body
set
--- wait: 0.3
--- error_log
more than one: true, exiting: true
--- no_error_log
[alert]
[error]



=== what waits without a timer of nginx's ends its work
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int); int getpid(void);" }
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(1000, function()
                for _ = 1, 3 do ngx.sleep(0) end
                ngx.log(ngx.WARN, "the timer ends")
            end)
            ffi.C.kill(ffi.C.getpid(), 3)
            local start = ngx.now()
            while ngx.now() - start < 0.1 do ngx.sleep(0) end
            ngx.say("the request ends")
        }
        log_by_lua_block { ngx.log(ngx.WARN, "logged, exiting: ", ngx.worker.exiting()) }
    }
--- request
GET /t
--- response_body
the request ends
--- wait: 0.3
--- error_log
the timer ends
logged, exiting: true
--- no_error_log
[alert]
[error]



=== the first timer that is made while the worker exits
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int); int getpid(void);" }
--- config
    location = /t {
        content_by_lua_block {
            ffi.C.kill(ffi.C.getpid(), 3)
            while not ngx.worker.exiting() do ngx.sleep(0.001) end
            ngx.timer.at(0, function(premature) ngx.log(ngx.WARN, "premature: ", premature) end)
            ngx.say("set")
        }
    }
--- request
GET /t
--- response_body
set
--- wait: 0.2
--- error_log
premature: false
--- no_error_log
[alert]
[error]



=== a process that nobody but a timer waits for, without a limit, does not keep the worker
--- http_config
    init_by_lua_block { ffi = require "ffi"; ffi.cdef "int kill(int, int); int getpid(void);" }
    exit_worker_by_lua_block { ngx.log(ngx.WARN, "the worker ends") }
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(0, function()
                local proc = assert(require "ngx.pipe".spawn { "sleep", "100" })
                proc:set_timeouts(0, 0, 0, 0)
                ngx.thread.spawn(function() proc:wait() end)
                proc:stdout_read_line()
            end)
            ngx.sleep(0.02)
            ngx.say("spawned")
            ffi.C.kill(ffi.C.getpid(), 3)
        }
    }
--- request
GET /t
--- response_body
spawned
--- wait: 0.2
--- error_log
the worker ends
--- no_error_log
[alert]
[error]
