# ngx.config.ngx_lua_version follows the resty.core that is found.
#
# Deliberate difference: does not pass with lua-nginx-module 0.10.23.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a core that demands another version gets it
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say(ngx.config.ngx_lua_version) } }
--- user_files
>>> resty/core.lua
require "resty.core.base"
>>> resty/core/base.lua
local subsystem = ngx.config.subsystem
local get_request = require "thread.exdata"

if subsystem == 'http' then
    if not ngx.config
       or not ngx.config.ngx_lua_version
       or ngx.config.ngx_lua_version ~= 10029
    then
        error("ngx_http_lua_module 0.10.29 required")
    end
end

function ngx.get_phase() return "init" end

return { version = "0.1.32" }
--- request
GET /t
--- response_body
10029
--- no_error_log
[error]
