use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== a finalizer that reads from the socket whose lines are being delivered
--- http_config
    init_by_lua_block {
        -- Lets the collector work as usual, after it has run what finalizers there are.
        function settle()
            collectgarbage("setpause", 200)
            collectgarbage("setstepmul", 200)
            collectgarbage("restart")
            for i = 1, 10 do if pcall(collectgarbage) then break end end
        end

        -- Leaves objects with a finalizer to the next step of the collector, which is due.
        function garbage(count, finalizer)
            settle()
            collectgarbage("stop")
            for i = 1, count do getmetatable(newproxy(true)).__gc = finalizer end
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
        end
    }
--- config
    location = /lines {
        content_by_lua_block {
            local lines = {}
            for i = 1, 4000 do lines[i] = i .. "\n" end
            ngx.print(lines)
        }
    }
    location = /t {
        content_by_lua_block {
            local sock = ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            sock:settimeout(2000)
            sock:send("GET /lines HTTP/1.0\r\nHost: localhost\r\n\r\n")
            repeat until sock:receive() == ""
            local last, in_finalizers, wrong = 0, 0, 0
            local function note(line)
                if tonumber(line) ~= last + 1 then wrong = wrong + 1 end
                last = tonumber(line)
            end
            local function finalizer()
                local ok, line = pcall(sock.receive, sock)
                if ok and line then
                    in_finalizers = in_finalizers + 1
                    note(line)
                end
            end
            while last < 4000 do
                if last % 50 == 0 then
                    garbage(5, finalizer)
                    note(sock:receive())
                    settle()
                end
                note(sock:receive())
            end
            settle()
            ngx.say(wrong, " ", in_finalizers > 100)
        }
    }
--- request
GET /t
--- response_body
0 true
--- no_error_log
[error]
[alert]



=== finalizers that raise while functions of every kind take memory
--- http_config
    lua_shared_dict d 1m;
    init_by_lua_block {
        -- Lets the collector work as usual, after it has run what finalizers there are.
        function settle()
            collectgarbage("setpause", 200)
            collectgarbage("setstepmul", 200)
            collectgarbage("restart")
            for i = 1, 10 do if pcall(collectgarbage) then break end end
        end

        -- Leaves objects with a finalizer to the next step of the collector, which is due.
        function garbage(count, finalizer)
            settle()
            collectgarbage("stop")
            for i = 1, count do getmetatable(newproxy(true)).__gc = finalizer end
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
        end
    }
--- config
    location = /t {
        content_by_lua_block {
            local d = ngx.shared.d
            d:set("k", "value")
            d:rpush("list", "one")
            local sock = ngx.socket.tcp()
            local calls = {
                function() d:get("k") d:get_keys() d:lpop("list") end,
                function() ngx.re.match("a1b2", "([a-z])([0-9])") end,
                function() ngx.log(ngx.INFO, "x", 1, nil, true) end,
                function() ngx.decode_args("a=1&b=2") ngx.encode_args({ a = { 1, 2 } }) end,
                function() ngx.req.get_headers() ngx.req.raw_header() ngx.log(ngx.INFO, 1) end,
                function() ngx.resp.get_headers() end,
                function() ngx.say("x", 1.5, { "y", 2 }) end,
                function() ngx.socket.tcp() ngx.socket.udp() end,
                function() sock:connect("127.0.0.1", 1) end,
                function() sock:settimeout(100) sock:getreusedtimes() sock:close() end,
                function() ngx.thread.wait(ngx.thread.spawn(function() return 1, "x" end)) end,
                function() coroutine.wrap(function() coroutine.yield(1) end)() end,
                function() ngx.sleep(0) end,
                function() ngx.timer.at(0, function() end) end,
                function() ngx.location.capture("/sub") end,
                function() ngx.escape_uri(1 .. " ") ngx.quote_sql_str("x") ngx.md5("x") end,
                function() ngx.get_phase() ngx.worker.pid() ngx.config.nginx_configure() end,
                function() pcall(ngx.exit, "x") pcall(ngx.sleep) pcall(ngx.socket.tcp, 1, 2) end,
            }
            for round = 1, 6 do
                for _, call in ipairs(calls) do
                    garbage(3, function() error("oops", 0) end)
                    pcall(call)
                    settle()
                end
            end
            ngx.say("alive")
        }
    }
    location = /sub { return 204; }
--- request
GET /t
--- response_body_like
alive$
--- error_log
[error]
ERROR in finalizer: oops
--- no_error_log
[alert]



=== finalizers that raise in every phase
--- http_config
    init_by_lua_block {
        -- Lets the collector work as usual, after it has run what finalizers there are.
        function settle()
            collectgarbage("setpause", 200)
            collectgarbage("setstepmul", 200)
            collectgarbage("restart")
            for i = 1, 10 do if pcall(collectgarbage) then break end end
        end

        -- Leaves objects with a finalizer to the next step of the collector, which is due.
        function garbage(count, finalizer)
            settle()
            collectgarbage("stop")
            for i = 1, count do getmetatable(newproxy(true)).__gc = finalizer end
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
        end
    }
--- config
    location = /t {
        rewrite_by_lua_block { garbage(5, function() error("rewrite", 0) end) ngx.log(ngx.INFO, 1) settle() }
        access_by_lua_block { garbage(5, function() error("access", 0) end) ngx.log(ngx.INFO, 1) settle() }
        content_by_lua_block { garbage(5, function() error("content", 0) end) ngx.print("x") settle() }
        header_filter_by_lua_block { garbage(5, function() error("header", 0) end) ngx.log(ngx.INFO, 1) settle() }
        body_filter_by_lua_block { garbage(5, function() error("body", 0) end) ngx.log(ngx.INFO, 1) settle() }
        log_by_lua_block { garbage(5, function() error("log", 0) end) ngx.log(ngx.INFO, 1) settle() }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["x", "x"]
--- error_log
ERROR in finalizer: content
ERROR in finalizer: header
ERROR in finalizer: body
ERROR in finalizer: log
--- no_error_log
[alert]
[crit]



=== a finalizer that raises at the end of init_by_lua and of init_worker_by_lua
--- http_config
    init_by_lua_block {
        for i = 1, 3 do getmetatable(newproxy(true)).__gc = function() error("at init", 0) end end
    }
    init_worker_by_lua_block {
        for i = 1, 3 do getmetatable(newproxy(true)).__gc = function() error("at start", 0) end end
    }
--- config
    location = /t { content_by_lua_block { ngx.say("alive") } }
--- request
GET /t
--- response_body
alive
--- grep_error_log eval: qr/ERROR in finalizer: at \w+/
--- grep_error_log_out
ERROR in finalizer: at init
ERROR in finalizer: at init
ERROR in finalizer: at init
ERROR in finalizer: at start
ERROR in finalizer: at start
ERROR in finalizer: at start
--- no_error_log
[alert]



=== what wakes up code takes memory without running finalizers
--- http_config
    init_by_lua_block {
        -- Lets the collector work as usual, after it has run what finalizers there are.
        function settle()
            collectgarbage("setpause", 200)
            collectgarbage("setstepmul", 200)
            collectgarbage("restart")
            for i = 1, 10 do if pcall(collectgarbage) then break end end
        end

        -- Leaves objects with a finalizer to the next step of the collector, which is due.
        function garbage(count, finalizer)
            settle()
            collectgarbage("stop")
            for i = 1, count do getmetatable(newproxy(true)).__gc = finalizer end
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
        end
    }
--- config
    lua_socket_read_timeout 1s;
    location = /lines { return 200 "one\ntwo\nthree\n"; }
    location = /t {
        content_by_lua_block {
            local semaphore = require "ngx.semaphore"
            local runs = 0
            local function finalizer() runs = runs + 1 error("oops", 0) end
            local sema = semaphore.new()
            local function wake_ups()
                local sock = ngx.socket.tcp()
                assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                sock:send("GET /lines HTTP/1.0\r\nHost: localhost\r\n\r\n")
                garbage(3, finalizer)
                sock:receive("*a")
                sock:close()
                ngx.timer.at(0, function() sema:post() end)
                garbage(3, finalizer)
                sema:wait(1)
                garbage(3, finalizer)
                ngx.location.capture("/lines")
                garbage(3, finalizer)
                ngx.sleep(0.001)
            end
            for i = 1, 10 do
                local ok, err = pcall(wake_ups)
                if not ok and err ~= "oops" then ngx.say(err) end
            end
            settle()
            ngx.say(runs > 10)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[alert]



=== finalizers that close what is being used
--- http_config
    lua_shared_dict d 100k;
    lua_capture_error_log 32k;
    init_by_lua_block {
        -- Lets the collector work as usual, after it has run what finalizers there are.
        function settle()
            collectgarbage("setpause", 200)
            collectgarbage("setstepmul", 200)
            collectgarbage("restart")
            for i = 1, 10 do if pcall(collectgarbage) then break end end
        end

        -- Leaves objects with a finalizer to the next step of the collector, which is due.
        function garbage(count, finalizer)
            settle()
            collectgarbage("stop")
            for i = 1, count do getmetatable(newproxy(true)).__gc = finalizer end
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
        end
    }
--- config
    location = /lines {
        content_by_lua_block { for i = 1, 60 do ngx.say(i) end }
    }
    location = /t {
        content_by_lua_block {
            local errlog, d = require "ngx.errlog", ngx.shared.d
            local lines, sock = 0
            local function finalizer()
                pcall(sock.close, sock)
                for i = 1, 20 do d:set(i, ("x"):rep(500)) end
                ngx.log(ngx.WARN, "in a finalizer")
                errlog.get_logs(10)
                d:flush_all()
                ngx.timer.at(0, function() end)
                pcall(coroutine.wrap(function() pcall(coroutine.yield) end))
                pcall(ngx.thread.spawn, function() end)
            end
            for i = 1, 50 do
                sock = ngx.socket.tcp()
                assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
                sock:send("GET /lines HTTP/1.0\r\nHost: localhost\r\n\r\n")
                local read = sock:receiveuntil("\n")
                for j = 1, i do
                    local line = read()
                    lines = lines + (line and 1 or 0)
                    d:get_keys()
                    ngx.log(ngx.WARN, "between")
                    if j == i - 1 then garbage(2, finalizer) end
                end
                errlog.get_logs(10)
                settle()
            end
            ngx.say(lines > 500)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[alert]
[crit]



=== finalizers that run when the VM is closed find nothing to break
--- http_config
    lua_code_cache off;
    lua_shared_dict d 100k;
--- config
    location = /t {
        content_by_lua_block {
            local calls = {
                function() ngx.log(ngx.WARN, "closing") end,
                function() ngx.say("x") end,
                function() ngx.sleep(0) end,
                function() ngx.timer.at(0, function() end) end,
                function() ngx.timer.every(1, function() end) end,
                function() ngx.socket.tcp():connect("127.0.0.1", 1) end,
                function() ngx.shared.d:set("k", "v") ngx.shared.d:get("k") end,
                function() ngx.re.gsub("abc", ".", "x", "jo") end,
                function() ngx.thread.spawn(function() end) end,
                function() ngx.location.capture("/t") end,
                function() coroutine.resume(coroutine.create(function() coroutine.yield() end)) end,
                function() require("ngx.semaphore").new():post() end,
                function() return ngx.var.uri end,
                function() return ngx.ctx.x end,
                function() ngx.ctx.x = 1 end,
                function() return ngx.req.get_headers() end,
                function() return ngx.get_phase() end,
                function() ngx.exit(200) end,
                function() require("ngx.errlog").get_logs() end,
                function() require("ngx.pipe").spawn({ "true" }) end,
            }
            keep = {}
            for i = 1, 20 do
                local sock = ngx.socket.tcp()
                keep[i] = newproxy(true)
                getmetatable(keep[i]).__gc = function()
                    pcall(calls[i])
                    pcall(sock.close, sock)
                    error("oops")
                end
            end
            ngx.say("served")
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["served\n", "served\n", "served\n"]
--- error_log
closing
--- no_error_log
[crit]



=== errors of finalizers are logged, whatever runs meanwhile: compiled code, Lua code of others
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "struct finalized_here { int n; };"
            local struct = ffi.metatype("struct finalized_here", { __gc = function() error("of a metatype") end })
            local function garbage()
                for n = 1, 200 do
                    ffi.gc(ffi.new("int[2]"), function() error("of ffi.gc") end)
                    getmetatable(newproxy(true)).__gc = function() error({}) end
                    debug.setmetatable(newproxy(), { __gc = function() error("of setmetatable") end })
                    struct(1)
                end
            end
            local made, t = 0
            for i = 1, 20 do
                garbage()
                local ok, message = pcall(function() for n = 1, 20000 do t = { n, { n } } end end)
                if ok then made = made + 1 else ngx.say(message) end
            end
            ngx.say(made, " ", pcall(collectgarbage))
        }
    }
--- request
GET /t
--- response_body
20 true0
--- error_log eval
[qr/ERROR in finalizer: content_by_lua\(nginx.conf:\d+\):4: of a metatype/,
 qr/ERROR in finalizer: content_by_lua\(nginx.conf:\d+\):7: of ffi.gc/,
 qr/ERROR in finalizer: content_by_lua\(nginx.conf:\d+\):9: of setmetatable/]
--- no_error_log
[alert]



=== the functions that give finalizers are LuaJIT's to whoever calls them
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            local function message(...) return select(2, pcall(...)) end
            ngx.say(message(ffi.gc, 1))
            ngx.say(message(newproxy, 1))
            ngx.say(message(ffi.metatype, "int", 1))
            local done = {}
            local cdata = ffi.new("int[1]", 7)
            ngx.say(rawequal(ffi.gc(cdata, function(object) done[#done + 1] = object[0] end), cdata))
            local proxy = newproxy(true)
            getmetatable(proxy).__index = function(_, name) return name end
            getmetatable(proxy).__gc = function(object) done[#done + 1] = object.proxy end
            ngx.say(proxy.field)
            local kept = ffi.gc(ffi.new("int[1]", 8), function() done[#done + 1] = "never" end)
            ffi.gc(kept, nil)
            local other = newproxy(proxy)
            ngx.say(getmetatable(other) == getmetatable(proxy))
            cdata, proxy, kept, other = nil
            collectgarbage()
            collectgarbage()
            table.sort(done, function(a, b) return tostring(a) < tostring(b) end)
            ngx.say(table.concat(done, " "))
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (cdata expected, got number)
bad argument #1 to '?' (boolean or proxy expected)
bad argument #2 to '?' (table expected, got number)
true
field
true
7 proxy proxy
--- no_error_log
[error]
