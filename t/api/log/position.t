# What stands before a logged message: file, line, function.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a block's first line is 1
--- config
    location = /t {
        content_by_lua_block { ngx.log(ngx.WARN, "one")
            ngx.log(ngx.WARN, "two")

            ngx.log(ngx.WARN, "four")
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/\[lua\] content_by_lua\(nginx\.conf:\d+\):1: one,/,
 qr/\[lua\] content_by_lua\(nginx\.conf:\d+\):2: two,/,
 qr/\[lua\] content_by_lua\(nginx\.conf:\d+\):4: four,/]
--- no_error_log
[error]



=== a function is named
--- config
    location = /t {
        content_by_lua_block {
            local function greet()
                ngx.log(ngx.WARN, "from greet")
            end
            greet()
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/\[lua\] content_by_lua\(nginx\.conf:\d+\):3: greet\(\): from greet,/
--- no_error_log
[error]



=== a method and a field are named, a tail call is not
--- config
    location = /t {
        content_by_lua_block {
            local m = {}
            function m:meth() ngx.log(ngx.WARN, "A") end
            function m.field() ngx.log(ngx.WARN, "B") end
            local function tail() return ngx.log(ngx.WARN, "C") end
            m:meth()
            m.field()
            tail()
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/:3: meth\(\): A,/, qr/:4: field\(\): B,/, qr/\[lua\] .*C,/]
--- no_error_log
[error]



=== a file is named without its folders
--- config
    location = /t {
        content_by_lua_file html/greet.lua;
    }
--- user_files
>>> greet.lua
ngx.log(ngx.WARN, "from a file")
ngx.say("ok")
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/\[lua\] greet\.lua:1: from a file,/
--- no_error_log
[error]



=== every phase has its own chunk name
--- http_config
    init_by_lua_block { ngx.log(ngx.NOTICE, "P1") }
    init_worker_by_lua_block { ngx.log(ngx.NOTICE, "P2") }
--- config
    server_rewrite_by_lua_block { ngx.log(ngx.NOTICE, "P3") }
    location = /t {
        rewrite_by_lua_block { ngx.log(ngx.NOTICE, "P4") }
        access_by_lua_block { ngx.log(ngx.NOTICE, "P5") }
        content_by_lua_block { ngx.log(ngx.NOTICE, "P6") ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.NOTICE, "P7") }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/\[lua\] init_worker_by_lua\(nginx\.conf:\d+\):1: P2/,
 qr/\[lua\] server_rewrite_by_lua\(nginx\.conf:\d+\):1: P3/,
 qr/\[lua\] rewrite_by_lua\(nginx\.conf:\d+\):1: P4/,
 qr/\[lua\] access_by_lua\(nginx\.conf:\d+\):1: P5/,
 qr/\[lua\] content_by_lua\(nginx\.conf:\d+\):1: P6/,
 qr/\[lua\] log_by_lua\(nginx\.conf:\d+\):1: P7/]
--- no_error_log
[error]



=== the log phase says so after the message
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.WARN, "bye") }
    }
--- request
GET /t
--- response_body
ok
--- error_log
bye while logging request, client: 127.0.0.1
--- no_error_log
[error]



=== init_worker says so after the message
--- http_config
    init_worker_by_lua_block { ngx.log(ngx.WARN, "born") }
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- error_log
born, context: init_worker_by_lua*
--- no_error_log
[error]



=== code of loadstring and of another chunk name
--- config
    location = /t {
        content_by_lua_block {
            loadstring("ngx.log(ngx.WARN, 'anonymous')")()
            loadstring("\n\nngx.log(ngx.WARN, 'named')", "=my chunk")()
            loadstring("ngx.log(ngx.WARN, 'filed')", "@/a/b/c.lua")()
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
[lua] [string "ngx.log(ngx.WARN, 'anonymous')"]:1: anonymous
[lua] my chunk:3: named
[lua] c.lua:1: filed
--- no_error_log
[error]
