# HTTP/1.0, keep-alive, pipelining and bodies that nobody reads.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== HTTP/1.0: the body is buffered and has a length
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("one")
            ngx.say("two")
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 8
! Transfer-Encoding
--- response_body
one
two
--- error_log
lua buffering output bufs for the HTTP 1.0 request
lua sending HTTP 1.0 response headers
--- no_error_log
[error]



=== HTTP/1.0 without output
--- config
    location = /t {
        content_by_lua_block { ngx.status = 201 }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 0
--- response_body
--- error_code: 201
--- no_error_log
[error]



=== HTTP/1.0: the header may still change while output is buffered
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("one")
            ngx.log(ngx.WARN, "sent: ", ngx.headers_sent)
            ngx.header["X-Late"] = "in time"
            ngx.status = 202
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
X-Late: in time
--- response_body
one
--- error_code: 202
--- error_log
sent: false
--- no_error_log
[error]



=== HTTP/1.0: flush is a no-op
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("one")
            local ok, err = ngx.flush(true)
            ngx.say(ok, " ", err)
        }
    }
--- request
GET /t HTTP/1.0
--- response_body
one
nil buffering
--- error_log
lua http 1.0 buffering makes ngx.flush() a no-op
--- no_error_log
[error]



=== HTTP/1.0: an own Content-Length turns the buffering off
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_length = 8
            ngx.say("one")
            ngx.log(ngx.WARN, "sent: ", ngx.headers_sent)
            ngx.say("two")
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 8
--- response_body
one
two
--- error_log
sent: true
--- no_error_log
[error]



=== HTTP/1.0: exit sends what is buffered with the status
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 403
            ngx.say("no entry")
            ngx.exit(403)
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 9
--- response_body
no entry
--- error_code: 403
--- no_error_log
[error]



=== HTTP/1.0 HEAD
--- config
    location = /t {
        content_by_lua_block { ngx.say("body") }
    }
--- request
HEAD /t HTTP/1.0
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== HTTP/1.0: eof sends the buffer
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("done")
            ngx.eof()
            ngx.log(ngx.WARN, "sent: ", ngx.headers_sent)
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 5
--- response_body
done
--- error_log
sent: true
--- no_error_log
[error]



=== pipelined requests are answered in order
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_n == "1" then ngx.sleep(0.02) end
            ngx.say(ngx.var.arg_n, " ", ngx.var.connection_requests)
        }
    }
--- pipelined_requests eval
["GET /t?n=1", "GET /t?n=2", "GET /t?n=3", "GET /t?n=4"]
--- response_body eval
["1 1\n", "2 2\n", "3 3\n", "4 4\n"]
--- no_error_log
[error]



=== an unread body is discarded, the connection goes on
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.var.request_method) }
    }
--- pipelined_requests eval
["POST /t\nsome body that nobody reads", "GET /t", "POST /t\nmore", "GET /t"]
--- response_body eval
["POST\n", "GET\n", "POST\n", "GET\n"]
--- no_error_log
[error]



=== a large unread body
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
    }
--- request eval
"POST /t\n" . ("x" x 300000)
--- response_body
ok
--- no_error_log
[error]



=== a large unread body that access refuses
--- config
    location = /t {
        access_by_lua_block { ngx.exit(403) }
        content_by_lua_block { ngx.say("never") }
    }
--- request eval
"POST /t\n" . ("x" x 300000)
--- error_code: 403
--- no_error_log
[error]



=== an unread body and a sleep
--- config
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.01)
            ngx.say(ngx.var.request_method)
        }
    }
--- pipelined_requests eval
["POST /t\nunread", "GET /t"]
--- response_body eval
["POST\n", "GET\n"]
--- no_error_log
[error]



=== an error ends its own connection, the next request is served
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_bad then error("bad") end
            ngx.say("good")
        }
    }
--- request eval
["GET /t?bad=1", "GET /t"]
--- response_body_like eval
["500 Internal Server Error", "^good\$"]
--- error_code eval
[500, 200]
--- no_error_log
[alert]



=== keepalive_timeout 0
--- config
    location = /t {
        keepalive_timeout 0;
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
Connection: close
--- response_body
ok
--- no_error_log
[error]
