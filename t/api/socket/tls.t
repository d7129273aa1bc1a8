# tcpsock:sslhandshake and lua_ssl_*.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a request over TLS
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "$ssl_server_name $ssl_protocol\n"; }
    }
--- config
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            local session, err = sock:sslhandshake(nil, "tls.test", true)
            ngx.say(type(session), " ", err)
            ngx.say(sock:send("GET / HTTP/1.0\r\n\r\n"))
            local reader = sock:receiveuntil("\r\n\r\n")
            reader()
            ngx.say(sock:receive("*a"))
            ngx.say(sock:close())
        }
    }
--- request
GET /t
--- response_body
cdata nil
18
tls.test TLSv1.2

1
--- error_log
lua ssl server name: "tls.test"
lua ssl save session: 
--- no_error_log
[error]
[alert]



=== a session makes the next handshake shorter
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "$ssl_session_reused"; }
    }
--- config
    location = /t {
        content_by_lua_block {
            local session
            for i = 1, 2 do
                local sock = ngx.socket.tcp()
                sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
                session = assert(sock:sslhandshake(session))
                sock:send("GET / HTTP/1.0\r\n\r\n")
                local reader = sock:receiveuntil("\r\n\r\n")
                reader()
                ngx.say(sock:receive("*a"))
            end
            session = nil
            collectgarbage()
        }
    }
--- request
GET /t
--- response_body
.
r
--- error_log
lua ssl set session: 
lua ssl free session: 
--- no_error_log
[error]
[alert]



=== without a session
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            ngx.say(sock:sslhandshake(false))
            ngx.say(sock:sslhandshake(false))
            ngx.say(type(sock:sslhandshake()))
            local _, err = pcall(sock.sslhandshake, sock, 1, 2, 3, 4, 5)
            ngx.say(err:match("ngx.socket .*"))
        }
    }
--- request
GET /t
--- response_body
true
true
cdata
ngx.socket sslhandshake: expecting 1 ~ 5 arguments (including the object), but seen 6
--- no_error_log
[error]
[alert]



=== a certificate that nobody vouches for
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            ngx.say(sock:sslhandshake(nil, "tls.test", true))
            ngx.say(sock:send("x"))
        }
    }
--- request
GET /t
--- response_body
nil20: unable to get local issuer certificate
nilclosed
--- error_log
lua ssl certificate verify error: (20: unable to get local issuer certificate)
--- no_error_log
[alert]



=== a certificate for another host
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            ngx.say(sock:sslhandshake(nil, "other.test", true))
        }
    }
--- request
GET /t
--- response_body
nilcertificate host mismatch
--- error_log
lua ssl certificate does not match host "other.test"
--- no_error_log
[alert]



=== a certificate that has been revoked, and one that has not
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/revoked.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/revoked.key;
    }
    server {
        listen unix:$TEST_NGINX_HTML_DIR/good.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    location = /t {
        lua_ssl_crl $TEST_NGINX_CERT_DIR/ca.crl;
        lua_socket_log_errors off;
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            ngx.say(sock:sslhandshake(nil, "tls.test", true))
            sock:connect("unix:$TEST_NGINX_HTML_DIR/good.sock")
            ngx.say(type(sock:sslhandshake(nil, "tls.test", true)))
        }
    }
--- request
GET /t
--- response_body
nil23: certificate revoked
cdata
--- no_error_log
[error]
[alert]



=== the peer does not speak TLS, or nothing
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT)
            ngx.say(sock:sslhandshake())
            ngx.say(sock:send("x"))
            sock:settimeout(30)
            sock:connect("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            ngx.say(sock:sslhandshake())
        }
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply: nothing
--- tcp_reply_delay: 200ms
--- request
GET /t
--- response_body
nilhandshake failed
nilclosed
niltimeout
--- error_log
SSL_do_handshake() failed



=== a client's certificate
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        ssl_client_certificate $TEST_NGINX_CERT_DIR/ca.crt;
        ssl_verify_client optional;
        location / { return 200 "$ssl_client_verify $ssl_client_s_dn"; }
    }
--- config
    location = /given {
        content_by_lua_block {
            local ssl = require "ngx.ssl"
            local function read(name)
                local file = assert(io.open("$TEST_NGINX_CERT_DIR/" .. name))
                local text = file:read("*a")
                file:close()
                return text
            end
            local cert = ssl.parse_pem_cert(read("client.crt"))
            local key = ssl.parse_pem_priv_key(read("client.key"))
            local sock = ngx.socket.tcp()
            ngx.say(sock:setclientcert(cert))
            ngx.say(sock:setclientcert(cert, key))
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            ngx.say(sock:sslhandshake(false))
            sock:send("GET / HTTP/1.0\r\n\r\n")
            sock:receiveuntil("\r\n\r\n")()
            ngx.say(sock:receive("*a"))
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            sock:setclientcert(cert, ssl.parse_pem_priv_key(read("server.key")))
            ngx.say(sock:sslhandshake(false))
            sock:setclientcert()
            ngx.say(sock:sslhandshake(false))
        }
    }
    location = /configured {
        lua_ssl_certificate $TEST_NGINX_CERT_DIR/client.crt;
        lua_ssl_certificate_key $TEST_NGINX_CERT_DIR/client.key;
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            sock:sslhandshake(false)
            sock:send("GET / HTTP/1.0\r\n\r\n")
            sock:receiveuntil("\r\n\r\n")()
            ngx.say(sock:receive("*a"))
        }
    }
--- pipelined_requests eval
["GET /given", "GET /configured"]
--- response_body eval
["nilclient certificate must be supplied with corresponding private key\ntrue\ntrue\nSUCCESS CN=client.test\nnilssl set client private key failed\ntrue\n", "SUCCESS CN=client.test\n"]
--- no_error_log
[error]
[alert]



=== out of a pool it speaks TLS already
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "$connection_requests"; }
    }
--- config
    location = /t {
        content_by_lua_block {
            local session
            for i = 1, 3 do
                local sock = ngx.socket.tcp()
                sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
                session = assert(sock:sslhandshake(session, "tls.test"))
                sock:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                sock:receiveuntil("\r\n\r\n")()
                ngx.say(sock:receive(1), " ", sock:getreusedtimes(), " ", sock:setkeepalive())
            end
        }
    }
--- request
GET /t
--- response_body
1 0 1
2 1 1
3 2 1
--- error_log
lua tcp socket get keepalive peer: using connection
--- no_error_log
[error]
[alert]



=== protocols, ciphers, commands, keys
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / { return 200 "$ssl_protocol $ssl_cipher $ssl_curves"; }
    }
--- config
    lua_ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            for i = 1, 1 do
                sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
                sock:sslhandshake(false)
                sock:send("GET / HTTP/1.0\r\n\r\n")
                sock:receiveuntil("\r\n\r\n")()
                ngx.say(sock:receive("*a"))
            end
        }
    }
    location = /13 {
        lua_ssl_protocols TLSv1.3;
        lua_ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;
        lua_ssl_conf_command Groups P-256;
        lua_ssl_key_log $TEST_NGINX_SERVER_ROOT/keys.log;
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            sock:sslhandshake(false)
            sock:send("GET / HTTP/1.0\r\n\r\n")
            sock:receiveuntil("\r\n\r\n")()
            ngx.say(sock:receive("*a"))
            local file = io.open("$TEST_NGINX_SERVER_ROOT/keys.log")
            ngx.say(file:read("*l"):match("^[A-Z_]+"))
            file:close()
        }
    }
--- pipelined_requests eval
["GET /t", "GET /13"]
--- response_body_like eval
["^TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 ", "^TLSv1.3 TLS_CHACHA20_POLY1305_SHA256 prime256v1\n[A-Z]+_"]
--- no_error_log
[error]
[alert]



=== lua_ssl_key_log with a relative path: beside the configuration
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    lua_ssl_key_log relative.log;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            assert(sock:sslhandshake(false))
            ngx.say(io.open("$TEST_NGINX_SERVER_ROOT/relative.log"))
            ngx.say(io.type(io.open("$TEST_NGINX_SERVER_ROOT/conf/relative.log")))
        }
    }
--- request
GET /t
--- response_body_like
^nil.*
file
--- no_error_log
[error]
[alert]



=== a coroutine is killed in a handshake
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            sock:connect("127.0.0.1", $TEST_NGINX_RAND_PORT_1)
            local shaking = ngx.thread.spawn(function () return sock:sslhandshake() end)
            ngx.say(sock:sslhandshake())
            ngx.say(sock:send("x"))
            ngx.say(sock:close())
            ngx.say(ngx.thread.kill(shaking))
            ngx.say(sock:sslhandshake())
        }
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply: nothing
--- tcp_reply_delay: 200ms
--- request
GET /t
--- response_body
nilsocket busy connecting
nilsocket busy connecting
nilsocket busy connecting
1
nilclosed
--- no_error_log
[error]
[alert]



=== a file that is not there
--- config
    lua_ssl_trusted_certificate /no/such/file;
    location = /t { return 200; }
--- must_die
--- error_log
/no/such/file
--- no_error_log
[alert]



=== in a timer of init_worker_by_lua
--- http_config
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "to a worker"; }
    }
    init_worker_by_lua_block {
        ngx.timer.at(0, function ()
            local sock = ngx.socket.tcp()
            sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock")
            local ok, err = sock:sslhandshake(nil, "tls.test", true)
            sock:send("GET / HTTP/1.0\r\n\r\n")
            sock:receiveuntil("\r\n\r\n")()
            package.loaded.answer = sock:receive("*a") or err
        end)
    }
--- config
    # A level with settings of its own: the outer one has its context all the same.
    lua_ssl_verify_depth 2;
    location = /t {
        content_by_lua_block {
            for i = 1, 100 do
                if package.loaded.answer then break end
                ngx.sleep(0.01)
            end
            ngx.say(package.loaded.answer)
        }
    }
--- request
GET /t
--- response_body
to a worker
--- no_error_log
[error]
[alert]
