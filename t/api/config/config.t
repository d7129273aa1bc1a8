# ngx.config.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== subsystem, debug, versions and their types
--- config
    location = /t {
        content_by_lua_block {
            local c = ngx.config
            ngx.say(c.subsystem, " ", type(c.debug), " ", type(c.nginx_version),
                    " ", type(c.ngx_lua_version))
        }
    }
--- request
GET /t
--- response_body
http boolean number number
--- no_error_log
[error]



=== nginx_version agrees with $nginx_version
--- config
    location = /t {
        content_by_lua_block {
            local v = ngx.config.nginx_version
            local text = string.format("%d.%d.%d", v / 1000000, v / 1000 % 1000, v % 1000)
            ngx.say(text == ngx.var.nginx_version)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]



=== prefix is the server root with a slash, in every phase
--- http_config
    init_by_lua_block { at_init = ngx.config.prefix() }
--- config
    location = /t {
        content_by_lua_block {
            local p = ngx.config.prefix()
            ngx.say(p == at_init, " ", p:sub(-1), " ", io.open(p .. "conf/nginx.conf") ~= nil)
        }
    }
--- request
GET /t
--- response_body
true / true
--- no_error_log
[error]



=== nginx_configure is the configure line
--- config
    location = /t {
        content_by_lua_block {
            local args = ngx.config.nginx_configure()
            ngx.say(type(args), " ", args:find("--with-", 1, true) ~= nil)
        }
    }
--- request
GET /t
--- response_body
string true
--- no_error_log
[error]



=== ngx_lua_version satisfies the resty.core that is loaded
--- config
    location = /t {
        content_by_lua_block {
            local base = require "resty.core.base"
            ngx.say(ngx.config.ngx_lua_version >= 10023, " ", type(base.version))
        }
    }
--- request
GET /t
--- response_body
true string
--- no_error_log
[error]
