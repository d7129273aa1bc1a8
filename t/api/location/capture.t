# ngx.location.capture: what comes back.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== status, headers, body
--- config
    location = /sub {
        content_by_lua_block {
            ngx.status = 201
            ngx.header.x_one = "1"
            ngx.header.x_many = { "a", "b" }
            ngx.header.content_type = "text/x"
            ngx.say("made")
        }
    }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/sub?a=b")
            local h = res.header
            ngx.say(res.status, " ", res.truncated, " ", h["X-One"] or h["x-one"], " ",
                    h["Content-Type"])
            ngx.print(table.concat(h["X-Many"] or h["x-many"], ","), " ", res.body)
        }
    }
--- request
GET /t
--- response_body
201 false 1 text/x
a,b made
--- error_log
lua http subrequest "/sub?a=b"
lua capture header filter, uri "/sub"
lua run post subrequest handler, rc:0
lua restoring write event handler
lua run subrequests done, resuming lua thread
--- no_error_log
[error]



=== a response of nginx itself, with and without a body
--- config
    location = /ok { return 200 "fine"; }
    location = /moved { return 302 /elsewhere; }
    location = /none { return 204; }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/ok")
            ngx.say(res.status, " ", res.body, " ", res.header["Content-Length"])
            res = ngx.location.capture("/moved")
            ngx.say(res.status, " ", #res.body, " ", res.header.Location)
            res = ngx.location.capture("/none")
            ngx.say(res.status, " ", #res.body)
            res = ngx.location.capture("/not-there")
            ngx.say(res.status, " ", #res.body)
        }
    }
--- request
GET /t
--- response_body
200 fine 4
302 0 /elsewhere
204 0
404 0
--- no_error_log
[alert]



=== from rewrite and access
--- config
    location = /sub { return 200 "sub"; }
    location = /t {
        set $a "";
        set $b "";
        rewrite_by_lua_block { ngx.var.a = ngx.location.capture("/sub").body }
        access_by_lua_block { ngx.var.b = ngx.location.capture("/sub").status }
        content_by_lua_block { ngx.say(ngx.var.a, " ", ngx.var.b) }
    }
--- request
GET /t
--- response_body
sub 200
--- no_error_log
[error]
[alert]



=== nested, in every phase that waits, to the depth that nginx allows
--- config
    location = /t {
        rewrite_by_lua_block {
            local depth = tonumber(ngx.var.arg_d)
            if depth > 0 and depth % 2 == 0 then
                local res = ngx.location.capture("/t", { args = { d = depth - 1 } })
                ngx.ctx.below = res.body
            end
        }
        content_by_lua_block {
            local depth = tonumber(ngx.var.arg_d)
            if depth > 0 and depth % 2 == 1 then
                ngx.ctx.below = ngx.location.capture("/t?d=" .. depth - 1).body
            end
            ngx.print(depth, " ", ngx.ctx.below)
        }
    }
--- request
GET /t?d=12
--- response_body chomp
12 11 10 9 8 7 6 5 4 3 2 1 0 nil
--- no_error_log
[error]
[alert]



=== a subrequest of a static file after another subrequest of its own
--- user_files
>>> file.txt
static
--- config
    location = /sub { return 200 "sub"; }
    location = /file.txt {
        rewrite_by_lua_block { ngx.location.capture("/sub") }
        access_by_lua_block { ngx.location.capture("/sub") }
        root html;
    }
    location = /t {
        content_by_lua_block {
            for i = 1, 3 do
                local res = ngx.location.capture("/file.txt")
                ngx.print(res.status, " ", res.truncated, " ", res.body)
            end
        }
    }
--- request
GET /t
--- response_body
200 false static
200 false static
200 false static
--- no_error_log
[error]
[alert]



=== a large body, written in pieces over time
--- config
    location = /sub {
        content_by_lua_block {
            for i = 1, 40 do
                ngx.print(string.rep("x", 10000))
                if i % 10 == 0 then
                    ngx.flush(true)
                    ngx.sleep(0.001)
                end
            end
        }
    }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/sub")
            ngx.say(#res.body, " ", res.truncated, " ", res.body == string.rep("x", 400000))
        }
    }
--- request
GET /t
--- response_body
400000 false true
--- no_error_log
[error]



=== an answer of a proxied server, and one that breaks off
--- config
    location = /backend { return 200 "from behind"; }
    location = /short {
        content_by_lua_block {
            ngx.header.content_length = 100
            ngx.print("short")
            ngx.flush(true)
            ngx.exit(444)
        }
    }
    location /proxy/ { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/; }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/proxy/backend")
            ngx.say(res.status, " ", res.truncated, " ", res.body)
            res = ngx.location.capture("/proxy/short")
            ngx.say(res.status, " ", res.truncated, " ", res.body)
        }
    }
--- request
GET /t
--- response_body
200 false from behind
200 true short
--- error_log
prematurely closed connection
--- no_error_log
[alert]



=== HEAD has no body; headers that nginx derives are there
--- user_files
>>> file.txt
static
--- config
    location = /file.txt { root html; }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/file.txt", { method = ngx.HTTP_HEAD })
            ngx.say(res.status, " ", #res.body, " ", res.header["Content-Length"], " ",
                    #res.header["Last-Modified"])
        }
    }
--- request
GET /t
--- response_body
200 0 7 29
--- no_error_log
[error]



=== an error in the subrequest is its status
--- config
    location = /sub { content_by_lua_block { error("oops") } }
    location = /forbidden { rewrite_by_lua_block { ngx.exit(403) } }
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.location.capture("/sub").status)
            ngx.say(ngx.location.capture("/forbidden").status)
        }
    }
--- request
GET /t
--- response_body
500
403
--- error_log
oops
--- no_error_log
[alert]



=== exec inside of a subrequest: it stays captured; error pages are not made
--- config
    location = /exec { content_by_lua_block { ngx.exec("/target", "a=1") } }
    location = /target { content_by_lua_block { ngx.print("at ", ngx.var.uri, ngx.var.args) } }
    location = /page {
        error_page 404 = /target;
        return 404;
    }
    location = /named { rewrite_by_lua_block { ngx.exec("@there") } }
    location @there { return 200 "named"; }
    location = /t {
        content_by_lua_block {
            for _, uri in ipairs { "/exec", "/page", "/named" } do
                local res = ngx.location.capture(uri)
                ngx.say(res.status, " ", res.body)
            end
        }
    }
--- request
GET /t
--- response_body
200 at /targeta=1
404 
200 named
--- no_error_log
[alert]



=== the response passes the subrequest's own Lua filters
--- config
    location = /sub {
        header_filter_by_lua_block { ngx.header.x_filtered = "yes" }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
        return 200 "shout";
    }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/sub")
            ngx.say(res.body, " ", res.header["x-filtered"] or res.header["X-Filtered"])
        }
    }
--- request
GET /t
--- response_body
SHOUT yes
--- no_error_log
[error]



=== HTTP/1.0, where responses are kept for their length
--- config
    location = /sub { content_by_lua_block { ngx.say("sub") ngx.say("more") } }
    location = /t {
        content_by_lua_block { ngx.print(ngx.location.capture("/sub").body) }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 9
--- response_body
sub
more
--- no_error_log
[error]



=== where there is no code cache, a subrequest shares its parent's state
--- http_config
    lua_code_cache off;
--- config
    location = /sub { content_by_lua_block { mark = "set" ngx.print(ngx.ctx.a) } }
    location = /t {
        content_by_lua_block {
            local res = ngx.location.capture("/sub", { ctx = { a = "shared" } })
            ngx.say(res.body)
        }
    }
--- request
GET /t
--- response_body
shared
--- no_error_log
[error]



=== over HTTP/2
--- config
    location = /sub {
        content_by_lua_block { ngx.sleep(0.001) ngx.print("sub ", ngx.req.get_method()) }
    }
    location = /t {
        content_by_lua_block {
            local a, b = ngx.location.capture_multi({ { "/sub" }, { "/sub", { method = ngx.HTTP_PUT, body = "x" } } })
            ngx.say(a.body, ", ", b.body)
        }
    }
--- http2
--- request
GET /t
--- response_body
sub GET, sub PUT
--- no_error_log
[error]
