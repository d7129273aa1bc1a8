# ngx.re.match, ngx.re.find and their options.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== groups by number and name
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "o", "jo", "j" } do
                local m = ngx.re.match("on 2026-11-27", [[(?<year>\d+)-(\d+)(x)?(-\d+)?]], opts)
                ngx.say(m[0], " ", m[1], " ", m[2], " ", tostring(m[3]), " ", m[4], " ", m.year, " ", #m)
            end
            ngx.say(tostring(ngx.re.match("a", "b", "jo")))
            local m = ngx.re.match("ab", "(?<one>a)|(?<two>b)", "jo")
            ngx.say(m.one, " ", tostring(m.two), " ", tostring(m[2]))
        }
    }
--- request
GET /t
--- response_body
2026-11-27 2026 11 false -27 2026 4
2026-11-27 2026 11 false -27 2026 4
2026-11-27 2026 11 false -27 2026 4
2026-11-27 2026 11 false -27 2026 4
nil
a false false
--- no_error_log
[error]



=== each option
--- config
    location = /t {
        content_by_lua_block {
            local function try(subject, pattern, opts)
                local m, err = ngx.re.match(subject, pattern, opts)
                return m and "<" .. m[0] .. ">" or tostring(err)
            end
            for _, more in ipairs{ "", "o", "jo" } do
                ngx.say(try("ABC", "b", more), try("ABC", "b", more .. "i"))
                ngx.say(try("xa", "a", more), try("xa", "a", more .. "a"))
                ngx.say(try("a\nb", "^b", more), try("a\nb", "^b", more .. "m"))
                ngx.say(try("a\nb", "a.b", more), try("a\nb", "a.b", more .. "s"))
                ngx.say(try("ab", "a b", more), try("ab", "a b # no", more .. "x"))
                ngx.say(try("\195\164", "^.$", more), try("\195\164", "^.$", more .. "u"), try("\195\164", "^.$", more .. "U"))
                ngx.say(try("aab", "a|aa|aab", more), try("aab", "a|aa|aab", more .. "d"))
                ngx.say(tostring(ngx.re.match("b]", "[]b]", more .. "J")), try("aA", [[a\u0041]], more .. "J"))
            end
            local m = ngx.re.match("ab", "(?<n>a)(?<n>b)", "D")
            ngx.say(table.concat(m.n, ","))
            ngx.say(select(2, ngx.re.match("ab", "(?<n>a)(?<n>b)")))
            ngx.say((select(2, pcall(ngx.re.match, "a", "a", "jz")):gsub("^.*: ", "")))
        }
    }
--- request
GET /t
--- response_body eval
("nil<B>\n<a>nil\nnil<b>\nnil<a\nb>\nnil<ab>\nnil<\xc3\xa4><\xc3\xa4>\n<a><aab>\nnil<aA>\n" x 3) .
'a,b
pcre_compile() failed: two named subpatterns have the same name in "(?<n>a)(?<n>b)" at "b)"
unknown flag "z" (flags "jz")
'
--- no_error_log
[error]



=== positions
--- config
    location = /t {
        content_by_lua_block {
            local ctx = { pos = 3 }
            for i = 1, 4 do
                local m, err = ngx.re.match("aXaXa", "a", "jo", ctx)
                ngx.say(m and m[0] or tostring(m), " ", ctx.pos, " ", tostring(err))
            end
            local ctx = { pos = 7 }
            ngx.say(ngx.re.match("aXaXa", "a", "jo", ctx))
            ngx.say(ngx.re.find("aXaXa", "X(a)", "jo"))
            ngx.say(ngx.re.find("aXaXa", "X(a)", "jo", { pos = 4 }, 1))
            ngx.say(ngx.re.find("aXaXa", "X(a)", "jo", nil, 2))
            ngx.say(ngx.re.find("aXaXa", "X(b)?", "jo", nil, 1))
            ngx.say(ngx.re.find("", "", "jo"))
        }
    }
--- request
GET /t
--- response_body
a 4 nil
a 6 nil
nil 6 nil
nil 6 nil
nilpcre_exec() failed: -24
23
55
nilnilnth out of bound
nilnil
10
--- no_error_log
[error]



=== a table for the result
--- config
    location = /t {
        content_by_lua_block {
            local res = { "kept?", [5] = "kept" }
            local m = ngx.re.match("ab", "(a)(b)?", "jo", nil, res)
            ngx.say(m == res, " ", res[0], " ", res[1], " ", res[2], " ", res[5])
        }
    }
--- request
GET /t
--- response_body
true ab a b kept
--- no_error_log
[error]



=== whatever is not a string is made one
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.re.match(1234, "23")[0], " ", ngx.re.match(true, "r")[0], " ", ngx.re.match(nil, "i")[0])
        }
    }
--- request
GET /t
--- response_body
23 r i
--- no_error_log
[error]



=== a NUL is a byte as any other
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo" } do
                ngx.say(ngx.re.find("a\0b", "\0b", opts))
                ngx.say(ngx.re.find("a\0b", [[\0b]], opts))
            end
        }
    }
--- request
GET /t
--- response_body
23
23
23
23
--- no_error_log
[error]
