# ngx.is_subrequest.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== false in the main request, in every phase
--- config
    location = /t {
        rewrite_by_lua_block { ngx.ctx.r = ngx.is_subrequest }
        access_by_lua_block { ngx.ctx.a = ngx.is_subrequest }
        content_by_lua_block { ngx.say(ngx.ctx.r, ngx.ctx.a, ngx.is_subrequest) }
        log_by_lua_block { ngx.log(ngx.WARN, "log: ", ngx.is_subrequest) }
    }
--- request
GET /t
--- response_body
falsefalsefalse
--- error_log
log: false
--- no_error_log
[error]



=== true in a subrequest
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        content_by_lua_block {
            ngx.say('<!--# include virtual="/sub" -->', ngx.is_subrequest)
        }
    }
    location = /sub {
        content_by_lua_block { ngx.print("sub ", ngx.is_subrequest, ", main ") }
    }
--- request
GET /t
--- response_body
sub true, main false
--- no_error_log
[error]



=== false after an internal redirect
--- config
    location = /t {
        try_files /nowhere /next;
    }
    location = /next {
        internal;
        content_by_lua_block { ngx.say(ngx.is_subrequest) }
    }
--- request
GET /t
--- response_body
false
--- no_error_log
[error]



=== needs a request
--- http_config
    init_by_lua_block {
        why = select(2, pcall(function () return ngx.is_subrequest end))
    }
    init_worker_by_lua_block {
        why_worker = select(2, pcall(function () return ngx.is_subrequest end))
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why, "\n", why_worker) }
    }
--- request
GET /t
--- response_body_like
no request found
.*API disabled in the current context
--- no_error_log
[error]
