# Lua's output through nginx's own filters.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== chunked_transfer_encoding off
--- config
    location = /t {
        chunked_transfer_encoding off;
        content_by_lua_block { ngx.say("one") ngx.say("two") }
    }
--- request
GET /t
--- response_headers
! Transfer-Encoding
! Content-Length
Connection: close
--- response_body
one
two
--- no_error_log
[error]



=== add_header and expires
--- config
    location = /t {
        add_header X-Conf "$uri";
        expires epoch;
        content_by_lua_block { ngx.header["X-Lua"] = "lua" ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
X-Conf: /t
X-Lua: lua
Cache-Control: no-cache
Expires: Thu, 01 Jan 1970 00:00:01 GMT
--- response_body
ok
--- no_error_log
[error]



=== a Range is not honoured
--- config
    location = /t { content_by_lua_block { ngx.say("0123456789") } }
--- request
GET /t
--- more_headers
Range: bytes=2-4
--- response_headers
! Content-Range
! Accept-Ranges
--- response_body
0123456789
--- error_code: 200
--- no_error_log
[error]



=== If-Match with an ETag of Lua's
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.etag = '"v1"'
            ngx.say("ok")
        }
    }
--- request
GET /t
--- more_headers
If-None-Match: "v1"
--- error_code: 304
--- response_body
--- no_error_log
[error]



=== charset is added to a Content-Type of Lua's
--- config
    location = /t {
        charset utf-8;
        content_by_lua_block {
            ngx.header.content_type = "text/html"
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
Content-Type: text/html; charset=utf-8
--- response_body
ok
--- no_error_log
[error]



=== an SSI page made of several says
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        content_by_lua_block {
            ngx.print("<!--# set var='x' val")
            ngx.print("ue='in pieces' -->")
            ngx.say("<!--# echo var='x' -->")
        }
    }
--- request
GET /t
--- response_body
in pieces
--- no_error_log
[error]



=== a proxy in front buffers and passes it on
--- config
    location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/lua; }
    location = /lua {
        content_by_lua_block {
            for i = 1, 100 do ngx.print(string.rep("z", 1000)) end
        }
    }
--- request
GET /t
--- response_body eval
"z" x 100000
--- no_error_log
[error]
