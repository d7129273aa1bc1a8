# ngx.req.set_body_data, set_body_file, init_body, append_body and finish_body.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== another body in memory, again and again
--- config
    location = /t {
        content_by_lua_block {
            local function show()
                ngx.say(ngx.var.http_content_length, " ", ngx.req.get_body_data(), " ",
                        ngx.var.request_body)
            end
            ngx.req.read_body()
            ngx.req.set_body_data("hi")
            show()
            ngx.req.set_body_data("")
            show()
            ngx.req.set_body_data(12.5)
            show()
            ngx.req.set_body_data(("x"):rep(100000))
            ngx.say(#ngx.req.get_body_data())
            ngx.req.set_body_data("a\0b")
            ngx.say(#ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
2 hi hi
0 nil nil
4 12.5 12.5
100000
3
--- no_error_log
[error]
[alert]



=== another body goes to an upstream
--- config
    location = /data {
        rewrite_by_lua_block {
            ngx.req.read_body()
            ngx.req.set_body_data(ngx.req.get_body_data() .. ", world")
        }
        proxy_pass http://127.0.0.1:$server_port/echo;
    }
    location = /file {
        client_body_in_file_only clean;
        access_by_lua_block {
            ngx.req.read_body()
            ngx.req.set_body_file(ngx.config.prefix() .. "html/new.txt")
        }
        proxy_pass http://127.0.0.1:$server_port/echo;
    }
    location = /pieces {
        access_by_lua_block {
            ngx.req.read_body()
            ngx.req.init_body(4)
            for i = 1, 5 do ngx.req.append_body("piece " .. i .. ";") end
            ngx.req.finish_body()
        }
        proxy_pass http://127.0.0.1:$server_port/echo;
    }
    location = /nothing {
        access_by_lua_block {
            ngx.req.read_body()
            ngx.req.init_body()
            ngx.req.finish_body()
        }
        proxy_pass http://127.0.0.1:$server_port/echo;
    }
    location = /echo {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.say(ngx.var.http_content_length, " ", ngx.req.get_body_data())
        }
    }
--- user_files
>>> new.txt
from a file
--- request eval
["POST /data\nhello", "POST /file\nhello", "POST /pieces\nhello", "POST /nothing\nhello"]
--- response_body eval
["12 hello, world\n", "12 from a file\n\n", "40 piece 1;piece 2;piece 3;piece 4;piece 5;\n", "0 nil\n"]
--- no_error_log
[error]
[alert]



=== a file in the place of the body
--- config
    location = /t {
        content_by_lua_block {
            local root = ngx.config.prefix() .. "html/"
            local function write(name, text)
                local f = io.open(root .. name, "w")
                f:write(text)
                f:close()
            end
            local function there(name)
                local f = io.open(root .. name)
                if f then f:close() end
                return f ~= nil
            end
            write("a", "one")
            write("b", "three")
            write("c", "")
            ngx.req.read_body()
            ngx.req.set_body_file(root .. "a", true)
            ngx.say(ngx.req.get_body_file():match("[^/]+$"), " ", ngx.var.http_content_length)
            ngx.req.set_body_file(root .. "b")
            ngx.say(ngx.req.get_body_file():match("[^/]+$"), " ", ngx.var.http_content_length)
            ngx.say("the first one: ", there("a"))
            ngx.req.set_body_file(root .. "c", true)
            ngx.say(ngx.var.http_content_length, " ", ngx.req.get_body_data())
            ngx.say("the second one: ", there("b"), ", the third one: ", there("c"))
            ngx.req.set_body_data("x")
            ngx.say(ngx.req.get_body_file(), " ", ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
a 3
b 5
the first one: false
0 nil
the second one: true, the third one: false
nil x
--- no_error_log
[error]
[crit]
[alert]



=== a file that cannot be opened leaves the body as it was
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            for _, name in ipairs { "/no/such/file", ngx.config.prefix() } do
                local ok, err = pcall(ngx.req.set_body_file, name)
                ngx.say(ok, " ", err == 'open() "' .. name .. '" failed')
            end
            ngx.say(ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
false true
false true
hello
--- no_error_log
[error]



=== its own file may be set again
--- config
    location = /t {
        client_body_in_file_only clean;
        content_by_lua_block {
            ngx.req.read_body()
            ngx.req.set_body_file(ngx.req.get_body_file())
            ngx.say(ngx.var.http_content_length)
        }
    }
--- request
POST /t
hello
--- response_body
5
--- no_error_log
[error]
[alert]



=== piece by piece: in memory, and in a file when it is too long
--- config
    location = /t {
        content_by_lua_block {
            local function show()
                local name = ngx.req.get_body_file()
                local text = name and "file " .. io.open(name):read("*a") or ngx.req.get_body_data()
                ngx.say(ngx.var.http_content_length, " ", text)
            end
            ngx.req.read_body()
            ngx.req.init_body(5)
            ngx.req.append_body("hel")
            ngx.req.append_body("")
            ngx.req.append_body("lo")
            ngx.req.finish_body()
            show()
            ngx.req.append_body(", ")
            ngx.req.append_body("world and all")
            ngx.req.finish_body()
            show()
            ngx.say(select(2, pcall(ngx.req.append_body, "more")))
            ngx.req.init_body(0)
            ngx.req.append_body("hello")
            ngx.req.finish_body()
            show()
        }
    }
--- request
POST /t
old
--- response_body
5 hello
20 file hello, world and all
request_body not initialized
5 file hello
--- error_log
a client request body is buffered to a temporary file
--- no_error_log
[error]
[alert]



=== what has not been begun cannot be added to
--- config
    location = /t {
        content_by_lua_block {
            local function try(name, ...)
                ngx.say(name, ": ", select(2, pcall(ngx.req[name], ...)))
            end
            try("set_body_data", "x")
            try("set_body_file", "x")
            try("init_body")
            try("append_body", "x")
            try("finish_body")
            ngx.req.read_body()
            try("append_body", "x")
            try("finish_body")
            ngx.say(ngx.req.get_body_data())
        }
    }
--- request
POST /t
hello
--- response_body
set_body_data: request body not read yet
set_body_file: request body not read yet
init_body: request body not read yet
append_body: request_body not initialized
finish_body: request_body not initialized
append_body: request_body not initialized
finish_body: request_body not initialized
hello
--- no_error_log
[error]



=== a body that nobody wants cannot be replaced
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.discard_body()
            for _, name in ipairs { "set_body_data", "set_body_file" } do
                ngx.say(select(2, pcall(ngx.req[name], "x")))
            end
            ngx.say(select(2, pcall(ngx.req.init_body)))
        }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
request body already discarded asynchronously
request body already discarded asynchronously
request body already discarded asynchronously
--- no_error_log
[error]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            local function try(name, ...)
                ngx.say(name, ": ", select(2, pcall(ngx.req[name], ...)))
            end
            ngx.req.read_body()
            try("set_body_data")
            try("set_body_data", {})
            try("set_body_file")
            try("set_body_file", "x", 1)
            try("init_body", 1, 2)
            try("init_body", -1)
            try("init_body", "x")
            try("append_body")
            try("append_body", nil)
            try("finish_body", 1)
        }
    }
--- request
GET /t
--- response_body
set_body_data: expecting 1 arguments but seen 0
set_body_data: bad argument #1 to '?' (string expected, got table)
set_body_file: expecting 1 or 2 arguments but seen 0
set_body_file: bad argument #2 to '?' (boolean expected, got number)
init_body: expecting 0 or 1 argument but seen 2
init_body: bad size argument: -1
init_body: bad argument #1 to '?' (number expected, got string)
append_body: expecting 1 arguments but seen 0
append_body: bad argument #1 to '?' (string expected, got nil)
finish_body: expecting 0 argument but seen 1
--- no_error_log
[error]



=== a body that is still being read cannot be replaced
--- config
    location = /t {
        content_by_lua_block {
            local reader = ngx.thread.spawn(function() ngx.req.read_body() end)
            for _, name in ipairs { "set_body_data", "set_body_file" } do
                ngx.say(select(2, pcall(ngx.req[name], "x")))
            end
            ngx.say(select(2, pcall(ngx.req.init_body)))
            ngx.thread.wait(reader)
            ngx.req.set_body_data(ngx.req.get_body_data() .. "!")
            ngx.say(ngx.req.get_body_data())
        }
    }
--- request eval
[[{value => "POST /t\nhel"}, {value => "lo", delay_before => 0.1}]]
--- response_body
request body not read yet
request body not read yet
request body not read yet
hello!
--- no_error_log
[error]
[alert]



=== a body put together from what the client's socket gives, while it gives it
--- config
    location = /t {
        content_by_lua_block {
            local sock = assert(ngx.req.socket())
            ngx.req.init_body(4)
            for _ = 1, 5 do ngx.req.append_body(sock:receive(2):upper()) end
            ngx.req.append_body(sock:receive(4))
            ngx.say(sock:receive(1))
            ngx.req.finish_body()
            local file = io.open(ngx.req.get_body_file())
            ngx.say(ngx.var.http_content_length, " ", file:read("*a"))
            ngx.req.set_body_data("another")
            ngx.say(ngx.location.capture("/sub", { method = ngx.HTTP_PUT, always_forward_body = true }).body)
        }
    }
    location = /sub {
        content_by_lua_block {
            ngx.req.read_body()
            ngx.print(ngx.req.get_body_data())
        }
    }
--- request
POST /t
abcdefghij-end
--- response_body
nilclosed
14 ABCDEFGHIJ-end
another
--- no_error_log
[error]
[alert]



=== a size that no machine has leaves the body as it is
--- config
    location = /t {
        content_by_lua_block {
            ngx.req.read_body()
            for _, size in ipairs { 2 ^ 47 + 1, 2 ^ 53, 2 ^ 62 } do
                ngx.say(select(2, pcall(ngx.req.init_body, size)))
            end
            ngx.say(ngx.req.get_body_data())
            ngx.say(select(2, pcall(ngx.req.append_body, "x")))
        }
    }
--- request
POST /t
hello
--- response_body
no memory
no memory
no memory
hello
request_body not initialized
--- no_error_log
[emerg]
[error]
