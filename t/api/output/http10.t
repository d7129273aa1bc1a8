# Responses to HTTP/1.0 clients: whole bodies, and none where nginx's filters say that there is none.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== no body behind 204 and 304 on a connection that is kept
--- config
    location = /204 { content_by_lua_block { ngx.status = 204 ngx.say("body") } }
    location = /204_filter { content_by_lua_block { ngx.say("body") } header_filter_by_lua_block { ngx.status = 204 } }
    location = /204_exit { content_by_lua_block { ngx.status = 204 ngx.say("body") ngx.exit(204) } }
    location = /204_eof { content_by_lua_block { ngx.status = 204 ngx.print(("body"):rep(50000)) ngx.eof() ngx.sleep(0.001) } }
    location = /304 { content_by_lua_block { ngx.status = 304 ngx.say("body") } }
    location = /since { content_by_lua_block { ngx.header.last_modified = ngx.http_time(0) ngx.say("body") } }
    location = /match { content_by_lua_block { ngx.header.etag = '"tag"' ngx.say("body") } }
    location = /access { access_by_lua_block { ngx.status = 204 ngx.say("body") ngx.exit(200) } }
    location = /rewrite { rewrite_by_lua_block { ngx.status = 204 ngx.say("body") ngx.exit(204) } }
    location = /filtered {
        content_by_lua_block { ngx.header.last_modified = ngx.http_time(0) ngx.say("body") }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
    }
    location = /last { return 200 "last"; }
    location = /t {
        content_by_lua_block {
            for _, version in ipairs { "1.0", "1.1" } do
                for _, uri in ipairs { "/204", "/204_filter", "/204_exit", "/204_eof", "/304", "/since", "/match", "/access", "/rewrite", "/filtered" } do
                    local sock = ngx.socket.tcp()
                    sock:settimeout(500)
                    assert(sock:connect("127.0.0.1", ngx.var.server_port))
                    sock:send("GET " .. uri .. " HTTP/" .. version .. "\r\nHost: a\r\nConnection: keep-alive\r\n"
                        .. (uri == "/match" and 'If-None-Match: "tag"' or "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT") .. "\r\n\r\n"
                        .. "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    local answer = sock:receive("*a")
                    sock:close()
                    local status, rest = answer:match("^HTTP/1.1 (%d+)[^\n]*\n.-\r\n\r\n(.*)$")
                    if not (status == "204" or status == "304") or not rest:find("^HTTP/1.1 200 OK\r\n.*last$") then
                        ngx.say(version, " ", uri, ": ", answer)
                    end
                end
            end
            ngx.say("tried")
        }
    }
--- request
GET /t
--- response_body
tried
--- no_error_log
[error]
[alert]



=== what was written before the content phase is the response
--- config
    location = /rewrite { rewrite_by_lua_block { ngx.status = 403 ngx.say("Hello") } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /access { access_by_lua_block { ngx.status = 403 ngx.say("Hello") } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /precontent { precontent_by_lua_block { ngx.status = 403 ngx.say("Hello") } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /rewrite_waits { rewrite_by_lua_block { ngx.sleep(0.001) ngx.status = 403 ngx.say("Hello") } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /access_waits { access_by_lua_block { ngx.status = 403 ngx.say("Hello") ngx.flush() ngx.sleep(0.001) } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /exit { access_by_lua_block { ngx.status = 403 ngx.say("Hello") ngx.exit(ngx.OK) } proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/u; }
    location = /u { content_by_lua_block { ngx.say("From upstream") } }
--- request eval
["GET /rewrite HTTP/1.0", "GET /access HTTP/1.0", "GET /precontent HTTP/1.0", "GET /rewrite_waits HTTP/1.0", "GET /access_waits HTTP/1.0", "GET /exit HTTP/1.0"]
--- error_code eval
[403, 403, 403, 403, 403, 403]
--- response_body eval
["Hello\n", "Hello\n", "Hello\n", "Hello\n", "Hello\n", "Hello\n"]
--- no_error_log
[error]
[alert]
