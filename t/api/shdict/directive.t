# lua_shared_dict, and when zones are there.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== without dictionaries
--- config
    location = /t {
        content_by_lua_block { ngx.say(type(ngx.shared), " ", next(ngx.shared), ngx.shared.dict) }
    }
--- request
GET /t
--- response_body
table nilnil
--- no_error_log
[error]



=== the same name twice
--- http_config
    lua_shared_dict dict 100k;
    lua_shared_dict dict 100k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
lua_shared_dict "dict" is already defined as "dict"
--- no_error_log
[alert]



=== the same name with another size
--- http_config
    lua_shared_dict dict 100k;
    lua_shared_dict dict 200k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
the size 204800 of shared memory zone "dict" conflicts with already declared size 102400
--- no_error_log
[alert]



=== too small
--- http_config
    lua_shared_dict dict 8191;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid lua shared dict size "8191"
--- no_error_log
[alert]



=== no size
--- http_config
    lua_shared_dict dict large;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid lua shared dict size "large"
--- no_error_log
[alert]



=== too small for its own state
--- http_config
    lua_shared_dict dict 8k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
lua_shared_dict "dict" is too small
--- no_error_log
[alert]



=== no name
--- http_config
    lua_shared_dict "" 1m;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
invalid lua shared dict name ""
--- no_error_log
[alert]



=== the smallest zone that works
--- http_config
    lua_shared_dict dict 16k;
--- config
    location = /t {
        content_by_lua_block {
            local dict = ngx.shared.dict
            ngx.say(dict:set("k", "v"), " ", dict:get("k"), " ", dict:capacity())
        }
    }
--- request
GET /t
--- response_body
true v 16384
--- no_error_log
[error]



=== every phase
--- http_config
    lua_shared_dict dict 100k;
    init_by_lua_block { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
    init_worker_by_lua_block { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
--- config
    location = /t {
        set_by_lua_block $x { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
        rewrite_by_lua_block { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
        access_by_lua_block { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
        content_by_lua_block {
            local dict = ngx.shared.dict
            dict:rpush("phases", ngx.get_phase())
            ngx.timer.at(0, function() dict:rpush("phases", ngx.get_phase()) end)
            repeat ngx.sleep(0.001) until dict:llen("phases") == 7
            ngx.send_headers()
            repeat
                local phase = dict:lpop("phases")
                ngx.say(phase)
            until not phase
        }
        header_filter_by_lua_block { ngx.shared.dict:rpush("phases", ngx.get_phase()) }
        log_by_lua_block { ngx.log(ngx.WARN, "log phase: ", ngx.shared.dict:stats().entries) }
    }
--- request
GET /t
--- response_body
init
init_worker
set
rewrite
access
content
timer
header_filter
nil
--- error_log
log phase: 0
--- no_error_log
[error]



=== a failing init_by_lua refuses the configuration, with zones as well
--- http_config
    lua_shared_dict one 100k;
    init_by_lua_block { error("no " .. ngx.shared.two:capacity()) }
    lua_shared_dict two 200k;
--- config
    location = /t { return 200; }
--- must_die
--- error_log
init_by_lua error: init_by_lua(nginx.conf:26):1: no 204800
--- no_error_log
[alert]



=== with the code cache off, every request's VM has them
--- http_config
    lua_shared_dict dict 100k;
    lua_code_cache off;
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.shared.dict:incr("n", 1, 0)) }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["1nilfalse\n", "2nilfalse\n"]
--- no_error_log
[error]
