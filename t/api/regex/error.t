# Patterns that are refused or that cost too much, and subjects that are no UTF-8.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== what is wrong with a pattern
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo" } do
                for _, pattern in ipairs{ "(abc", "a)b", "*a", "[a", "a(?<b", [[a\]], "(?=a\\K)", "x" .. string.rep("(", 20) } do
                    ngx.say(select(2, ngx.re.match("abc", pattern, opts)))
                end
            end
            ngx.say(select(2, ngx.re.match("a", "\255", "u")))
            ngx.say(select(3, ngx.re.find("a", "(")))
            ngx.say(select(2, ngx.re.gmatch("a", "(")))
            ngx.say(select(3, ngx.re.sub("a", "(", "b")))
            ngx.say(select(3, ngx.re.gsub("a", "(", print)))
            ngx.say(select(2, require("ngx.re").split("a", "(")))
            local _, err = ngx.re.match("a", "(" .. string.rep("abcdefghij", 20))
            ngx.print(#err, " ", err)
        }
    }
--- request
GET /t
--- response_body eval
('pcre_compile() failed: missing ) in "(abc"
pcre_compile() failed: unmatched parentheses in "a)b" at ")b"
pcre_compile() failed: nothing to repeat in "*a" at "*a"
pcre_compile() failed: missing terminating ] for character class in "[a"
pcre_compile() failed: syntax error in subpattern name (missing terminator) in "a(?<b"
pcre_compile() failed: \ at end of pattern in "a\"
pcre_compile() failed: \K is not allowed in lookarounds (but see PCRE2_EXTRA_ALLOW_LOOKAROUND_BSK) in "(?=a\K)"
pcre_compile() failed: missing ) in "x(((((((((((((((((((("
' x 2) . "pcre_compile() failed: invalid UTF-8 string in \"\xff\" at \"\xff\"
" . ('pcre_compile() failed: missing ) in "("
' x 5) . '127 pcre_compile() failed: missing ) in "(' . ('abcdefghij' x 8) . 'abcdefghi'
--- no_error_log
[error]



=== what PCRE1 takes is taken
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.re.match("<a.b-c@d>", [[[\w-.]+@]], "jo")[0])
            ngx.say(ngx.re.match("a-1", [[[a-\d]+]], "jo")[0])
            ngx.say(ngx.re.match("xiy", [[\i\y]])[0])
        }
    }
--- request
GET /t
--- response_body
a.b-c@
a-1
iy
--- no_error_log
[error]



=== a subject has to be UTF-8, and a position between characters
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "u", "uo", "ujo", "ud" } do
                ngx.say(select(2, ngx.re.match("abc\255", "a", opts)))
                ngx.say(select(2, ngx.re.match("a\195\164", ".", opts, { pos = 3 })))
                ngx.say(select(3, ngx.re.gsub("abc\255", ".", "x", opts)))
                ngx.say(select(2, ngx.re.gmatch("abc\255", ".", opts)()))
            end
            ngx.say(select(2, ngx.re.match("\237\160\128", "(*UTF).", "jo")))
        }
    }
--- request
GET /t
--- response_body eval
("pcre_exec() failed: -10
pcre_exec() failed: -11
pcre_exec() failed: -10
pcre_exec() failed: -10
" x 4) . "pcre_exec() failed: -10\n"
--- no_error_log
[error]



=== without a check, what is broken matches nothing
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "U", "Uo", "Ujo" } do
                ngx.say((ngx.re.find("\228\189b\195", "[^a]", opts)), " ", (ngx.re.gsub("a\255b\195", ".", "x", opts)))
                for length = 0, 8 do
                    local subject = string.rep("\240", length) .. "\128"
                    ngx.re.match(subject, [[(?<=.)\X(?i)\x{e4}+|\w$]], opts)
                end
            end
            ngx.say(select(2, ngx.re.match("\255", ".", "Ud")))
        }
    }
--- request
GET /t
--- response_body eval
("3 x\xffx\xc3\n" x 3) . "pcre_exec() failed: -10\n"
--- no_error_log
[error]



=== the limit stops what would not end
--- http_config
    lua_regex_match_limit 10000;
--- config
    location = /t {
        content_by_lua_block {
            local subject = string.rep("a", 40) .. "!"
            for _, opts in ipairs{ "", "o", "j", "jo" } do
                ngx.say(select(2, ngx.re.match(subject, "^(a+)+$", opts)))
                ngx.say(select(3, ngx.re.find(subject, "^(a+)+$", opts)))
                ngx.say(select(3, ngx.re.sub(subject, "^(a+)+$", "", opts)))
                ngx.say(select(2, ngx.re.gmatch(subject, "^(a+)+$", opts)()))
                ngx.say(select(2, require("ngx.re").split(subject, "^(a+)+$", opts)))
            end
            ngx.say(tostring(ngx.re.match(subject, "^(a+)+$", "d")))
        }
    }
--- request
GET /t
--- response_body eval
("pcre_exec() failed: -8\n" x 20) . "nil\n"
--- no_error_log
[error]



=== PCRE's own limit, and its memory
--- config
    location = /t {
        content_by_lua_block {
            local before = collectgarbage("count")
            ngx.say(select(2, ngx.re.match(string.rep("a", 2000000), "(?:a|b)*(?:c|d)")))
            ngx.say(select(2, ngx.re.match(string.rep("a", 2000000), "(?:(a)|b)*(?:c|d)", "j")))
            ngx.say(ngx.re.match(string.rep("a", 50000) .. "c", "(?:a|b)*(?:c|d)") ~= nil)
        }
    }
--- request
GET /t
--- response_body
pcre_exec() failed: -21
pcre_exec() failed: -27
true
--- no_error_log
[error]
--- timeout: 20



=== DFA: too many alternatives at once
--- config
    location = /t {
        content_by_lua_block {
            local m, err = ngx.re.match(string.rep("ab", 60), "(?:a|b|ab|ba|aba|bab){1,60}", "d")
            ngx.say(err)
            ngx.say((ngx.re.gsub("foobar foobar", "foo|foobar", "[$0|$1]", "d")))
            ngx.say(table.concat(require("ngx.re").split("a1b22c", [[\d|\d\d]], "d"), ","))
        }
    }
--- request
GET /t
--- response_body
pcre_exec() failed: -19
[foobar|] [foobar|]
a,b,c
--- no_error_log
[error]
