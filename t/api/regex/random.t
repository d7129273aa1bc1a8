# Patterns, subjects and templates at random: nothing crashes, nothing hangs.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== anything at all
--- http_config
    lua_regex_match_limit 3000;
--- config
    location = /t {
        content_by_lua_block {
            local seed = 20261127
            local function below(n)
                seed = (seed * 1103515245 + 12345) % 2147483648
                return math.floor(seed / 65536) % n
            end
            local function text(pieces, most)
                local out = {}
                for i = 1, below(most) do out[i] = pieces[below(#pieces) + 1] end
                return table.concat(out)
            end
            local pattern = { "a", "b", ".", "*", "+?", "?", "(", ")", "(?:", "(?=", "(?<=", "(?<n>", "|", "[", "]", "^", "$",
                "-", "\\w", "\\b", "\\K", "\\X", "\\C", "\\1", "(?R)", "(?1)", "{2}", "\\", "(*UTF)", "(*SKIP)", "\195\164", "\255", "\0" }
            local subject = { "a", "b", "A", "\n", "\195\164", "\195", "\255", "\240\159", "1", "\0", "-" }
            local template = { "a", "$", "$$", "$0", "${1}", "{", "}", "$2", "${", "\255", "\0" }
            local opts = { "", "j", "d", "u", "U", "uj", "Uj", "ud", "Ud", "ai", "smx", "J", "D" }
            local re, split, good = ngx.re, require("ngx.re").split, 0
            for i = 1, 1500 do
                local p, s, o = text(pattern, 8), text(subject, 12), opts[below(#opts) + 1]
                local m, err = re.match(s, p, o, { pos = below(14) })
                if m then
                    good = good + 1
                    assert(#m[0] <= #s)
                elseif err then
                    assert(err:find("^pcre_"), err)
                end
                re.find(s, p, o, nil, below(3))
                local n = 0
                for m in re.gmatch(s, p, o) or function() end do
                    n = n + 1
                    assert(n <= #s + 1)
                end
                local out, count = re.gsub(s, p, text(template, 5), o)
                assert(out == nil or count <= #s + 1)
                re.gsub(s, p, function(m) return m[1] or "" end, o)
                split(s, p, o)
            end
            collectgarbage()
            ngx.say(good > 50)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[alert]
--- timeout: 60
