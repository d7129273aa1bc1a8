# ngx.redirect: statuses, locations, misuse.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== statuses
--- config
    location = /t {
        content_by_lua_block {
            ngx.redirect("http://a.example/b?c#d", tonumber(ngx.var.arg_s))
            ngx.log(ngx.ERR, "went on")
        }
    }
--- request eval
["GET /t?s=301", "GET /t?s=302", "GET /t?s=303", "GET /t?s=307", "GET /t?s=308"]
--- response_headers eval
["Location: http://a.example/b?c#d", "Location: http://a.example/b?c#d", "Location: http://a.example/b?c#d", "Location: http://a.example/b?c#d", "Location: http://a.example/b?c#d"]
--- error_code eval
[301, 302, 303, 307, 308]
--- no_error_log
[error]



=== a path is sent as it is
--- config
    location = /t {
        content_by_lua_block { ngx.redirect("/b c\t\xe9") }
    }
--- request
GET /t
--- response_headers eval
"Location: /b c\t\xe9"
--- error_code: 302
--- error_log
lua redirect to
with code 302
--- no_error_log
[error]



=== in rewrite and access, after a wait, in a coroutine
--- config
    location = /r { rewrite_by_lua_block { ngx.redirect("/x", 303) } }
    location = /a {
        access_by_lua_block {
            ngx.sleep(0.001)
            coroutine.wrap(function() ngx.redirect("/x", 303) end)()
        }
    }
--- request eval
["GET /r", "GET /a"]
--- response_headers eval
["Location: /x", "Location: /x"]
--- error_code eval
[303, 303]
--- no_error_log
[error]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            local function say(...) ngx.say(select(2, pcall(ngx.redirect, ...))) end
            local said = {}
            ngx.say = function(text) said[#said + 1] = text end
            say()
            say("/a", 302, 1)
            say("/a", 200)
            say("/a", "x")
            say({})
            say("/a\r\nX-Evil: 1")
            ngx.print(table.concat(said, "\n"), "\n")
            ngx.print(select(2, pcall(ngx.redirect, "/late")))
        }
    }
--- request
GET /t
--- response_body chomp
expecting one or two arguments
expecting one or two arguments
only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY, ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are allowed
bad argument #2 to '?' (number expected, got string)
bad argument #1 to '?' (string expected, got table)
unsafe byte "0x0d" in redirect uri "/a\x0D\x0AX-Evil: 1"
attempt to call ngx.redirect after sending out the headers
--- no_error_log
[error]



=== not in the log phase
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.WARN, select(2, pcall(ngx.redirect, "/x"))) }
    }
--- request
GET /t
--- response_body
ok
--- error_log
API disabled in the context of log_by_lua*
--- no_error_log
[error]
