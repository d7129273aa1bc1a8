# ngx.quote_sql_str.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== literals
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.quote_sql_str(""), ngx.quote_sql_str("plain"), ngx.quote_sql_str("é"), ngx.quote_sql_str(12))
            ngx.say(ngx.quote_sql_str("it's \"x\" \\"))
            ngx.say(ngx.quote_sql_str("\0\8\t\n\r\26"))
            ngx.say(#ngx.quote_sql_str(("'"):rep(10000)), " ", #ngx.quote_sql_str(("x"):rep(10000)))
        }
    }
--- request
GET /t
--- response_body
'''plain''é''12'
'it\'s \"x\" \\'
'\0\b\t\n\r\Z'
20002 10002
--- no_error_log
[error]



=== one string
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.quote_sql_str)))
            ngx.say(select(2, pcall(ngx.quote_sql_str, "a", "b")))
            ngx.say(select(2, pcall(ngx.quote_sql_str, {})))
        }
    }
--- request
GET /t
--- response_body
expecting one argument
expecting one argument
bad argument #1 to '?' (string expected, got table)
--- no_error_log
[error]



=== str_replace_char, which lua-resty-core uses
--- config
    location = /t {
        content_by_lua_block {
            local replace = require("resty.core.utils").str_replace_char
            ngx.say(replace("a-b-c", "-", "_"), replace("abc", "-", "_"), replace(("-"):rep(50), "-", "=") == ("="):rep(50))
        }
    }
--- request
GET /t
--- response_body
a_b_cabctrue
--- no_error_log
[error]
