# What Lua code does to requests that come to a TLS listener; nginx itself is the client.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== headers, arguments, scheme
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /t {
            content_by_lua_block {
                local headers = ngx.req.get_headers()
                ngx.header["X-Two"] = "two"
                ngx.say(ngx.var.scheme, " ", ngx.var.ssl_protocol:match("TLS"), " ", ngx.req.http_version())
                ngx.say(headers["X-One"], " ", ngx.req.get_uri_args().a)
                ngx.say((ngx.req.raw_header():match("^[^\r\n]+")))
            }
        }
    }
--- config
    location = /t {
        proxy_http_version 1.1;
        proxy_pass https://unix:$TEST_NGINX_HTML_DIR/tls.sock;
    }
--- request
GET /t?a=b
--- more_headers
X-One: 1
--- response_headers
X-Two: two
--- response_body
https TLS 1.1
1 b
GET /t?a=b HTTP/1.1
--- no_error_log
[error]
[alert]



=== bodies of requests, large ones, and chunked
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        client_body_buffer_size 4k;
        location = /t {
            content_by_lua_block {
                ngx.req.read_body()
                local data = ngx.req.get_body_data()
                local file = ngx.req.get_body_file()
                ngx.say(data and #data, " ", file and #io.open(file):read("*a"), " ",
                        ngx.var.http_transfer_encoding)
            }
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local function post(len)
                local sub = ngx.location.capture("/proxy", { method = ngx.HTTP_POST, body = ("x"):rep(len) })
                ngx.print(sub.body)
            end
            post(1) post(4000) post(300000)
        }
    }
    location = /proxy {
        proxy_http_version 1.1;
        proxy_pass https://unix:$TEST_NGINX_HTML_DIR/tls.sock:/t;
    }
--- request
GET /t
--- response_body
1 nil nil
4000 nil nil
nil 300000 nil
--- no_error_log
[error]
[alert]



=== large responses, flushed, filtered, to a slow reader
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /t {
            content_by_lua_block {
                for i = 1, 40 do
                    ngx.print(("x"):rep(20000))
                    assert(ngx.flush(true))
                end
            }
            header_filter_by_lua_block { ngx.header["X-Filter"] = "yes" }
            body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local sub = ngx.location.capture("/proxy")
            ngx.say(sub.status, " ", sub.header["X-Filter"], " ", #sub.body, " ", sub.body:sub(-3))
        }
    }
    location = /proxy {
        proxy_http_version 1.1;
        proxy_limit_rate 8m;
        proxy_pass https://unix:$TEST_NGINX_HTML_DIR/tls.sock:/t;
    }
--- request
GET /t
--- response_body
200 yes 800000 XXX
--- no_error_log
[error]
[alert]



=== captures, ngx.exec, ngx.redirect, waiting
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /exec {
            rewrite_by_lua_block { ngx.sleep(0.001) }
            content_by_lua_block { ngx.exec("/after", { a = 1 }) }
        }
        location = /after {
            content_by_lua_block {
                local a, b = ngx.location.capture_multi { { "/sub?1" }, { "/sub?2" } }
                ngx.say(a.body, b.body, " ", ngx.var.args)
            }
        }
        location = /sub { content_by_lua_block { ngx.sleep(0.001) ngx.print(ngx.var.args) } }
        location = /redirect { access_by_lua_block { ngx.redirect("/to?x") } }
        location = /fail { content_by_lua_block { error("on purpose") } }
    }
--- config
    location = /t {
        content_by_lua_block {
            for _, path in ipairs { "exec", "redirect", "fail" } do
                local sub = ngx.location.capture("/proxy/" .. path)
                ngx.say(sub.status, " ", sub.header.Location, " ", sub.body:match("^%d+ %S+"))
            end
        }
    }
    location /proxy/ {
        proxy_http_version 1.1;
        proxy_redirect off;
        proxy_pass https://unix:$TEST_NGINX_HTML_DIR/tls.sock:/;
    }
--- request
GET /t
--- response_body
200 nil 12 a=1
302 /to?x nil
500 nil nil
--- error_log
on purpose
--- no_error_log
[alert]



=== several requests on one connection
--- http_config
    upstream tls {
        server unix:$TEST_NGINX_HTML_DIR/tls.sock;
        keepalive 2;
    }
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /t {
            content_by_lua_block {
                ngx.sleep(0.001)
                ngx.print(ngx.var.connection_requests, " ")
            }
            log_by_lua_block { logged = (logged or 0) + 1 }
        }
        location = /logged { content_by_lua_block { ngx.say(logged) } }
    }
--- config
    location = /t {
        content_by_lua_block {
            for _ = 1, 3 do ngx.print(ngx.location.capture("/proxy/t").body) end
            ngx.print(ngx.location.capture("/proxy/logged").body)
        }
    }
    location /proxy/ {
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass https://tls/;
    }
--- request
GET /t
--- response_body
1 2 3 3
--- no_error_log
[error]
[alert]



=== a client that goes while its handler waits
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /t {
            lua_check_client_abort on;
            content_by_lua_block {
                ngx.on_abort(function() ngx.log(ngx.WARN, "the client is gone") ngx.exit(499) end)
                ngx.sleep(60)
            }
        }
    }
--- config
    location = /t {
        proxy_read_timeout 100ms;
        proxy_pass https://unix:$TEST_NGINX_HTML_DIR/tls.sock;
    }
--- request
GET /t
--- wait: 0.1
--- error_code: 504
--- response_body_like: 504 Gateway
--- error_log
upstream timed out
the client is gone
--- no_error_log
[alert]
