# ngx.exit after the header has been sent.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== another status is too late: logged, the body stands
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.exit(404)
            ngx.log(ngx.ERR, "went on")
        }
    }
--- request
GET /t
--- response_body
sent
--- error_code: 200
--- error_log
attempt to set status 404 via ngx.exit after sending out the response status 200
--- no_error_log
went on



=== the same status is fine
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 404
            ngx.say("sent")
            ngx.exit(404)
        }
    }
--- request
GET /t
--- response_body
sent
--- error_code: 404
--- no_error_log
[error]



=== exit(200) after a 404 keeps the 404
--- config
    location = /t {
        content_by_lua_block {
            ngx.status = 404
            ngx.say("sent")
            ngx.exit(200)
        }
    }
--- request
GET /t
--- response_body
sent
--- error_code: 404
--- no_error_log
[error]



=== 444 after the header cuts the body short
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.flush(true)
            ngx.exit(444)
        }
    }
--- request
GET /t
--- ignore_response
--- error_log
lua exit with code 444
--- no_error_log
attempt to set status



=== exit in access after say skips content
--- config
    location = /t {
        access_by_lua_block {
            ngx.say("access")
            ngx.exit(ngx.OK)
        }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
access
--- no_error_log
[error]
content ran



=== exit(503) in access after say keeps 200
--- config
    location = /t {
        access_by_lua_block {
            ngx.say("access")
            ngx.exit(503)
        }
        content_by_lua_block { ngx.log(ngx.ERR, "content ran") }
    }
--- request
GET /t
--- response_body
access
--- error_code: 200
--- error_log
attempt to set status 503 via ngx.exit after sending out the response status 200
--- no_error_log
content ran



=== exit after eof
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("done")
            ngx.eof()
            ngx.exit(ngx.OK)
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t"]
--- response_body eval
["done\n", "done\n"]
--- no_error_log
[error]



=== the connection is kept after a late exit
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("sent")
            ngx.exit(200)
        }
    }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["sent\n", "sent\n", "sent\n"]
--- no_error_log
[error]
