# ngx.flush: results, errors, and the order of what arrives.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== nothing to flush before any output
--- config
    location = /t {
        content_by_lua_block {
            local ok, err = ngx.flush()
            local ok2, err2 = ngx.flush(true)
            ngx.say(ok, " ", err)
            ngx.say(ok2, " ", err2)
        }
    }
--- request
GET /t
--- response_body
nil nothing to flush
nil nothing to flush
--- no_error_log
[error]



=== flush after output returns 1
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("a")
            local async, e1 = ngx.flush()
            ngx.say("b")
            local sync, e2 = ngx.flush(true)
            local off, e3 = ngx.flush(false)
            ngx.say(async, e1, " ", sync, e2, " ", off, e3)
        }
    }
--- request
GET /t
--- response_body
a
b
1nil 1nil 1nil
--- no_error_log
[error]



=== after the header alone only a waiting flush has work
--- config
    location = /t {
        content_by_lua_block {
            ngx.send_headers()
            local ok, err = ngx.flush()
            local ok2, err2 = ngx.flush(true)
            ngx.say(ok, " ", err)
            ngx.say(ok2, " ", err2)
        }
    }
--- request
GET /t
--- response_body
nil nothing to flush
1 nil
--- no_error_log
[error]



=== arguments are checked
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.flush, true, 1)))
            ngx.say(select(2, pcall(ngx.flush, "yes")))
            ngx.say(select(2, pcall(ngx.flush, nil)))
        }
    }
--- request
GET /t
--- response_body
attempt to pass 2 arguments, but accepted 0 or 1
bad argument #1 to '?' (boolean expected, got string)
bad argument #1 to '?' (boolean expected, got nil)
--- no_error_log
[error]



=== a slow reader: waiting flushes deliver everything in order
--- config
    location = /t {
        sendfile off;
        content_by_lua_block {
            for i = 0, 9 do
                ngx.print(string.rep(i, 200000))
                local ok, err = ngx.flush(true)
                if not ok then
                    ngx.log(ngx.ERR, "flush failed: ", err)
                end
            end
        }
    }
--- request
GET /t
--- response_body eval
("0" x 200000) . ("1" x 200000) . ("2" x 200000) . ("3" x 200000) . ("4" x 200000)
. ("5" x 200000) . ("6" x 200000) . ("7" x 200000) . ("8" x 200000) . ("9" x 200000)
--- no_error_log
[error]



=== a rate limit makes a waiting flush wait and still finish
--- config
    location = /t {
        limit_rate 400k;
        content_by_lua_block {
            for i = 1, 3 do
                ngx.print(string.rep("r", 20000))
                ngx.flush(true)
            end
            ngx.say("end")
        }
    }
--- request
GET /t
--- response_body eval
("r" x 60000) . "end\n"
--- no_error_log
[error]



=== flush works from access and rewrite
--- config
    location = /t {
        rewrite_by_lua_block {
            if ngx.var.arg_in == "rewrite" then
                ngx.say("rewrite")
                ngx.say(ngx.flush(true))
                ngx.exit(200)
            end
        }
        access_by_lua_block {
            ngx.say("access")
            ngx.say(ngx.flush(true))
            ngx.exit(200)
        }
        content_by_lua_block { ngx.say("content") }
    }
--- request eval
["GET /t?in=rewrite", "GET /t"]
--- response_body eval
["rewrite\n1\n", "access\n1\n"]
--- no_error_log
[error]



=== HEAD: header only
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("a")
            local ok, err = ngx.flush(true)
            ngx.log(ngx.WARN, "flush: ", ok, " ", err)
        }
    }
--- request
HEAD /t
--- response_body
--- error_log
flush: nil header only
--- no_error_log
[error]



=== no output API in log
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { ngx.flush() }
    }
--- request
GET /t
--- response_body
ok
--- error_log
API disabled in the context of log_by_lua*
