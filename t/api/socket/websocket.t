# lua-resty-websocket, as distributed.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== websocket: a client and a server of the same nginx
--- config
    location = /t {
        content_by_lua_block {
            local ws = assert(require("nginx.websocket.client"):new())
            assert(ws:connect("ws://127.0.0.1:$TEST_NGINX_SERVER_PORT/server"))
            assert(ws:send_text("hello"))
            ngx.say(ws:recv_frame())
            assert(ws:send_binary(("x"):rep(60000)))
            local data, kind = ws:recv_frame()
            ngx.say(#data, " ", kind)
            assert(ws:send_ping("are you there"))
            ngx.say(ws:recv_frame())
            assert(ws:send_close(1000, "enough"))
            ngx.say(ws:recv_frame())
            ngx.say(ws:close())
        }
    }
    location = /server {
        content_by_lua_block {
            local ws = assert(require("nginx.websocket.server"):new { max_payload_len = 100000 })
            while true do
                local data, kind = ws:recv_frame()
                if kind == "text" then
                    ws:send_text("you said " .. data)
                elseif kind == "binary" then
                    ws:send_binary(data)
                elseif kind == "ping" then
                    ws:send_pong(data)
                else
                    ws:send_close(1000, "bye")
                    return
                end
            end
        }
    }
--- request
GET /t
--- response_body
you said hellotextnil
60000 binary
are you therepongnil
byeclose1000
1
--- no_error_log
[error]
[alert]



=== websocket over TLS
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / {
            content_by_lua_block {
                local ws = assert(require("nginx.websocket.server"):new())
                local data = ws:recv_frame()
                ws:send_text(data:upper())
                ws:recv_frame()
            }
        }
    }
--- config
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /t {
        content_by_lua_block {
            local ws = assert(require("nginx.websocket.client"):new())
            ngx.say(ws:connect("wss://one.test:$TEST_NGINX_RAND_PORT_1/", { ssl_verify = true }))
            assert(ws:connect("wss://one.test:$TEST_NGINX_RAND_PORT_1/"))
            assert(ws:send_text("quiet"))
            ngx.say(ws:recv_frame())
            ws:send_close()
        }
    }
--- request
GET /t
--- response_body
nilssl handshake failed: certificate host mismatch
QUIETtextnil
--- error_log
lua ssl certificate does not match host "one.test"
--- no_error_log
[alert]
