# ngx.log: levels, arguments, errors.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== every level has its word
--- config
    location = /t {
        content_by_lua_block {
            for _, name in ipairs({ "EMERG", "ALERT", "CRIT", "ERR", "WARN",
                                    "NOTICE", "INFO", "DEBUG" }) do
                ngx.log(ngx[name], "level ", name)
            end
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/\[emerg\] .*\[lua\] .* level EMERG/, qr/\[alert\] .*\[lua\] .* level ALERT/,
 qr/\[crit\] .*\[lua\] .* level CRIT/, qr/\[error\] .*\[lua\] .* level ERR/,
 qr/\[warn\] .*\[lua\] .* level WARN/, qr/\[notice\] .*\[lua\] .* level NOTICE/,
 qr/\[info\] .*\[lua\] .* level INFO/, qr/\[debug\] .*\[lua\] .* level DEBUG/]



=== the level constants
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.STDERR, ngx.EMERG, ngx.ALERT, ngx.CRIT, ngx.ERR,
                    ngx.WARN, ngx.NOTICE, ngx.INFO, ngx.DEBUG)
        }
    }
--- request
GET /t
--- response_body
012345678
--- no_error_log
[error]



=== what is above the configured level is not logged
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.NOTICE, "too chatty")
            ngx.log(ngx.WARN, "just right")
            ngx.say("ok")
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
ok
--- error_log
just right
--- no_error_log
too chatty



=== arguments of a suppressed level are not even looked at
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.INFO, {}, print)
            ngx.say("ok")
        }
    }
--- log_level: warn
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== arguments are joined like in say
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, "s", 1, 2.5, nil, true, false, ngx.null, "!")
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
s12.5niltruefalsenull!
--- no_error_log
[error]



=== nothing but the level
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select("#", ngx.log(ngx.WARN)))
        }
    }
--- request
GET /t
--- response_body
0
--- error_log eval
qr/\[warn\] .*\[lua\] content_by_lua\(nginx\.conf:\d+\):2: , client:/
--- no_error_log
[error]



=== a table needs __tostring
--- config
    location = /t {
        content_by_lua_block {
            local mt = { __tostring = function (t) return "<" .. t.n .. ">" end }
            ngx.log(ngx.WARN, "t=", setmetatable({ n = 7 }, mt), "; ",
                    setmetatable({ n = "x" }, mt))
            ngx.say(select(2, pcall(ngx.log, ngx.WARN, "a", {})))
        }
    }
--- request
GET /t
--- response_body
bad argument #2 to '?' (expected table to have __tostring metamethod)
--- error_log
t=<7>; <x>
--- no_error_log
[error]



=== other types are refused
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.log, ngx.WARN, "x", print)))
            ngx.say(select(2, pcall(ngx.log, ngx.WARN, io.stdout)))
            ngx.say(select(2, pcall(ngx.log, ngx.WARN, coroutine.create(function () end))))
        }
    }
--- request
GET /t
--- response_body
bad argument #2 to '?' (string, number, boolean, or nil expected, got function)
bad argument #1 to '?' (string, number, boolean, or nil expected, got userdata)
bad argument #1 to '?' (string, number, boolean, or nil expected, got thread)
--- no_error_log
[error]



=== bad levels
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.log, 9, "x")))
            ngx.say(select(2, pcall(ngx.log, -1, "x")))
            ngx.say(select(2, pcall(ngx.log)))
            ngx.say(select(2, pcall(ngx.log, "x")))
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (bad log level: 9)
bad argument #1 to '?' (bad log level: -1)
bad argument #1 to '?' (number expected, got no value)
bad argument #1 to '?' (number expected, got string)
--- no_error_log
[error]



=== a long message is cut at nginx's limit
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, string.rep("a", 1000), "|", string.rep("b", 3000), "|end")
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/a{1000}\|b{500}/
--- no_error_log
|end



=== the request is named after the message
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, "hello")
            ngx.say("ok")
        }
    }
--- request
GET /t?a=b
--- response_body
ok
--- error_log eval
qr{\[lua\] content_by_lua\(nginx\.conf:\d+\):2: hello, client: 127\.0\.0\.1, server: localhost, request: "GET /t\?a=b HTTP/1\.1", host: "localhost"}
--- no_error_log
[error]



=== percent signs are data
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, "100%s %d %V %*s")
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
100%s %d %V %*s
--- no_error_log
[error]



=== the location's error_log is obeyed
--- config
    location = /t {
        error_log html/own.log info;
        content_by_lua_block {
            ngx.log(ngx.ERR, "into my own file")
            local f = io.open(ngx.config.prefix() .. "html/own.log")
            ngx.print(f:read("*a"):match("into my own file"), "\n")
        }
    }
--- user_files
>>> dummy.txt
--- request
GET /t
--- response_body
into my own file
--- no_error_log
into my own file
