# lua_need_request_body: the body is read before Lua starts.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== off, on, inherited
--- config
    lua_need_request_body on;
    location = /on {
        content_by_lua_block { ngx.say(ngx.req.get_body_data()) }
    }
    location = /off {
        lua_need_request_body off;
        content_by_lua_block { ngx.say(ngx.req.get_body_data()) }
    }
--- request eval
["POST /on\nhello", "POST /off\nhello"]
--- response_body eval
["hello\n", "nil\n"]
--- no_error_log
[error]



=== every phase finds a body that comes later
--- http_config
    lua_need_request_body on;
--- config
    server_rewrite_by_lua_block {
        if ngx.var.arg_p == "server_rewrite" then ngx.ctx.body = ngx.req.get_body_data() end
    }
    location = /rewrite {
        rewrite_by_lua_block { ngx.ctx.body = ngx.req.get_body_data() }
        content_by_lua_block { ngx.say("rewrite: ", ngx.ctx.body) }
    }
    location = /access {
        access_by_lua_block { ngx.ctx.body = ngx.req.get_body_data() ngx.sleep(0.001) }
        content_by_lua_block { ngx.say("access: ", ngx.ctx.body) }
    }
    location = /precontent {
        precontent_by_lua_block { ngx.say("precontent: ", ngx.req.get_body_data()) }
    }
--- request eval
[[{value => "POST /rewrite\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /access\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /precontent\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body eval
["rewrite: hello\n", "access: hello\n", "precontent: hello\n"]
--- error_log
lua post read for rewrite/access phases
--- no_error_log
[error]
[alert]



=== content that waits itself
--- config
    lua_need_request_body on;
    location = /t {
        content_by_lua_block {
            ngx.sleep(0.001)
            ngx.say(ngx.req.get_body_data())
            ngx.flush(true)
            ngx.say(ngx.req.get_post_args().hello)
        }
    }
    location = /quick {
        content_by_lua_block { ngx.say(ngx.req.get_body_data()) }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}],
 [{value => "POST /quick\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body eval
["hello\ntrue\n", "hello\n"]
--- no_error_log
[error]
[alert]



=== a body that is too large, before access
--- config
    lua_need_request_body on;
    location = /t {
        client_max_body_size 4;
        access_by_lua_block { ngx.log(ngx.ERR, "not reached") }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "5\r\nhello\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body_like: 413
--- error_code: 413
--- error_log
status 413
--- no_error_log
not reached
[alert]



=== a body that is too slow, before access
--- config
    lua_need_request_body on;
    client_body_timeout 50ms;
    location = /t {
        access_by_lua_block { ngx.log(ngx.ERR, "not reached") }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- ignore_response
--- error_log
status 408
--- no_error_log
[error]
[alert]



=== a body that is too large, before content
--- config
    lua_need_request_body on;
    location = /t {
        client_max_body_size 4;
        content_by_lua_block { ngx.log(ngx.ERR, "not reached") }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "5\r\nhello\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body_like: 413
--- error_code: 413
--- error_log
status 413
--- no_error_log
not reached
[alert]



=== a body that is too slow, before content
--- config
    lua_need_request_body on;
    client_body_timeout 50ms;
    location = /t {
        content_by_lua_block { ngx.log(ngx.ERR, "not reached") }
        log_by_lua_block { ngx.log(ngx.WARN, "status ", ngx.status) }
    }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhel"
--- ignore_response
--- error_log
status 408
--- no_error_log
[error]
[alert]



=== code that leaves for another location finds the body there
--- config
    lua_need_request_body on;
    location = /t {
        access_by_lua_block { ngx.exec("/other") }
    }
    location = /other {
        content_by_lua_block { ngx.say(ngx.req.get_body_data()) }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
hello
--- no_error_log
[error]
[alert]
