# ngx.re.sub and ngx.re.gsub: templates and functions.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== templates
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo", "jo" } do
                ngx.say(ngx.re.sub("hello, world", "([a-z])([a-z]+)", "[$2${1}$0$3]", opts))
                ngx.say(ngx.re.gsub("hello, world", "([a-z])([a-z]+)", "$2$1ay", opts))
                ngx.say(ngx.re.gsub("1 2", [[\d]], "$$$0", opts))
                ngx.say(ngx.re.gsub("1 2", [[\d]], "$$", opts))
                ngx.say(ngx.re.gsub("1 2", [[\d]], "", opts))
                ngx.say(ngx.re.gsub("1 2", [[x]], "$0", opts))
                ngx.say(ngx.re.gsub("1 2", [[\d]], 7, opts))
                ngx.say(ngx.re.gsub("ab", "(a)|(b)", "<$1$2>", opts))
            end
        }
    }
--- request
GET /t
--- response_body eval
"[ellohhello], world1
ellohay, orldway2
\$1 \$22
\$ \$2
 2
1 20
7 72
<a><b>2
" x 3
--- no_error_log
[error]



=== matches of nothing
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo", "d" } do
                ngx.say(ngx.re.gsub("abc", "", "-", opts))
                ngx.say(ngx.re.gsub("abc", "b*", "-", opts))
                ngx.say(ngx.re.gsub("", "$", "-", opts))
                ngx.say(ngx.re.gsub("a\nb", "^", "> ", opts .. "m"))
                local out = {}
                for m in ngx.re.gmatch("ab", "x*", opts) do out[#out + 1] = "<" .. m[0] .. ">" end
                ngx.say(table.concat(out))
            end
        }
    }
--- request
GET /t
--- response_body eval
"-a-b-c-4
-a--c-4
-1
> a
> b2
<><><>
" x 3
--- no_error_log
[error]



=== functions
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo", "jo" } do
                ngx.say(ngx.re.gsub("a1b2", [[([a-z])(\d)(x)?]], function(m)
                    return m[2] .. m[1] .. tostring(m[3]) .. (ngx.re.gsub(m[0], [[\d]], "<$0>", "jo"))
                end, opts))
                ngx.say(ngx.re.sub("a1b2", "[a-z]", function() return 5 end, opts))
                ngx.say(ngx.re.gsub("a1b2", "[a-z]", function() return nil end, opts))
                ngx.say(ngx.re.gsub("a.b", [[\.]], function() return "$0" end, opts))
                ngx.say(pcall(ngx.re.gsub, "ab", "b", function() error("oops", 0) end, opts))
            end
        }
    }
--- request
GET /t
--- response_body eval
"1afalsea<1>2bfalseb<2>2
51b21
nil1nil22
a\$0b1
falseoops
" x 3
--- no_error_log
[error]



=== templates that are none
--- config
    location = /t {
        content_by_lua_block {
            for _, template in ipairs{ "a$", "${1", "$name", "[${na me}]" } do
                ngx.say(select(3, ngx.re.sub("a", "(a)", template, "jo")))
            end
        }
    }
--- request
GET /t
--- response_body
failed to compile the replacement template
failed to compile the replacement template
failed to compile the replacement template
failed to compile the replacement template
--- error_log
lua script: invalid capturing variable name found in "a$"
the closing bracket in "1" variable is missing
attempt to use named capturing variable "name" (named captures not supported yet)
the closing bracket in "na" variable is missing
--- no_error_log
[alert]



=== more than a buffer
--- config
    location = /t {
        content_by_lua_block {
            local subject = string.rep("abc ", 20000)
            local text, n = ngx.re.gsub(subject, "([a-z])([a-z]+)", "$2-$1-$0", "jo")
            ngx.say(n, " ", #text, " ", text == string.rep("bc-a-abc ", 20000))
            local text, n = ngx.re.gsub(subject, "[a-z]+", function(m) return m[0] .. m[0] end, "jo")
            ngx.say(n, " ", #text, " ", text == string.rep("abcabc ", 20000))
        }
    }
--- request
GET /t
--- response_body
20000 180000 true
20000 140000 true
--- no_error_log
[error]
