# Filters and error pages that end a request while its Lua code, of an earlier phase, is in the call that sends.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a header filter exits: a static page
--- config
    error_page 503 /st;
    location = /st { return 200 "static"; }
    location = /t {
        content_by_lua_block { ngx.say(ngx.say("x")) ngx.sleep(0) ngx.log(ngx.WARN, "goes on") }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /alive { return 200 "alive"; }
--- request eval
["GET /t", "GET /alive"]
--- response_body eval
["static", "alive"]
--- error_code eval
[503, 200]
--- no_error_log
[alert]



=== a header filter exits: Lua content, set, rewrite and access of the page. nginx drops one that waits
--- config
    error_page 503 /lua;
    location = /lua {
        set_by_lua_block $set { return "set" }
        rewrite_by_lua_block { ngx.sleep(0) ngx.ctx.rewrite = "rewrite" }
        access_by_lua_block { coroutine.wrap(function() ngx.ctx.access = "access" end)() }
        content_by_lua_block { ngx.say(ngx.var.set, " ", ngx.ctx.rewrite, " ", ngx.ctx.access) }
    }
    location = /now {
        set_by_lua_block $set { return "set" }
        access_by_lua_block { coroutine.wrap(function() ngx.ctx.access = "access" end)() }
        content_by_lua_block { ngx.say(ngx.var.set, " ", ngx.ctx.access) }
    }
    location = /a {
        content_by_lua_block { ngx.say("x") ngx.sleep(0.001) ngx.say("y") }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /b {
        error_page 503 /now;
        content_by_lua_block {
            local co = coroutine.wrap(function() ngx.say("x") coroutine.yield() ngx.say("z") end)
            co()
            ngx.thread.spawn(co)
            ngx.say("y")
        }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /c {
        error_page 503 /now;
        access_by_lua_block { ngx.say("x") ngx.exec("/alive") }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /alive { return 200 "alive"; }
--- request eval
["GET /a", "GET /b", "GET /c", "GET /alive"]
--- response_body_like eval
["^\$", "^set access\n", "^set access\n", "^alive\$"]
--- error_code eval
["", 503, 503, 200]
--- no_error_log
[alert]



=== a header filter exits: from a coroutine, a light thread, after a wait, in a subrequest
--- config
    error_page 503 /st;
    location = /st { return 200 "static"; }
    location = /a {
        content_by_lua_block {
            ngx.sleep(0.001)
            coroutine.wrap(function()
                ngx.thread.spawn(function() ngx.say("x") ngx.sleep(1) end)
                coroutine.resume(coroutine.create(function() ngx.say("y") ngx.sleep(1) end))
            end)()
        }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /b {
        rewrite_by_lua_block { ngx.sleep(0.001) ngx.say("x") ngx.flush(true) ngx.exit(200) }
        header_filter_by_lua_block { ngx.exit(503) }
    }
    location = /c {
        content_by_lua_block {
            local one, two = ngx.location.capture_multi { { "/a" }, { "/b" } }
            ngx.say(one.status, " ", two.status)
            ngx.say(ngx.location.capture("/alive").body)
        }
    }
    location = /alive { return 200 "alive"; }
--- request eval
["GET /a", "GET /b", "GET /c", "GET /alive"]
--- response_body_like eval
["^static\$", "^static\$", "^\$", "^alive\$"]
--- error_code eval
[503, 503, "", 200]
--- no_error_log
[alert]



=== a header filter's ngx.exit is not that of the code that sends
--- config
    location = /static { return 200 "static"; }
    location = /a {
        rewrite_by_lua_block { ngx.say("x") ngx.say(ngx.location.capture("/static").body) }
        content_by_lua_block { }
        header_filter_by_lua_block { ngx.exit(ngx.OK) }
    }
    location = /b {
        content_by_lua_block {
            ngx.say("x")
            local one, two = ngx.location.capture_multi { { "/static" }, { "/static" } }
            ngx.sleep(0)
            ngx.say(one.body, two.body)
        }
        header_filter_by_lua_block { ngx.exit(ngx.OK) }
    }
    location = /c {
        content_by_lua_block { ngx.say("x") ngx.sleep(0.001) ngx.say("y") }
        header_filter_by_lua_block { pcall(ngx.exit, 502) error("expected") }
    }
--- request eval
["GET /a", "GET /b", "GET /c", "GET /b"]
--- response_body_like eval
["^x\nstatic\n\$", "^x\nstaticstatic\n\$", "^\$", "^x\nstaticstatic\n\$"]
--- error_code eval
[200, 200, "", 200]
--- no_error_log
[alert]



=== a header filter's ngx.exit(ngx.OK), where the code before has exited with a status
--- config
    server_tokens off;
    location @named { content_by_lua_block { ngx.say("named") } }
    location = /f {
        error_page 404 @named;
        header_filter_by_lua_block { ngx.exit(ngx.OK) }
        rewrite_by_lua_block { ngx.exit(404) }
        content_by_lua_block { ngx.say("f") }
    }
    location = /g {
        rewrite_by_lua_block { ngx.location.capture("/f") }
        content_by_lua_block { ngx.say("g") }
    }
    location = /h {
        content_by_lua_block { ngx.exit(404) }
        header_filter_by_lua_block { ngx.exit(ngx.OK) }
    }
    location = /again {
        content_by_lua_block { ngx.say("x") }
        header_filter_by_lua_block { n = (rawget(_G, "n") or 490) + 1 ngx.exit(n) }
    }
--- request eval
["GET /f", "GET /g", "GET /h", "GET /again", "GET /g"]
--- error_code eval
[404, 200, 404, 500, 200]
--- response_body_like eval
["^named\n\$", "^g\n\$", "404 Not Found", "500 Internal Server Error", "^g\n\$"]
--- no_error_log
[alert]



=== a subrequest whose response a header filter replaces ends once: nginx closes the connection
--- config
    log_subrequest on;
    error_page 404 =200 /error;
    location = /error { content_by_lua_block { } }
    location = /sub {
        content_by_lua_block { pcall(ngx.say, "x") pcall(ngx.say, "y") }
        header_filter_by_lua_block { pcall(ngx.exit, 404) }
    }
    location = /rewrite {
        rewrite_by_lua_block { pcall(ngx.say, "x") }
        content_by_lua_block { ngx.say("never") }
        header_filter_by_lua_block { pcall(ngx.exit, 404) }
    }
    location = /wait {
        access_by_lua_block { ngx.sleep(0.001) pcall(ngx.say, "x") ngx.sleep(0.001) }
        header_filter_by_lua_block { pcall(ngx.exit, 404) }
    }
    location /t/ {
        rewrite_by_lua_block { ngx.location.capture(ngx.var.uri:sub(3)) }
        content_by_lua_block { ngx.say("t") }
        header_filter_by_lua_block { error("expected") }
    }
    location = /alive { return 200 "alive"; }
--- request eval
["GET /t/sub", "GET /t/rewrite", "GET /t/wait", "GET /alive"]
--- response_body_like eval
["^\$", "^\$", "^\$", "^alive\$"]
--- error_code eval
["", "", "", 200]
--- no_error_log
[alert]



=== one replaced response after the other
--- config
    error_page 582 = /bar;
    location = /t {
        content_by_lua_block { ngx.say("t") }
        header_filter_by_lua_block { return ngx.exit(582) }
    }
    location = /bar {
        return 200 "bar";
        header_filter_by_lua_block { return ngx.exit(302) }
    }
--- request
GET /t
--- error_code: 302
--- response_body_like: 302 Found
--- no_error_log
[alert]



=== subrequests whose response a header filter replaces, by a page of nginx's own or by none
--- config
    location = /page { content_by_lua_block { pcall(ngx.say, "x") } header_filter_by_lua_block { pcall(ngx.exit, 404) } }
    location = /empty { content_by_lua_block { pcall(ngx.say, "x") } header_filter_by_lua_block { pcall(ngx.exit, 204) } }
    location = /access { access_by_lua_block { pcall(ngx.say, "x") } header_filter_by_lua_block { pcall(ngx.exit, 201) } }
    location = /waits { access_by_lua_block { ngx.sleep(0) pcall(ngx.say, "x") } header_filter_by_lua_block { pcall(ngx.exit, 301) } }
    location /t/ {
        rewrite_by_lua_block { ngx.location.capture(ngx.var.uri:sub(3)) }
        content_by_lua_block { ngx.say("t") }
    }
    location = /ssi {
        ssi on;
        default_type text/html;
        return 200 '<!--# include virtual="/page" --><!--# include virtual="/waits" -->';
    }
    location = /alive { return 200 "alive"; }
--- request eval
["GET /t/page", "GET /t/empty", "GET /t/access", "GET /t/waits", "GET /ssi", "GET /alive"]
--- error_code eval
["", "", "", "", "", 200]
--- no_error_log
[alert]



=== an error page with Lua code, led to by code of a hook or a finalizer: it cannot wait there
--- config
    error_page 503 /page;
    location = /page {
        content_by_lua_block {
            local waits = { ngx.sleep, 0, coroutine.yield, 1, coroutine.wrap(function() coroutine.yield() end), 1 }
            local seen = {}
            for at = 1, #waits, 2 do seen[#seen + 1] = tostring(pcall(waits[at], waits[at + 1])) end
            ngx.say("page ", table.concat(seen, " "))
        }
    }
    location = /hook {
        content_by_lua_block {
            debug.sethook(function() debug.sethook() pcall(ngx.say, "x") end, "l")
            local x = 1
            pcall(ngx.sleep, 0)
        }
        header_filter_by_lua_block { if ngx.var.uri ~= "/page" then ngx.exit(503) end }
    }
    location = /finalizer {
        content_by_lua_block {
            require "ffi".gc(require "ffi".new("int[2]"), function() pcall(ngx.say, "x") end)
            collectgarbage()
            collectgarbage()
            pcall(ngx.sleep, 0)
        }
        header_filter_by_lua_block { if ngx.var.uri ~= "/page" then ngx.exit(503) end }
    }
    location = /alive { content_by_lua_block { ngx.sleep(0) ngx.say("alive") } }
--- request eval
["GET /hook", "GET /alive", "GET /finalizer", "GET /alive", "GET /hook", "GET /alive"]
--- response_body eval
["page false false false\n", "alive\n", "page false false false\n", "alive\n", "page false false false\n", "alive\n"]
--- error_code eval
[503, 200, 503, 200, 503, 200]
--- no_error_log
[alert]
