# Lua in nginx's own subrequests (SSI, mirror).

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== SSI: several Lua subrequests, in order
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        return 200 '<!--# include virtual="/s?n=1" --><!--# include virtual="/s?n=2" -->end\n';
    }
    location = /s {
        content_by_lua_block {
            ngx.say("part ", ngx.var.arg_n)
        }
    }
--- request
GET /t
--- response_body eval
"part 1\npart 2\nend\n"
--- no_error_log
[error]



=== SSI: a subrequest that fails leaves the main answer alone
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        ssi_silent_errors on;
        content_by_lua_block {
            ngx.say('before ', '<!--# include virtual="/s" -->', ' after')
        }
    }
    location = /s { content_by_lua_block { error("sub is broken") } }
--- request
GET /t
--- response_body_like: ^before .*500 Internal Server Error.* after$
--- error_log
sub is broken



=== SSI: rewrite runs in the subrequest, and sees it is one
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        return 200 '<!--# include virtual="/s" -->';
    }
    location = /s {
        rewrite_by_lua_block { ngx.ctx.sub = ngx.is_subrequest }
        content_by_lua_block { ngx.say("sub ", ngx.ctx.sub) }
    }
--- request
GET /t
--- response_body
sub true
--- no_error_log
[error]



=== SSI: exit in a subrequest ends only that
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        content_by_lua_block { ngx.say('<!--# include virtual="/s" -->', 'rest') }
    }
    location = /s {
        content_by_lua_block { ngx.print("sub, ") ngx.exit(200) ngx.print("no") }
    }
--- request
GET /t
--- response_body
sub, rest
--- no_error_log
[error]



=== mirror: the copy runs Lua beside the main request
--- config
    location = /t {
        mirror /copy;
        content_by_lua_block { ngx.say("main") }
    }
    location = /copy {
        internal;
        content_by_lua_block { ngx.log(ngx.WARN, "copy of ", ngx.var.request_uri) }
    }
--- request
GET /t?a=1
--- response_body
main
--- error_log
copy of /t?a=1
--- no_error_log
[error]
