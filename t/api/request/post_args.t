# ngx.req.get_post_args of a body that nginx has read.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== arguments of a body that a proxy has read
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$server_port/fail;
        proxy_intercept_errors on;
        error_page 500 =200 /args;
    }
    location = /fail { return 500; }
    location = /args {
        content_by_lua_block {
            local a, err = ngx.req.get_post_args()
            ngx.say(a.a, " ", a["b c"], " ", a.d, " ", err)
            a, err = ngx.req.get_post_args(1)
            ngx.say(a.a, " ", a.d, " ", err)
        }
    }
--- request
POST /t
a=1&b%20c=%26+&d
--- response_body
1 &  true nil
1 nil truncated
--- error_log
lua hit query args limit 1
--- no_error_log
[error]



=== a body in a file
--- config
    location = /t {
        client_body_in_file_only clean;
        proxy_pass http://127.0.0.1:$server_port/fail;
        proxy_intercept_errors on;
        error_page 500 =200 /args;
    }
    location = /fail { return 500; }
    location = /args {
        content_by_lua_block { ngx.say(ngx.req.get_post_args()) }
    }
--- request
POST /t
a=1
--- response_body
nilrequest body in temp file not supported
--- no_error_log
[error]



=== a body that nobody has read, and wrong arguments
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.req.get_post_args)))
            ngx.say(select(2, pcall(ngx.req.get_post_args, "x")))
            ngx.say(select(2, pcall(ngx.req.get_post_args, 1, 2)))
        }
    }
--- request
POST /t
a=1
--- response_body
no request body found; maybe you should turn on lua_need_request_body?
bad argument #1 to '?' (number expected, got string)
expecting 0 or 1 arguments but seen 2
--- no_error_log
[error]
