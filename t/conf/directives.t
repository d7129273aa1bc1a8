# Small directives: defaults, levels and errors.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== lua_load_resty_core is accepted, ignored and warned about
--- http_config
    lua_load_resty_core off;
--- config
    location = /t { content_by_lua_block { ngx.say(package.loaded["resty.core"] ~= nil) } }
--- request
GET /t
--- response_body
true
--- error_log eval
qr/\[warn\] .*lua_load_resty_core is deprecated \(the lua-resty-core library is required since ngx_lua v0\.10\.16\) in .*nginx\.conf:\d+/
--- no_error_log
[error]



=== lua_malloc_trim: every n requests
--- http_config
    lua_malloc_trim 2;
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- response_body eval
["ok\n", "ok\n", "ok\n", "ok\n"]
--- no_error_log
[error]



=== lua_malloc_trim 1 trims after each request
--- http_config
    lua_malloc_trim 1;
--- config
    location = /t { return 200 "ok\n"; }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/malloc_trim\(1\) returned \d/
--- no_error_log
[error]



=== lua_malloc_trim 0 turns it off
--- http_config
    lua_malloc_trim 0;
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { local x }
    }
--- request
GET /t
--- response_body
ok
--- error_log
malloc_trim() disabled
--- no_error_log
malloc_trim(1)
[error]



=== lua_malloc_trim wants a number
--- http_config
    lua_malloc_trim x;
--- config
--- must_die
--- error_log
"lua_malloc_trim" directive invalid number in the 1st argument



=== lua_use_default_type on: the default type is sent
--- config
    location = /t {
        default_type text/css;
        lua_use_default_type on;
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
Content-Type: text/css
--- response_body
ok
--- no_error_log
[error]



=== lua_use_default_type off: no type unless Lua sets one
--- config
    lua_use_default_type off;
    default_type text/css;
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_headers
! Content-Type
--- response_body
ok
--- no_error_log
[error]



=== lua_use_default_type off, with a type of Lua's
--- config
    location = /t {
        lua_use_default_type off;
        content_by_lua_block {
            ngx.header.content_type = "text/x-own"
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
Content-Type: text/x-own
--- response_body
ok
--- no_error_log
[error]



=== the default type goes by the extension of the uri
--- config
    location = /t.html {
        types { text/html html; }
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t.html
--- response_headers
Content-Type: text/html
--- response_body
ok
--- no_error_log
[error]



=== lua_http10_buffering off: output goes out at once
--- config
    lua_http10_buffering off;
    location = /t {
        content_by_lua_block {
            ngx.say("one")
            ngx.log(ngx.WARN, "sent: ", ngx.headers_sent)
            ngx.say(ngx.flush(true))
        }
    }
--- request
GET /t HTTP/1.0
--- response_headers
! Content-Length
--- response_body
one
1
--- error_log
sent: true
--- no_error_log
[error]



=== lua_sa_restart
--- http_config
    lua_sa_restart off;
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- no_error_log
[error]



=== lua_sa_restart wants on or off
--- http_config
    lua_sa_restart maybe;
--- config
--- must_die
--- error_log
invalid value "maybe" in "lua_sa_restart" directive, it must be "on" or "off"



=== lua_thread_cache_max_entries: threads are reused
--- http_config
    lua_thread_cache_max_entries 1;
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { ngx.log(ngx.WARN, "done") }
    }
--- request
GET /t
--- response_body
ok
--- error_log
lua caching unused lua thread
--- no_error_log
[error]



=== lua_thread_cache_max_entries 0: no cache
--- http_config
    lua_thread_cache_max_entries 0;
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["ok\n", "ok\n", "ok\n"]
--- no_error_log
lua caching unused lua thread
lua reusing cached lua thread
[error]



=== lua_thread_cache_max_entries: more coroutines at once than entries
--- http_config
    lua_thread_cache_max_entries 1;
--- config
    location = /t {
        mirror /m1; mirror /m2; mirror /m3;
        content_by_lua_block { ngx.sleep(0.01) ngx.say("ok") }
    }
    location /m { content_by_lua_block { ngx.sleep(0.005) } }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["ok\n", "ok\n"]
--- no_error_log
[error]
