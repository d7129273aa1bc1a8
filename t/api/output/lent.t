# Long strings are sent from where Lua has them.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a string that nobody else keeps is there until the client has it
--- config
    location = /long {
        limit_rate 8m;
        content_by_lua_block {
            for i = 1, 40 do
                ngx.print(string.char(96 + i % 26):rep(20000 + i))
                ngx.flush()
                collectgarbage()
                -- What was collected would be written over.
                for j = 1, 20 do local _ = ("#"):rep(20000 + j) end
                if i % 10 == 0 then ngx.sleep(0.001) end
            end
        }
    }
    location = /t {
        content_by_lua_block {
            local socket = ngx.socket.tcp()
            assert(socket:connect("127.0.0.1", ngx.var.server_port))
            socket:send("GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            local body, wanted = socket:receive("*a"):match("\r\n\r\n(.*)"), {}
            body = body:gsub("%x+\r\n([^\r]+)\r\n", "%1"):gsub("0\r\n\r\n$", "")
            for i = 1, 40 do wanted[i] = string.char(96 + i % 26):rep(20000 + i) end
            ngx.say(body == table.concat(wanted))
        }
    }
--- request
GET /t
--- response_body
true
--- timeout: 10
--- no_error_log
[error]
[alert]



=== between short ones, twice the same, with say
--- config
    location = /t {
        content_by_lua_block {
            local long = ("x"):rep(5000)
            ngx.print("a", long, "b")
            ngx.say(long, long)
            ngx.print({ "c", long }, long)
        }
    }
--- request
GET /t
--- response_body eval
"a" . ("x" x 5000) . "b" . ("x" x 10000) . "\nc" . ("x" x 10000)
--- no_error_log
[error]



=== through a Lua body filter, with HTTP/1.0 and its Content-Length, and HEAD
--- config
    location = /filtered {
        content_by_lua_block { ngx.print(("x"):rep(5000)) ngx.print(("y"):rep(70000)) }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
    }
    location = /kept {
        content_by_lua_block { ngx.print(("x"):rep(5000)) ngx.print(("y"):rep(70000)) }
        body_filter_by_lua_block { local a = #ngx.arg[1] }
    }
    location = /t {
        content_by_lua_block {
            for _, path in ipairs { "/filtered", "/kept" } do
                local sub = ngx.location.capture(path)
                ngx.say(#sub.body, " ", sub.body:sub(1, 1), sub.body:sub(-1))
            end
            local function raw(request)
                local socket = ngx.socket.tcp()
                assert(socket:connect("127.0.0.1", ngx.var.server_port))
                socket:send(request .. "\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                local answer = socket:receive("*a")
                ngx.say(#answer:match("\r\n\r\n(.*)"), " ", answer:match("Content%-Length: (%d+)"))
            end
            raw("GET /kept HTTP/1.0")
            raw("HEAD /kept HTTP/1.1")
        }
    }
--- request
GET /t
--- response_body
75000 XY
75000 xy
75000 75000
0 nil
--- no_error_log
[error]
[alert]



=== nothing is kept longer than that, in a response that goes on and on, or whose client leaves
--- config
    location = /long {
        content_by_lua_block {
            for i = 1, 2000 do
                ngx.print(("x"):rep(100000 + i))
                if not ngx.flush(true) then return end
            end
        }
    }
    location = /memory {
        content_by_lua_block {
            collectgarbage()
            collectgarbage()
            ngx.say(collectgarbage("count"))
        }
    }
    location = /t {
        content_by_lua_block {
            local function read(path, most)
                local socket = ngx.socket.tcp()
                assert(socket:connect("127.0.0.1", ngx.var.server_port))
                socket:send("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                local all, peak = 0, 0
                repeat
                    local data, _, rest = socket:receive(1000000)
                    all, peak = all + #(data or rest), math.max(peak, collectgarbage("count"))
                until not data or all > most
                socket:close()
                return all, peak
            end
            jit.off()
            read("/long", 1e6)
            collectgarbage()
            collectgarbage()
            local before = collectgarbage("count")
            local all, peak = read("/long", 1e9)
            ngx.say(all > 2e8, " ", peak - before < 20000)
            for i = 1, 10 do read("/long", 1e6) end
            ngx.sleep(0.1)
            collectgarbage()
            collectgarbage()
            local left = collectgarbage("count") - before
            ngx.say(left < 500 and "nothing is left" or left)
        }
    }
--- request
GET /t
--- response_body
true true
nothing is left
--- timeout: 20
--- no_error_log
[alert]
