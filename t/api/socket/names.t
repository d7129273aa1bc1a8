# Host names: nginx's resolver, and the system's rules.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a name is looked up, and known from then on
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /t {
        content_by_lua_block {
            for i = 1, 2 do
                local sock = ngx.socket.udp()
                ngx.say(sock:setpeername("one.test", $TEST_NGINX_SERVER_PORT))
            end
        }
    }
--- request
GET /t
--- response_body
1
1
--- error_log
name was resolved to 127.0.0.1
--- no_error_log
[error]



=== one of several addresses
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("THREE.test.", $TEST_NGINX_SERVER_PORT))
        }
    }
--- request
GET /t
--- response_body
1
--- no_error_log
[error]



=== there is no such name
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("Nobody.test", 80))
            ngx.say(sock:setpeername("one.test:80", 80))
        }
    }
--- request
GET /t
--- response_body
nilnobody.test could not be resolved (3: Host not found)
nilone.test:80 could not be resolved (3: Host not found)
--- no_error_log
[error]



=== no answer in time
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    resolver_timeout 50ms;
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.socket.udp():setpeername("silent.test", 80))
        }
    }
--- request
GET /t
--- response_body
nilsilent.test could not be resolved (110: Operation timed out)
--- no_error_log
[error]



=== several wait for one name, and the first to know kills another
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /t {
        content_by_lua_block {
            local threads = {}
            local function ask(i)
                local ok, err = ngx.socket.udp():setpeername("one.test", $TEST_NGINX_SERVER_PORT)
                for other, thread in pairs(threads) do
                    if other ~= i then ngx.thread.kill(thread) end
                end
                return i, ok, err
            end
            for i = 1, 3 do
                threads[i] = ngx.thread.spawn(ask, i)
            end
            ngx.say(ngx.thread.wait(unpack(threads)))
        }
    }
--- request
GET /t
--- response_body_like
^true[123]1nil$
--- no_error_log
[error]
[alert]



=== who asked is gone before the answer comes
--- config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    resolver_timeout 100ms;
    location = /t {
        content_by_lua_block {
            local asking = ngx.thread.spawn(function ()
                ngx.socket.udp():setpeername("silent.test", 80)
            end)
            ngx.say(ngx.thread.kill(asking))
            ngx.timer.at(0, function () ngx.socket.udp():setpeername("silent.test", 81) end)
        }
    }
    location = /wait {
        content_by_lua_block { ngx.sleep(0.15) ngx.say("still there") }
    }
--- pipelined_requests eval
["GET /t", "GET /wait"]
--- response_body eval
["1\n", "still there\n"]
--- no_error_log
[error]
[alert]



=== the system's rules: hosts first
--- config
    lua_socket_system_resolver on hosts=$TEST_NGINX_HTML_DIR/hosts resolv_conf=/nowhere;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            ngx.say(sock:setpeername("db", $TEST_NGINX_SERVER_PORT))
            ngx.say(sock:setpeername("localhost", $TEST_NGINX_SERVER_PORT))
        }
    }
--- user_files
>>> hosts
# name of a database
127.0.0.1 database.test db
--- request
GET /t
--- response_body
1
1
--- no_error_log
[error]



=== the system's rules: servers and domains
--- config
    lua_socket_system_resolver on hosts=/nowhere resolv_conf=$TEST_NGINX_HTML_DIR/resolv.conf;
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.udp()
            for _, name in ipairs { "one", "one.test", "both.test", "nobody", "no.body.test" } do
                ngx.say(name, ": ", sock:setpeername(name, $TEST_NGINX_SERVER_PORT))
            end
        }
    }
--- user_files
>>> resolv.conf
nameserver [127.0.0.1]:$TEST_NGINX_DNS_PORT
search nothing.test domain.test
--- request
GET /t
--- response_body
one: 1
one.test: 1
both.test: 1
nobody: nilnobody could not be resolved (3: Host not found)
no.body.test: nilno.body.test could not be resolved (3: Host not found)
--- no_error_log
[error]



=== a resolver comes first
--- config
    lua_socket_system_resolver on hosts=$TEST_NGINX_HTML_DIR/hosts resolv_conf=/nowhere;
    location = /t {
        resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
        content_by_lua_block {
            ngx.say(ngx.socket.udp():setpeername("db", 80))
        }
    }
    location = /off {
        lua_socket_system_resolver off;
        content_by_lua_block {
            ngx.say(ngx.socket.udp():setpeername("db", 80))
        }
    }
--- user_files
>>> hosts
127.0.0.1 db
--- pipelined_requests eval
["GET /t", "GET /off"]
--- response_body eval
["nildb could not be resolved (3: Host not found)\n", "nilno resolver defined to resolve \"db\"\n"]
--- no_error_log
[error]



=== in a timer of init_worker_by_lua
--- http_config
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    init_worker_by_lua_block {
        ngx.timer.at(0, function ()
            local sock = ngx.socket.udp()
            package.loaded.found = { sock:setpeername("one.test", $TEST_NGINX_SERVER_PORT) }
            sock:settimeout(5)
            package.loaded.received = { sock:receive() }
            package.loaded.unknown = { sock:setpeername("nobody.test", 80) }
        end)
    }
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 100 do
                if package.loaded.unknown then break end
                ngx.sleep(0.01)
            end
            ngx.say(package.loaded.found[1], " ", package.loaded.received[2])
            ngx.say(package.loaded.unknown[2])
        }
    }
--- request
GET /t
--- response_body
1 timeout
nobody.test could not be resolved (3: Host not found)
--- no_error_log
[alert]
[crit]
