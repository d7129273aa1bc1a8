# ngx.re.gmatch, and ngx.re.split and ngx.re.opt of lua-resty-core's library.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== gmatch
--- config
    location = /t {
        content_by_lua_block {
            for _, opts in ipairs{ "", "jo" } do
                for m in ngx.re.gmatch("a=1, b=2", [[(?<name>\w)=(\d)]], opts) do
                    ngx.print(m.name, m[2], " ")
                end
                local next_match = ngx.re.gmatch("a", "a", opts)
                ngx.say(next_match()[0], " ", tostring(next_match()), " ", tostring(next_match()))
                -- Two at a time over one pattern.
                local one, two = ngx.re.gmatch("abc", ".", opts), ngx.re.gmatch("xyz", ".", opts)
                ngx.say(one()[0], two()[0], one()[0], two()[0], one()[0], two()[0])
            end
        }
    }
--- request
GET /t
--- response_body
a1 b2 a nil nil
axbycz
a1 b2 a nil nil
axbycz
--- no_error_log
[error]



=== split
--- config
    location = /t {
        content_by_lua_block {
            local split = require("ngx.re").split
            for _, opts in ipairs{ "", "jo" } do
                local function show(...) ngx.say("[", table.concat(assert(split(...)), "|"), "]") end
                show("a,b, c", [[,\s*]], opts)
                show("a1b2c", [[(\d)]], opts)
                show("abc", "", opts)
                show("a,b,c,d", ",", opts, nil, 2)
                show("a,b,c,,", ",", opts)
                show("", ",", opts)
                show("a,b,c", ",", opts, { pos = 3 })
            end
        }
    }
--- request
GET /t
--- response_body eval
"[a|b|c]
[a|1|b|2|c]
[a|b|c]
[a|b,c,d]
[a|b|c]
[]
[b|c]
" x 2
--- no_error_log
[error]



=== the stack of machine code
--- http_config
    init_by_lua_block { require("ngx.re").opt("jit_stack_size", 4 * 1024 * 1024) }
--- config
    location = /t {
        content_by_lua_block {
            local opt = require("ngx.re").opt
            local subject = string.rep("a", 20000)
            ngx.say(ngx.re.match(subject, "(?:(a)|b)*$", "j")[0] == subject)
            opt("jit_stack_size", 1)
            ngx.say(select(2, ngx.re.match(subject, "(?:(a)|b)*$", "j")))
            opt("jit_stack_size", -1)
            ngx.say(pcall(opt, "jit_stack_size", 2 ^ 50))
            opt("jit_stack_size", 8 * 1024 * 1024)
            ngx.say(ngx.re.match(subject, "(?:(a)|b)*$", "jo")[0] == subject)
            ngx.say(pcall(opt, "jit_stack_size", 64 * 1024))
            ngx.say(pcall(opt, "jit_stack", 1))
        }
    }
--- request
GET /t
--- response_body
true
pcre_exec() failed: -27
true
true
falsechanging jit stack size is not allowed when some regexs have already been compiled and cached
falseunrecognized option name
--- no_error_log
[error]
