# Internal redirects, named locations, error_page and try_files.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== error_page with a Lua content handler
--- config
    error_page 404 /missing;
    location = /t { return 404; }
    location = /missing {
        content_by_lua_block {
            ngx.say(ngx.var.uri, " for ", ngx.var.request_uri)
        }
    }
--- request
GET /t?x=1
--- response_body
/missing for /t?x=1
--- error_code: 404
--- no_error_log
[error]



=== error_page =200 takes over the status
--- config
    error_page 404 =200 /found;
    location = /t { content_by_lua_block { ngx.exit(404) } }
    location = /found { content_by_lua_block { ngx.say("found after all") } }
--- request
GET /t
--- response_body
found after all
--- error_code: 200
--- no_error_log
[error]



=== error_page = lets the handler choose the status
--- config
    error_page 404 = /choose;
    location = /t { content_by_lua_block { ngx.exit(404) } }
    location = /choose {
        content_by_lua_block {
            ngx.status = 410
            ngx.say("gone")
        }
    }
--- request
GET /t
--- response_body
gone
--- error_code: 410
--- no_error_log
[error]



=== an error page for a Lua error
--- config
    error_page 500 /sorry;
    location = /t { content_by_lua_block { error("broken") } }
    location = /sorry { content_by_lua_block { ngx.say("sorry") } }
--- request
GET /t
--- response_body
sorry
--- error_code: 500
--- error_log
broken



=== an error inside the error page is a plain 500
--- config
    error_page 500 /sorry;
    location = /t { content_by_lua_block { error("first") } }
    location = /sorry { content_by_lua_block { error("second") } }
--- request
GET /t
--- response_body_like: 500 Internal Server Error
--- error_code: 500
--- error_log
first
second



=== error_page to a named location with access checks of its own
--- config
    error_page 403 @denied;
    location = /t {
        access_by_lua_block { ngx.exit(403) }
        content_by_lua_block { ngx.say("never") }
    }
    location @denied {
        access_by_lua_block { ngx.header["X-Access"] = "again" }
        content_by_lua_block { ngx.say("denied") }
    }
--- request
GET /t
--- response_headers
X-Access: again
--- response_body
denied
--- error_code: 403
--- no_error_log
[error]



=== error_page to another uri keeps headers Lua has set
--- config
    error_page 403 /denied;
    location = /t {
        access_by_lua_block {
            ngx.header["X-Why"] = "because"
            ngx.exit(403)
        }
        content_by_lua_block { ngx.say("never") }
    }
    location = /denied { return 200 "denied\n"; }
--- request
GET /t
--- response_headers
X-Why: because
--- response_body
denied
--- error_code: 403
--- no_error_log
[error]



=== index redirects to a Lua location
--- config
    location = /html/ { root .; index page.lua; }
    location = /html/page.lua { content_by_lua_block { ngx.say("index ", ngx.var.uri) } }
--- user_files
>>> page.lua
not run
--- request
GET /html/
--- response_body
index /html/page.lua
--- no_error_log
[error]



=== try_files to a Lua fallback
--- config
    location /html/ {
        root .;
        try_files $uri @lua;
    }
    location @lua { content_by_lua_block { ngx.say("fallback for ", ngx.var.uri) } }
--- user_files
>>> there.txt
a file
--- request eval
["GET /html/there.txt", "GET /html/gone.txt"]
--- response_body eval
["a file\n", "fallback for /html/gone.txt\n"]
--- no_error_log
[error]



=== X-Accel-Redirect of a Lua backend
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/backend;
    }
    location = /backend {
        content_by_lua_block { ngx.header["X-Accel-Redirect"] = "/final" }
    }
    location = /final {
        internal;
        rewrite_by_lua_block { ngx.ctx.n = (ngx.ctx.n or 0) + 1 }
        content_by_lua_block { ngx.say("final ", ngx.ctx.n) }
    }
--- request
GET /t
--- response_body
final 1
--- no_error_log
[error]



=== an endless internal redirection is stopped by nginx
--- config
    location /t { error_page 404 = /t/again; content_by_lua_block { ngx.exit(404) } }
    recursive_error_pages on;
--- request
GET /t
--- error_code: 500
--- error_log
rewrite or internal redirection cycle



=== ngx.exit leaves the response to the page that nginx makes: its ranges are sliced
--- config
    location = /rewrite { error_page 404 = @sliced; rewrite_by_lua_block { ngx.exit(404) } }
    location = /access { error_page 404 = @sliced; access_by_lua_block { ngx.sleep(0.001) ngx.exit(404) } }
    location = /content { error_page 404 = @sliced; content_by_lua_block { ngx.exit(404) } }
    location = /precontent { error_page 404 = @sliced; precontent_by_lua_block { ngx.exit(404) } }
    location = /own { error_page 404 = @sliced; return 404; }
    location @sliced {
        slice 10;
        proxy_http_version 1.1;
        proxy_set_header Range $slice_range;
        rewrite ^ /file.txt break;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.status, " ", ngx.var.status) }
    }
    location = /file.txt { root html; }
--- user_files
>>> file.txt
0123456789abcdefghijklmnopqrstuvwxyz
--- more_headers
Range: bytes=5-14
--- request eval
["GET /own", "GET /rewrite", "GET /access", "GET /content", "GET /precontent"]
--- error_code eval
[206, 206, 206, 206, 206]
--- response_body eval
["56789abcde", "56789abcde", "56789abcde", "56789abcde", "56789abcde"]
--- error_log
logged 206 206
--- no_error_log
[alert]
[error]
