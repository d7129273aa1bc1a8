# ngx.shared.DICT: storing and finding values.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== values of every type come back with their flags
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            for key, value in pairs { s = "text", e = "", n = -0.5, t = true, f = false } do
                assert(dict:set(key, value, 0, #key))
            end
            for _, key in ipairs { "s", "e", "n", "t", "f", "none" } do
                local value, flags = dict:get(key)
                ngx.say(key, ": ", type(value), " ", value, " ", flags)
            end
        }
    }
--- request
GET /t
--- response_body
s: string text 1
e: string  1
n: number -0.5 1
t: boolean true 1
f: boolean false 1
none: nil nil nil
--- no_error_log
[error]



=== add, replace, delete
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(dict:replace("k", 1))
            ngx.say(dict:add("k", 1))
            ngx.say(dict:add("k", 2))
            ngx.say(dict:replace("k", "longer"), " ", dict:get("k"))
            ngx.say(dict:delete("k"), " ", dict:get("k"))
            ngx.say(dict:add("k", nil))
            ngx.say(dict:safe_add("k", 3), " ", dict:safe_set("k", 4), " ", dict:get("k"))
        }
    }
--- request
GET /t
--- response_body
falsenot foundfalse
truenilfalse
falseexistsfalse
true longer
true nil
falseattempt to add or replace nil valuesfalse
true true 4
--- no_error_log
[error]



=== incr
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(dict:incr("n", 1))
            ngx.say(dict:incr("n", 1, 10))
            ngx.say(dict:incr("n", -0.5))
            dict:set("s", "text")
            ngx.say(dict:incr("s", 1))
            dict:set("eight", "8 bytes.", 0.001)
            ngx.sleep(0.005)
            ngx.say(dict:incr("eight", 1, 1), " ", dict:get("eight"))
        }
    }
--- request
GET /t
--- response_body
nilnot found
11nilfalse
10.5
nilnot a number
2 2
--- no_error_log
[error]



=== keys of any length, with any bytes, that differ in one
--- http_config
    lua_shared_dict dict 1m;
--- config
    location = /t {
        content_by_lua_block {
            local dict, wrong = ngx.shared.dict, 0
            for len = 1, 70 do
                for at = 1, len do
                    local key = ("\0"):rep(at - 1) .. "\255" .. ("\0"):rep(len - at)
                    assert(dict:set(key, len * 100 + at))
                end
            end
            for len = 1, 70 do
                for at = 1, len do
                    local key = ("\0"):rep(at - 1) .. "\255" .. ("\0"):rep(len - at)
                    if dict:get(key) ~= len * 100 + at then
                        wrong = wrong + 1
                    end
                end
            end
            ngx.say(wrong, " ", dict:stats().entries)
            ngx.say(dict:set(("k"):rep(65535), 1), " ", dict:get(("k"):rep(65535)))
            ngx.say(dict:set(("k"):rep(65536), 1))
            ngx.say(dict:get(""))
            ngx.say(dict:get(nil))
        }
    }
--- request
GET /t
--- response_body
0 2485
true 1
nilkey too long
nilempty key
nilnil key
--- no_error_log
[error]



=== a value larger than lua-resty-core's buffer
--- http_config
    lua_shared_dict dict 1m;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            local text = ("0123456789"):rep(20000)
            assert(dict:set("k", text, 0.001))
            ngx.sleep(0.005)
            local value, flags, stale = dict:get_stale("k")
            ngx.say(value == text, " ", flags, " ", stale)
            assert(dict:set("k", text))
            ngx.say(dict:get("k") == text)
        }
    }
--- request
GET /t
--- response_body
true nil true
true
--- no_error_log
[error]



=== what is no dictionary
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            for _, call in ipairs {
                function() dict.get({ 1 }, "k") end,
                function() dict.lpush({ 1 }, "k", 1) end,
                function() dict.llen(1, "k") end,
                function() dict.stats({ newproxy() }) end,
                function() dict.get_keys({ 1 }) end,
                function() dict.flush_expired("x") end,
            } do
                ngx.say(select(2, pcall(call)))
            end
        }
    }
--- request
GET /t
--- response_body
content_by_lua(nginx.conf:41):4: bad "zone" argument
content_by_lua(nginx.conf:41):5: bad "zone" argument
content_by_lua(nginx.conf:41):6: bad "zone" argument
content_by_lua(nginx.conf:41):7: bad "zone" argument
content_by_lua(nginx.conf:41):8: bad user data for the ngx_shm_zone_t pointer
content_by_lua(nginx.conf:41):9: bad argument #1 to 'flush_expired' (table expected, got string)
--- no_error_log
[error]



=== the debug line of a read
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.shared.dict:get("some key")) }
    }
--- request
GET /t
--- response_body
nil
--- error_log
fetching key "some key" in shared dict "dict"
--- no_error_log
[error]
