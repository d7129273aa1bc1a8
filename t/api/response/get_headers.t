# ngx.resp.get_headers, and add_header of ngx.resp.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== what will be sent, in any case, raw, and removed ones left out
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.foo_bar = "1"
            ngx.header.Many = { "a", "b", "c" }
            ngx.header.Gone = "x"
            ngx.header.Gone = nil
            ngx.header.content_type = "text/x"
            ngx.header.content_length = 3
            local h = ngx.resp.get_headers()
            local lines = {
                tostring(rawget(h, "foo-bar")) .. h["Foo-Bar"] .. h.FOO_bar,
                table.concat(h.many, ","),
                tostring(h.gone) .. " " .. tostring(h[1]),
                h.content_type .. " " .. h["content-length"] .. " " .. h.connection,
                tostring(ngx.resp.get_headers(0, true)["foo-bar"]),
                tostring(ngx.resp.get_headers(0, true)["foo_bar"]),
            }
            ngx.header.content_length = nil
            ngx.say(table.concat(lines, "\n"))
        }
    }
--- request
GET /t
--- response_body
111
a,b,c
nil nil
text/x 3 close
1
nil
--- error_log
lua response header: "foo-bar: 1"
--- no_error_log
[error]



=== the limit
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 5 do ngx.header["X-" .. i] = i end
            local lines = {}
            for _, max in ipairs { 1, 2, 3, 4, 6, 7, 0, -1 } do
                local h, err = ngx.resp.get_headers(max)
                local n = 0
                for _ in pairs(h) do n = n + 1 end
                lines[#lines + 1] = max .. ": " .. n .. " " .. tostring(err)
            end
            ngx.say(table.concat(lines, "\n"))
            ngx.say(pcall(ngx.resp.get_headers, "x"))
        }
    }
--- request
GET /t
--- response_body
1: 2 truncated
2: 2 truncated
3: 3 truncated
4: 4 truncated
6: 6 nil
7: 6 nil
0: 6 nil
-1: 6 nil
falsebad argument #1 to '?' (number expected, got string)
--- error_log
lua exceeding response header limit 6 > 1
--- no_error_log
[error]



=== add_header adds
--- config
    location = /t {
        content_by_lua_block {
            local add = require("ngx.resp").add_header
            ngx.header.foo = "a"
            add("Foo", "b")
            add("Foo", { "c", 4 })
            add("Foo", {})
            add("Cache-Control", "private")
            add("Cache-Control", "no-store")
            add("Link", "</a>")
            ngx.say(table.concat(ngx.header.foo, ","), " ", pcall(add, "Foo"))
        }
    }
--- request
GET /t
--- raw_response_headers_like: foo: a\r\nFoo: b\r\nFoo: c\r\nFoo: 4\r\nCache-Control: private\r\nCache-Control: no-store\r\nLink: </a>\r\n
--- response_body_like chomp
^a,b,c,4 false.*invalid header value$
--- no_error_log
[error]
