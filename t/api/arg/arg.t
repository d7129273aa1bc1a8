# ngx.arg where there is nothing to see.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== neither read nor written in content
--- config
    location = /t {
        content_by_lua_block {
            ngx.say((select(2, pcall(function() return ngx.arg[1] end)):gsub("^.-:%d+: ", "")))
            ngx.say((select(2, pcall(function() ngx.arg[1] = 1 end)):gsub("^.-:%d+: ", "")))
        }
    }
--- request
GET /t
--- response_body
API disabled in the current context
API disabled in the context of content_by_lua*
--- no_error_log
[error]



=== assigning without a request does nothing
--- http_config
    init_by_lua_block { ngx.arg[1] = 1 }
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]
