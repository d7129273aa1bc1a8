# ngx.location.capture: its options, and what is wrong with them.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== args: text and tables join the URI's own
--- config
    location = /sub { return 200 "[$args]"; }
    location = /t {
        content_by_lua_block {
            local function args(uri, value)
                ngx.say(ngx.location.capture(uri, { args = value }).body)
            end
            args("/sub", "a=1")
            args("/sub?x=y", "a=1")
            args("/sub?x=y", { ["a b"] = "&" })
            args("/sub", {})
            args("/sub", 12)
            args("/sub?x")
        }
    }
--- request
GET /t
--- response_body
[a=1]
[x=y&a=1]
[x=y&a%20b=%26]
[]
[12]
[x]
--- no_error_log
[error]



=== method: every one that nginx knows
--- config
    location = /sub { content_by_lua_block { ngx.print(ngx.req.get_method()) } }
    location = /t {
        content_by_lua_block {
            for _, name in ipairs { "GET", "POST", "PUT", "DELETE", "OPTIONS", "MKCOL", "COPY",
                                    "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "PATCH",
                                    "TRACE" } do
                local res = ngx.location.capture("/sub", { method = ngx["HTTP_" .. name] })
                if res.body ~= name then
                    ngx.say(name, " ", res.body)
                end
            end
            ngx.say("done")
        }
    }
--- request
GET /t
--- response_body
done
--- no_error_log
[error]



=== body: it comes with its own length, whatever the client said
--- config
    location = /backend { return 200 "$request_method $content_length"; }
    location = /sub {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
    }
    location = /t {
        content_by_lua_block {
            for _, body in ipairs { "hello", 123, "", string.rep("x", 100000) } do
                local res = ngx.location.capture("/sub", { method = ngx.HTTP_POST, body = body })
                ngx.say(res.body)
            end
        }
    }
--- request
POST /t
some more than that
--- response_body
POST 5
POST 3
POST 0
POST 100000
--- no_error_log
[error]



=== the client's body goes along with POST, PUT, or always_forward_body
--- config
    location = /mirrored { return 204; }
    location = /backend {
        mirror /mirrored;
        content_by_lua_block {
            ngx.print(ngx.req.get_method(), " ", ngx.var.http_content_length, " ",
                      next(ngx.req.get_post_args()))
        }
    }
    location = /sub { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend; }
    location = /t {
        mirror /mirrored;
        content_by_lua_block {
            local function sub(options)
                ngx.say(ngx.location.capture("/sub", options).body)
            end
            sub({ method = ngx.HTTP_POST })
            sub({ method = ngx.HTTP_PUT })
            sub({ method = ngx.HTTP_DELETE, always_forward_body = true })
        }
    }
    location = /bare { content_by_lua_block { ngx.print(ngx.var.http_content_length) } }
    location = /u {
        mirror /mirrored;
        content_by_lua_block {
            ngx.say(ngx.location.capture("/bare").body, " ",
                    ngx.location.capture("/bare", { method = ngx.HTTP_POST }).body, " ",
                    ngx.var.http_content_length)
        }
    }
--- request eval
["POST /t\nhello", "POST /u\nhello"]
--- response_body eval
["POST 5 hellotrue\nPUT 5 hellotrue\nDELETE 5 hellotrue\n", "nil 5 5\n"]
--- no_error_log
[error]



=== headers are the subrequest's own: what either changes, the other does not see
--- config
    location = /sub {
        content_by_lua_block {
            local before = ngx.req.get_headers()
            ngx.req.set_header("X-A", "sub")
            ngx.req.set_header("Host", "sub")
            ngx.req.set_header("X-New", "1")
            ngx.req.clear_header("X-B")
            ngx.req.set_header("Cookie", "sub=1")
            ngx.req.set_header("X-Forwarded-For", "::1")
            local h = ngx.req.get_headers()
            ngx.print(before["x-a"], before["x-b"], before.cookie, " ",
                      h["x-a"], h["x-b"], h["x-new"], h.cookie, h.host, ngx.var.http_cookie)
        }
    }
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.location.capture("/sub").body)
            local h = ngx.req.get_headers()
            ngx.say(h["x-a"], h["x-b"], h["x-new"], h.cookie, h.host, ngx.var.http_cookie, " ",
                    h["x-forwarded-for"], ngx.var.http_x_forwarded_for)
        }
    }
--- request
GET /t
--- more_headers
X-A: 1
X-B: 2
Cookie: c=3
X-Forwarded-For: 10.0.0.1
--- response_body
12c=3 subnil1sub=1subsub=1
12nilc=3localhostc=3 10.0.0.110.0.0.1
--- no_error_log
[error]



=== more headers than one list of nginx holds
--- config
    location = /sub {
        content_by_lua_block {
            local n = 0
            for name in pairs(ngx.req.get_headers()) do
                n = n + (name:find("^x%-%d") and 1 or 0)
            end
            ngx.req.set_header("X-50", "changed")
            ngx.print(n, " ", ngx.var.http_x_50, " ", ngx.var.http_host, " ", ngx.var.http_x_1)
        }
    }
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.location.capture("/sub").body, " ", ngx.var.http_x_50)
        }
    }
--- request
GET /t
--- more_headers
X-1: 1
X-2: 2
X-3: 3
X-4: 4
X-5: 5
X-6: 6
X-7: 7
X-8: 8
X-9: 9
X-10: 10
X-11: 11
X-12: 12
X-13: 13
X-14: 14
X-15: 15
X-16: 16
X-17: 17
X-18: 18
X-19: 19
X-20: 20
X-21: 21
X-22: 22
X-23: 23
X-24: 24
X-25: 25
X-26: 26
X-27: 27
X-28: 28
X-29: 29
X-30: 30
X-31: 31
X-32: 32
X-33: 33
X-34: 34
X-35: 35
X-36: 36
X-37: 37
X-38: 38
X-39: 39
X-40: 40
X-41: 41
X-42: 42
X-43: 43
X-44: 44
X-45: 45
X-46: 46
X-47: 47
X-48: 48
X-49: 49
X-50: 50
X-51: 51
X-52: 52
X-53: 53
X-54: 54
X-55: 55
X-56: 56
X-57: 57
X-58: 58
X-59: 59
X-60: 60
--- response_body
60 changed localhost 1 50
--- no_error_log
[error]



=== vars, and whose variables a subrequest sees
--- config
    location = /sub {
        content_by_lua_block {
            ngx.print(ngx.var.dog, ",", ngx.var.cat)
            ngx.var.dog = "changed"
        }
    }
    location = /t {
        set $dog "rex";
        set $cat "tom";
        content_by_lua_block {
            local function sub(options)
                ngx.say(ngx.location.capture("/sub", options).body, " ", ngx.var.dog)
            end
            sub()
            sub({ vars = { dog = "max", CAT = 3 } })
            sub({ copy_all_vars = true })
            sub({ copy_all_vars = true, vars = { cat = "x" } })
            sub({ share_all_vars = true })
        }
    }
--- request
GET /t
--- response_body
, rex
max,3 rex
rex,tom rex
rex,x rex
rex,tom changed
--- no_error_log
[error]



=== ctx: a table that both see
--- config
    location = /sub {
        content_by_lua_block { ngx.ctx.from_sub = ngx.ctx.from_main .. "!" }
    }
    location = /t {
        content_by_lua_block {
            local shared = { from_main = "hi" }
            ngx.location.capture("/sub", { ctx = shared })
            ngx.say(shared.from_sub, " ", ngx.ctx.from_sub)
        }
    }
--- request
GET /t
--- response_body
hi! nil
--- error_log
lua release ngx.ctx at ref
--- no_error_log
[error]



=== wrong arguments are refused
--- config
    location = /sub { return 200 "sub"; }
    location = /t {
        content_by_lua_block {
            local function try(...)
                local ok, err = pcall(ngx.location.capture, ...)
                ngx.say((tostring(err):gsub("^.-:%d+: ", "")))
            end
            try()
            try("/sub", {}, 1)
            try(nil)
            try(nil, {})
            try({})
            try("/sub", 1)
            try("/../sub")
            try("/sub", { args = true })
            try("/sub", { args = { 1 } })
            try("/sub", { vars = 1 })
            try("/sub", { vars = { 1 } })
            try("/sub", { vars = { a = {} } })
            try("/sub", { share_all_vars = 1 })
            try("/sub", { copy_all_vars = 1 })
            try("/sub", { method = "GET" })
            try("/sub", { ctx = 1 })
            try("/sub", { body = {} })
            ngx.say(ngx.location.capture("/sub").body)
        }
    }
--- request
GET /t
--- response_body
expecting one or two arguments
expecting one or two arguments
query argument 0 expecting one or two arguments
bad argument #3 to '?' (string expected, got nil)
bad argument #3 to '?' (string expected, got table)
expecting table as the 2nd argument for subrequest 0, but got number
unsafe uri in argument #1: /../sub
Bad args option value
attempt to use a non-string key in the "args" option table
Bad vars option value
attempt to use a non-string key in the "vars" option table
attempt to use bad variable value type table
Bad share_all_vars option value
Bad copy_all_vars option value
Bad http request method
Bad ctx option value type number, expected a Lua table
Bad http request body
sub
--- no_error_log
[alert]



=== methods and variables that there are not
--- config
    location = /sub { return 200 "sub"; }
    location = /t {
        content_by_lua_block {
            local function try(options)
                local ok, err = pcall(ngx.location.capture, "/sub", options)
                ngx.say((tostring(err):gsub("^.-:%d+: ", "")))
            end
            try({ method = 12345 })
            try({ method = 0 / 0 })
            try({ vars = { no_such_variable = 1 } })
            try({ vars = { uri = "/" } })
            ngx.say(ngx.location.capture("/sub").body)
        }
    }
--- request
GET /t
--- response_body
failed to adjust the subrequest: -1
failed to adjust the subrequest: -1
failed to adjust the subrequest: -1
failed to adjust the subrequest: 500
sub
--- error_log
unsupported HTTP method: 12345
variable "no_such_variable" cannot be assigned a value (maybe you forgot to define it first?)
variable "uri" not changeable
--- no_error_log
[alert]



=== a subrequest that captures itself ends where nginx's depth does
--- config
    location = /t {
        content_by_lua_block {
            local ok, res = pcall(ngx.location.capture, "/t")
            ngx.print(ok and res.body or tostring(res):match("failed.*"))
        }
    }
--- request
GET /t
--- response_body chomp
failed to issue subrequest: -1
--- error_log
lua subrequests cycle while processing "/t"
--- no_error_log
[alert]



=== not where Lua cannot wait
--- config
    location = /sub { return 200 "sub"; }
    location = /t {
        content_by_lua_block { ngx.say("hi") }
        log_by_lua_block { ngx.location.capture("/sub") }
    }
--- request
GET /t
--- response_body
hi
--- wait: 0.1
--- error_log
API disabled in the context of log_by_lua*



=== options through a metatable, and one that fails
--- config
    location = /sub { return 200 "[$args]"; }
    location = /t {
        content_by_lua_block {
            local defaults = setmetatable({}, { __index = { args = "a=1" } })
            ngx.say(ngx.location.capture("/sub", defaults).body)
            local failing = setmetatable({}, { __index = function(_, key) error("no " .. key, 0) end })
            ngx.say(pcall(ngx.location.capture, "/sub", failing))
        }
    }
--- request
GET /t
--- response_body
[a=1]
falseno args
--- no_error_log
[error]



=== headers
--- config
    location = /show {
        content_by_lua_block {
            local h = ngx.req.get_headers()
            ngx.say(h.x_one, " ", h.x_two, " ", h.x_three, " ", h.host, " ", h.content_length, " ", ngx.var.http_user_agent, " ", h["a b"])
        }
    }
    location = /t {
        content_by_lua_block {
            local function show(options) ngx.print(ngx.location.capture("/show", options).body) end
            ngx.req.set_header("X-One", "1")
            show { headers = { ["X-One"] = "one", ["X-Two"] = 2, Host = "other", [""] = "x" } }
            show { headers = { ["X-One"] = "", ["User-Agent"] = "me" }, method = ngx.HTTP_POST, body = "text" }
            show { headers = {} }
            ngx.say(ngx.req.get_headers().x_one, " ", ngx.req.get_headers().x_two, " ", ngx.var.host)
            local a, b = ngx.location.capture_multi { { "/show", { headers = { x_three = "a" } } }, { "/show" } }
            ngx.print(a.body, b.body)
            ngx.say(pcall(ngx.location.capture, "/show", { headers = "x" }))
            ngx.say(pcall(ngx.location.capture, "/show", { headers = { "x" } }))
            ngx.say(pcall(ngx.location.capture, "/show", { headers = { x = {} } }))
        }
    }
--- request
GET /t
--- response_body
one 2 nil other nil nil nil
nil nil nil localhost 4 me nil
1 nil nil localhost nil nil nil
1 nil localhost
1 nil a localhost nil nil nil
1 nil nil localhost nil nil nil
falseBad headers option value
falseattempt to use a non-string key in the "vars" option table
falseattempt to use bad variable value type table
--- no_error_log
[error]
[alert]
