# tcpsock: settrustedstore, getsslpointer, getsslctx, getsslsession.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a store vouches for the peer
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    lua_socket_log_errors off;
    location = /t {
        content_by_lua_block {
            local sock = connected()
            ngx.say(sock:settrustedstore(store_of("ca.crt")))
            collectgarbage()
            ngx.say(type(sock:sslhandshake(nil, "tls.test", true)))
            ngx.say(sock:settrustedstore(nil))
            sock:close()

            sock = connected()
            ngx.say(sock:settrustedstore(store_of("client.crt")))
            ngx.say(sock:sslhandshake(nil, "tls.test", true))
        }
    }
--- request
GET /t
--- response_body
true
cdata
nilssl handshake already done; trusted store cannot be changed on an established TLS connection
true
nil20: unable to get local issuer certificate
--- no_error_log
[error]
[alert]



=== it comes before lua_ssl_trusted_certificate, for one handshake, and can be taken back
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    lua_socket_log_errors off;
    lua_ssl_trusted_certificate $TEST_NGINX_CERT_DIR/ca.crt;
    location = /t {
        content_by_lua_block {
            local sock = connected()
            assert(sock:settrustedstore(store_of("client.crt")))
            ngx.say(sock:sslhandshake(nil, "tls.test", true))

            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            ngx.say(type(sock:sslhandshake(nil, "tls.test", true)))
            sock:close()

            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            assert(sock:settrustedstore(store_of("client.crt")))
            assert(sock:settrustedstore(nil))
            ngx.say(type(sock:sslhandshake(nil, "tls.test", true)))
            sock:close()

            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            assert(sock:settrustedstore(store_of("client.crt")))
            sock:close()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            ngx.say(type(sock:sslhandshake(nil, "tls.test", true)))
        }
    }
--- request
GET /t
--- response_body
nil21: unable to verify the first certificate
cdata
cdata
cdata
--- no_error_log
[error]
[alert]



=== without verification it is of no account
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    location = /t {
        content_by_lua_block {
            local sock = connected()
            assert(sock:settrustedstore(store_of("client.crt")))
            ngx.say(type(sock:sslhandshake(nil, "tls.test")))
        }
    }
--- request
GET /t
--- response_body
cdata
--- no_error_log
[error]
[alert]



=== OpenSSL's objects
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    location = /t {
        content_by_lua_block {
            local sock = connected()
            ngx.say(sock:getsslpointer())
            ngx.say(sock:getsslctx())
            ngx.say(sock:getsslsession())
            assert(sock:sslhandshake())
            local ssl = sock:getsslpointer()
            ngx.say(ffi.string(ffi.C.SSL_get_version(ssl)))
            ngx.say(ffi.C.SSL_get_SSL_CTX(ssl) == sock:getsslctx())
        }
    }
--- request
GET /t
--- response_body
nilno ssl connection
nilno ssl context
nilno session
TLSv1.2
true
--- no_error_log
[error]
[alert]



=== a session that has been asked for after the handshake
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        ssl_protocols TLSv1.3;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    lua_ssl_protocols TLSv1.3;
    location = /t {
        content_by_lua_block {
            local function ask(session)
                local sock = connected()
                assert(sock:sslhandshake(session, "tls.test"))
                assert(sock:send("GET / HTTP/1.0\r\n\r\n"))
                local answer = assert(sock:receive("*a"))
                local later, err = sock:getsslsession()
                sock:close()
                ngx.say(answer:match("[^\n]*\n$"), type(later), err)
                return later
            end
            ask(ask(false))
            collectgarbage()
        }
    }
--- request
GET /t
--- response_body
reused: .
cdatanil
reused: r
cdatanil
--- error_log
lua ssl free session
--- no_error_log
[error]
[alert]



=== closed sockets, and misuse
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
        location / { return 200 "reused: $ssl_session_reused\n"; }
    }
    init_by_lua_block {
        ffi = require "ffi"
        ffi.cdef[[
            typedef struct x509_store_st X509_STORE;
            X509_STORE *X509_STORE_new(void);
            void X509_STORE_free(X509_STORE *);
            int X509_STORE_load_locations(X509_STORE *, const char *file, const char *dir);
            void *SSL_get_SSL_CTX(void *);
            const char *SSL_get_version(void *);
            long SSL_get_verify_result(void *);
        ]]
        function store_of(file)
            local store = ffi.gc(ffi.C.X509_STORE_new(), ffi.C.X509_STORE_free)
            assert(ffi.C.X509_STORE_load_locations(store, "$TEST_NGINX_CERT_DIR/" .. file, nil) == 1)
            return store
        end
        function connected()
            local sock = ngx.socket.tcp()
            assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
            return sock
        end
    }
--- config
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            local names = { "getsslpointer", "getsslctx", "getsslsession", "settrustedstore" }
            for _, name in ipairs(names) do
                ngx.say((select(2, pcall(function() sock[name](sock) end)):gsub("^.-: ", "")))
            end
            sock = connected()
            sock:close()
            for _, name in ipairs(names) do ngx.say(sock[name](sock)) end
            ngx.say(sock:settrustedstore("store"))
            ngx.say((select(2, pcall(sock.getsslctx)):gsub("^.-: n", "n")))
        }
    }
--- request
GET /t
--- response_body
socket is never created nor connected
socket is never created nor connected
socket is never created nor connected
socket is never created nor connected
nilclosed
nilclosed
nilclosed
nilclosed
nilbad store arg: cdata expected, got string
ngx.socket getsslctx: expecting the cosocket object, but seen none
--- no_error_log
[error]
[alert]
