# ngx.shared.DICT: what happens when memory is short.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== what has not been used goes first
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, text, n = ngx.shared.dict, ("x"):rep(200), 0
            repeat
                n = n + 1
                if n == 50 then dict:get("key1") end
                local ok, err, forcible = dict:set("key" .. n, text)
            until forcible
            ngx.say(dict:get("key1") == text, " ", dict:get("key2"), " ", dict:get("key3") == text)
            ngx.say(dict:stats().evictions, " ", dict:stats().entries == n - 1)
        }
    }
--- request
GET /t
--- response_body
true nil true
1 true
--- no_error_log
[error]



=== the safe functions evict nothing
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, text, n, ok, err = ngx.shared.dict, ("x"):rep(2000), 0
            repeat
                n = n + 1
                ok, err = dict:safe_set("key" .. n, text)
            until not ok
            ngx.say(ok, " ", err, " ", dict:get("key1") == text)
            ngx.say(dict:safe_add("other", text))
            ngx.say(dict:stats().evictions, " ", dict:free_space(), " ", dict:capacity())
            dict:delete("key1")
            ngx.say(dict:safe_add("other", text))
        }
    }
--- request
GET /t
--- response_body
false no memory true
falseno memoryfalse
0 0 102400
truenilfalse
--- no_error_log
[error]
[crit]



=== what does not fit at all
--- http_config
    lua_shared_dict dict 50k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, huge = ngx.shared.dict, ("x"):rep(100000)
            ngx.say(dict:set("k", huge))
            dict:set("other", 1)
            ngx.say(dict:set("k", huge))
            ngx.say(dict:get("other"))
        }
    }
--- request
GET /t
--- response_body
falseno memoryfalse
falseno memorytrue
nil
--- no_error_log
[error]
[crit]



=== a list that is full evicts nothing
--- http_config
    lua_shared_dict dict 50k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, text, n, len, err = ngx.shared.dict, ("x"):rep(500), 0
            repeat
                n = n + 1
                len, err = dict:rpush("list", text)
            until not len
            ngx.say(len, " ", err, " ", dict:llen("list") == n - 1)
            repeat until not dict:lpop("list")
            ngx.say(dict:llen("list"), " ", dict:stats().bytes)
        }
    }
--- request
GET /t
--- response_body
nil no memory true
0 0
--- no_error_log
[error]



=== a larger entry finds room among small ones that were read
--- http_config
    lua_shared_dict one 1m;
    lua_shared_dict three 3m;
--- config
    location = /t {
        content_by_lua_block {
            local function tries(dict, reads)
                dict:flush_all()
                dict:flush_expired()
                local i, f, ok, err = 0
                repeat ok, err, f = dict:set(i, "aaaa"); i = i + 1 until f
                for k = 0, i - 1 do dict:get(tostring(k)) end
                local t = 0
                repeat
                    ok = dict:set(("k"):rep(40), ("b"):rep(500))
                    t = t + 1
                    for _ = 1, reads do dict:get(tostring(math.random(0, i - 1))) end
                until ok or t == 400
                return t
            end
            ngx.say(tries(ngx.shared.one, 0), " ", tries(ngx.shared.one, 2000), " ", tries(ngx.shared.three, 2000))
        }
    }
--- request
GET /t
--- response_body
1 1 1
--- timeout: 10
--- no_error_log
[error]
[alert]



=== a long value finds a row of pages among short ones, and among lists
--- http_config
    lua_shared_dict dict 1m;
--- config
    location = /t {
        content_by_lua_block {
            local dict, long, n = ngx.shared.dict, ("x"):rep(300000), 0
            local function fill(what)
                repeat n = n + 1 until what(n)
                for i = 1, n do dict:get("key" .. i) end
                local ok, err, forcible = dict:set("long" .. n, long)
                ngx.say(ok, " ", err, " ", forcible, " ", dict:get("long" .. n) == long)
            end
            fill(function(n) return select(3, dict:set("key" .. n, "short")) end)
            fill(function(n) return select(3, dict:set("key" .. n, ("x"):rep(n * 7919 % 9000))) end)
            dict:flush_all()
            dict:flush_expired()
            fill(function(n) return not dict:rpush("list" .. n % 100, ("x"):rep(n * 7919 % 100)) end)
            fill(function(n) return not dict:rpush("list", ("x"):rep(n * 7919 % 9000)) end)
        }
    }
--- request
GET /t
--- response_body
true nil true true
true nil true true
true nil true true
true nil true true
--- no_error_log
[error]
[alert]



=== the smallest dictionaries hold something
--- http_config
    lua_shared_dict small 12k;
    lua_shared_dict larger 16k;
--- config
    location = /t {
        content_by_lua_block {
            local function count(dict)
                for i = 1, 1000 do
                    local ok, err = dict:set(i, i)
                    if not ok then return err end
                end
                return dict:stats().entries
            end
            local small, larger = ngx.shared.small, ngx.shared.larger
            ngx.say(count(small), " ", count(larger))
            ngx.say(small:set("k", ("x"):rep(4000)), " ", #small:get("k"), " ", small:stats().entries)
            ngx.say(small:get(1000), " ", small:set("k", 1), " ", small:get("k"))
            small:flush_all()
            small:flush_expired()
            for i = 1, 20 do assert(small:rpush("list", i)) end
            ngx.say(small:llen("list"))
        }
    }
--- request
GET /t
--- response_body
32 63
true 4000 1
nil true 1
20
--- no_error_log
[error]
[alert]
