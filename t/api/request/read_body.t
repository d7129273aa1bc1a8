# ngx.req.read_body: at once, waiting, and what goes wrong.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a body that came with the header
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select("#", ngx.req.read_body()), " ", ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello, world
--- response_body
0 hello, world
--- error_log
lua start to read buffered request body
lua req body post read, c:2
lua has read buffered request body in a single run
--- no_error_log
[error]



=== no body
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file())
        }
    }
--- request
GET /t
--- response_body
nil nil
--- no_error_log
[error]



=== a body that comes later, in every phase that may wait
--- config
    server_rewrite_by_lua_block {
        if ngx.var.arg_p == "server_rewrite" then ngx.req.read_body() end
    }
    location = /t {
        rewrite_by_lua_block {
            if ngx.var.arg_p == "rewrite" then ngx.req.read_body() end
        }
        access_by_lua_block {
            if ngx.var.arg_p == "access" then ngx.req.read_body() end
        }
        precontent_by_lua_block {
            if ngx.var.arg_p == "precontent" then ngx.req.read_body() end
        }
        content_by_lua_block {
            if ngx.var.arg_p == "content" then ngx.req.read_body() end
            ngx.say(ngx.var.arg_p, ": ", ngx.req.get_body_data())
        }
    }
--- request eval
[[{value => "POST /t?p=server_rewrite\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /t?p=rewrite\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /t?p=access\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /t?p=precontent\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /t?p=content\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body eval
["server_rewrite: hello\n", "rewrite: hello\n", "access: hello\n", "precontent: hello\n", "content: hello\n"]
--- error_log
lua read buffered request body requires I/O interruptions
lua req body post read, c:1
--- no_error_log
[error]
[alert]



=== a chunked body in pieces, longer than the buffer
--- config
    location = /t {
        client_body_buffer_size 4;
        client_body_in_single_buffer on;
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data())
            local f = io.open(ngx.req.get_body_file())
            ngx.say(f:read("*a"), " ", ngx.var.http_transfer_encoding)
            f:close()
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "lo\r\n7\r\n, world\r\n", "0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body
nil
hello, world chunked
--- error_log
a client request body is buffered to a temporary file
--- no_error_log
[error]



=== a coroutine reads while its parent waits for it
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function()
                ngx.req.read_body()
                coroutine.yield(ngx.req.get_body_data())
                return "end"
            end)
            ngx.say(co(), " ", co())
        }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
hello end
--- no_error_log
[error]



=== the next request of the connection is found behind the body
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.print(ngx.req.get_body_data() or "none", ";")
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", "lloPOST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "GET /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body_like: ^hello;
--- error_log
lua read buffered request body requires I/O interruptions
lua has read buffered request body in a single run
--- no_error_log
[error]
[alert]



=== Expect: 100-continue is answered
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- more_headers
Expect: 100-continue
--- ignore_response
--- error_log
send 100 Continue
lua has read buffered request body in a single run
--- no_error_log
[error]



=== a client that goes away in the middle of its body
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.log(ngx.ERR, "not reached")
        }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- timeout: 0.05
--- abort
--- ignore_response
--- wait: 0.1
--- error_log
client prematurely closed connection
status 400
lua deleting light thread
--- no_error_log
[error]
[alert]



=== a client that is too slow
--- config
    location = /t {
        client_body_timeout 50ms;
        access_by_lua_block {
            ngx.req.read_body()
            ngx.log(ngx.ERR, "not reached")
        }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- ignore_response
--- error_log
status 408
lua deleting light thread
--- no_error_log
[error]
[alert]



=== a chunked body that is too large, at once
--- config
    location = /t {
        client_max_body_size 4;
        access_by_lua_block {
            ngx.req.read_body()
            ngx.log(ngx.WARN, "not reached")
        }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
--- response_body_like: 413
--- error_code: 413
--- error_log
client intended to send too large chunked body
http read client request body returned error code 413, exitting now
--- no_error_log
not reached
[alert]



=== a chunked body that is too large, later
--- config
    location = /t {
        client_max_body_size 4;
        content_by_lua_block {
            ngx.req.read_body()
            ngx.log(ngx.WARN, "not reached")
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "5\r\nhello\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body_like: 413
--- error_code: 413
--- error_log
client intended to send too large chunked body
lua deleting light thread
--- no_error_log
not reached
[alert]



=== an error page whose Lua code waits, after a body that is too large
--- config
    error_page 413 /large;
    location = /t {
        client_max_body_size 4;
        access_by_lua_block { ngx.req.read_body() }
        content_by_lua_block { ngx.say("not reached") }
    }
    location = /large {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.sleep(0.01)
            ngx.say("too large for us: ", ngx.req.get_body_data())
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "5\r\nhello\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body_like: too large for us
--- error_code: 413
--- no_error_log
[alert]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.req.read_body, 1)))
            ngx.say(select(2, pcall(ngx.req.discard_body, 1, 2)))
        }
        log_by_lua_block { ngx.log(ngx.WARN, select(2, pcall(ngx.req.read_body))) }
    }
--- request
GET /t
--- response_body
expecting 0 arguments but seen 1
expecting 0 arguments but seen 2
--- error_log
API disabled in the context of log_by_lua*
--- no_error_log
[error]



=== discard, then read: there is no body
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.discard_body()
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data())
        }
    }
--- pipelined_requests eval
["POST /t\nhello", "POST /t\nworld"]
--- response_body eval
["nil\n", "nil\n"]
--- no_error_log
[error]



=== HTTP/2
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
hello
--- no_error_log
[error]
[alert]



=== several light threads read the body
--- config
    location = /t {
        content_by_lua_block {
            local function read(n)
                ngx.req.read_body()
                return n .. ": " .. ngx.req.get_body_data()
            end
            local a, b = ngx.thread.spawn(read, 1), ngx.thread.spawn(read, 2)
            ngx.say(select(2, ngx.thread.wait(a)))
            ngx.say(select(2, ngx.thread.wait(b)))
        }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
1: hello
2: hello
--- no_error_log
[error]
[alert]



=== a thread that reads is killed, another one reads on
--- config
    location = /t {
        access_by_lua_block {
            local a = ngx.thread.spawn(function() ngx.req.read_body() end)
            local b = ngx.thread.spawn(function()
                ngx.req.read_body()
                return ngx.req.get_body_data()
            end)
            ngx.thread.kill(a)
            ngx.ctx.body = select(2, ngx.thread.wait(b))
        }
        content_by_lua_block { ngx.say(ngx.ctx.body) }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
hello
--- no_error_log
[error]
[alert]



=== the request ends while a thread reads, in content
--- config
    location = /t {
        content_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.say("no need for it")
            if ngx.var.arg_sleep then ngx.sleep(0.001) end
            ngx.exit(200)
        }
    }
    location = /access {
        access_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.sleep(0.001)
            ngx.exit(204)
        }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- response_body
no need for it
--- error_log
lua deleting light thread
--- no_error_log
[error]
[alert]



=== the request ends while a thread reads, in content, later
--- config
    location = /t {
        content_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.say("no need for it")
            if ngx.var.arg_sleep then ngx.sleep(0.001) end
            ngx.exit(200)
        }
    }
    location = /access {
        access_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.sleep(0.001)
            ngx.exit(204)
        }
    }
--- raw_request eval
"POST /t?sleep=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- response_body
no need for it
--- error_log
lua deleting light thread
--- no_error_log
[error]
[alert]



=== the request ends while a thread reads, in access
--- config
    location = /t {
        content_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.say("no need for it")
            if ngx.var.arg_sleep then ngx.sleep(0.001) end
            ngx.exit(200)
        }
    }
    location = /access {
        access_by_lua_block {
            ngx.thread.spawn(function()
                ngx.req.read_body()
                ngx.log(ngx.ERR, "not reached")
            end)
            ngx.sleep(0.001)
            ngx.exit(204)
        }
    }
--- raw_request eval
"POST /access HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- error_code: 204
--- response_headers
Connection: close
--- error_log
lua deleting light thread
--- no_error_log
[error]
[alert]



=== after a killed reader, the client's pace does not matter
--- config
    location = /t {
        client_body_timeout 30ms;
        content_by_lua_block {
            ngx.thread.kill(ngx.thread.spawn(function() ngx.req.read_body() end))
            ngx.sleep(0.1)
            ngx.say("slept")
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel", "lo"]
--- raw_request_middle_delay: 0.1
--- response_body
slept
--- no_error_log
[error]
[alert]



=== the client is watched again when the body is there
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block {
            ngx.req.read_body()
            ngx.sleep(5)
        }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", "lo"]
--- raw_request_middle_delay: 0.1
--- timeout: 0.05
--- abort
--- ignore_response
--- wait: 0.5
--- error_log
lua read buffered request body requires I/O interruptions
client prematurely closed connection
lua clean up the timer for pending ngx.sleep
--- no_error_log
[error]
[alert]
