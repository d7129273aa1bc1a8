# ngx.req.set_header and clear_header: what later phases and upstreams see.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a value replaces all, a table is several
--- config
    location = /t {
        content_by_lua_block {
            local set, get = ngx.req.set_header, ngx.req.get_headers
            set("Foo", "new")
            ngx.say(get().foo)
            set("foo", { "a", "b", 3 })
            ngx.say(table.concat(get().foo, ","))
            set("FOO", "one")
            ngx.say(get().foo)
            set("New", true)
            ngx.say(get(nil, true).New)
        }
    }
--- request
GET /t
--- more_headers
Foo: x
Foo: y
--- response_body
new
a,b,3
one
true
--- no_error_log
[error]



=== nil, an empty table and an empty string clear
--- config
    location = /t {
        content_by_lua_block {
            local function left()
                local names = {}
                for name in pairs(ngx.req.get_headers(0, true)) do names[#names + 1] = name end
                table.sort(names)
                ngx.say(table.concat(names, " "))
            end
            ngx.req.set_header("A", nil) left()
            ngx.req.set_header("b", {}) left()
            ngx.req.set_header("C", "") left()
            ngx.req.clear_header("d") left()
            ngx.req.clear_header("host") left()
            ngx.req.clear_header("no-such") left()
            ngx.req.clear_header("Connection") left()
            ngx.req.set_header("A", "again") left()
        }
    }
--- request
GET /t
--- more_headers
A: 1
B: 1
B: 2
C: 1
D: 1
--- response_body eval
"B C Connection D Host\nC Connection D Host\nConnection D Host\nConnection Host\nConnection\nConnection\n\nA\n"
--- no_error_log
[error]



=== an upstream gets what was set, in more headers than one part of nginx's list holds
--- config
    location = /t {
        rewrite_by_lua_block {
            for i = 1, 60, 2 do ngx.req.clear_header("X-" .. i) end
            for i = 2, 60, 4 do ngx.req.set_header("x-" .. i, "set") end
            for i = 100, 125 do ngx.req.set_header("X-" .. i, "new") end
            for i = 100, 125, 5 do ngx.req.clear_header("X-" .. i) end
            ngx.req.set_header("X-1", "back")
        }
        proxy_pass http://127.0.0.1:$server_port/echo;
    }
    location = /echo {
        content_by_lua_block {
            local h = ngx.req.get_headers(0)
            local n, expected, bad = 0, {}, {}
            for i = 2, 60, 2 do expected["x-" .. i] = i % 4 == 2 and "set" or "old" end
            for i = 100, 125 do expected["x-" .. i] = i % 5 ~= 0 and "new" or nil end
            expected["x-1"] = "back"
            for k, v in pairs(h) do
                if k:find("^x%-") then
                    n = n + 1
                    if expected[k] ~= v then bad[#bad + 1] = k end
                    expected[k] = nil
                end
            end
            ngx.say(n, " ", table.concat(bad, " "), next(expected))
        }
    }
--- request
GET /t
--- more_headers
X-1: old
X-2: old
X-3: old
X-4: old
X-5: old
X-6: old
X-7: old
X-8: old
X-9: old
X-10: old
X-11: old
X-12: old
X-13: old
X-14: old
X-15: old
X-16: old
X-17: old
X-18: old
X-19: old
X-20: old
X-21: old
X-22: old
X-23: old
X-24: old
X-25: old
X-26: old
X-27: old
X-28: old
X-29: old
X-30: old
X-31: old
X-32: old
X-33: old
X-34: old
X-35: old
X-36: old
X-37: old
X-38: old
X-39: old
X-40: old
X-41: old
X-42: old
X-43: old
X-44: old
X-45: old
X-46: old
X-47: old
X-48: old
X-49: old
X-50: old
X-51: old
X-52: old
X-53: old
X-54: old
X-55: old
X-56: old
X-57: old
X-58: old
X-59: old
X-60: old
--- response_body
51 nil
--- no_error_log
[error]



=== setting and clearing at random is what a table would do
--- config
    location = /t {
        content_by_lua_block {
            local seed = 7
            local function random(n)
                seed = (seed * 1103515245 + 12345) % 2147483648
                return math.floor(seed / 65536) % n + 1
            end
            local names = { "host", "connection", "cookie", "x-forwarded-for", "range", "accept" }
            for i = 1, 30 do names[#names + 1] = "x-" .. i end
            local model = ngx.req.get_headers(0)
            for step = 1, 2000 do
                local name = names[random(#names)]
                if random(2) == 1 then
                    ngx.req.clear_header(name)
                    model[name] = nil
                else
                    local value = "v" .. step
                    ngx.req.set_header(name, value)
                    model[name] = value
                end
                if step % 50 == 0 then
                    local now = ngx.req.get_headers(0)
                    for k, v in pairs(model) do assert(now[k] == v, k) end
                    for k, v in pairs(now) do assert(model[k] == v, k) end
                end
            end
            ngx.say("same")
        }
    }
--- request
GET /t
--- response_body
same
--- no_error_log
[error]



=== Host: $host, $http_host, the port and the case
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.var.host
            ngx.req.set_header("Host", "FOO.example.:8080")
            ngx.say(before, " ", ngx.var.host, " ", ngx.var.http_host)
            ngx.req.set_header("host", nil)
            ngx.say(ngx.var.http_host, " ", ngx.var.host ~= "foo.example")
            ngx.say(pcall(ngx.req.set_header, "Host", "a/b"))
        }
    }
--- request
GET /t
--- response_body_like chomp
^localhost foo\.example FOO\.example\.:8080
nil true
false.*failed to set header
$
--- no_error_log
[error]



=== Connection, as later phases and variables see it
--- config
    location = /t {
        rewrite_by_lua_block { ngx.req.set_header("Connection", "Keep-Alive, x") }
        content_by_lua_block {
            ngx.say(ngx.var.http_connection)
            ngx.req.clear_header("Connection")
            ngx.say(ngx.var.http_connection)
        }
    }
--- request
GET /t
--- response_body
Keep-Alive, x
nil
--- no_error_log
[error]



=== Content-Length is a number
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(ngx.req.set_header, "Content-Length", "12x"))
            ngx.req.set_header("Content-Length", 12)
            ngx.say(ngx.var.http_content_length)
            ngx.req.clear_header("Content-Length")
            ngx.say(ngx.var.http_content_length)
        }
    }
--- request
GET /t
--- response_body_like chomp
^false.*failed to set header
12
nil
$
--- no_error_log
[error]



=== Cookie and X-Forwarded-For may stand several times
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.set_header("Cookie", { "a=1", "b=2" })
            ngx.say(ngx.var.http_cookie, " | ", ngx.var.cookie_b)
            ngx.req.set_header("X-Forwarded-For", { "10.0.0.1", "10.0.0.2" })
            ngx.say(ngx.var.http_x_forwarded_for)
            ngx.req.clear_header("cookie")
            ngx.req.clear_header("x-forwarded-for")
            ngx.say(ngx.var.http_cookie, " ", ngx.var.http_x_forwarded_for)
        }
    }
--- request
GET /t
--- more_headers
Cookie: old=1
Cookie: old=2
--- response_body
a=1; b=2 | 2
10.0.0.1, 10.0.0.2
nil nil
--- no_error_log
[error]



=== conditional and range requests follow
--- config
    location = /f {
        rewrite_by_lua_block {
            ngx.req.set_header("Range", "bytes=1-2")
        }
        root html;
        try_files /f.txt =404;
    }
--- user_files
>>> f.txt
abcdef
--- request
GET /f
--- response_body chomp
bc
--- error_code: 206
--- no_error_log
[error]



=== clearing If-None-Match brings the whole answer
--- config
    location = /f {
        rewrite_by_lua_block { ngx.req.clear_header("If-None-Match") }
        root html;
        try_files /f.txt =404;
    }
--- user_files
>>> f.txt
abcdef
--- request
GET /f
--- more_headers
If-None-Match: *
--- response_body
abcdef
--- no_error_log
[error]



=== Authorization gives $remote_user
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.set_header("Authorization", "Basic am9lOng=")
            ngx.say(ngx.var.remote_user)
        }
    }
--- request
GET /t
--- response_body
joe
--- no_error_log
[error]



=== bytes that would break the message are escaped
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.set_header("X a:\r\n\0", "b\r\nc\0d\te")
            local h = ngx.req.get_headers(0, true)
            ngx.say(h["X%20a%3A%0D%0A%00"])
        }
    }
--- request
GET /t
--- response_body eval
"b%0D%0Ac%00d\te\n"
--- no_error_log
[error]



=== what no header can be
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(ngx.req.set_header, nil, "x"))
            ngx.say(pcall(ngx.req.set_header))
            ngx.req.set_header("X", { {} })
            ngx.say((ngx.req.get_headers().x:gsub("0x%x+", "address")))
            ngx.req.set_header("X", string.rep("y", 100000))
            ngx.say(#ngx.req.get_headers().x)
        }
    }
--- request
GET /t
--- response_body
falsebad 'name' argument: string expected, got nil
falsebad 'name' argument: string expected, got nil
table: address
100000
--- no_error_log
[error]
