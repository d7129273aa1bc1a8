# HTTP/2 over TLS, as browsers speak it: curl is the client.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== headers, arguments, filters, captures
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/h2.sock ssl http2;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /t {
            access_by_lua_block { ngx.sleep(0.001) ngx.req.set_header("X-Two", "two") }
            content_by_lua_block {
                local headers = ngx.req.get_headers()
                ngx.say(ngx.req.http_version(), " ", ngx.var.scheme, " ", ngx.var.ssl_protocol:match("TLS"))
                ngx.say(headers["X-One"], " ", headers["X-Two"], " ", ngx.req.get_uri_args().a)
                local a, b = ngx.location.capture_multi { { "/sub?1" }, { "/sub?2" } }
                ngx.say(a.body, b.body)
            }
            header_filter_by_lua_block { ngx.header["X-Filter"] = "yes" }
            body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
        }
        location = /sub { content_by_lua_block { ngx.sleep(0.001) ngx.print("sub ", ngx.var.args, " ") } }
    }
--- config
    location = /t {
        content_by_lua_block {
            local curl = require "ngx.pipe".spawn {
                "curl", "-isk", "--http2", "--unix-socket", "$TEST_NGINX_HTML_DIR/h2.sock",
                "-H", "X-One: 1", "https://localhost/t?a=b%20c",
            }
            local answer = curl:stdout_read_all()
            ngx.say(answer:match("^HTTP/2 200"), " ", answer:match("x%-filter: (%w+)"))
            ngx.print(answer:match("\r\n\r\n(.*)"))
        }
    }
--- request
GET /t
--- response_body
HTTP/2 200 yes
2 HTTPS TLS
1 TWO B C
SUB 1 SUB 2 
--- no_error_log
[error]
[alert]



=== a body in a file, and a large answer that is flushed
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/h2.sock ssl http2;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        client_body_buffer_size 4k;
        location = /t {
            content_by_lua_block {
                ngx.req.read_body()
                local file = io.open(ngx.req.get_body_file())
                ngx.say(ngx.req.get_method(), " ", #file:read("*a"))
                for i = 1, 40 do
                    ngx.print(("x"):rep(20000))
                    assert(ngx.flush(true))
                end
            }
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local name = "$TEST_NGINX_HTML_DIR/body"
            local file = io.open(name, "w")
            file:write(("x"):rep(100000))
            file:close()
            local curl = require "ngx.pipe".spawn({
                "curl", "-sk", "--http2", "--unix-socket", "$TEST_NGINX_HTML_DIR/h2.sock",
                "--data-binary", "@" .. name, "-w", "\n%{http_version} %{http_code}", "https://localhost/t",
            }, { buffer_size = 1048576 })
            local answer = curl:stdout_read_all()
            ngx.say(answer:match("^[^\n]+"), " ", #answer:match("x+"), " ", answer:sub(-5))
        }
    }
--- request
GET /t
--- response_body
POST 100000 800000 2 200
--- no_error_log
[error]
[alert]



=== leaving: exec, redirect, an error, a client that goes
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/h2.sock ssl http2;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location = /exec { content_by_lua_block { ngx.sleep(0.001) ngx.exec("/after", { a = 1 }) } }
        location = /after { content_by_lua_block { ngx.print("after ", ngx.var.args) } }
        location = /redirect { access_by_lua_block { ngx.redirect("/to?x") } }
        location = /fail { content_by_lua_block { error("on purpose") } }
        location = /wait {
            lua_check_client_abort on;
            content_by_lua_block {
                ngx.on_abort(function () ngx.log(ngx.WARN, "the client is gone") ngx.exit(499) end)
                ngx.sleep(60)
            }
        }
    }
--- config
    location = /t {
        content_by_lua_block {
            local function curl(path, seconds)
                local proc = require "ngx.pipe".spawn {
                    "curl", "-sk", "--http2", "--max-time", seconds or "9", "--unix-socket", "$TEST_NGINX_HTML_DIR/h2.sock",
                    "-o", "$TEST_NGINX_HTML_DIR/answer", "-w", "%{http_version} %{http_code} %{redirect_url}",
                    "https://localhost" .. path,
                }
                return (proc:stdout_read_all())
            end
            ngx.say(curl("/exec"), io.open("$TEST_NGINX_HTML_DIR/answer"):read("*a"))
            ngx.say(curl("/redirect"))
            ngx.say(curl("/fail"))
            curl("/wait", "0.5")
        }
    }
--- request
GET /t
--- response_body
2 200 after a=1
2 302 https://localhost/to?x
2 500 
--- wait: 0.2
--- error_log
on purpose
the client is gone
--- no_error_log
[alert]
