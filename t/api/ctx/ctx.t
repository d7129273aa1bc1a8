# ngx.ctx: one table a request, shared by its phases.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== shared by all phases of a request
--- config
    server_rewrite_by_lua_block { ngx.ctx.trace = "S" }
    location = /t {
        rewrite_by_lua_block { ngx.ctx.trace = ngx.ctx.trace .. "R" }
        access_by_lua_block { ngx.ctx.trace = ngx.ctx.trace .. "A" }
        content_by_lua_block {
            ngx.ctx.trace = ngx.ctx.trace .. "C"
            ngx.say(ngx.ctx.trace)
        }
        log_by_lua_block { ngx.log(ngx.WARN, "trace: ", ngx.ctx.trace, "L") }
    }
--- request
GET /t
--- response_body
SRAC
--- error_log
trace: SRACL
--- no_error_log
[error]



=== it is a plain table of the same identity
--- config
    location = /t {
        content_by_lua_block {
            local a, b = ngx.ctx, ngx.ctx
            ngx.say(type(a), " ", a == b, " ", getmetatable(a), " ", next(a))
            a.fn = function () return "called" end
            ngx.say(ngx.ctx.fn())
        }
    }
--- request
GET /t
--- response_body
table true nil nil
called
--- no_error_log
[error]



=== fresh for the next request on the connection
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.ctx.n
            ngx.ctx.n = (before or 0) + 1
            ngx.say(before, " ", ngx.ctx.n)
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["nil 1\n", "nil 1\n", "nil 1\n"]
--- no_error_log
[error]



=== can be replaced by another table
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.ctx.old = "old"
            ngx.ctx = { new = "new" }
        }
        content_by_lua_block { ngx.say(ngx.ctx.new, ngx.ctx.old) }
    }
--- request
GET /t
--- response_body
newnil
--- no_error_log
[error]



=== the first use may be an assignment
--- config
    location = /t {
        content_by_lua_block {
            local mine = { k = "v" }
            ngx.ctx = mine
            ngx.say(ngx.ctx == mine, " ", ngx.ctx.k)
        }
    }
--- request
GET /t
--- response_body
true v
--- no_error_log
[error]



=== only a table may be assigned
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(function () ngx.ctx = nil end)))
            ngx.say(select(2, pcall(function () ngx.ctx = "x" end)))
        }
    }
--- request
GET /t
--- response_body_like
ctx should be a table while getting a nil
.*ctx should be a table while getting a string
--- no_error_log
[error]



=== fresh after an internal redirect
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.v = "before" }
        try_files /nowhere /next;
    }
    location = /next {
        internal;
        content_by_lua_block { ngx.say(ngx.ctx.v) }
    }
--- request
GET /t
--- response_body
nil
--- no_error_log
[error]



=== fresh in an error_page location
--- config
    error_page 403 /denied;
    location = /t {
        access_by_lua_block {
            ngx.ctx.v = "before"
            ngx.exit(403)
        }
        content_by_lua_block { ngx.say("never") }
    }
    location = /denied {
        content_by_lua_block { ngx.say(ngx.ctx.v) }
    }
--- request
GET /t
--- response_body
nil
--- error_code: 403
--- no_error_log
[error]



=== fresh after an internal rewrite to another location
--- config
    location = /t {
        rewrite ^ /next;
    }
    location = /next {
        rewrite_by_lua_block { ngx.ctx.n = (ngx.ctx.n or 0) + 1 }
        content_by_lua_block { ngx.say(ngx.ctx.n) }
    }
--- request
GET /t
--- response_body
1
--- no_error_log
[error]



=== a named location of error_page keeps none of it
--- config
    location = /t {
        error_page 404 = @fallback;
        access_by_lua_block {
            ngx.ctx.v = "before"
            ngx.exit(404)
        }
        content_by_lua_block { ngx.say("never") }
    }
    location @fallback {
        content_by_lua_block { ngx.say(ngx.ctx.v) }
    }
--- request
GET /t
--- response_body
nil
--- error_code: 404
--- no_error_log
[error]



=== a subrequest has its own
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        rewrite_by_lua_block { ngx.ctx.v = "main" }
        content_by_lua_block {
            ngx.say('<!--# include virtual="/sub" -->', ngx.ctx.v)
        }
    }
    location = /sub {
        content_by_lua_block {
            ngx.say("sub: ", ngx.ctx.v)
            ngx.ctx.v = "sub"
        }
    }
--- request
GET /t
--- response_body
sub: nil
main
--- no_error_log
[error]



=== present in log when no other phase has used it
--- config
    location = /t {
        return 200 "ok\n";
        log_by_lua_block {
            ngx.ctx.late = "late"
            ngx.log(ngx.WARN, "ctx: ", ngx.ctx.late)
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
ctx: late
--- no_error_log
[error]



=== released with the request
--- config
    location = /t {
        content_by_lua_block {
            local seen = package.loaded.seen or setmetatable({}, { __mode = "k" })
            package.loaded.seen = seen
            local before = 0
            collectgarbage()
            for _ in pairs(seen) do before = before + 1 end
            seen[ngx.ctx] = true
            ngx.say(before)
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body_like eval
["^0\$", "^[01]\$", "^[01]\$"]
--- no_error_log
[error]



=== no request, no ctx
--- http_config
    init_by_lua_block {
        local _, get = pcall(function () return ngx.ctx end)
        local _, set = pcall(function () ngx.ctx = {} end)
        why = { get, "\n", set }
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why) }
    }
--- request
GET /t
--- response_body_like
no request found
.*no request found
--- no_error_log
[error]



=== init_worker has one of its own
--- http_config
    init_worker_by_lua_block {
        ngx.ctx.v = "worker"
        seen = ngx.ctx.v
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(seen, " ", ngx.ctx.v) }
    }
--- request
GET /t
--- response_body
worker nil
--- no_error_log
[error]
