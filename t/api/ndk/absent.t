# ndk: the Nginx Development Kit is not loaded.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== there is no global ndk then
--- config
    location = /t { content_by_lua_block { ngx.say(type(ndk), " ", package.loaded.ndk) } }
--- request
GET /t
--- response_body
nil nil
--- no_error_log
[error]
