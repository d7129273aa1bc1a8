# ngx.send_headers and ngx.headers_sent.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== headers_sent turns true with the first output
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.headers_sent
            ngx.print("x ")
            ngx.say(before, " ", ngx.headers_sent)
        }
    }
--- request
GET /t
--- response_body
x false true
--- no_error_log
[error]



=== send_headers sends once and returns 1 each time
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-A"] = "a"
            local a = ngx.send_headers()
            local b, err = ngx.send_headers()
            ngx.say(a, b, err, ngx.headers_sent)
        }
    }
--- request
GET /t
--- response_headers
X-A: a
--- response_body
11niltrue
--- no_error_log
[error]



=== send_headers alone is an empty 200
--- config
    location = /t {
        content_by_lua_block { ngx.send_headers() }
    }
--- request
GET /t
--- response_headers
Content-Type: text/plain
Transfer-Encoding: chunked
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== send_headers in access: content does not run
--- config
    location = /t {
        access_by_lua_block {
            ngx.status = 202
            ngx.send_headers()
        }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
--- error_code: 202
--- no_error_log
[error]
content ran



=== an error after send_headers cuts the connection
--- config
    location = /t {
        content_by_lua_block {
            ngx.send_headers()
            error("too late for a 500")
        }
    }
--- request
GET /t
--- ignore_response
--- error_log
too late for a 500



=== headers_sent is read only in the sense that writing it does nothing
--- config
    location = /t {
        content_by_lua_block {
            rawset(ngx, "headers_sent", nil)
            ngx.say(ngx.headers_sent)
        }
    }
--- request
GET /t
--- response_body
false
--- no_error_log
[error]



=== headers_sent in log, also for a location without Lua content
--- config
    location = /t {
        return 204;
        log_by_lua_block { ngx.log(ngx.WARN, "sent: ", ngx.headers_sent) }
    }
--- request
GET /t
--- error_code: 204
--- error_log
sent: true
--- no_error_log
[error]



=== headers_sent without a request
--- http_config
    init_by_lua_block {
        local _, e = pcall(function () return ngx.headers_sent end)
        why = e
    }
    init_worker_by_lua_block {
        local _, e = pcall(function () return ngx.headers_sent end)
        why_worker = e
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why, "\n", why_worker) }
    }
--- request
GET /t
--- response_body_like
no request found
.*API disabled in the current context
--- no_error_log
[error]
