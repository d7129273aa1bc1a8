# content_by_lua: the end of a request.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== no output is an empty 200
--- config
    location = /t {
        content_by_lua_block { local x = 1 }
    }
--- request
GET /t
--- response_headers
Content-Type: text/plain
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== the empty block
--- config
    location = /t {
        content_by_lua_block { }
    }
--- request
GET /t
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== a return value is ignored
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("ok")
            return 404, "x"
        }
    }
--- request
GET /t
--- response_body
ok
--- error_code: 200
--- no_error_log
[error]



=== any method is served
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.var.request_method) }
    }
--- request eval
["GET /t", "POST /t\nbody", "PUT /t\nbody", "DELETE /t", "OPTIONS /t"]
--- response_body eval
["GET\n", "POST\n", "PUT\n", "DELETE\n", "OPTIONS\n"]
--- no_error_log
[error]



=== a chunked answer on HTTP/1.1
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
Transfer-Encoding: chunked
! Content-Length
--- response_body
ok
--- no_error_log
[error]



=== HEAD sends the header only
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Seen"] = "head"
            ngx.say("body")
        }
    }
--- request
HEAD /t
--- response_headers
X-Seen: head
--- response_body
--- no_error_log
[error]



=== HEAD without output
--- config
    location = /t {
        content_by_lua_block { ngx.status = 202 }
    }
--- request
HEAD /t
--- response_body
--- error_code: 202
--- no_error_log
[error]



=== two locations, two chunks
--- config
    location = /a {
        content_by_lua_block { ngx.say("a") }
    }
    location = /b {
        content_by_lua_block { ngx.say("b") }
    }
--- request eval
["GET /a", "GET /b", "GET /a"]
--- response_body eval
["a\n", "b\n", "a\n"]
--- no_error_log
[error]



=== the same text in two locations does not mix up their requests
--- config
    location = /a {
        set $me "a";
        content_by_lua_block { ngx.say(ngx.var.me) }
    }
    location = /b {
        set $me "b";
        content_by_lua_block { ngx.say(ngx.var.me) }
    }
--- request eval
["GET /a", "GET /b"]
--- response_body eval
["a\n", "b\n"]
--- no_error_log
[error]



=== module state lives in the VM across requests
--- config
    location = /t {
        content_by_lua_block {
            local counter = require "counter"
            ngx.say(counter.next())
        }
    }
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- user_files
>>> counter.lua
local n = 0
return { next = function () n = n + 1 return n end }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["1\n", "2\n", "3\n"]
--- no_error_log
[error]



=== locals of the chunk are new for each request
--- config
    location = /t {
        content_by_lua_block {
            local n = 0
            n = n + 1
            ngx.say(n)
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t"]
--- response_body eval
["1\n", "1\n"]
--- no_error_log
[error]



=== the last content handler of a location wins over a static file
--- config
    location /html/ {
        root .;
        content_by_lua_block { ngx.say("lua") }
    }
--- user_files
>>> page.txt
file
--- request
GET /html/page.txt
--- response_body
lua
--- no_error_log
[error]
