# ngx.shared.DICT: get_keys, scan, stats.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== get_keys
--- http_config
    lua_shared_dict dict 1m;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(#dict:get_keys())
            for i = 1, 2000 do dict:set("key" .. i, i) end
            dict:set("old", 1, 0.001)
            ngx.sleep(0.005)
            ngx.say(#dict:get_keys(), " ", #dict:get_keys(5), " ", #dict:get_keys(0))
            ngx.say(table.concat(dict:get_keys(3), " "))
        }
    }
--- request
GET /t
--- response_body
0
1024 5 2000
key1 key2 key3
--- no_error_log
[error]



=== a scan finds every key once
--- http_config
    lua_shared_dict dict 1m;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            for i = 1, 3000 do dict:set("key" .. i, i) end
            dict:set("old", 1, 0.001)
            ngx.sleep(0.005)
            local cursor, seen, calls, most, twice = 0, {}, 0, 0, 0
            repeat
                local keys
                cursor, keys = dict:scan(cursor, 50)
                calls, most = calls + 1, math.max(most, #keys)
                for _, key in ipairs(keys) do
                    if seen[key] then twice = twice + 1 end
                    seen[key] = true
                end
            until cursor == 0
            local found = 0
            for _ in pairs(seen) do found = found + 1 end
            ngx.say(found, " ", twice, " ", calls >= 40, " ", most < 80, " ", seen.old)
        }
    }
--- request
GET /t
--- response_body
3000 0 true true nil
--- no_error_log
[error]



=== a scan of nothing ends, and its arguments
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            local cursor, keys = dict:scan(0, 1000)
            ngx.say(cursor, " ", #keys)
            cursor, keys = dict:scan(4e9)
            ngx.say(cursor, " ", #keys)
            dict:set("k", 1)
            local cursor, keys = dict:scan(nil, 1000)
            ngx.say(cursor, " ", keys[1])
            ngx.say(select(2, pcall(dict.scan, dict, -1)))
            ngx.say(select(2, pcall(dict.scan, dict, 0, 0)))
            ngx.say(select(2, pcall(dict.scan, dict, 0 / 0)))
            ngx.say(select(2, pcall(dict.scan, dict, "x")))
        }
    }
--- request
GET /t
--- response_body
0 0
0 0
0 k
bad argument #2 to '?' (bad cursor)
bad argument #3 to '?' (count must be from 1 to 1000000)
bad argument #2 to '?' (bad cursor)
bad argument #2 to '?' (number expected, got string)
--- no_error_log
[error]



=== stats
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            local function show()
                local stats, names, out = dict:stats(), {}, {}
                for name in pairs(stats) do names[#names + 1] = name end
                table.sort(names)
                for _, name in ipairs(names) do out[#out + 1] = name .. "=" .. stats[name] end
                ngx.say(table.concat(out, " "))
            end
            show()
            dict:set("key", "value")
            dict:rpush("list", 1)
            dict:set("old", 1, 0.001)
            ngx.sleep(0.005)
            dict:get("key") dict:get("none") dict:get("old") dict:get_stale("old")
            dict:flush_expired()
            show()
            dict:delete("key") dict:rpop("list")
            show()
        }
    }
--- request
GET /t
--- response_body
bytes=0 entries=0 evictions=0 expired=0 hits=0 misses=0 repairs=0
bytes=113 entries=2 evictions=0 expired=1 hits=2 misses=2 repairs=0
bytes=0 entries=0 evictions=0 expired=1 hits=2 misses=2 repairs=0
--- no_error_log
[error]



=== the methods are those of the reference, and two behind them
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local names = {}
            for name in pairs(getmetatable(ngx.shared.dict).__index) do names[#names + 1] = name end
            table.sort(names)
            ngx.say(table.concat(names, " "))
            ngx.say(type(ngx.shared.dict.scan), " ", type(ngx.shared.dict.stats))
        }
    }
--- request
GET /t
--- response_body
__index add capacity delete expire flush_all flush_expired free_space get get_keys get_stale incr llen lpop lpush replace rpop rpush safe_add safe_set set ttl
function function
--- no_error_log
[error]
