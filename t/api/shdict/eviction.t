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
