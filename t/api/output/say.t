# ngx.say and ngx.print: what each Lua type becomes on the wire.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== say adds a newline, print does not
--- config
    location = /t {
        content_by_lua_block {
            ngx.print("one")
            ngx.print(" two")
            ngx.say(" three")
            ngx.say("four")
        }
    }
--- request
GET /t
--- response_body
one two three
four
--- no_error_log
[error]



=== arguments are joined without a separator
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("a", 1, "b", true, "c", nil, "d", false, "e", ngx.null)
        }
    }
--- request
GET /t
--- response_body
a1btruecnildfalseenull
--- no_error_log
[error]



=== say without arguments is an empty line
--- config
    location = /t {
        content_by_lua_block {
            ngx.say()
            ngx.say("")
            ngx.say("end")
        }
    }
--- request
GET /t
--- response_body eval
"\n\nend\n"
--- no_error_log
[error]



=== print of nothing sends the header and no body
--- config
    location = /t {
        content_by_lua_block {
            ngx.log(ngx.WARN, "before: ", ngx.headers_sent)
            local ok, err = ngx.print()
            ngx.log(ngx.WARN, "after: ", ngx.headers_sent, " ", ok, " ", err)
            ngx.print("")
        }
    }
--- request
GET /t
--- response_body
--- error_log
before: false
after: true 1 nil
--- no_error_log
[error]



=== integers are printed exactly, floats with 14 digits
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(0, " ", -1, " ", 2147483647, " ", -2147483648)
            ngx.say(2147483648, " ", 4294967296, " ", 99999999999999)
            ngx.say(3.14159265358979, " ", 0.1, " ", 1e15, " ", -1.5e-7)
            ngx.say(1/0, " ", -1/0, " ", 1e100)
        }
    }
--- request
GET /t
--- response_body
0 -1 2147483647 -2147483648
2147483648 4294967296 99999999999999
3.1415926535898 0.1 1e+15 -1.5e-07
inf -inf 1e+100
--- no_error_log
[error]



=== strings are binary safe
--- config
    location = /t {
        content_by_lua_block {
            ngx.print("a\0b", "\255\254", "\r\n")
        }
    }
--- request
GET /t
--- response_body eval
"a\x{00}b\x{ff}\x{fe}\r\n"
--- no_error_log
[error]



=== both return 1
--- config
    location = /t {
        content_by_lua_block {
            local a, ea = ngx.say("x")
            local b, eb = ngx.print("y\n")
            ngx.say(type(a), a, ea, " ", type(b), b, eb)
        }
    }
--- request
GET /t
--- response_body
x
y
number1nil number1nil
--- no_error_log
[error]



=== a function is refused by name and position
--- config
    location = /t {
        content_by_lua_block {
            local say = ngx.say
            ngx.say(select(2, pcall(say, "a", function () end)))
            ngx.say(select(2, pcall(say, coroutine.create(function () end))))
            ngx.say(select(2, pcall(ngx.print, "a", "b", io.stdout)))
        }
    }
--- request
GET /t
--- response_body
bad argument #2 to '?' (string, number, boolean, nil, ngx.null, or array table expected, but got function)
bad argument #1 to '?' (string, number, boolean, nil, ngx.null, or array table expected, but got thread)
bad argument #3 to '?' (string, number, boolean, nil, ngx.null, or array table expected, but got userdata)
--- no_error_log
[error]



=== a refused call sends nothing of its arguments
--- config
    location = /t {
        content_by_lua_block {
            pcall(ngx.say, "lost", function () end)
            ngx.say("kept")
        }
    }
--- request
GET /t
--- response_body
kept
--- no_error_log
[error]



=== an uncaught bad argument is a 500 that names the function
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(print)
        }
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log
lua entry thread aborted: runtime error: content_by_lua(nginx.conf:
bad argument #1 to 'say' (string, number, boolean, nil, ngx.null, or array table expected, but got function)



=== a cdata value is refused
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.say, 1LL)))
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (string, number, boolean, nil, ngx.null, or array table expected, but got cdata)
--- no_error_log
[error]



=== many pieces and one large piece arrive in order
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 2000 do
                ngx.print(i % 10)
            end
            ngx.say()
            ngx.print(string.rep("x", 100000))
        }
    }
--- request
GET /t
--- response_body eval
("1234567890" x 200) . "\n" . ("x" x 100000)
--- no_error_log
[error]
