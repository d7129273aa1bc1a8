# ngx.req.get_method and set_method.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== by name and number
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.req.get_method())
            for _, name in ipairs { "GET", "POST", "PATCH", "TRACE", "OPTIONS" } do
                ngx.req.set_method(ngx["HTTP_" .. name])
                ngx.print(ngx.req.get_method(), " ", ngx.var.request_method, " ")
            end
            ngx.req.set_method(ngx.HTTP_GET)
        }
    }
--- request
PUT /t
--- response_body eval
"PUT\nGET GET POST POST PATCH PATCH TRACE TRACE OPTIONS OPTIONS "
--- no_error_log
[error]



=== a method that nginx does not know has its name
--- config
    location = /t {
        content_by_lua_block { ngx.say(ngx.req.get_method()) }
    }
--- raw_request eval
"BREW /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
--- response_body
BREW
--- no_error_log
[error]



=== what is no method
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(ngx.req.set_method, 3))
            ngx.say(pcall(ngx.req.set_method, "GET"))
            ngx.say(pcall(ngx.req.set_method))
            ngx.say(ngx.req.get_method())
        }
    }
--- request
GET /t
--- response_body
falseunsupported HTTP method: 3
falsebad method number
falsebad method number
GET
--- no_error_log
[error]
