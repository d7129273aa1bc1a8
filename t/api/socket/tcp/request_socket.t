use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== the body, in parts
--- config
    location = /t {
        content_by_lua_block {
            local body = assert(ngx.req.socket())
            ngx.say(body:receive(3))
            ngx.say(body:receiveuntil("-")())
            ngx.say(body:receive("*a"))
            ngx.say(body:receive(1))
            ngx.say(ngx.req.socket())
        }
    }
--- request
POST /t
abcd-efgh
--- response_body
abc
d
efgh
nilclosed
nilrequest body already exists
--- no_error_log
[error]



=== a body that comes slowly
--- config
    location = /t {
        content_by_lua_block {
            local body = assert(ngx.req.socket())
            local length = tonumber(ngx.var.http_content_length)
            ngx.say(body:receive(length))
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n01234", "567", "89"]
--- raw_request_middle_delay: 0.02
--- response_body
0123456789
--- no_error_log
[error]



=== a body that is not read is no request
--- config
    location = /t {
        content_by_lua_block {
            local body = assert(ngx.req.socket())
            ngx.say(body:receive(3))
        }
    }
    location = /smuggled {
        content_by_lua_block { ngx.log(ngx.ERR, "smuggled") }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabcGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" . ("x" x 60)
--- response_body
abc
--- no_error_log
[error]



=== there is none
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.req.socket())
            ngx.say(select(2, pcall(ngx.req.socket, 1, 2)))
            ngx.req.read_body()
            ngx.say(ngx.req.socket())
            ngx.print(ngx.location.capture("/sub").body)
        }
    }
    location = /sub {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.req.socket)))
        }
    }
--- request
GET /t
--- response_body
nilno body
expecting zero arguments, but got 2
nilrequest body already exists
attempt to read the request body in a subrequest
--- no_error_log
[error]



=== writing, and closing, a body
--- config
    location = /t {
        content_by_lua_block {
            local body = assert(ngx.req.socket())
            ngx.say(body.send, " ", body.close, " ", body.connect)
            local tcp = getmetatable(ngx.socket.tcp())
            ngx.say(select(2, pcall(tcp.send, body, "x")))
            ngx.say(tcp.close(body))
            ngx.say(select(2, pcall(tcp.connect, body, "127.0.0.1", 1)))
            ngx.say(body:receive(4))
        }
    }
--- request
POST /t
body
--- response_body
nil nil nil
attempt to write to request sockets
nilattempt to close a request socket
attempt to re-connect a request socket
body
--- no_error_log
[error]



=== the whole connection, with what the client has sent already
--- config
    location = /t {
        content_by_lua_block {
            local client = assert(ngx.req.socket(true))
            client:send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n")
            client:send(client:receive(4))
            client:send(client:receive(4))
            ngx.log(ngx.INFO, "say: ", select(2, ngx.say("x")))
            ngx.log(ngx.INFO, "again: ", select(2, ngx.req.socket(true)))
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "then"]
--- raw_request_middle_delay: 0.02
--- response_body chop
bodythen
--- error_log
say: raw request socket acquired
again: duplicate call
--- no_error_log
[error]
