# ngx.eof: ends the response while Lua goes on.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== output after eof is refused
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("body")
            local ok, err = ngx.eof()
            ngx.log(ngx.WARN, "eof: ", ok, " ", err)
            ok, err = ngx.say("more")
            ngx.log(ngx.WARN, "say: ", ok, " ", err)
            ok, err = ngx.print("more")
            ngx.log(ngx.WARN, "print: ", ok, " ", err)
            ok, err = ngx.flush(true)
            ngx.log(ngx.WARN, "flush: ", ok, " ", err)
            ok, err = ngx.eof()
            ngx.log(ngx.WARN, "again: ", ok, " ", err)
        }
    }
--- request
GET /t
--- response_body
body
--- error_log
eof: 1 nil
say: nil seen eof
print: nil seen eof
flush: nil seen eof
again: nil seen eof
--- no_error_log
[error]



=== eof without a body sends an empty 200
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Before"] = "yes"
            ngx.eof()
            ngx.log(ngx.WARN, "sent: ", ngx.headers_sent)
        }
    }
--- request
GET /t
--- response_headers
X-Before: yes
--- response_body
--- error_log
sent: true
--- no_error_log
[error]



=== eof takes no argument
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.eof, nil)))
        }
    }
--- request
GET /t
--- response_body
no argument is expected
--- no_error_log
[error]



=== Lua runs on after eof, the next request waits for it
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("done")
            ngx.eof()
            ngx.sleep(0.02)
            package.loaded.seen = "and after"
        }
    }
    location = /seen {
        content_by_lua_block { ngx.say(package.loaded.seen) }
    }
--- pipelined_requests eval
["GET /t", "GET /seen"]
--- response_body eval
["done\n", "and after\n"]
--- no_error_log
[error]



=== eof in access ends the request before content
--- config
    location = /t {
        access_by_lua_block {
            ngx.say("access")
            ngx.eof()
        }
        content_by_lua_block {
            ngx.log(ngx.ERR, "content ran")
        }
    }
--- request
GET /t
--- response_body
access
--- no_error_log
[error]
content ran



=== eof is disabled in log
--- config
    location = /t {
        content_by_lua_block { ngx.say("x") ngx.status = 200 }
        log_by_lua_block {
            ngx.log(ngx.WARN, "eof: ", select(2, ngx.eof()))
        }
    }
--- request
GET /t
--- response_body
x
--- error_log
eof: seen eof
attempt to set ngx.status after sending out response headers
