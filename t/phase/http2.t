# What Lua code does to requests and responses over HTTP/2.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== the request's headers and arguments
--- http2
--- config
    location = /t {
        content_by_lua_block {
            local req = ngx.req
            local headers = req.get_headers()
            ngx.say(req.http_version(), " ", req.get_method(), " ", ngx.var.server_protocol)
            ngx.say(headers["X-One"], " ", headers.x_two, " ", req.get_uri_args().a)
            req.set_header("X-One", "changed")
            req.clear_header("X-Two")
            ngx.say(req.get_headers()["x-one"], " ", ngx.var.http_x_two)
            ngx.say(pcall(req.raw_header))
        }
    }
--- request
GET /t?a=b%20c
--- more_headers
X-One: 1
X-Two: 2
--- response_body_like chomp
\A2 GET HTTP/2\.0
1 2 b c
changed nil
false.*http2 requests not supported yet
--- no_error_log
[error]
[alert]



=== the response's headers and status
--- http2
--- config
    location = /t {
        rewrite_by_lua_block { ngx.header["X-Rewrite"] = "yes" }
        content_by_lua_block {
            ngx.status = 201
            ngx.header.content_type = "text/x"
            ngx.header["X-Many"] = { "a", "b" }
            ngx.header.content_length = 5
            ngx.say("four")
        }
        header_filter_by_lua_block { ngx.header["X-Filter"] = ngx.header["X-Rewrite"] }
    }
--- request
GET /t
--- error_code: 201
--- response_headers
X-Rewrite: yes
X-Filter: yes
X-Many: a, b
Content-Type: text/x
Content-Length: 5
--- response_body
four
--- no_error_log
[error]
[alert]



=== bodies: read in the rewrite phase, in a file, and by itself
--- http2
--- config
    location = /t {
        client_body_buffer_size 1k;
        client_body_in_file_only clean;
        rewrite_by_lua_block { ngx.req.read_body() }
        content_by_lua_block {
            local file = io.open(ngx.req.get_body_file())
            ngx.say(#file:read("*a"), " ", ngx.req.get_body_data())
            ngx.say(ngx.location.capture("/sub", { method = ngx.HTTP_POST, body = "own" }).body)
        }
    }
    location = /sub {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.print(ngx.req.get_body_data())
        }
    }
--- request eval
"POST /t
" . ("x" x 20000)
--- response_body
20000 nil
own
--- no_error_log
[error]
[alert]



=== POST arguments, and a body that is discarded
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            local args = ngx.req.get_post_args()
            ngx.say(args.a, " ", args.b[1], args.b[2])
        }
    }
--- request
POST /t
a=1&b=2&b=3
--- response_body
1 23
--- no_error_log
[error]
[alert]



=== captures: several, large, with the client's body
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            local a, b = ngx.location.capture_multi {
                { "/large" }, { "/echo", { method = ngx.HTTP_PUT, always_forward_body = true } },
            }
            ngx.say(a.status, " ", #a.body, " ", b.body)
        }
    }
    location = /large {
        content_by_lua_block { for _ = 1, 100 do ngx.print(("x"):rep(3000)) ngx.flush() end }
    }
    location = /echo {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.print(ngx.req.get_method(), " ", ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
200 300000 PUT hello
--- no_error_log
[error]
[alert]



=== filters see and change bodies of any length
--- http2
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 50 do
                ngx.print(("x"):rep(2000))
                if i % 10 == 0 then ngx.flush(true) end
            end
        }
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            ngx.ctx.seen = (ngx.ctx.seen or 0) + #ngx.arg[1]
            ngx.arg[1] = ngx.arg[2] and ngx.ctx.seen .. "\n" or nil
        }
    }
--- request
GET /t
--- response_body
100000
--- no_error_log
[error]
[alert]



=== ngx.exec and ngx.redirect
--- http2
--- config
    location = /t {
        content_by_lua_block { ngx.exec("/other", { a = "b" }) }
    }
    location = /other {
        content_by_lua_block {
            ngx.redirect("/third?" .. ngx.var.args, 307)
        }
    }
--- request
GET /t
--- error_code: 307
--- response_headers
Location: /third?a=b
--- response_body_like: 307 Temporary Redirect
--- no_error_log
[error]
[alert]



=== ngx.exec to a named location after a wait, with a body
--- http2
--- config
    location = /t {
        access_by_lua_block {
            ngx.sleep(0.001)
            ngx.req.read_body()
            ngx.exec("@named")
        }
    }
    location @named {
        content_by_lua_block { ngx.say(ngx.var.uri, " ", ngx.req.get_body_data()) }
    }
--- request
POST /t
body
--- response_body
/t body
--- no_error_log
[error]
[alert]



=== HEAD, and a status without a body
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Len"] = #ngx.location.capture("/sub").body
            ngx.say("body")
        }
    }
    location = /sub { content_by_lua_block { ngx.print("subrequest") } }
--- request
HEAD /t
--- response_headers
X-Len: 10
--- response_body:
--- no_error_log
[error]
[alert]



=== an error is a response, and the connection goes on
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.timer.at(0, function() end)
            error("on purpose")
        }
        error_page 500 /error;
    }
    location = /error { content_by_lua_block { ngx.say("handled ", ngx.status) } }
--- request
GET /t
--- error_code: 500
--- response_body
handled 500
--- error_log
on purpose
--- no_error_log
[alert]
