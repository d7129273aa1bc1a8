# How much of the response is collected: postpone_output.

use Test::Nginx::Socket 'no_plan';

no_long_string();
log_level('debug');
run_tests();

__DATA__

=== postpone_output 1 sends each write by itself
--- config
    location = /t {
        postpone_output 1;
        content_by_lua_block {
            ngx.print("one")
            ngx.print("two")
        }
    }
--- request
GET /t
--- response_body: onetwo
--- grep_error_log: http output filter "/t?"
--- grep_error_log_out
http output filter "/t?"
http output filter "/t?"
http output filter "/t?"
--- no_error_log
[error]



=== a size in between is a limit
--- config
    location = /t {
        postpone_output 1000;
        content_by_lua_block {
            for _ = 1, 20 do ngx.print(("x"):rep(100)) end
        }
    }
--- request
GET /t
--- response_body eval
"x" x 2000
--- grep_error_log: http output filter "/t?"
--- grep_error_log_out
http output filter "/t?"
http output filter "/t?"
http output filter "/t?"
--- no_error_log
[error]



=== nginx's default leaves it at one
--- config
    location = /t {
        content_by_lua_block {
            for _ = 1, 20 do ngx.print(("x"):rep(100)) end
        }
    }
--- request
GET /t
--- response_body eval
"x" x 2000
--- grep_error_log: http output filter "/t?"
--- grep_error_log_out
http output filter "/t?"
--- no_error_log
[error]
