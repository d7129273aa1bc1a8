# ndk.set_var: only where the NDK is loaded.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a directive that is not there
--- config
    location = /t {
        content_by_lua_block {
            if ndk == nil then
                ngx.say("not found")
                return
            end
            local ok, err = pcall(function() return ndk.set_var.no_such_directive end)
            ngx.say(err:match("not found"))
        }
    }
--- request
GET /t
--- response_body
not found
--- no_error_log
[error]
