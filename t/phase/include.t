# Lua in requests that nginx puts in order: included ones, and what stands before, between and behind them.

use Test::Nginx::Socket 'no_plan';

no_long_string();
worker_connections(1024);
run_tests();

__DATA__

=== every pair of parts, and others, in the order of the page
--- config
    default_type text/html;
    location = /static { return 200 "[static]"; }
    location = /fast { content_by_lua_block { ngx.print("[fast]") } }
    location = /slow { content_by_lua_block { ngx.sleep(0.02) ngx.print("[slow]") } }
    location = /steps { content_by_lua_block { ngx.print("[") ngx.sleep(0.01) ngx.flush() ngx.print("steps") ngx.sleep(0.01) ngx.print("]") } }
    location = /ended { content_by_lua_block { ngx.print("[ended]") ngx.eof() ngx.sleep(0.01) } }
    location = /flushed { content_by_lua_block { for i = 1, 5 do ngx.print(i) ngx.flush(true) ngx.sleep(i % 2 * 0.005) end } }
    location = /captured { content_by_lua_block { ngx.print("<", ngx.location.capture("/slow").body, ngx.location.capture("/fast").body, ">") } }
    location = /captures {
        content_by_lua_block {
            local a, b = ngx.location.capture_multi { { "/fast" }, { "/steps" } }
            ngx.print("<", a.body, b.body, ">")
        }
    }
    location = /quick_capture { content_by_lua_block { ngx.print("<", ngx.location.capture("/fast").body, ">") } }
    location = /rewrite { rewrite_by_lua_block { ngx.sleep(0.01) ngx.print("[rewrite]") ngx.exit(200) } }
    location = /empty { content_by_lua_block { ngx.sleep(0.005) } }
    location = /exec { content_by_lua_block { ngx.sleep(0.005) ngx.exec("/slow") } }
    location = /proxied { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/steps; }
    location = /threads {
        content_by_lua_block {
            ngx.thread.spawn(function() ngx.sleep(0.01) ngx.print("2]") end)
            ngx.print("[1") ngx.sleep(0.003)
        }
    }
    location = /long { content_by_lua_block { for i = 1, 4 do ngx.print((i .. ""):rep(30000)) ngx.sleep(0.003) end } }
    location = /filtered {
        content_by_lua_block { ngx.print("[fil") ngx.sleep(0.005) ngx.flush() ngx.print("tered]") }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
    }
    location = /static_filtered {
        return 200 "[static]";
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:upper() }
    }
    location = /nested { ssi on; content_by_lua_block { ngx.print('(<!--# include virtual="/slow" -->-<!--# include virtual="/fast" -->)') } }
    location = /around {
        add_before_body /captured;
        add_after_body /steps;
        content_by_lua_block { ngx.print("A") ngx.flush() ngx.sleep(0.03) ngx.print("Z") }
    }
    location = /marks {
        add_before_body /slow;
        add_after_body /captures;
        content_by_lua_block { ngx.print("A") for i = 1, 5 do ngx.flush() ngx.sleep(0.001) end ngx.print("Z") }
        body_filter_by_lua_block { ngx.arg[1] = ngx.arg[1]:lower() }
    }
    location = /page { ssi on; return 200 'x<!--# include virtual="/slow" -->y<!--# include virtual="/captured" -->z'; }
    location = /three {
        content_by_lua_block {
            local a, b, c = ngx.location.capture_multi { { "/slow" }, { "/steps" }, { "/fast" } }
            ngx.print(a.body, b.body, c.body)
        }
    }
    location = /both { ssi on; return 200 '<!--# include virtual="/three" --><!--# include virtual="/page" --><!--# include virtual="/three" -->'; }
    location = /pair { ssi on; set $one $arg_one; set $two $arg_two;
        return 200 'A<!--# include virtual="/$one" -->B<!--# include virtual="/$two" -->Z'; }
    location = /lua_pair { ssi on;
        content_by_lua_block {
            ngx.print('A<!--# include virtual="/', ngx.var.arg_one, '" -->') ngx.flush() ngx.sleep(0.003)
            ngx.print('B<!--# include virtual="/', ngx.var.arg_two, '" -->') ngx.sleep(0.003) ngx.flush() ngx.print("Z")
        } }
    location = /t {
        content_by_lua_block {
            local digits = ("1"):rep(30000) .. ("2"):rep(30000) .. ("3"):rep(30000) .. ("4"):rep(30000)
            local parts = {
                static = "[static]", fast = "[fast]", slow = "[slow]", steps = "[steps]", ended = "[ended]",
                flushed = "12345", captured = "<[slow][fast]>", captures = "<[fast][steps]>",
                quick_capture = "<[fast]>", rewrite = "[rewrite]", empty = "", exec = "[slow]",
                proxied = "[steps]", threads = "[12]", long = digits, filtered = "[FILTERED]",
                static_filtered = "[STATIC]", nested = "([slow]-[fast])",
            }
            local function get(uri)
                local sock = ngx.socket.tcp()
                sock:settimeout(2000)
                assert(sock:connect("127.0.0.1", ngx.var.server_port))
                sock:send("GET " .. uri .. " HTTP/1.0\r\nHost: a\r\n\r\n")
                local answer, why, part = sock:receive("*a")
                sock:close()
                local all = answer or part
                return all:match("\r\n\r\n(.*)$") or all, why
            end
            local tried = 0
            local function try(page, one, two)
                tried = tried + 1
                local expected = "A" .. parts[one] .. "B" .. parts[two] .. "Z"
                local body, why = get(("/%s?one=%s&two=%s"):format(page, one, two))
                if body ~= expected then
                    ngx.say(page, " ", one, " ", two, ": ", body:sub(1, 200), " ", #body, " not ", #expected, " ", why)
                end
            end
            for uri, expected in pairs {
                ["/around"] = "<[slow][fast]>AZ[steps]",
                ["/marks"] = "[slow]az<[fast][steps]>",
                -- What is captured is captured, whoever's turn it is.
                ["/both"] = "[slow][steps][fast]x[slow]y<[slow][fast]>z[slow][steps][fast]",
            } do
                local body = get(uri)
                if body ~= expected then ngx.say(uri, ": ", body) end
            end
            local threads = {}
            for one in pairs(parts) do
                for two in pairs(parts) do
                    -- A page of Lua's own is slower.
                    local both = one == "slow" or two == "captures"
                    for _, page in ipairs { "pair", both and "lua_pair" or nil } do
                        threads[#threads + 1] = ngx.thread.spawn(try, page, one, two)
                        if #threads == 40 then
                            for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
                            threads = {}
                        end
                    end
                end
            end
            for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
            ngx.say(tried)
        }
    }
--- request
GET /t
--- timeout: 30
--- response_body
359
--- no_error_log
[error]
[alert]

