# ngx.exec: URIs, named locations, arguments, misuse.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== to another URI, with its arguments
--- config
    location = /t {
        content_by_lua_block {
            ngx.ctx.kept = true
            ngx.exec("/u?a=1", "b")
            ngx.log(ngx.ERR, "went on")
        }
    }
    location = /u {
        content_by_lua_block {
            ngx.say(ngx.var.uri, "?", ngx.var.args, " ", ngx.req.is_internal(), " ", ngx.ctx.kept)
        }
    }
--- request
GET /t
--- response_body
/u?a=1&b true nil
--- error_log
lua exec "/u?a=1&b"
lua thread initiated internal redirect to /u
lua request cleanup: forcible=1
--- no_error_log
[error]



=== arguments as a table, a number, nil
--- config
    location = /t {
        content_by_lua_block {
            local args = { t = { ["a b"] = "&" }, n = 12 }
            ngx.exec("/u", args[ngx.var.arg_k])
        }
    }
    location = /u { content_by_lua_block { ngx.say("[", ngx.var.args or "", "]") } }
--- request eval
["GET /t?k=t", "GET /t?k=n", "GET /t?k=x"]
--- response_body eval
["[a%20b=%26]\n", "[12]\n", "[]\n"]
--- no_error_log
[error]



=== to a named location: URI and arguments stay
--- config
    location = /t { content_by_lua_block { ngx.exec("@n") } }
    location @n { content_by_lua_block { ngx.say(ngx.var.uri, "?", ngx.var.args) } }
--- request
GET /t?a=1
--- response_body
/t?a=1
--- no_error_log
[warn]
[error]



=== arguments for a named location are refused with a warning
--- config
    location = /t { content_by_lua_block { ngx.exec("@n", "more") } }
    location @n { content_by_lua_block { ngx.say(ngx.var.uri, "?", ngx.var.args) } }
--- request
GET /t?a=1
--- response_body
/t?a=1
--- error_log
query strings more ignored when exec'ing named location @n
--- no_error_log
[error]



=== to a named location that is not there
--- config
    location = /t { content_by_lua_block { ngx.exec("@nowhere") } }
--- request
GET /t
--- error_code: 500
--- error_log
could not find named location "@nowhere"



=== from every phase, before and after a wait
--- config
    location = /rewrite { rewrite_by_lua_block { ngx.exec("/u") } }
    location = /rewrite_wait { rewrite_by_lua_block { ngx.sleep(0.001) ngx.exec("@n") } }
    location = /access { access_by_lua_block { ngx.exec("@n") } }
    location = /access_wait { access_by_lua_block { ngx.sleep(0.001) ngx.exec("/u") } }
    location = /precontent { precontent_by_lua_block { ngx.exec("/u") } }
    location = /precontent_wait { precontent_by_lua_block { ngx.sleep(0.001) ngx.exec("@n") } }
    location = /content_wait { content_by_lua_block { ngx.sleep(0.001) ngx.exec("/u") } }
    location = /u { content_by_lua_block { ngx.sleep(0.001) ngx.say("u") } }
    location @n { content_by_lua_block { ngx.sleep(0.001) ngx.say("n") } }
--- pipelined_requests eval
["GET /rewrite", "GET /rewrite_wait", "GET /access", "GET /access_wait", "GET /precontent", "GET /precontent_wait", "GET /content_wait"]
--- response_body eval
["u\n", "n\n", "n\n", "u\n", "u\n", "n\n", "u\n"]
--- no_error_log
[error]



=== to a static file, and to what nginx refuses
--- config
    location = /t { content_by_lua_block { ngx.exec("/f.txt") } }
    location = /r { content_by_lua_block { ngx.exec("/internal") } }
    location = /internal { internal; return 403; }
    location = /f.txt { root html; }
--- user_files
>>> f.txt
file
--- request eval
["GET /t", "GET /r"]
--- response_body_like eval
["^file\n\$", "403 Forbidden"]
--- error_code eval
[200, 403]
--- no_error_log
[error]



=== in a circle
--- config
    location = /t { content_by_lua_block { ngx.exec("/t") } }
--- request
GET /t
--- error_code: 500
--- error_log
rewrite or internal redirection cycle while internally redirecting to "/t"



=== what was pending does not come back
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.create(function() ngx.sleep(0.01) ngx.exec("/u") end)
            coroutine.resume(co)
            ngx.log(ngx.ERR, "went on")
        }
    }
    location = /u { content_by_lua_block { ngx.sleep(0.03) ngx.say("u") } }
--- request
GET /t
--- response_body
u
--- no_error_log
[error]



=== misuse
--- config
    location = /t {
        content_by_lua_block {
            local said = {}
            local function say(...) said[#said + 1] = select(2, pcall(ngx.exec, ...)) end
            say()
            say("/a", "b", "c")
            say({})
            say("")
            say("/../x")
            say("/a", true)
            say("/a", { 1 })
            ngx.print(table.concat(said, "\n"), "\n")
            ngx.print(select(2, pcall(ngx.exec, "/late")))
        }
    }
--- request
GET /t
--- response_body chomp
expecting one or two arguments, but got 0
expecting one or two arguments, but got 3
bad argument #1 to '?' (string expected, got table)
The uri argument is empty
unsafe uri
bad argument #2 to '?' (string, number, or table expected, but got boolean)
attempt to use a non-string key in the "args" option table
attempt to call ngx.exec after sending out response headers
--- error_log
unsafe URI "/../x" was detected



=== a URI of which nothing is left when it has been decoded
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(ngx.exec, "%"))
            ngx.say(pcall(ngx.exec, "%?a=b"))
            ngx.say(pcall(ngx.location.capture, "%"))
        }
    }
--- request
GET /t
--- response_body_like chomp
\Afalse.*unsafe uri
false.*unsafe uri
false.*unsafe uri
--- no_error_log
[alert]
