# ngx.shared.DICT: lists.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== both ends
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(dict:lpush("l", "b"), dict:rpush("l", 3.5), dict:lpush("l", "a"))
            ngx.say(dict:llen("l"))
            ngx.say(dict:rpop("l"), " ", dict:rpop("l"), " ", dict:lpop("l"), " ", dict:lpop("l"))
            ngx.say(dict:llen("l"), " ", dict:stats().entries)
        }
    }
--- request
GET /t
--- response_body
123
3
3.5 b a nil
0 0
--- no_error_log
[error]



=== lists and other values
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            dict:set("k", "text")
            dict:rpush("l", 1)
            ngx.say(dict:lpush("k", 1))
            ngx.say(dict:rpop("k"))
            ngx.say(dict:llen("k"))
            ngx.say(dict:get("l"))
            ngx.say(dict:get_stale("l"))
            ngx.say(dict:incr("l", 1))
            ngx.say(dict:add("l", 1))
            ngx.say(dict:set("l", 5), " ", dict:get("l"))
        }
    }
--- request
GET /t
--- response_body
nilvalue not a list
nilvalue not a list
nilvalue not a list
nilvalue is a list
nilvalue is a list
nilnot a number
falseexistsfalse
true 5
--- no_error_log
[error]



=== misuse
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(dict:lpush(nil, 1))
            ngx.say(dict:lpop(""))
            ngx.say(dict:llen(("k"):rep(65536)))
            ngx.say(dict:rpush("l", true))
            ngx.say(dict:rpush(5, "five"), dict:llen("5"))
            ngx.say(select(2, pcall(dict.lpush, dict, "l")))
            ngx.say(select(2, pcall(dict.llen, dict, "l", 1)))
            ngx.say(select(2, pcall(dict.lpop, dict, {})))
        }
    }
--- request
GET /t
--- response_body
nilnil key
nilempty key
nilkey too long
nilbad value type
11
expecting 3 arguments, but only seen 2
expecting 2 arguments, but only seen 3
bad argument #2 to '?' (string expected, got table)
--- no_error_log
[error]
