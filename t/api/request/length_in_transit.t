# Content-Length of a request changes while its body is on its way: nginx reads what the client sends all the same.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== while the body is thrown away, and before anybody has read it
--- http_config
    init_worker_by_lua_block {
        function change(value)
            if value then ngx.req.set_header("Content-Length", value) else ngx.req.clear_header("Content-Length") end
        end
        values = { clear = false, none = "0", few = "10", many = "1000000" }
    }
--- config
    lingering_timeout 200ms;
    location = /discard {
        content_by_lua_block {
            ngx.req.discard_body()
            change(values[ngx.var.arg_v])
            ngx.say("discarded ", ngx.var.http_content_length)
        }
    }
    location = /later {
        content_by_lua_block {
            ngx.req.discard_body()
            ngx.say("later")
            ngx.flush(true)
            ngx.sleep(0.02)
            change(values[ngx.var.arg_v])
        }
        log_by_lua_block { change(false) }
    }
    location = /unread {
        content_by_lua_block { change(values[ngx.var.arg_v]) ngx.say("unread") }
    }
    location = /smuggled { content_by_lua_block { ngx.say("smuggled") } }
    location = /next { content_by_lua_block { ngx.say("next") } }
    location = /t {
        content_by_lua_block {
            local body = ("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"):rep(400)
            for _, location in ipairs { "discard", "later", "unread" } do
                for _, name in ipairs { "clear", "none", "few", "many" } do
                    local sock = ngx.socket.tcp()
                    sock:settimeout(1000)
                    assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                    sock:send("POST /" .. location .. "?v=" .. name .. " HTTP/1.1\r\nHost: x\r\nContent-Length: "
                        .. #body .. "\r\n\r\n" .. body:sub(1, 5))
                    ngx.sleep(0.01)
                    sock:send(body:sub(6, 9000))
                    ngx.sleep(0.01)
                    sock:send(body:sub(9001) .. "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    local answer, _, partial = sock:receive("*a")
                    answer = answer or partial
                    local seen = {}
                    for word in answer:gmatch("\n(%a+)[^\r\n]*\n\r\n0\r\n") do seen[#seen + 1] = word end
                    for word in answer:gmatch("smuggled") do seen[#seen + 1] = word break end
                    ngx.say(location, " ", name, ": ", table.concat(seen, " "))
                end
            end
        }
    }
--- request
GET /t
--- response_body
discard clear: discarded next
discard none: discarded next
discard few: discarded next
discard many: discarded next
later clear: later next
later none: later next
later few: later next
later many: later next
unread clear: unread
unread none: unread
unread few: unread
unread many: unread
--- no_error_log
[alert]
stack smashing
--- timeout: 10
