# ngx.escape_uri and ngx.unescape_uri.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== escaping: all but letters, digits and a few marks
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.escape_uri("a b&c=d/e?f#g%h+i"))
            ngx.say(ngx.escape_uri("AZaz09-._~!*'()"))
            ngx.say(ngx.escape_uri("\0\1\127\128\255"))
            ngx.say(ngx.escape_uri("é"))
            ngx.say(#ngx.escape_uri(("%"):rep(1000)), " ", #ngx.escape_uri(("x"):rep(1000)))
        }
    }
--- request
GET /t
--- response_body
a%20b%26c%3Dd%2Fe%3Ff%23g%25h%2Bi
AZaz09-._~!*'()
%00%01%7F%80%FF
%C3%A9
3000 1000
--- no_error_log
[error]



=== escape types
--- config
    location = /t {
        content_by_lua_block {
            local text = [[ "#$%&'()+,/:;<=>?@\^`{|}é]]
            for kind = 0, 6 do
                ngx.say(kind, ngx.escape_uri(text, kind))
            end
            ngx.say(ngx.escape_uri("\127", 5), " ", ngx.escape_uri("\127", 0))
        }
    }
--- request
GET /t
--- response_body
0%20"%23$%25&'()+,/:;<=>%3F@\^`{|}%C3%A9
1%20"%23$%25&'()%2B,/:;<=>%3F@\^`{|}%C3%A9
2%20%22%23%24%25%26'()%2B%2C%2F%3A%3B%3C%3D%3E%3F%40%5C%5E%60%7B%7C%7D%C3%A9
3%20%22%23$%25&%27()+,/:;<=>?@\^`{|}%C3%A9
4%20%22#$%&%27()+,/:;<=>?@\^`{|}%C3%A9
5%20"#$%25&'()+,/:;<=>?@\^`{|}é
6%20"#$%25&'()+,/:;<=>?@\^`{|}é
 %7F
--- no_error_log
[error]



=== escape types that do not exist
--- config
    location = /t {
        content_by_lua_block {
            ngx.say((select(2, pcall(ngx.escape_uri, "a", 7)):gsub("^.-: ", "")))
            ngx.say((select(2, pcall(ngx.escape_uri, "a", -1)):gsub("^.-: ", "")))
            ngx.say((select(2, pcall(ngx.escape_uri, "a", "2")):gsub("^.-: ", "")))
        }
    }
--- request
GET /t
--- response_body
"type" 7 out of range
"type" -1 out of range
"type" is not a number
--- no_error_log
[error]



=== unescaping
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.unescape_uri("a%20b+c%26%3d%3D"))
            ngx.say(ngx.unescape_uri("%"), ngx.unescape_uri("%4"), ngx.unescape_uri("%zz"), ngx.unescape_uri("%%41"))
            ngx.say(ngx.unescape_uri("%C3%A9") == "é", " ", ngx.unescape_uri("a%00b") == "a\0b")
            ngx.say(ngx.unescape_uri(("%41+"):rep(3)), "|", ngx.unescape_uri("?a=%3F"))
        }
    }
--- request
GET /t
--- response_body
a b c&==
%%4%zz%A
true true
A A A |?a=?
--- no_error_log
[error]



=== there and back, at any length
--- config
    location = /t {
        content_by_lua_block {
            local bytes = {}
            for i = 0, 299 do bytes[i + 1] = string.char((i * 7 + math.floor(i / 3)) % 256) end
            local all = table.concat(bytes)
            for from = 1, 40, 13 do
                for len = 0, 250 do
                    local text = all:sub(from, from + len - 1)
                    for kind = 1, 2 do
                        local back = ngx.unescape_uri(ngx.escape_uri(text, kind))
                        if back ~= text then ngx.say(from, " ", len, " ", kind) end
                    end
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



=== what is no string
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.escape_uri(12.5), ngx.escape_uri(true), "[", ngx.escape_uri(nil), ngx.escape_uri(false), "]")
            ngx.say(ngx.unescape_uri(12), ngx.unescape_uri(true), "[", ngx.unescape_uri(nil), "]")
        }
    }
--- request
GET /t
--- response_body
12.5true[]
12true[]
--- no_error_log
[error]
