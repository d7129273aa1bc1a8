# The libraries of others, as distributed, against real servers.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== redis: commands, a pipeline, a kept connection
--- config
    location = /t {
        content_by_lua_block {
            local redis = require "nginx.redis"
            for i = 1, 2 do
                local red = redis:new()
                red:set_timeout(1000)
                assert(red:connect("127.0.0.1", $TEST_NGINX_REDIS_PORT))
                ngx.say(red:ping(), " ", red:get_reused_times())
                ngx.say(red:set("suite:dog", "rex\r\n\0"), " ", red:get("suite:dog") == "rex\r\n\0")
                ngx.say(red:get("suite:nobody") == ngx.null)
                red:init_pipeline()
                red:del("suite:list")
                red:rpush("suite:list", "a", "b", "c")
                red:lrange("suite:list", 0, -1)
                red:incr("suite:dog")
                local answers = assert(red:commit_pipeline())
                ngx.say(answers[2], " ", table.concat(answers[3], ","), " ", answers[4][2])
                ngx.say(red:set_keepalive(1000, 10))
            end
        }
    }
--- request
GET /t
--- response_body
PONG 0
OK true
true
3 a,b,c ERR value is not an integer or out of range
1
PONG 1
OK true
true
3 a,b,c ERR value is not an integer or out of range
1
--- no_error_log
[error]
[alert]



=== redis: who subscribes hears what another publishes
--- config
    location = /t {
        content_by_lua_block {
            local redis = require "nginx.redis"
            local function connected()
                local red = redis:new()
                red:set_timeout(1000)
                assert(red:connect("127.0.0.1", $TEST_NGINX_REDIS_PORT))
                return red
            end
            local listener, speaker = connected(), connected()
            ngx.say(table.concat(listener:subscribe("suite:news"), " "))
            local listening = ngx.thread.spawn(function () return listener:read_reply() end)
            ngx.say(speaker:publish("suite:news", "hello"))
            local _, news = ngx.thread.wait(listening)
            ngx.say(table.concat(news, " "))
            ngx.say(listener:close(), speaker:close())
        }
    }
--- request
GET /t
--- response_body
subscribe suite:news 1
1
message suite:news hello
11
--- no_error_log
[error]
[alert]



=== memcached: values of any size
--- config
    location = /t {
        content_by_lua_block {
            local memc = assert(require("nginx.memcached"):new())
            memc:set_timeout(1000)
            assert(memc:connect("127.0.0.1", $TEST_NGINX_MEMCACHED_PORT))
            local large = ("0123456789abcdef"):rep(16384)
            ngx.say(memc:set("suite:large", large, 10, 7))
            local value, flags, err = memc:get("suite:large")
            ngx.say(value == large, " ", flags, " ", err)
            ngx.say(memc:get("suite:nobody"))
            memc:set("suite:count", 5)
            ngx.say(memc:incr("suite:count", 3))
            local many = memc:get { "suite:count", "suite:nobody" }
            ngx.say(many["suite:count"][1], " ", many["suite:nobody"])
            ngx.say(#memc:stats() > 10, " ", memc:delete("suite:count"))
            ngx.say(memc:set_keepalive(1000, 10))
        }
    }
--- request
GET /t
--- response_body
1
true 7 nil
nilnilnil
8
8 nil
true 1
1
--- no_error_log
[error]
[alert]



=== dns: UDP, several servers, no such name
--- config
    location = /t {
        content_by_lua_block {
            local resolver = assert(require("nginx.dns.resolver"):new {
                nameservers = { { "127.0.0.1", $TEST_NGINX_DNS_PORT } },
                retrans = 2, timeout = 500,
            })
            local answers = assert(resolver:query("one.test", { qtype = resolver.TYPE_A }))
            ngx.say(#answers, " ", answers[1].name, " ", answers[1].address, " ", answers[1].ttl)
            answers = assert(resolver:query("six.test", { qtype = resolver.TYPE_AAAA }))
            ngx.say(answers[1].address)
            answers = assert(resolver:query("nobody.test"))
            ngx.say(answers.errcode, " ", answers.errstr)
        }
    }
--- request
GET /t
--- response_body
1 one.test 127.0.0.1 60
0:0:0:0:0:0:0:1
3 name error
--- no_error_log
[error]
[alert]



=== string, digests, ciphers, JSON
--- config
    location = /t {
        content_by_lua_block {
            local str, cjson = require "nginx.string", require "cjson"
            local digest = require("nginx.sha256"):new()
            digest:update("hello")
            ngx.say(str.to_hex(digest:final()):sub(1, 16))
            local md5 = require("nginx.md5"):new()
            md5:update("hel")
            md5:update("lo")
            ngx.say(str.to_hex(md5:final()))
            local aes = assert(require("nginx.aes"):new("secret", "somesalt"))
            ngx.say(aes:decrypt(aes:encrypt("hello")))
            ngx.say(#str.to_hex(require("nginx.random").bytes(8)))
            ngx.say(cjson.encode { list = { 1, 2, cjson.null }, }, " ", cjson.null == ngx.null)
            ngx.say(cjson.decode('{"a":{"b":[1,2.5,"x"]}}').a.b[2])
        }
    }
--- request
GET /t
--- response_body
2cf24dba5fb0a30e
5d41402abc4b2a76b9719d911017c592
hello
16
{"list":[1,2,null]} true
2.5
--- no_error_log
[error]
[alert]
