# The cache of patterns, machine code, and patterns of init_by_lua.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== machine code is said to be made once
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 3 do ngx.say(ngx.re.match("abc1", [[\d]], "jo")[0]) end
        }
    }
--- request
GET /t
--- response_body
1
1
1
--- grep_error_log eval
qr/pcre JIT compiling result: \d/
--- grep_error_log_out
pcre JIT compiling result: 1
--- no_error_log
[error]



=== patterns of init_by_lua serve the workers
--- http_config
    init_by_lua_block {
        assert(ngx.re.match("abc1", [[([a-z])(\d)]], "jo")[2] == "1")
        assert(ngx.re.gsub("abc1", [[\d]], "<$0>", "jo") == "abc<1>")
        assert(ngx.re.gsub("abc1", [[\d]], function(m) return m[0] end, "jo") == "abc1")
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.re.match("xy2", [[([a-z])(\d)]], "jo")[2])
            ngx.say(ngx.re.gsub("xy2", [[\d]], "<$0>", "jo"))
            ngx.say(ngx.re.gsub("xy2", [[\d]], function(m) return m[0] + 1 end, "jo"))
        }
    }
--- request
GET /t
--- response_body
2
xy<2>1
xy31
--- no_error_log
[error]
[alert]



=== a cache of none, and a small one
--- http_config
    lua_regex_cache_max_entries 0;
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 3 do ngx.print(ngx.re.match("abc1", [[\d]], "jo")[0]) end
            for i = 1, 3 do ngx.print(" ", (ngx.re.gsub("abc1", [[\d]], "$0$0", "jo"))) end
            ngx.say()
        }
    }
--- request
GET /t
--- response_body
111 abc11 abc11 abc11
--- no_error_log
[error]



=== more patterns than the cache keeps
--- http_config
    lua_regex_cache_max_entries 3;
--- config
    location = /t {
        content_by_lua_block {
            local sum = 0
            for round = 1, 20 do
                for i = 1, 7 do
                    local m = ngx.re.match("value " .. i, "(" .. i .. ")", "jo")
                    sum = sum + m[1]
                    local text = ngx.re.gsub("value " .. i, tostring(i), "<$0>", "jo")
                    assert(text == "value <" .. i .. ">")
                    assert(ngx.re.gsub("value " .. i, tostring(i), function(m) return "" end, "jo") == "value ")
                end
            end
            collectgarbage()
            ngx.say(sum)
        }
    }
--- request
GET /t
--- response_body
560
--- no_error_log
[error]



=== in every phase
--- http_config
    init_worker_by_lua_block { assert(ngx.re.find("init_worker", "w", "jo") == 6) }
--- config
    location = /t {
        set_by_lua_block $found { return ngx.re.match("set", "e", "jo")[0] }
        rewrite_by_lua_block { ngx.ctx.found = ngx.re.match("rewrite", "w.", "jo")[0] }
        access_by_lua_block { ngx.ctx.found = ngx.ctx.found .. ngx.re.match("access", "c+", "jo")[0] }
        content_by_lua_block { ngx.say(ngx.var.found, ngx.ctx.found) }
        header_filter_by_lua_block { ngx.header["X-Found"] = ngx.re.gsub("header", "e", "E", "jo") }
        body_filter_by_lua_block { ngx.arg[1] = ngx.re.gsub(ngx.arg[1], "c+", "<$0>", "jo") }
        log_by_lua_block { ngx.log(ngx.INFO, "found ", ngx.re.match("log", "o", "jo")[0]) }
    }
--- request
GET /t
--- response_headers
X-Found: hEadEr
--- response_body
ewr<cc>
--- error_log
found o
--- no_error_log
[error]



=== a VM for each request
--- config
    lua_code_cache off;
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.re.gsub("a1b2", [[\d]], "<$0>", "jo"), " ", ngx.re.match("ab", "(b)", "jo")[1])
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["a<1>b<2> b\n", "a<1>b<2> b\n", "a<1>b<2> b\n"]
--- no_error_log
[error]



=== negative numbers are no limits
--- http_config
    lua_regex_match_limit -1;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid number
--- no_error_log
[alert]
