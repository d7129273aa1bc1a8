# ngx.req.raw_header and http_version.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== with and without the request line
--- config
    location = /t {
        content_by_lua_block {
            ngx.print(ngx.req.raw_header())
            ngx.print(ngx.req.raw_header(true))
        }
    }
--- raw_request eval
"GET /t?a HTTP/1.1\r\nHost: a\r\nEmpty:\r\nfOO: b:c\r\nConnection: close\r\n\r\n"
--- response_body eval
"GET /t?a HTTP/1.1\r\nHost: a\r\nEmpty:\r\nfOO: b:c\r\nConnection: close\r\n\r\nHost: a\r\nEmpty:\r\nfOO: b:c\r\nConnection: close\r\n\r\n"
--- no_error_log
[error]



=== without any header
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.req.http_version(), "[", (ngx.req.raw_header(true):gsub("\r\n", "-")), "]")
        }
    }
--- raw_request eval
"GET /t HTTP/1.0\r\n\r\n"
--- response_body
1[-]
--- no_error_log
[error]



=== in several buffers, lines with LF only
--- config
    client_header_buffer_size 32;
    large_client_header_buffers 20 512;
    location = /t {
        content_by_lua_block {
            local h, lines = ngx.req.raw_header(), {}
            for i = 1, 30 do lines[i] = "X: " .. string.rep("v", 40) .. "\n" end
            ngx.say(h == "GET /t HTTP/1.1\nHost: a\nConnection: close\n" .. table.concat(lines) .. "\n")
        }
    }
--- raw_request eval
"GET /t HTTP/1.1\nHost: a\nConnection: close\n" . ("X: " . ("v" x 40) . "\n") x 30 . "\n"
--- response_body
true
--- no_error_log
[error]



=== the body is left out
--- config
    location = /t {
        content_by_lua_block { ngx.print(ngx.req.raw_header()) }
    }
--- request
POST /t
body
--- response_body eval
"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
--- no_error_log
[error]



=== versions of the protocol
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.req.http_version()) }
    }
--- request eval
["GET /t HTTP/1.0", "GET /t HTTP/1.1"]
--- response_body eval
["1\n", "1.1\n"]
--- no_error_log
[error]
