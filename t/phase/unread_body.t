# A request whose body nobody reads: it is no other request, however the response ends.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== every end of a response, with a body that looks like a request
--- http_config
    lua_shared_dict counts 1m;
--- config
    location = /smuggled { content_by_lua_block { ngx.shared.counts:incr("smuggled", 1, 0) ngx.say("smuggled") } }
    location = /last { content_by_lua_block { ngx.shared.counts:incr("last", 1, 0) ngx.say("last") } }

    location = /say { content_by_lua_block { ngx.say("x") } }
    location = /long { content_by_lua_block { ngx.print(("x"):rep(200000)) } }
    location = /nothing { content_by_lua_block { } }
    location = /wait { content_by_lua_block { ngx.sleep(0.001) ngx.say("x") } }
    location = /said { content_by_lua_block { ngx.say("x") ngx.sleep(0.001) } }
    location = /flush { content_by_lua_block { ngx.say("x") ngx.flush(true) } }
    location = /eof { content_by_lua_block { ngx.say("x") ngx.eof() ngx.sleep(0.001) } }
    location = /only_eof { content_by_lua_block { ngx.eof() } }
    location = /headers { content_by_lua_block { ngx.send_headers() } }
    location = /length { content_by_lua_block { ngx.header.content_length = 1 ngx.print("x") } }
    location = /204 { content_by_lua_block { ngx.status = 204 ngx.say("x") } }
    location = /204_exit { content_by_lua_block { ngx.exit(204) } }
    location = /204_sent { content_by_lua_block { ngx.status = 204 ngx.send_headers() ngx.exit(204) } }
    location = /304 { content_by_lua_block { ngx.status = 304 ngx.say("x") } }
    location = /304_exit { content_by_lua_block { ngx.exit(304) } }
    location = /201 { content_by_lua_block { ngx.status = 201 ngx.exit(201) } }
    location = /exit_ok { content_by_lua_block { ngx.exit(ngx.OK) } }
    location = /exit_200 { content_by_lua_block { ngx.say("x") ngx.exit(200) } }
    location = /exit_sent { content_by_lua_block { ngx.say("x") ngx.flush() ngx.exit(403) } }
    location = /403 { content_by_lua_block { ngx.exit(403) } }
    location = /redirect { content_by_lua_block { ngx.redirect("/x") } }
    location = /exec { content_by_lua_block { ngx.exec("/say") } }
    location = /thread { content_by_lua_block { ngx.thread.spawn(function() ngx.sleep(0.001) ngx.exit(200) end) ngx.sleep(1) } }
    location = /capture { content_by_lua_block { ngx.print(ngx.location.capture("/say").body) } }
    location = /include { ssi on; default_type text/html; return 200 '<!--# include virtual="/say" -->'; }
    location = /server_error { content_by_lua_block { error("as it should") } }
    location = /filter_204 { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { ngx.status = 204 } }
    location = /body_filter { content_by_lua_block { ngx.say("x") } body_filter_by_lua_block { ngx.arg[2] = true } }
    location = /page { error_page 403 = /say; content_by_lua_block { ngx.exit(403) } }
    location = /rewrite { rewrite_by_lua_block { ngx.say("x") } return 200; }
    location = /rewrite_exit { rewrite_by_lua_block { ngx.say("x") ngx.exit(200) } return 200; }
    location = /rewrite_204 { rewrite_by_lua_block { ngx.exit(204) } return 200; }
    location = /access { access_by_lua_block { ngx.sleep(0.001) ngx.say("x") ngx.exit(200) } }
    location = /access_headers { access_by_lua_block { ngx.send_headers() ngx.exit(200) } }
    location = /access_quiet { access_by_lua_block { ngx.exit(200) } }
    location = /access_eof { access_by_lua_block { ngx.eof() } }
    location = /precontent { precontent_by_lua_block { ngx.say("x") ngx.exit(200) } }
    location = /read { content_by_lua_block { ngx.req.read_body() ngx.say("x") } }
    location = /discard { content_by_lua_block { ngx.req.discard_body() ngx.say("x") } }

    # These close the connection.
    location = /444 { content_by_lua_block { ngx.exit(444) } }
    location = /late_error { content_by_lua_block { ngx.say("x") ngx.flush() error("as it should") } }
    location = /filter_error { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { error("as it should") } }
    location = /filter_exit { content_by_lua_block { ngx.say("x") } header_filter_by_lua_block { ngx.exit(403) } }
    location = /socket { content_by_lua_block { local s = ngx.req.socket() if s then s:receive(3) end ngx.say("x") } }
    location = /reading {
        content_by_lua_block { ngx.thread.spawn(function() ngx.req.read_body() end) ngx.say("x") ngx.exit(200) }
    }

    location = /t {
        content_by_lua_block {
            local counts = ngx.shared.counts
            local SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            local LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            local bodies = {
                length = { "Content-Length: " .. #SMUGGLED, SMUGGLED },
                chunked = { "Transfer-Encoding: chunked", ("%x\r\n%s\r\n0\r\n\r\n"):format(#SMUGGLED, SMUGGLED) },
                late = { "Content-Length: " .. #SMUGGLED, SMUGGLED, "in parts" },
                expected = { "Expect: 100-continue\r\nContent-Length: " .. #SMUGGLED, SMUGGLED },
            }

            local function try(uri, method, version, body, keeps)
                if version == "1.0" and body == "chunked" then return true end
                counts:set("smuggled", 0) counts:set("last", 0)
                local sock = ngx.socket.tcp()
                sock:settimeouts(1000, 1000, keeps and 1000 or 20)
                assert(sock:connect("127.0.0.1", ngx.var.server_port))
                local head, text, in_parts = unpack(bodies[body])
                head = ("%s %s HTTP/%s\r\nHost: a\r\nConnection: keep-alive\r\n%s\r\n\r\n"):format(method, uri, version, head)
                if in_parts then
                    sock:send(head) ngx.sleep(0.003) sock:send(text .. LAST)
                else
                    sock:send(head .. text .. LAST)
                end
                local answer, _, part = sock:receive("*a")
                sock:close()
                answer = answer or part
                local responses = select(2, ("\n" .. answer):gsub("\r?\n?HTTP/1%.1 [2-5]", ""))
                if counts:get("smuggled") ~= 0 then return false, "smuggled" end
                if responses > 2 then return false, responses .. " responses" end
                if counts:get("last") ~= 1 and keeps then return false, "the next request is lost: " .. answer:sub(1, 400) end
                if answer:find("100 Continue", 1, true) and not answer:find("^HTTP/1.1 100 Continue") then
                    return false, "continue behind the headers"
                end
                return true
            end

            local keeping = { "say", "long", "nothing", "wait", "said", "flush", "eof", "only_eof", "headers", "length", "204",
                "204_exit", "204_sent", "304", "304_exit", "201", "exit_ok", "exit_200", "exit_sent", "403", "redirect",
                "exec", "thread", "capture", "include", "server_error", "filter_204", "body_filter", "page", "rewrite",
                "rewrite_exit", "rewrite_204", "access", "access_headers", "access_quiet", "access_eof", "precontent",
                "read", "discard" }
            local closing = { "444", "late_error", "filter_error", "filter_exit", "socket", "reading" }
            local tried = 0
            for keeps, names in pairs { [true] = keeping, [false] = closing } do
                for _, name in ipairs(names) do
                    for _, method in ipairs { "GET", "HEAD" } do
                        for _, version in ipairs { "1.1", "1.0" } do
                            for body in pairs(bodies) do
                                -- An old client that is told no length sees the end of the connection.
                                local kept = keeps and version == "1.1" and name ~= "server_error"
                                local ok, why = try("/" .. name, method, version, body, kept)
                                tried = tried + 1
                                if not ok then ngx.say(name, " ", method, " ", version, " ", body, ": ", why) end
                            end
                        end
                    end
                end
            end
            ngx.say(tried > 600)
        }
    }
--- request
GET /t
--- timeout: 60
--- response_body
true
--- no_error_log
[alert]
[crit]



=== a response whose headers a filter refuses is none, and the connection ends
--- config
    location = /say { content_by_lua_block { ngx.say(ngx.say("x")) } header_filter_by_lua_block { error("as it should") } }
    location = /sent {
        content_by_lua_block { ngx.send_headers() ngx.say("x") ngx.flush() }
        header_filter_by_lua_block { error("as it should") }
    }
    location = /rewrite {
        rewrite_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block { error("as it should") }
        return 200;
    }
    location = /t {
        content_by_lua_block {
            for _, uri in ipairs { "/say", "/sent", "/rewrite" } do
                for _, head in ipairs { "GET %s HTTP/1.1", "HEAD %s HTTP/1.1", "GET %s HTTP/1.0" } do
                    local sock = ngx.socket.tcp()
                    sock:settimeout(300)
                    assert(sock:connect("127.0.0.1", ngx.var.server_port))
                    sock:send(head:format(uri) .. "\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
                    local answer, why, part = sock:receive("*a")
                    if answer ~= "" then ngx.say(uri, " ", head, ": ", why, ": ", part or answer) end
                end
            end
            ngx.say("tried")
        }
    }
--- request
GET /t
--- response_body
tried
--- error_log
as it should
--- no_error_log
[alert]
