# header_filter_by_lua*: response headers on their way out.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a static answer
--- config
    location = /t {
        header_filter_by_lua_block {
            ngx.header["X-Phase"] = ngx.get_phase()
            ngx.header.content_type = "text/x"
        }
        return 200 "ok\n";
    }
--- request
GET /t
--- response_headers
X-Phase: header_filter
Content-Type: text/x
--- response_body
ok
--- no_error_log
[error]



=== a file
--- config
    location = /t {
        header_filter_by_lua_block {
            ngx.header["X-Length"] = ngx.header.content_length
            ngx.header.last_modified = nil
            ngx.header.etag = nil
        }
        alias html/f.txt;
    }
--- user_files
>>> f.txt
0123456789
--- request
GET /t
--- response_headers
X-Length: 11
! Last-Modified
! ETag
--- response_body
0123456789
--- no_error_log
[error]



=== a proxied answer
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/back;
        header_filter_by_lua_block {
            ngx.header["X-Back"] = ngx.header["X-Back"] .. " " .. ngx.status
            ngx.status = 203
        }
    }
    location = /back { add_header X-Back "from there"; return 200 "body\n"; }
--- request
GET /t
--- response_headers
X-Back: from there 200
--- response_body
body
--- error_code: 203
--- no_error_log
[error]



=== an error page of nginx
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header["X-Status"] = ngx.status }
        return 404;
    }
--- request
GET /t
--- response_headers
X-Status: 404
--- error_code: 404
--- response_body_like: 404 Not Found
--- no_error_log
[error]



=== once for a response of Lua, before the first bytes
--- config
    location = /t {
        header_filter_by_lua_block {
            ngx.ctx.calls = (ngx.ctx.calls or 0) + 1
            ngx.header["X-Calls"] = ngx.ctx.calls
        }
        content_by_lua_block {
            ngx.header["X-Mine"] = 1
            ngx.say(ngx.get_phase(), " ", ngx.headers_sent)
            ngx.flush()
            ngx.say(ngx.get_phase(), " ", ngx.headers_sent, " ", ngx.ctx.calls)
        }
    }
--- request
GET /t
--- response_headers
X-Calls: 1
X-Mine: 1
--- response_body
content false
content true 1
--- no_error_log
[error]



=== after a sleep of the content
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header["X-Filter"] = ngx.ctx.who }
        content_by_lua_block {
            ngx.ctx.who = "content"
            ngx.sleep(0.01)
            ngx.say("ok ", coroutine.running() ~= nil)
        }
    }
--- request
GET /t
--- response_headers
X-Filter: content
--- response_body
ok true
--- no_error_log
[error]



=== Content-Length away, chunks instead
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        return 200 "ok\n";
    }
--- request
GET /t
--- response_headers
! Content-Length
Transfer-Encoding: chunked
--- response_body
ok
--- no_error_log
[error]



=== underscores become hyphens, unless the location says otherwise
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.x_a_b = "1" }
        return 200 "ok\n";
    }
    location = /u {
        lua_transform_underscores_in_response_headers off;
        header_filter_by_lua_block { ngx.header.x_a_b = "1" }
        return 200 "ok\n";
    }
--- pipelined_requests eval
["GET /t", "GET /u"]
--- raw_response_headers_like eval
["x-a-b: 1", "x_a_b: 1"]
--- response_body eval
["ok\n", "ok\n"]
--- no_error_log
[error]



=== HEAD has one too
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header["X-F"] = "1" }
        content_by_lua_block { ngx.say("not sent") }
    }
--- request
HEAD /t
--- response_headers
X-F: 1
--- response_body
--- no_error_log
[error]



=== exit puts an error in the place of the response
--- config
    location = /t {
        header_filter_by_lua_block { ngx.exit(403) }
        return 200 "not seen\n";
    }
--- request
GET /t
--- error_code: 403
--- response_body_like: 403 Forbidden
--- no_error_log
[error]



=== exit in a proxied response, with an error page of its own
--- config
    location = /t {
        error_page 503 /sorry;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/back;
        header_filter_by_lua_block { if ngx.status == 200 then ngx.exit(503) end }
    }
    location = /back { return 200 "body\n"; }
    location = /sorry { return 200 "sorry\n"; }
--- request
GET /t
--- error_code: 503
--- response_body
sorry
--- no_error_log
[error]



=== exit of 0 and of nothing new lets the response through
--- config
    location = /t {
        header_filter_by_lua_block { ngx.exit(0) }
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== exit of ngx.ERROR closes the connection
--- config
    location = /t {
        header_filter_by_lua_block { ngx.exit(ngx.ERROR) }
        return 200 "not seen\n";
    }
--- request
GET /t
--- ignore_response
--- no_error_log
[error]



=== an error closes the connection
--- config
    location = /t {
        header_filter_by_lua_block { error("broken") }
        return 200 "not seen\n";
    }
--- request
GET /t
--- ignore_response
--- error_log
failed to run header_filter_by_lua*: header_filter_by_lua(nginx.conf:
: broken
stack traceback:



=== an error while Lua writes: it hears of it
--- config
    location = /t {
        header_filter_by_lua_block { error("broken") }
        content_by_lua_block {
            local ok, err = ngx.say("x")
            ngx.log(ngx.WARN, "say: ", ok, " ", err, " in ", ngx.get_phase())
        }
    }
--- request
GET /t
--- ignore_response
--- error_log
broken
say: nil nginx output filter error in content



=== APIs that wait or write are refused
--- config
    location = /t {
        header_filter_by_lua_block {
            local t = {}
            for _, f in ipairs{ngx.say, ngx.print, ngx.flush, ngx.send_headers, ngx.sleep} do
                local ok, err = pcall(f, unpack(f == ngx.flush and {} or {0}))
                t[#t + 1] = tostring(ok) .. " " .. err:gsub("^.-:%d+: ", "")
            end
            ngx.header["X-Errors"] = table.concat(t, "; "):gsub("API disabled in the context of header_filter_by_lua%*", "refused")
        }
        return 200 "ok\n";
    }
--- request
GET /t
--- response_headers
X-Errors: false refused; false refused; false refused; false refused; false refused
--- response_body
ok
--- no_error_log
[error]



=== an inner one takes the outer one's place
--- http_config
    header_filter_by_lua_block { ngx.header["X-Level"] = "http" }
--- config
    location = /t { return 200 "t\n"; }
    location = /u {
        header_filter_by_lua_file html/f.lua;
        return 200 "u\n";
    }
--- user_files
>>> f.lua
ngx.header["X-Level"] = "location"
--- pipelined_requests eval
["GET /t", "GET /u"]
--- response_headers eval
["X-Level: http", "X-Level: location"]
--- response_body eval
["t\n", "u\n"]
--- no_error_log
[error]



=== two of them at one level
--- config
    location = /t {
        header_filter_by_lua_block { }
        header_filter_by_lua_block { }
    }
--- must_die
--- error_log
"header_filter_by_lua_block" directive is duplicate



=== in an if
--- config
    location = /t {
        if ($arg_x) {
            header_filter_by_lua_block { ngx.header["X-If"] = "taken" }
        }
        content_by_lua_block { ngx.say("ok") }
    }
--- pipelined_requests eval
["GET /t?x=1", "GET /t"]
--- response_headers eval
["X-If: taken", "! X-If"]
--- response_body eval
["ok\n", "ok\n"]
--- no_error_log
[error]



=== without the code cache
--- http_config
    lua_code_cache off;
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header["X-F"] = ngx.get_phase() }
        return 200 "ok\n";
    }
--- request
GET /t
--- response_headers
X-F: header_filter
--- response_body
ok
--- no_error_log
[error]



=== started by a C function that another chunk calls
--- http_config
    init_by_lua_block {
        jit.off()
        local ffi = require "ffi"
        ffi.cdef "intptr_t ngx_http_send_header(void *r);"
        local get_request = require "resty.core.base".get_request
        function send()
            local before = ngx.arg[1]
            local code = tonumber(ffi.C.ngx_http_send_header(get_request()))
            return table.concat({ before, code, ngx.get_phase(), ngx.arg[1] }, " ")
        end
    }
--- config
    location = /t {
        set_by_lua $failed 'return send()' one;
        set_by_lua $sent 'return send()' two;
        header_filter_by_lua_block {
            ngx.status = 200
            ngx.header["X-Phase"] = ngx.get_phase()
            ngx.ctx.runs = (ngx.ctx.runs or 0) + 1
            if ngx.ctx.runs == 1 then error("broken") end
            return "a", "b"
        }
        content_by_lua_block { ngx.say(ngx.var.failed, ", ", ngx.var.sent) }
    }
--- request
GET /t
--- response_headers
X-Phase: header_filter
--- response_body
one -1 set one, two 0 set two
--- error_log
failed to run header_filter_by_lua*: header_filter_by_lua(nginx.conf:
:5: broken
stack traceback:
