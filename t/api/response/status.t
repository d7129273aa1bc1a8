# ngx.status: reading, setting, and when it is too late.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== zero before anything is sent, 200 after
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.status
            ngx.say("status: ", before)
            ngx.say("status: ", ngx.status)
        }
    }
--- request
GET /t
--- response_body
status: 0
status: 200
--- no_error_log
[error]



=== set and read back
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 202
            ngx.say(ngx.status, " ", type(ngx.status))
        }
    }
--- request
GET /t
--- response_body
202 number
--- error_code: 202
--- no_error_log
[error]



=== a status without a name of its own
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 599
            ngx.say("ok")
        }
    }
--- request
GET /t
--- raw_response_headers_like: ^HTTP/1\.1 599 ?\r\n
--- response_body
ok
--- error_code: 599
--- no_error_log
[error]



=== an error status keeps the Lua body
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = ngx.HTTP_NOT_FOUND
            ngx.say("custom page")
        }
    }
--- request
GET /t
--- response_body
custom page
--- error_code: 404
--- no_error_log
[error]



=== a numeric string is a number
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = "201"
            ngx.say(ngx.status)
        }
    }
--- request
GET /t
--- response_body
201
--- error_code: 201
--- no_error_log
[error]



=== 101 has its reason phrase
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 101
            ngx.send_headers()
        }
    }
--- request
GET /t
--- raw_response_headers_like: ^HTTP/1\.1 101 Switching Protocols\r\n
--- error_code: 101
--- ignore_response
--- no_error_log
[error]



=== 204 and 304 have no body
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = tonumber(ngx.var.arg_s)
            ngx.say("dropped")
        }
    }
--- request eval
["GET /t?s=204", "GET /t?s=304"]
--- response_body eval
["", ""]
--- error_code eval
[204, 304]
--- no_error_log
[error]



=== set after the header is sent: logged, not raised
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.status = 404
            ngx.say("status: ", ngx.status)
        }
    }
--- request
GET /t
--- response_body
sent
status: 200
--- error_log
attempt to set ngx.status after sending out response headers



=== the later of two assignments wins
--- config
    location = /t {
        access_by_lua_block { ngx.status = 403 }
        content_by_lua_block {
            local seen = ngx.status
            ngx.status = 201
            ngx.say("was ", seen)
        }
    }
--- request
GET /t
--- response_body
was 403
--- error_code: 201
--- no_error_log
[error]



=== a status set in rewrite survives to the content
--- config
    location = /t {
        rewrite_by_lua_block { ngx.status = 206 }
        content_by_lua_block { ngx.say(ngx.status) }
    }
--- request
GET /t
--- response_body
206
--- error_code: 206
--- no_error_log
[error]



=== log sees the status that was sent
--- config
    location = /t {
        content_by_lua_block { ngx.exit(403) }
        log_by_lua_block { ngx.log(ngx.WARN, "log: ", ngx.status) }
    }
    location = /u {
        return 410;
        log_by_lua_block { ngx.log(ngx.WARN, "log: ", ngx.status) }
    }
--- request eval
["GET /t", "GET /u"]
--- error_code eval
[403, 410]
--- error_log eval
qr/log: 4(?:03|10) while logging request/



=== error_page: the handler sees the status it stands for
--- config
    error_page 404 /missing;
    location = /t {
        content_by_lua_block { ngx.exit(404) }
    }
    location = /missing {
        content_by_lua_block { ngx.say("standing in for ", ngx.status) }
    }
--- request
GET /t
--- response_body
standing in for 404
--- error_code: 404
--- no_error_log
[error]



=== error_page: the handler may change the status
--- config
    error_page 404 /missing;
    location = /t {
        content_by_lua_block { ngx.exit(404) }
    }
    location = /missing {
        content_by_lua_block {
            ngx.status = 200
            ngx.say("now ", ngx.status)
        }
    }
--- request
GET /t
--- response_body
now 200
--- error_code: 200
--- no_error_log
[error]



=== a value that is no number raises
--- config
    location = /t {
        content_by_lua_block {
            local ok, err = pcall(function () ngx.status = "abc" end)
            ngx.log(ngx.WARN, "ok: ", ok)
            ngx.say("alive")
        }
    }
--- request
GET /t
--- response_body
alive
--- error_log
ok: false
--- no_error_log
[error]



=== no request, no status
--- http_config
    init_by_lua_block {
        local _, get = pcall(function () return ngx.status end)
        local _, set = pcall(function () ngx.status = 1 end)
        why = { get, "\n", set }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like
no request found
.*no request found
--- no_error_log
[error]



=== disabled in init_worker
--- http_config
    init_worker_by_lua_block {
        local _, get = pcall(function () return ngx.status end)
        local _, set = pcall(function () ngx.status = 1 end)
        why = { get, "\n", set }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like
API disabled in the current context
.*API disabled in the current context
--- no_error_log
[error]



=== a status that has more than three digits is 500
--- config
    location = /status { content_by_lua_block { ngx.status = tonumber(ngx.var.arg_n) ngx.say(ngx.status) } }
    location = /exit { content_by_lua_block { ngx.exit(tonumber(ngx.var.arg_n)) } }
    location = /filter { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { ngx.status = -1 } }
--- request eval
["GET /status?n=1000", "GET /status?n=-1", "GET /status?n=2147483647", "GET /exit?n=100000", "GET /filter", "GET /status?n=999"]
--- error_code eval
[500, 500, 500, 500, 500, 999]
--- no_error_log
[alert]
[crit]



=== over HTTP/2
--- http2
--- config
    location = /t { content_by_lua_block { ngx.status = 100000 ngx.say(ngx.status) } }
--- request
GET /t
--- error_code: 500
--- response_body
500
--- no_error_log
[alert]
[crit]
