# body_filter_by_lua*: response bodies on their way out.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== sees every write by itself, and the end
--- config
    location = /t {
        body_filter_by_lua_block {
            ngx.arg[1] = "[" .. ngx.arg[1]:gsub("\n", "") .. "," .. tostring(ngx.arg[2]) .. "]"
        }
        content_by_lua_block { ngx.print("a") ngx.say("b", "c") ngx.print({"d", {1, 2}}) }
    }
--- request
GET /t
--- response_body chomp
[a,false][bc,false][d12,false][,true]
--- no_error_log
[error]



=== a static answer comes in one piece
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            ngx.arg[1] = ngx.arg[1]:upper() .. ngx.get_phase() .. tostring(ngx.arg[2])
        }
        return 200 "hello ";
    }
--- request
GET /t
--- response_body chomp
HELLO body_filtertrue
--- no_error_log
[error]



=== a file, read into memory for it
--- config
    location = /t {
        output_buffers 2 4;
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:reverse() }
        alias html/f.txt;
    }
--- user_files eval
">>> f.txt\nabcdefgh"
--- request
GET /t
--- response_body chomp
dcbahgfe
--- no_error_log
[error]



=== a proxied answer, in several buffers at once
--- config
    location = /t {
        proxy_buffer_size 1k;
        proxy_buffers 8 1k;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/back;
        body_filter_by_lua_block {
            ngx.ctx.size = (ngx.ctx.size or 0) + #ngx.arg[1]
            ngx.arg[1] = ngx.arg[2] and ngx.ctx.size .. "\n" or nil
        }
        header_filter_by_lua_block { ngx.header.content_length = nil }
    }
    location = /back { content_by_lua_block { ngx.print(("x"):rep(100000)) } }
--- request
GET /t
--- response_body
100000
--- no_error_log
[error]



=== an error page of nginx
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:gsub("<.->", ""):gsub("%s+", " ") }
        return 404;
    }
--- request
GET /t
--- error_code: 404
--- response_body_like: ^ ?404 Not Found 404 Not Found nginx
--- no_error_log
[error]



=== in subrequests, each with its own end
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        return 200 '<!--# include virtual="/s?n=1" --><!--# include virtual="/s?n=2" -->end\n';
    }
    location = /s {
        body_filter_by_lua_block {
            ngx.arg[1] = ngx.arg[1] .. (ngx.arg[2] and "/" .. ngx.var.arg_n .. " " or "")
        }
        content_by_lua_block { ngx.print("a") ngx.print("b") }
    }
--- request
GET /t
--- response_body eval
"ab/1 ab/2 end\n"
--- no_error_log
[error]



=== around subrequests
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:gsub("X", "Y") }
        content_by_lua_block {
            ngx.print("X1 ")
            ngx.print('<!--# include virtual="/s" -->')
            ngx.print("X2 ")
        }
    }
    location = /s { content_by_lua_block { ngx.print("sub ") } }
--- request
GET /t
--- response_body chomp
Y1 sub Y2 
--- no_error_log
[error]



=== nil and the empty string drop data, not the end
--- config
    location = /t {
        body_filter_by_lua_block {
            if ngx.arg[1] == "a" then ngx.arg[1] = nil end
            if ngx.arg[1] == "b" then ngx.arg[1] = "" end
            if ngx.arg[2] then ngx.arg[1] = nil end
        }
        content_by_lua_block { for c in ("abcabc"):gmatch(".") do ngx.print(c) end }
    }
--- request
GET /t
--- response_body chomp
cc
--- no_error_log
[error]



=== nothing is left at all
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = nil }
        content_by_lua_block { ngx.print("a") ngx.flush(true) ngx.sleep(0.01) ngx.print("b") }
    }
--- request
GET /t
--- response_body chomp
--- no_error_log
[error]



=== a table of strings and numbers
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = {ngx.arg[1], {1, " ", {2.5}}, "\n"} }
        return 200 "a";
        header_filter_by_lua_block { ngx.header.content_length = nil }
    }
--- request
GET /t
--- response_body
a1 2.5
--- no_error_log
[error]



=== a number
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = 123 }
        return 200 "abc";
    }
--- request
GET /t
--- response_body chomp
123
--- no_error_log
[error]



=== what cannot be assigned
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            local function try(key, value)
                local _, err = pcall(function() ngx.arg[key] = value end)
                return err:gsub("^.-:%d+: ", "")
            end
            local t = {}
            for _, value in ipairs{true, print, {a = 1}, {true}, {ngx.null}, {{print}}} do
                t[#t + 1] = try(1, value)
            end
            t[#t + 1] = try(3, "x")
            t[#t + 1] = try("y", "x")
            ngx.arg[1] = table.concat(t, "\n") .. "\n" .. ngx.arg[1]
        }
        return 200 "untouched\n";
    }
--- request
GET /t
--- response_body
bad chunk data type: boolean
bad chunk data type: function
bad argument #3 to '__newindex' (non-array table found)
bad argument #3 to '__newindex' (bad data type boolean found)
bad argument #3 to '__newindex' (bad data type userdata found)
bad argument #3 to '__newindex' (bad data type function found)
bad index: 3
bad argument #2 to '__newindex' (number expected, got string)
untouched
--- no_error_log
[error]



=== other keys read as nil
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = tostring(ngx.arg[3]) .. tostring(ngx.arg.x) .. tostring(ngx.arg[0]) }
        return 200 "123456789";
    }
--- request
GET /t
--- response_body chomp
nilnilnil
--- no_error_log
[error]



=== assigned twice, and read back
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            for i = 1, 1000 do ngx.arg[1] = ngx.arg[1]:sub(1, 20) .. i end
            ngx.arg[1] = ngx.arg[1] .. tostring(ngx.arg[2])
        }
        return 200 "";
    }
--- request
GET /t
--- response_body chomp
123456789101112131411000true
--- no_error_log
[error]



=== an early end cuts the rest off
--- config
    location = /t {
        body_filter_by_lua_block { if ngx.arg[1] == "b" then ngx.arg[2] = true end }
        content_by_lua_block {
            for c in ("abcd"):gmatch(".") do ngx.print(c) end
            ngx.flush(true)
            ngx.print("e")
        }
    }
--- request
GET /t
--- response_body chomp
ab
--- no_error_log
[error]



=== an early end in an empty place
--- config
    location = /t {
        body_filter_by_lua_block {
            if ngx.arg[1] == "b" then
                ngx.arg[1] = nil
                ngx.arg[2] = true
            end
        }
        content_by_lua_block { ngx.print("a") ngx.print("b") ngx.print("c") }
    }
--- request
GET /t
--- response_body chomp
a
--- no_error_log
[error]



=== an end taken back and given again
--- config
    location = /t {
        body_filter_by_lua_block {
            ngx.arg[2] = true
            ngx.arg[2] = false
            if ngx.arg[1] == "c" then ngx.arg[2] = true end
        }
        content_by_lua_block { for c in ("abcd"):gmatch(".") do ngx.print(c) end }
    }
--- request
GET /t
--- response_body chomp
abc
--- no_error_log
[error]



=== not called for HEAD
--- config
    location = /t {
        body_filter_by_lua_block { ngx.log(ngx.ERR, "called") }
        content_by_lua_block { ngx.say("not sent") }
    }
--- request
HEAD /t
--- response_body
--- no_error_log
[error]



=== called for a flush, which goes through
--- config
    location = /t {
        body_filter_by_lua_block {
            ngx.ctx.calls = (ngx.ctx.calls or 0) + 1
            ngx.arg[1] = ngx.arg[1] .. ngx.ctx.calls .. " "
        }
        content_by_lua_block { ngx.print("a") ngx.flush(true) ngx.print("b") ngx.flush() }
    }
--- request
GET /t
--- response_body chomp
a1 2 b3 4 5 
--- no_error_log
[error]



=== data does not wait for a sleep to end
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
        content_by_lua_block {
            ngx.print("a") ngx.print("b")
            ngx.sleep(0.1)
            ngx.print("c")
        }
    }
--- raw_request eval
"GET /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- response_body chomp
ABC
--- no_error_log
[error]



=== more writes than are kept together
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1] .. "," }
        content_by_lua_block { for i = 1, 1000 do ngx.print(i % 10) end }
    }
--- request
GET /t
--- response_body eval
"1,2,3,4,5,6,7,8,9,0," x 100 . ","
--- no_error_log
[error]



=== large writes
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:sub(1, -2) .. "." }
        content_by_lua_block {
            for i = 1, 20 do ngx.print(("x"):rep(50000)) end
            ngx.flush(true)
            ngx.print(("y"):rep(200000))
        }
    }
--- request
GET /t
--- response_body eval
("x" x 49999 . ".") x 20 . "." . "y" x 199999 . "." . "."
--- no_error_log
[error]



=== parts that it leaves alone and others, to a slow reader
--- http_config
    init_by_lua_block {
        function piece(i) return string.char(97 + i % 26):rep(20000) end
    }
    server {
        listen unix:$TEST_NGINX_HTML_DIR/back.sock;
        location = /made { content_by_lua_block { for i = 1, 80 do ngx.print(piece(i)) end } }
        location = /filtered {
            proxy_buffers 8 4k;
            proxy_pass http://unix:$TEST_NGINX_HTML_DIR/back.sock:/made;
            body_filter_by_lua_block {
                local n = (ngx.ctx.n or 0) + 1
                ngx.ctx.n = n
                if n % 3 == 0 then ngx.arg[1] = ngx.arg[1] end
            }
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local body = ngx.location.capture("/slow").body
            local pieces = {}
            for i = 1, 80 do pieces[i] = piece(i) end
            ngx.say(#body, " ", body == table.concat(pieces))
        }
    }
    location = /slow {
        proxy_http_version 1.1;
        proxy_limit_rate 8m;
        proxy_pass http://unix:$TEST_NGINX_HTML_DIR/back.sock:/filtered;
    }
--- request
GET /t
--- response_body
1600000 true
--- no_error_log
[error]



=== an HTTP/1.0 client gets the length of what Lua wrote
--- config
    location = /t {
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
        content_by_lua_block { ngx.print("ab") ngx.print("cd") }
    }
--- request
GET /t HTTP/1.0
--- response_headers
Content-Length: 4
--- response_body chomp
ABCD
--- no_error_log
[error]



=== an error closes the connection
--- config
    location = /t {
        body_filter_by_lua_block { if ngx.arg[1] == "b" then error("broken") end }
        content_by_lua_block {
            ngx.print("a")
            local ok, err = ngx.print("b")
            ngx.log(ngx.WARN, "print: ", ok, " ", err, " in ", ngx.get_phase())
        }
    }
--- request
GET /t
--- ignore_response
--- error_log
failed to run body_filter_by_lua*: body_filter_by_lua(nginx.conf:
: broken
print: nil nginx output filter error in content



=== ngx.ERROR as result ends the response as well
--- config
    location = /t {
        body_filter_by_lua_block { return ngx.ERROR }
        content_by_lua_block {
            local ok, err = ngx.print("a")
            ngx.log(ngx.WARN, "print: ", ok, " ", err)
        }
    }
--- request
GET /t
--- ignore_response
--- error_log
print: nil nginx output filter error



=== other results mean nothing
--- config
    location = /t {
        body_filter_by_lua_block { return 200 }
        return 200 "ok\n";
    }
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== APIs that wait or write are refused
--- config
    location = /t {
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block {
            local t = {}
            for _, f in ipairs{ngx.say, ngx.print, ngx.flush, ngx.send_headers, ngx.sleep, ngx.exit} do
                local ok, err = pcall(f, unpack(f == ngx.flush and {} or {0}))
                t[#t + 1] = tostring(ok) .. " " .. err:gsub("^.-:%d+: ", "") .. "\n"
            end
            ngx.arg[1] = t
        }
        return 200 "";
    }
--- request
GET /t
--- response_body eval
"false API disabled in the context of body_filter_by_lua*\n" x 6
--- no_error_log
[error]



=== as a file, inherited from the server
--- config
    body_filter_by_lua_file html/f.lua;
    location = /t { return 200 "abc"; }
--- user_files
>>> f.lua
ngx.arg[1] = ngx.arg[1]:upper()
--- request
GET /t
--- response_body chomp
ABC
--- no_error_log
[error]



=== behind gzip it sees plain text, and the length goes away
--- config
    location = /t {
        gzip on;
        gzip_min_length 0;
        gzip_types text/plain;
        header_filter_by_lua_block { ngx.header.content_length = nil }
        body_filter_by_lua_block { ngx.log(ngx.WARN, "seen: ", ngx.arg[1]) }
        return 200 "plain text";
    }
--- request
GET /t
--- more_headers
Accept-Encoding: gzip
--- response_headers
Content-Encoding: gzip
--- response_body_like: .
--- error_log
seen: plain text
--- no_error_log
[error]



=== its context lasts from write to write
--- config
    location = /t {
        body_filter_by_lua_block {
            local ctx = ngx.ctx
            ctx.n = (ctx.n or 0) + #ngx.arg[1]
            if ngx.arg[2] then ngx.arg[1] = " " .. ctx.n .. ctx.from end
        }
        content_by_lua_block {
            ngx.ctx.from = " bytes"
            ngx.print("abc") ngx.sleep(0.01) ngx.print("de")
        }
    }
--- request
GET /t
--- response_body chomp
abcde 5 bytes
--- no_error_log
[error]
