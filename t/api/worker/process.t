use Test::Nginx::Socket 'no_plan';

master_on();
no_long_string();
run_tests();

__DATA__

=== what kind of process this is
--- http_config
    init_by_lua_block {
        at_start = require "ngx.process".type()
    }
    init_worker_by_lua_block {
        ngx.log(ngx.WARN, "init_worker: ", require "ngx.process".type())
    }
--- config
    location = /t {
        content_by_lua_block {
            local process = require "ngx.process"
            ngx.say(at_start, " ", process.type())
            ngx.timer.at(0, function () ngx.log(ngx.WARN, "timer: ", process.type()) end)
        }
    }
--- request
GET /t
--- response_body
master worker
--- wait: 0.05
--- error_log
timer: worker
--- no_error_log
[error]



=== the master's pid
--- config
    location = /t {
        content_by_lua_block {
            local file = io.open(ngx.config.prefix() .. "logs/nginx.pid")
            local written = file and tonumber(file:read())
            local pid = require "ngx.process".get_master_pid()
            ngx.say(pid ~= ngx.worker.pid(), " ", written == nil or written == pid)
        }
    }
--- request
GET /t
--- response_body
true true
--- no_error_log
[error]



=== a worker that is told to exit answers first, and another takes its place
--- config
    location = /t {
        content_by_lua_block {
            require "ngx.process".signal_graceful_exit()
            ngx.say("bye")
        }
    }
    location = /pid { content_by_lua_block { ngx.say(type(ngx.worker.pid())) } }
--- request eval
["GET /t", "GET /pid"]
--- response_body eval
["bye\n", "number\n"]
--- wait: 0.1
--- no_error_log
[error]
[alert]



=== a stock nginx has no privileged agent
--- http_config
    init_by_lua_block {
        local process = require "ngx.process"
        result = { process.enable_privileged_agent() }
        refused = { process.enable_privileged_agent(-1) }
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(tostring(result[1]), " ", result[2])
            ngx.say(refused[2])
            ngx.say(select(2, require "ngx.process".enable_privileged_agent()))
        }
    }
--- request
GET /t
--- response_body
nil missing privileged agent process patch in the nginx core
bad 'connections' argument: number expected and greater than 0
API disabled in the current context
--- no_error_log
[error]
