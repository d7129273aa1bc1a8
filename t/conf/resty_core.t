# A lua-resty-core that cannot be used is one [alert] line, and nginx does not
# start. The text differs from lua-nginx-module's; both name lua-resty-core.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== resty.core is loaded before any code of the user
--- http_config
    init_by_lua_block { seen = package.loaded["resty.core"] ~= nil }
--- config
    location = /t { content_by_lua_block { ngx.say(seen) } }
--- request
GET /t
--- response_body
true
--- no_error_log
[alert]
[error]



=== the version that resty.core demands is the one it sees
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(type(require("resty.core.base").version), " ",
                    type(ngx.config.ngx_lua_version))
        }
    }
--- request
GET /t
--- response_body
string number
--- no_error_log
[alert]
[error]



=== no resty.core at all: an alert that names it
--- http_config
    lua_package_path "/nowhere/?.lua";
    init_by_lua_block { reached = true }
--- config
    location = /t { content_by_lua_block { ngx.say("served") } }
--- must_die
--- error_log eval
qr/\[alert\] .*lua-resty-core/



=== a resty.core with an error in it: an alert with the reason
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say("served") } }
--- user_files
>>> resty/core.lua
error("this core is broken")
--- must_die
--- error_log eval
qr/\[alert\] .*lua-resty-core.*this core is broken/



=== a core that demands a version no module can have: an alert
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say("served") } }
--- user_files
>>> resty/core.lua
require "resty.core.base"
>>> resty/core/base.lua
error("ngx_http_lua_module 99.99.99 required")
--- must_die
--- error_log eval
qr/\[alert\] .*lua-resty-core.*ngx_http_lua_module 99\.99\.99 required/
