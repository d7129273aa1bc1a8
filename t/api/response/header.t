# ngx.header: get, set, lists, removal.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== set one, read it back in any case
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Fruit"] = "apple"
            ngx.say(ngx.header["x-fruit"], ngx.header.X_FRUIT, ngx.header.x_fruit)
        }
    }
--- request
GET /t
--- response_headers
X-Fruit: apple
--- response_body
appleappleapple
--- no_error_log
[error]



=== an underscore becomes a dash
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.x_two_words = "yes"
            ngx.say("ok")
        }
    }
--- request
GET /t
--- raw_response_headers_like: \r\nx-two-words: yes\r\n
--- response_body
ok
--- no_error_log
[error]



=== lua_transform_underscores_in_response_headers off
--- config
    location = /t {
        lua_transform_underscores_in_response_headers off;
        content_by_lua_block {
            ngx.header.x_two_words = "yes"
            ngx.say(ngx.header.x_two_words, ngx.header["x-two-words"])
        }
    }
--- request
GET /t
--- raw_response_headers_like: \r\nx_two_words: yes\r\n
--- response_body
yesnil
--- no_error_log
[error]



=== unset is nil
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.header["X-Nothing"])
        }
    }
--- request
GET /t
--- response_body
nil
--- no_error_log
[error]



=== assignment replaces, whatever the case
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Pet"] = "dog"
            ngx.header["x-pet"] = "cat"
            ngx.say(ngx.header["X-Pet"])
        }
    }
--- request
GET /t
--- response_headers
X-Pet: cat
--- response_body
cat
--- no_error_log
[error]



=== a list is several lines, read back as a list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["Set-Cookie"] = { "a=1", "b=2", "c=3" }
            local got = ngx.header["Set-Cookie"]
            ngx.say(type(got), " ", #got, " ", table.concat(got, " "))
        }
    }
--- request
GET /t
--- raw_response_headers_like: Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: c=3\r\n
--- response_body
table 3 a=1 b=2 c=3
--- no_error_log
[error]



=== a list of one is a plain string
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-One"] = { "only" }
            ngx.say(type(ngx.header["X-One"]), " ", ngx.header["X-One"])
        }
    }
--- request
GET /t
--- response_headers
X-One: only
--- response_body
string only
--- no_error_log
[error]



=== a list replaces a list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-L"] = { "a", "b", "c" }
            ngx.header["X-L"] = { "d", "e" }
            ngx.say(table.concat(ngx.header["X-L"], ","))
            ngx.log(ngx.WARN, "done")
        }
    }
--- request
GET /t
--- response_headers
X-L: d, e
--- response_body
d,e
--- error_log
done
--- no_error_log
[error]



=== nil and the empty list remove
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-A"] = "a"
            ngx.header["X-B"] = { "b", "bb" }
            ngx.header["X-A"] = nil
            ngx.header["X-B"] = {}
            ngx.say(ngx.header["X-A"], " ", ngx.header["X-B"])
        }
    }
--- request
GET /t
--- response_headers
! X-A
! X-B
--- response_body
nil nil
--- no_error_log
[error]



=== the empty string removes as well
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-E"] = "e"
            ngx.header["X-E"] = ""
            ngx.say(ngx.header["X-E"])
        }
    }
--- request
GET /t
--- response_headers
! X-E
--- response_body
nil
--- no_error_log
[error]



=== a removed header can be set again
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-A"] = "first"
            ngx.header["X-A"] = nil
            ngx.header["X-A"] = "second"
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
X-A: second
--- response_body
ok
--- no_error_log
[error]



=== numbers and booleans become strings
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Num"] = 42
            ngx.header["X-Bool"] = true
            ngx.header["X-List"] = { 1, false }
            ngx.header[7] = "seven"
            ngx.say(type(ngx.header["X-Num"]), " ", ngx.header["X-Num"])
        }
    }
--- request
GET /t
--- response_headers
X-Num: 42
X-Bool: true
7: seven
--- response_body
string 42
--- no_error_log
[error]



=== control characters are escaped in names and values
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-V"] = "a\r\nX-Evil: 1\tb\0c"
            ngx.header["X-K: 1\r\nY"] = "v"
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
! X-Evil
X-V: a%0D%0AX-Evil: 1	b%00c
--- raw_response_headers_like: X-K%3A%201%0D%0AY: v\r\n
--- response_body
ok
--- no_error_log
[error]



=== headers of the configuration are not seen before they are added
--- config
    location = /t {
        add_header X-Conf conf;
        content_by_lua_block {
            ngx.say(ngx.header["X-Conf"])
        }
    }
--- request
GET /t
--- response_headers
X-Conf: conf
--- response_body
nil
--- no_error_log
[error]



=== set after the header is sent: logged, not raised
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.header["X-Late"] = "late"
            ngx.say(ngx.header["X-Late"])
        }
    }
--- request
GET /t
--- response_headers
! X-Late
--- response_body
sent
nil
--- error_log
attempt to set ngx.header.HEADER after sending out response headers



=== headers set in rewrite and access survive
--- config
    location = /t {
        rewrite_by_lua_block { ngx.header["X-Rewrite"] = "r" }
        access_by_lua_block { ngx.header["X-Access"] = "a" }
        content_by_lua_block {
            ngx.say(ngx.header["X-Rewrite"], ngx.header["X-Access"])
        }
    }
--- request
GET /t
--- response_headers
X-Rewrite: r
X-Access: a
--- response_body
ra
--- no_error_log
[error]



=== log reads what was sent
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Seen"] = { "one", "two" }
            ngx.say("ok")
        }
        log_by_lua_block {
            ngx.log(ngx.WARN, "log: ", table.concat(ngx.header["X-Seen"], "+"))
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
log: one+two
--- no_error_log
[error]



=== no request, no header
--- http_config
    init_by_lua_block {
        local _, get = pcall(function () return ngx.header.x end)
        local _, set = pcall(function () ngx.header.x = 1 end)
        why = { get, "\n", set }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like
no request found
.*no request found
--- no_error_log
[error]



=== a header without a name is none
--- config
    location = /t {
        content_by_lua_block {
            ngx.header[""] = "x"
            ngx.header[""] = { "a", "b" }
            ngx.say(ngx.header[""], " ", ngx.resp.get_headers()[""])
        }
    }
--- request
GET /t
--- raw_response_headers_unlike eval
qr/^:/m
--- response_body
nil nil
--- no_error_log
[error]
[alert]



=== over HTTP/2 as well, which has no headers of a connection either
--- http2
--- config
    location = /t {
        content_by_lua_block {
            ngx.header[""] = "x"
            for _, name in ipairs { "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade" } do
                ngx.header[name] = "x"
            end
            ngx.header["X-A"] = "a"
            ngx.say(ngx.header[""], " ", ngx.header.upgrade)
        }
    }
--- request
GET /t
--- response_headers
X-A: a
Upgrade:
--- response_body
nil nil
--- no_error_log
[error]
[alert]



=== nothing that Lua sets breaks the lines of a message
--- config
    location = /show { content_by_lua_block { ngx.print(ngx.req.raw_header()) } }
    location = /proxied { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/show; }
    location = /answer {
        content_by_lua_block {
            for code = 0, 255 do
                local c = string.char(code)
                ngx.header["X" .. c .. "a"] = "name"
                ngx.header["X-" .. code] = c .. "va" .. c .. "lue"
            end
            ngx.header[""] = "x"
            pcall(ngx.redirect, "/a\r\nX-Bad: x")
            ngx.print("body")
        }
    }
    location = /t {
        content_by_lua_block {
            local function check(what, head)
                for line in head:gmatch("[^\n]*\n") do
                    if not line:find("^[%w!#$%%&'*+.^_`|~-]+: ?[^%z\1-\8\10-\31\127]*\r\n$") and not line:find("HTTP/1") then
                        ngx.say(what, ": ", line)
                    end
                end
            end
            local names, values = {}, {}
            for code = 0, 255 do
                local c = string.char(code)
                ngx.req.set_header("X" .. c .. "a", "name")
                ngx.req.set_header("X-" .. code, c .. "va" .. c .. "lue")
                names["Y" .. c .. "a"], names["Y-" .. code] = "name", c .. "va" .. c .. "lue"
            end
            ngx.req.set_header("", "x")
            names[""] = "x"
            local sent = ngx.location.capture("/proxied", { headers = names }).body
            ngx.say(#sent > 10000)
            check("request", sent:match("^(.-\n)\r\n"))
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", ngx.var.server_port))
            sock:send("GET /answer HTTP/1.0\r\nHost: a\r\n\r\n")
            local head, body = sock:receive("*a"):match("^(.-\n)\r\n(.*)$")
            check("response", head)
            ngx.say(#head > 5000, " ", body)
        }
    }
--- http_config
    large_client_header_buffers 4 64k;
    proxy_buffer_size 64k;
    proxy_buffers 4 64k;
    proxy_busy_buffers_size 64k;
--- request
GET /t
--- response_body
true
true body
--- no_error_log
[alert]
[crit]
