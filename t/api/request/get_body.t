# ngx.req.get_body_data and get_body_file.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== before it is read, and after
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file())
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data(), " ", ngx.req.get_body_file())
        }
    }
--- request
POST /t
hello
--- response_body
nil nil
hello nil
--- no_error_log
[error]



=== the first bytes of it
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            for _, max in ipairs { 2, 5, 9, 0, -1, 2.9, 1/0 } do
                ngx.print(ngx.req.get_body_data(max), " ")
            end
            ngx.say()
        }
    }
--- request
POST /t
hello
--- response_body eval
"he hello hello hello hello he hello \n"
--- no_error_log
[error]



=== several buffers
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say(ngx.req.get_body_data())
            ngx.say(ngx.req.get_body_data(3), " ", ngx.req.get_body_data(100))
        }
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n", "2\r\n, \r\n5\r\nworld\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body
hello, world
hel hello, world
--- no_error_log
[error]



=== a file
--- config
    location = /t {
        client_body_in_file_only clean;
        content_by_lua_block {
            ngx.req.read_body()
            local name = ngx.req.get_body_file()
            ngx.say(ngx.req.get_body_data(), " ", name:match("client_body_temp/%d+$") ~= nil)
            ngx.say(io.open(name):read("*a"))
        }
    }
--- request
POST /t
hello
--- response_body
nil true
hello
--- no_error_log
[error]
[warn]



=== in the log phase
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say("ok")
        }
        log_by_lua_block { ngx.log(ngx.WARN, "body: ", ngx.req.get_body_data()) }
    }
--- request
POST /t
hello
--- response_body
ok
--- error_log
body: hello
--- no_error_log
[error]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.req.get_body_data, 1, 2)))
            ngx.say(select(2, pcall(ngx.req.get_body_data, {})))
            ngx.say(select(2, pcall(ngx.req.get_body_file, 1)))
        }
    }
--- request
GET /t
--- response_body
expecting 0 or 1 arguments but seen 2
bad argument #1 to '?' (number expected, got table)
expecting 0 arguments but seen 1
--- no_error_log
[error]



=== there is no body without a client
--- http_config
    init_worker_by_lua_block {
        for _, name in ipairs { "get_body_data", "get_body_file", "discard_body", "read_body" } do
            ngx.log(ngx.WARN, name, ": ", select(2, pcall(ngx.req[name])))
        end
    }
--- config
    location = /t { return 200; }
--- request
GET /t
--- response_body
--- error_log
get_body_data: API disabled in the current context
get_body_file: API disabled in the current context
discard_body: API disabled in the current context
read_body: API disabled in the context of init_worker_by_lua*
--- no_error_log
[error]
