# The constants of the ngx table.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== core return codes
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.OK, " ", ngx.ERROR, " ", ngx.AGAIN, " ", ngx.DONE, " ", ngx.DECLINED)
        }
    }
--- request
GET /t
--- response_body
0 -1 -2 -4 -5
--- no_error_log
[error]



=== methods are bits
--- config
    location = /t {
        content_by_lua_block {
            for _, m in ipairs({ "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE",
                                 "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "PATCH",
                                 "TRACE" }) do
                ngx.print(m, "=", ngx["HTTP_" .. m], " ")
            end
            ngx.say("end")
        }
    }
--- request
GET /t
--- response_body
GET=2 HEAD=4 POST=8 PUT=16 DELETE=32 MKCOL=64 COPY=128 MOVE=256 OPTIONS=512 PROPFIND=1024 PROPPATCH=2048 LOCK=4096 UNLOCK=8192 PATCH=16384 TRACE=32768 end
--- no_error_log
[error]



=== statuses: informational, success, redirection
--- config
    location = /t {
        content_by_lua_block {
            for _, s in ipairs({ "CONTINUE", "SWITCHING_PROTOCOLS", "OK", "CREATED", "ACCEPTED",
                                 "NO_CONTENT", "PARTIAL_CONTENT", "SPECIAL_RESPONSE",
                                 "MOVED_PERMANENTLY", "MOVED_TEMPORARILY", "SEE_OTHER",
                                 "NOT_MODIFIED", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT" }) do
                ngx.say(ngx["HTTP_" .. s])
            end
        }
    }
--- request
GET /t
--- response_body eval
"100\n101\n200\n201\n202\n204\n206\n300\n301\n302\n303\n304\n307\n308\n"
--- no_error_log
[error]



=== statuses: client errors
--- config
    location = /t {
        content_by_lua_block {
            for _, s in ipairs({ "BAD_REQUEST", "UNAUTHORIZED", "PAYMENT_REQUIRED", "FORBIDDEN",
                                 "NOT_FOUND", "NOT_ALLOWED", "NOT_ACCEPTABLE", "REQUEST_TIMEOUT",
                                 "CONFLICT", "GONE", "UPGRADE_REQUIRED", "TOO_MANY_REQUESTS",
                                 "CLOSE", "ILLEGAL" }) do
                ngx.say(ngx["HTTP_" .. s])
            end
        }
    }
--- request
GET /t
--- response_body eval
"400\n401\n402\n403\n404\n405\n406\n408\n409\n410\n426\n429\n444\n451\n"
--- no_error_log
[error]



=== statuses: server errors
--- config
    location = /t {
        content_by_lua_block {
            for _, s in ipairs({ "INTERNAL_SERVER_ERROR", "NOT_IMPLEMENTED",
                                 "METHOD_NOT_IMPLEMENTED", "BAD_GATEWAY", "SERVICE_UNAVAILABLE",
                                 "GATEWAY_TIMEOUT", "VERSION_NOT_SUPPORTED",
                                 "INSUFFICIENT_STORAGE" }) do
                ngx.say(ngx["HTTP_" .. s])
            end
        }
    }
--- request
GET /t
--- response_body eval
"500\n501\n501\n502\n503\n504\n505\n507\n"
--- no_error_log
[error]



=== ngx.null is a light userdata, true, equal to itself only
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(type(ngx.null), " ", tostring(ngx.null), " ", ngx.null == nil, " ",
                    ngx.null == ngx.null, " ", ngx.null and "true")
            ngx.say(ngx.null)
        }
    }
--- request
GET /t
--- response_body
userdata userdata: NULL false true true
null
--- no_error_log
[error]



=== constants are there at init
--- http_config
    init_by_lua_block { seen = { ngx.OK, ngx.HTTP_OK, ngx.HTTP_GET, ngx.ERR } }
--- config
    location = /t {
        content_by_lua_block { ngx.say(table.concat(seen, " ")) }
    }
--- request
GET /t
--- response_body
0 200 2 4
--- no_error_log
[error]



=== the ngx table is the module "ngx"
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(require("ngx") == ngx, " ", package.loaded.ngx == ngx, " ", _G.ngx == ngx)
        }
    }
--- request
GET /t
--- response_body
true true true
--- no_error_log
[error]
