# ngx.location.capture_multi, and many subrequests at once.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== results in the order of the queries, whichever ends first
--- config
    location = /sub {
        content_by_lua_block {
            ngx.sleep(tonumber(ngx.var.arg_t))
            ngx.print(ngx.var.arg_t)
        }
    }
    location = /t {
        content_by_lua_block {
            local a, b, c, d = ngx.location.capture_multi {
                { "/sub?t=0.02" },
                { "/sub", { args = "t=0" } },
                { "/sub", { args = { t = 0.01 } } },
            }
            ngx.say(a.body, " ", b.body, " ", c.body, " ", d)
        }
    }
--- request
GET /t
--- response_body
0.02 0 0.01 nil
--- no_error_log
[error]



=== a thousand at once
--- config
    location = /sub { return 200 "$arg_i"; }
    location = /t {
        content_by_lua_block {
            local queries = {}
            for i = 1, 1000 do
                queries[i] = { "/sub?i=" .. i }
            end
            local results = { ngx.location.capture_multi(queries) }
            local sum = 0
            for i, res in ipairs(results) do
                assert(tonumber(res.body) == i)
                sum = sum + tonumber(res.body)
            end
            ngx.say(#results, " ", sum)
        }
    }
--- request
GET /t
--- response_body
1000 500500
--- no_error_log
[error]
[alert]



=== more than LuaJIT can return, or nginx can count
--- config
    location = /sub { return 200 "$arg_i"; }
    location = /t {
        content_by_lua_block {
            for _, n in ipairs { 8000, 100000 } do
                local queries = {}
                for i = 1, n do
                    queries[i] = { "/sub" }
                end
                local ok, err = pcall(ngx.location.capture_multi, queries)
                ngx.say(ok, " ", err)
            end
            ngx.say(ngx.location.capture("/sub?i=7").body)
        }
    }
--- request
GET /t
--- response_body_like
^false .*stack overflow
false .*stack overflow
7$
--- no_error_log
[alert]



=== wrong queries are refused, and none of the subrequests runs
--- config
    location = /sub { content_by_lua_block { ngx.log(ngx.WARN, "it ran") } }
    location = /t {
        content_by_lua_block {
            local function try(...)
                local ok, err = pcall(ngx.location.capture_multi, ...)
                ngx.say((tostring(err):gsub("^.-:%d+: ", "")))
            end
            try()
            try({}, {})
            try(1)
            try({})
            try({ { "/sub" }, 1 })
            try({ { "/sub" }, {} })
            try({ { "/sub" }, { "/sub", {}, 1 } })
            try({ { "/sub" }, { "/sub", { method = "x" } } })
        }
    }
--- request
GET /t
--- response_body
only one argument is expected, but got 0
only one argument is expected, but got 2
bad argument #1 to '?' (table expected, got number)
at least one subrequest should be specified
the query argument 1 is not a table, but a number
query argument 1 expecting one or two arguments
query argument 1 expecting one or two arguments
Bad http request method
--- no_error_log
it ran
[alert]



=== light threads that capture beside each other
--- config
    location = /sub {
        content_by_lua_block {
            ngx.sleep(tonumber(ngx.var.arg_t))
            ngx.print(ngx.var.arg_t)
        }
    }
    location = /t {
        content_by_lua_block {
            local function get(t)
                ngx.say(ngx.location.capture("/sub?t=" .. t).body)
                ngx.flush(true)
                return ngx.location.capture("/sub?t=0").body
            end
            local a = ngx.thread.spawn(get, 0.15)
            local b = ngx.thread.spawn(get, 0.05)
            ngx.say("main ", ngx.location.capture("/sub?t=0").body)
            ngx.say(ngx.thread.wait(b))
            ngx.say(ngx.thread.wait(a))
        }
    }
--- request
GET /t
--- response_body
main 0
0.05
true0
0.15
true0
--- no_error_log
[error]
[alert]



=== a request cannot be left while subrequests run
--- config
    location = /sub { content_by_lua_block { ngx.sleep(0.01) ngx.print("sub") } }
    location = /t {
        content_by_lua_block {
            local thread = ngx.thread.spawn(ngx.location.capture and function()
                return ngx.location.capture("/sub").body
            end)
            local function try(what, ...)
                local ok, err = pcall(what, ...)
                ngx.say(ok, " ", (tostring(err):gsub("^.-:%d+: ", "")))
            end
            try(ngx.exit, 200)
            try(ngx.exec, "/sub")
            try(ngx.redirect, "/sub")
            ngx.say(ngx.thread.kill(thread))
            ngx.say(ngx.thread.wait(thread))
        }
    }
--- request
GET /t
--- response_body
false attempt to abort with pending subrequests
false attempt to abort with pending subrequests
false attempt to abort with pending subrequests
nilpending subrequests
truesub
--- no_error_log
[error]



=== the parent fails while a subrequest runs: the connection is closed, and nothing is touched later
--- config
    location = /sub { content_by_lua_block { ngx.sleep(0.02) ngx.print("late") } }
    location = /t {
        content_by_lua_block {
            ngx.thread.spawn(function() return ngx.location.capture("/sub") end)
            error("oops")
        }
    }
--- request
GET /t
--- ignore_response
--- wait: 0.1
--- error_log
oops
--- no_error_log
[alert]



=== the client goes while subrequests run
--- config
    location = /sub { content_by_lua_block { ngx.sleep(0.3) ngx.print("late") } }
    location = /t {
        content_by_lua_block {
            ngx.location.capture_multi({ { "/sub" }, { "/sub" } })
            ngx.say("sent to nobody")
        }
    }
--- request
GET /t
--- timeout: 0.1
--- abort
--- ignore_response
--- wait: 0.5
--- error_log
lua run subrequests done, resuming lua thread
--- no_error_log
[error]
[alert]
