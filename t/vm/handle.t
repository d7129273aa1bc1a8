use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== handles of the wrong kind in the place of every other
--- config
    lua_socket_connect_timeout 10ms;
    lua_socket_send_timeout 10ms;
    lua_socket_read_timeout 10ms;
    location = /t {
        content_by_lua_block {
            local semaphore, pipe, ssl = require "ngx.semaphore", require "ngx.pipe", require "ngx.ssl"
            local certs = io.open("$TEST_NGINX_CERT_DIR/server.crt")
            local tcp, udp, fresh = ngx.socket.tcp(), ngx.socket.udp(), ngx.socket.tcp()
            assert(tcp:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            assert(udp:setpeername("127.0.0.1", 9))
            local sema, process = semaphore.new(), assert(pipe.spawn({ "cat" }))
            process:set_timeouts(10, 10, 10, 10)
            local body = ngx.req.socket()
            local reader = tcp:receiveuntil("x")
            local chain = certs and ssl.parse_pem_cert(certs:read("*a")) or 1LL
            local function f() return sema end
            local wrong = {
                io.stdout, newproxy(), newproxy(true), ngx.null, debug.upvalueid(f, 1), 1LL, sema.sem, process,
                tcp[1], udp[1], body and body[1], chain, f, coroutine.create(f), "text", 7, true, {}, ngx.header,
                ngx.shared, reader, string.rep("x", 100000), debug.getregistry().__tcp_cosocket_mt,
            }
            local function methods(object)
                local index = getmetatable(object).__index
                return type(index) == "table" and index or {}
            end
            local subjects = {
                { tcp, "close", 1 }, { udp, "close", 1 }, { sema, "wait", "sem" }, { process, "wait" },
            }
            if body then subjects[#subjects + 1] = { body, "close", 1 } end
            local calls = 0
            local function try(call, ...)
                calls = calls + 1
                pcall(call, ...)
            end
            for _, subject in ipairs(subjects) do
                local object, _, place = unpack(subject)
                local all = {}
                pcall(function() for name, call in pairs(methods(object)) do all[name] = call end end)
                pcall(function()
                    for name, call in pairs(methods(methods(object))) do all[name] = call end
                end)
                for name, call in pairs(all) do
                    if type(call) == "function" then
                        for _, handle in pairs(wrong) do
                            -- As the object, in the place of its handle, and as an argument.
                            try(call, handle)
                            try(call, { handle })
                            try(call, { sem = handle })
                            try(call, setmetatable({ handle }, getmetatable(tcp)), handle, handle)
                            if name ~= "close" and name ~= "connect" and name ~= "wait" and not name:find("receive")
                                and name ~= "read" and name ~= "wait" and name ~= "spawn" and name ~= "new"
                                and name ~= "send" and name ~= "setkeepalive" and name ~= "setpeername" then
                                try(call, fresh, handle, handle)
                            end
                        end
                    end
                end
            end
            for _, handle in pairs(wrong) do
                try(ngx.get_raw_phase, handle)
                try(tcp.sslhandshake, tcp, handle)
                tcp[6], tcp[7] = chain, sema.sem
                try(tcp.sslhandshake, tcp)
                tcp[6], tcp[7] = sema.sem, chain
                try(tcp.sslhandshake, tcp)
                tcp[6], tcp[7] = nil, nil
            end
            process:kill(9)
            ngx.say(calls > 1000)
        }
    }
--- request
GET /t
--- timeout: 10
--- response_body
true
--- no_error_log
[alert]
[crit]



=== only the running request has a phase
--- config
    location = /t {
        content_by_lua_block {
            local r = require("resty.core.base").get_request()
            ngx.say(ngx.get_raw_phase(r))
            for _, other in ipairs({ io.stdout, newproxy(), ngx.null, "x", 1LL, {} }) do
                ngx.say(pcall(ngx.get_raw_phase, other) and "phase" or "error")
            end
        }
    }
--- request
GET /t
--- response_body
8
error
error
error
error
error
error
--- no_error_log
[error]



=== a semaphore that a finalizer uses after it has been collected
--- config
    location = /t {
        content_by_lua_block {
            local semaphore = require "ngx.semaphore"
            local answers = {}
            for i = 1, 50 do
                local sema, proxy = semaphore.new(5), newproxy(true)
                getmetatable(proxy).__gc = function()
                    answers[#answers + 1] = sema:count() .. tostring(sema:post())
                    answers[#answers + 1] = tostring(({ sema:wait(0) })[2])
                end
            end
            collectgarbage() collectgarbage()
            local odd = 0
            for i = 1, #answers, 2 do
                local alive = answers[i] == "5true" and answers[i + 1] == "nil"
                local gone = answers[i] == "0true" and answers[i + 1] == "not a semaphore instance"
                if not alive and not gone then odd = odd + 1 end
            end
            ngx.say(#answers > 50, " ", odd)
            local ok, err = pcall(semaphore.wait, { sem = 1LL }, 0)
            ngx.say(ok)
        }
    }
--- request
GET /t
--- response_body_like
^true 0
false$
--- no_error_log
[alert]



=== a session is one that a handshake has given
--- http_config
    server {
        listen unix:$TEST_NGINX_HTML_DIR/tls.sock ssl;
        ssl_certificate $TEST_NGINX_CERT_DIR/server.crt;
        ssl_certificate_key $TEST_NGINX_CERT_DIR/server.key;
    }
--- config
    location = /t {
        content_by_lua_block {
            local function connected()
                local sock = ngx.socket.tcp()
                assert(sock:connect("unix:$TEST_NGINX_HTML_DIR/tls.sock"))
                return sock
            end
            local sock = connected()
            local session = assert(sock:sslhandshake())
            ngx.say(type(connected():sslhandshake(session)))
            ngx.say(connected():sslhandshake(require("ngx.semaphore").new().sem))
            ngx.say(connected():sslhandshake(sock:getsslpointer()))
            local other = connected()
            other:setclientcert(session, session)
            ngx.say(other:sslhandshake())
        }
    }
--- request
GET /t
--- response_body
cdata
nilbad session
nilbad session
nilbad client certificate
--- no_error_log
[alert]
