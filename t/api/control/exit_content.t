# ngx.exit in the content phase, by code.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== exit(ngx.OK) and exit(0) end the response as it is
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("kept")
            ngx.exit(tonumber(ngx.var.arg_c))
            ngx.say("never")
        }
    }
--- request eval
["GET /t?c=0", "GET /t?c=200"]
--- response_body eval
["kept\n", "kept\n"]
--- no_error_log
[error]



=== exit(ngx.OK) without output is an empty 200
--- config
    location = /t {
        content_by_lua_block { ngx.exit(ngx.OK) }
    }
--- request
GET /t
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== code after exit does not run, also from deep inside
--- config
    location = /t {
        content_by_lua_block {
            local function deep(n)
                if n == 0 then
                    ngx.exit(200)
                end
                deep(n - 1)
                ngx.log(ngx.ERR, "went on")
            end
            ngx.say("in")
            deep(20)
        }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]
went on



=== pcall does not stop exit
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("in")
            pcall(ngx.exit, 200)
            ngx.log(ngx.ERR, "went on")
        }
    }
--- request
GET /t
--- response_body
in
--- no_error_log
[error]
went on



=== error codes give nginx's own page
--- config
    location = /t {
        content_by_lua_block { ngx.exit(tonumber(ngx.var.arg_c)) }
    }
--- request eval
["GET /t?c=400", "GET /t?c=403", "GET /t?c=404", "GET /t?c=429", "GET /t?c=500", "GET /t?c=503"]
--- error_code eval
[400, 403, 404, 429, 500, 503]
--- response_body_like eval
["400 Bad Request", "403 Forbidden", "404 Not Found",
 "429 Too Many Requests", "500 Internal", "503 Service"]
--- no_error_log
[error]



=== 201 is sent with the body so far, 204 without one
--- config
    location = /t {
        content_by_lua_block {
            ngx.exit(tonumber(ngx.var.arg_c))
        }
    }
--- request eval
["GET /t?c=201", "GET /t?c=204"]
--- error_code eval
[201, 204]
--- response_body eval
["", ""]
--- no_error_log
[error]



=== 301 and 302 with a Location
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["Location"] = "/new"
            ngx.exit(tonumber(ngx.var.arg_c))
        }
    }
--- request eval
["GET /t?c=301", "GET /t?c=302", "GET /t?c=307"]
--- error_code eval
[301, 302, 307]
--- raw_response_headers_like eval
["Location: /new\r\n", "Location: /new\r\n", "Location: /new\r\n"]
--- no_error_log
[error]



=== 304 has no body
--- config
    location = /t {
        content_by_lua_block { ngx.exit(ngx.HTTP_NOT_MODIFIED) }
    }
--- request
GET /t
--- error_code: 304
--- response_body
--- no_error_log
[error]



=== ngx.status before exit(ngx.OK) is kept
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 418
            ngx.say("short and stout")
            ngx.exit(ngx.OK)
        }
    }
--- request
GET /t
--- error_code: 418
--- response_body
short and stout
--- no_error_log
[error]



=== exit(200) does not override ngx.status
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 503
            ngx.exit(200)
        }
    }
--- request
GET /t
--- error_code: 503
--- response_body
--- no_error_log
[error]



=== exit(404) overrides ngx.status
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 202
            ngx.exit(404)
        }
    }
--- request
GET /t
--- error_code: 404
--- response_body_like: 404 Not Found
--- no_error_log
[error]



=== 444 closes the connection without an answer
--- config
    location = /t {
        content_by_lua_block { ngx.exit(ngx.HTTP_CLOSE) }
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.status) }
    }
--- request
GET /t
--- ignore_response
--- error_log
lua exit with code 444
logged 444
--- no_error_log
[error]



=== 499 and 408 close the connection as well
--- config
    location = /t {
        content_by_lua_block { ngx.exit(tonumber(ngx.var.arg_c)) }
        log_by_lua_block { ngx.log(ngx.WARN, "logged ", ngx.status) }
    }
--- request
GET /t?c=499
--- ignore_response
--- error_log
lua exit with code 499
logged 499
--- no_error_log
[error]



=== exit(ngx.ERROR) drops the connection
--- config
    location = /t {
        content_by_lua_block { ngx.exit(ngx.ERROR) }
    }
--- request
GET /t
--- ignore_response
--- error_log
lua exit with code -1
--- no_error_log
[error]



=== exit(ngx.DECLINED) in content closes without an answer
--- config
    location /html/ {
        root .;
        content_by_lua_block { ngx.exit(ngx.DECLINED) }
    }
--- user_files
>>> page.txt
the file
--- request
GET /html/page.txt
--- ignore_response
--- error_log
lua exit with code -5
http finalize request: 0,
--- no_error_log
http filename:
[error]



=== ngx.AGAIN and ngx.DONE are refused
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.exit, ngx.AGAIN)))
            ngx.say(select(2, pcall(ngx.exit, ngx.DONE)))
        }
    }
--- request
GET /t
--- response_body
bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE
bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE
--- no_error_log
[error]



=== a code that is no number raises
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(pcall(ngx.exit))
            ngx.say(pcall(ngx.exit, "abc"))
        }
    }
--- request
GET /t
--- response_body_like eval
qr/^false.*cannot convert 'nil' to 'int'.*\nfalse.*cannot convert 'string' to 'int'/
--- no_error_log
[error]
