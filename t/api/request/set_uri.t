# ngx.req.set_uri, with and without a jump.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== without a jump the location stays
--- config
    location = /t {
        rewrite_by_lua_block { ngx.req.set_uri("/other") }
        content_by_lua_block { ngx.say(ngx.var.uri, " ", ngx.req.is_internal()) }
    }
    location = /other { return 404; }
--- request
GET /t
--- response_body
/other true
--- no_error_log
[error]



=== with a jump nginx looks for the location again
--- config
    location = /t {
        rewrite_by_lua_block {
            ngx.ctx.kept = true
            ngx.req.set_uri("/other", true)
            ngx.log(ngx.ERR, "went on")
        }
        content_by_lua_block { ngx.say("wrong") }
    }
    location = /other {
        content_by_lua_block { ngx.say(ngx.var.uri, "?", ngx.var.args, " ", ngx.ctx.kept) }
    }
--- request
GET /t?a=1
--- response_body
/other?a=1 nil
--- error_log
lua set uri jump to "/other"
lua thread aborting request with URI rewrite jump: "/other?a=1"
lua request cleanup: forcible=1
--- no_error_log
[error]



=== a jump from server_rewrite, and after a wait
--- config
    server_rewrite_by_lua_block {
        if ngx.var.uri == "/t" then
            ngx.sleep(0.001)
            ngx.req.set_uri("/u", true)
        end
    }
    location = /u {
        rewrite_by_lua_block {
            ngx.sleep(0.001)
            ngx.req.set_uri("/v", true)
        }
    }
    location = /v { content_by_lua_block { ngx.say(ngx.var.uri) } }
--- request
GET /t
--- response_body
/v
--- no_error_log
[error]



=== jumps in a circle end
--- config
    location = /t {
        rewrite_by_lua_block { ngx.req.set_uri("/t", true) }
    }
--- request
GET /t
--- error_code: 500
--- error_log
rewrite or internal redirection cycle while processing "/t"



=== a jump is for the rewrite phases
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.req.set_uri, "/x", true)))
            ngx.say(ngx.var.uri)
        }
    }
--- request
GET /t
--- response_body
API disabled in the context of content_by_lua*
/t
--- no_error_log
[error]



=== what no URI can be
--- config
    location = /t {
        content_by_lua_block {
            local function say(...) ngx.say(select(2, pcall(ngx.req.set_uri, ...))) end
            say()
            say("/a", false, true, 4)
            say({})
            say("")
            say("/a\0b")
            say("/a\r\n\"\\\xe9", false, false)
            say("/a", 1)
            say("/a", false, "yes")
            ngx.req.set_uri("/a\0b", false, true)
            ngx.say(#ngx.var.uri, ngx.var.uri == "/a\0b")
        }
    }
--- request
GET /t
--- response_body
expecting 1, 2 or 3 arguments but seen 0
expecting 1, 2 or 3 arguments but seen 4
bad argument #1 to '?' (string expected, got table)
attempt to use zero-length uri
unsafe byte "0x00" in uri "/a\x00b" (maybe you want to set the 'binary' argument?)
unsafe byte "0x0d" in uri "/a\x0D\x0A\x22\x5C\xE9" (maybe you want to set the 'binary' argument?)
bad argument #2 to '?' (boolean expected, got number)
bad argument #3 to '?' (boolean expected, got string)
4true
--- no_error_log
[error]
