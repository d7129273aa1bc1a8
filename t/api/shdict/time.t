# ngx.shared.DICT: what happens to entries in time.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== an entry expires, and can be found stale
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            dict:set("short", 1, 0.01)
            dict:set("long", 2, 100)
            ngx.say(dict:get("short"), " ", dict:get("long"))
            ngx.sleep(0.015)
            ngx.say(dict:get("short"), " ", dict:get("long"))
            ngx.say(dict:get_stale("short"))
            ngx.say(dict:get_stale("long"))
        }
    }
--- request
GET /t
--- response_body
1 2
nil 2
1niltrue
2nilfalse
--- no_error_log
[error]



=== ttl and expire
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            dict:set("k", 1)
            ngx.say(dict:ttl("k"))
            ngx.say(dict:expire("k", 10), " ", dict:ttl("k"))
            ngx.say(dict:expire("k", 0.001))
            ngx.sleep(0.005)
            ngx.say(dict:get("k"), " ", dict:ttl("k") < 0)
            ngx.say(dict:expire("k", 0), " ", dict:get("k"))
            ngx.say(dict:ttl("none"))
            ngx.say(dict:expire("none", 1))
        }
    }
--- request
GET /t
--- response_body
0
true 10
true
nil true
true 1
nilnot found
nilnot found
--- no_error_log
[error]



=== what has expired counts as missing for add, replace, incr and lists
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            for _, key in ipairs { "old", "older", "add", "replace", "incr", "list", "push" } do
                dict:set(key, 1, 0.001)
            end
            dict:rpush("again", 1)
            dict:expire("again", 0.001)
            ngx.sleep(0.005)
            ngx.say(dict:add("add", 2))
            ngx.say(dict:replace("replace", 2))
            ngx.say(dict:incr("incr", 1))
            ngx.say(dict:llen("list"))
            ngx.say(dict:rpush("push", "x"))
            ngx.say(dict:rpush("again", "x"), " ", dict:ttl("again"))
        }
    }
--- request
GET /t
--- response_body
truenilfalse
falsenot foundfalse
nilnot found
0
1
1 0
--- no_error_log
[error]



=== flush_all and flush_expired
--- http_config
    lua_shared_dict few 1m;
    lua_shared_dict many 1m;
--- config
    location = /t {
        content_by_lua_block {
            for name, entries in pairs { few = 10, many = 3000 } do
                local dict = ngx.shared[name]
                for i = 1, entries do
                    dict:set("key" .. i, i)
                end
                dict:flush_all()
                local left = 0
                for i = 1, entries do
                    if dict:get("key" .. i) then left = left + 1 end
                end
                local two, all = dict:flush_expired(2), dict:flush_expired()
                ngx.say(left, " ", two, " ", entries - two - all, " ", dict:stats().entries)
            end
        }
    }
--- request
GET /t
--- response_body
0 2 3 0
0 2 3 0
--- no_error_log
[error]



=== misuse of times
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(select(2, pcall(dict.set, dict, "k", 1, -1)))
            ngx.say(select(2, pcall(dict.incr, dict, "k", 1, nil, 1)))
            ngx.say(select(2, pcall(dict.flush_expired, dict, 1, 2)))
        }
    }
--- request
GET /t
--- response_body
bad "exptime" argument
must provide "init" when providing "init_ttl"
expecting 1 or 2 argument(s), but saw 3
--- no_error_log
[error]



=== an entry is gone in the millisecond it expires in
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, found, forever, left = ngx.shared.dict, 0, 0, 0
            -- Never the least recently used, which goes first.
            dict:set("first", 1)
            -- 0.4 s: whether the clock shows that very millisecond is a matter of luck.
            for _ = 1, 80 do
                dict:set("k", 1, 0.005)
                dict:rpush("list", 1)
                dict:expire("list", 0.005)
                ngx.sleep(0.005)
                if dict:get("k") or dict:llen("list") ~= 0 or dict:lpop("list") then found = found + 1 end
                if dict:ttl("k") == 0 or dict:ttl("list") == 0 then forever = forever + 1 end
                if #dict:get_keys() ~= 1 then left = left + 1 end
                dict:delete("k")
                dict:delete("list")
            end
            ngx.say(found, " ", forever, " ", left)
        }
    }
--- request
GET /t
--- response_body
0 0 0
--- no_error_log
[error]
