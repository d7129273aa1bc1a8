# lua_capture_error_log and lua-resty-core's ngx.errlog, on an nginx without patches.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== lines of ngx.log come back with level, time and text
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            ngx.log(ngx.ERR, "first")
            ngx.log(ngx.WARN, "second")
            local logs = errlog.get_logs()
            for i = 1, #logs, 3 do
                local late = ngx.now() - logs[i + 1]
                local text = logs[i + 2]
                ngx.say(logs[i], " ", late >= 0 and late < 60, " ",
                        text:match("^%d+/%d%d/%d%d %d%d:%d%d:%d%d (%[%a+%]) %d+#%d+: %*%d+ %[lua%]"),
                        " ", text:match("%d+: (%a+), client: 127.0.0.1, server: localhost"),
                        " ", text:sub(-1) == "\n")
            end
            ngx.say(#errlog.get_logs())
        }
    }
--- request
GET /t
--- log_level: warn
--- response_body
4 true [error] first false
5 true [warn] second false
0
--- error_log eval
[qr/\[error\] .* first, client/, qr/\[warn\] .* second, client/]



=== nginx's own lines are captured, with those of a server and a location of their own
--- http_config
    lua_capture_error_log 32k;
    error_log logs/http.log error;
--- config
    error_log logs/server.log error;
    location = /missing {
        root html;
    }
    location = /own {
        error_log logs/error.log error;
        content_by_lua_block { ngx.log(ngx.ERR, "from the location") }
    }
    location = /t {
        error_log logs/error.log error;
        content_by_lua_block {
            ngx.location.capture("/missing")
            ngx.location.capture("/own")
            local logs = require "ngx.errlog".get_logs()
            ngx.say(#logs / 3)
            ngx.say(logs[3]:match("No such file or directory"))
            ngx.say(logs[6]:match("from the location"))
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
2
No such file or directory
from the location
--- error_log
from the location
--- no_error_log
[alert]



=== what the location's error_log leaves out is not captured
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        error_log logs/error.log error;
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            ngx.log(ngx.WARN, "too quiet")
            ngx.log(ngx.ERR, "loud enough")
            local logs = errlog.get_logs()
            ngx.say(#logs / 3, " ", logs[3]:match("loud enough"))
            ngx.say(errlog.get_sys_filter_level() == ngx.ERR)
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
1 loud enough
true
--- error_log
loud enough
--- no_error_log
too quiet



=== several error_logs at one level: each takes what it takes, and a line is captured once
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        error_log logs/crit.log crit;
        error_log logs/error.log warn;
        content_by_lua_block {
            ngx.log(ngx.WARN, "only for one")
            ngx.log(ngx.CRIT, "for both")
            local logs = require "ngx.errlog".get_logs()
            ngx.say(#logs / 3)
            local file = io.open(ngx.config.prefix() .. "logs/crit.log")
            local text = file:read("*a")
            file:close()
            ngx.say(text:find("for both", 1, true) ~= nil, text:find("only for one", 1, true) ~= nil)
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
2
truefalse
--- error_log
only for one
for both



=== set_filter_level keeps out what is less severe, without touching the log
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            errlog.get_logs(1000)
            assert(errlog.set_filter_level(ngx.WARN))
            ngx.log(ngx.INFO, "info goes by")
            ngx.log(ngx.WARN, "warn stays")
            assert(errlog.set_filter_level(ngx.CRIT))
            ngx.log(ngx.ERR, "error goes by")
            local logs = errlog.get_logs()
            ngx.say(#logs / 3, " ", logs[3]:match("warn stays"))
            ngx.say(errlog.set_filter_level(9))
            ngx.say(errlog.set_filter_level(-1))
            ngx.say(errlog.set_filter_level())
        }
    }
--- request
GET /t
--- log_level: info
--- response_body
1 warn stays
nilbad log level: 9
nilbad log level: -1
nilmissing "level" argument
--- error_log
info goes by
error goes by



=== at most as many as asked for, into a table that is used again
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            for i = 1, 12 do ngx.log(ngx.ERR, "line ", i) end
            local logs = {}
            local function lines()
                local seen = {}
                for i = 3, #logs, 3 do seen[#seen + 1] = logs[i]:match("line (%d+)") end
                return table.concat(seen, " ")
            end
            ngx.say(errlog.get_logs(2, logs) == logs, " ", lines())
            ngx.say(#errlog.get_logs() / 3)
            ngx.say(errlog.get_logs(5, logs)[1])
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
true 1 2
10
nil
--- error_log
line 12



=== the oldest lines make room
--- http_config
    lua_capture_error_log 4k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            local count, first, last
            for round = 1, 3 do
                for i = 1, 200 do ngx.log(ngx.ERR, "line ", round * 1000 + i) end
                local logs = errlog.get_logs(1000)
                count = #logs / 3
                first = tonumber(logs[3]:match("line (%d+)"))
                last = tonumber(logs[#logs]:match("line (%d+)"))
                ngx.say(count > 10 and count < 30, " ", last, " ", last - first + 1 == count)
            end
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
true 1200 true
true 2200 true
true 3200 true
--- error_log
line 3200



=== a line of nginx's greatest length fits the smallest buffer
--- http_config
    lua_capture_error_log 4096;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            ngx.log(ngx.ERR, string.rep("x", 10000))
            local logs = errlog.get_logs()
            ngx.say(#logs / 3, " ", #logs[3] > 1900, " ", #logs[3] < 2100)
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
1 true true
--- error_log
xxxxxxxx



=== raw_log writes as it is, and is captured
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            errlog.raw_log(ngx.WARN, "as it is")
            local logs = errlog.get_logs()
            ngx.say(logs[1], " ", logs[3]:match("%*%d+ (.-), client"))
            ngx.say(pcall(errlog.raw_log, 99, "no such level"))
            ngx.say(pcall(errlog.raw_log, "x", "no number"))
            ngx.say(pcall(errlog.raw_log, ngx.WARN, 1))
        }
    }
--- request
GET /t
--- log_level: warn
--- response_body
5 as it is
falsebad log level
falsebad argument #1 to 'raw_log' (must be a number)
falsebad argument #2 to 'raw_log' (must be a string)
--- error_log eval
qr/\[warn\] \d+#\d+: \*\d+ as it is, client:/



=== the lines of init and of the worker's start are there for the first request
--- http_config
    lua_capture_error_log 32k;
    init_by_lua_block { ngx.log(ngx.ERR, "from init") }
    init_worker_by_lua_block {
        ngx.log(ngx.ERR, "from the worker's start")
        ngx.timer.at(0, function() ngx.log(ngx.ERR, "from a timer") end)
    }
--- config
    location = /t {
        content_by_lua_block {
            local found = {}
            local errlog = require "ngx.errlog"
            for _ = 1, 100 do
                local logs = errlog.get_logs(100)
                for i = 3, #logs, 3 do
                    found[#found + 1] = logs[i]:match("from (%a+)")
                end
                if #found == 3 then break end
                ngx.sleep(0.01)
            end
            ngx.say(table.concat(found, " "))
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
init the a
--- error_log
from a timer



=== lines that nginx logs before it knows the request
--- http_config
    lua_capture_error_log 32k;
--- config
    location = /bad {
        return 200;
    }
    location = /t {
        content_by_lua_block {
            local logs = require "ngx.errlog".get_logs(100)
            for i = 3, #logs, 3 do
                local text = logs[i]:match("client sent invalid %a+")
                if text then ngx.say(logs[i - 2], " ", text) end
            end
        }
    }
--- raw_request eval
"GET /bad HTTP/1.1\r\nHost: a/b\r\n\r\n"
--- log_level: info
--- error_code: 400
--- error_log
client sent invalid host



=== every level of debug
--- http_config
    lua_capture_error_log 256k;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            ngx.log(ngx.DEBUG, "the least of all")
            local logs, seen = errlog.get_logs(1000), 0
            for i = 1, #logs, 3 do
                if logs[i] == ngx.DEBUG and logs[i + 2]:find("the least of all", 1, true) then
                    seen = seen + 1
                end
            end
            ngx.say(seen, " ", errlog.get_sys_filter_level())
        }
    }
--- request
GET /t
--- log_level: debug
--- response_body
1 8
--- error_log
the least of all



=== without the directive
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            ngx.say(errlog.get_logs())
            ngx.say(errlog.set_filter_level(ngx.ERR))
            ngx.say(errlog.get_sys_filter_level() >= ngx.ERR)
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
nildirective "lua_capture_error_log" is not set
nildirective "lua_capture_error_log" is not set
true
--- no_error_log
[error]



=== a size below the least one
--- http_config
    lua_capture_error_log 3k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid capture error log size "3k", minimum size is 4096



=== a size that is none
--- http_config
    lua_capture_error_log "";
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid capture error log size ""



=== twice
--- http_config
    lua_capture_error_log 32k;
    lua_capture_error_log 64k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
"lua_capture_error_log" directive is duplicate
