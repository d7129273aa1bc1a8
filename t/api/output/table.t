# Tables given to ngx.say and ngx.print.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== an array is flattened
--- config
    location = /t {
        content_by_lua_block {
            ngx.say({ "a", 1, true, false, ngx.null, 2.5 })
        }
    }
--- request
GET /t
--- response_body
a1truefalsenull2.5
--- no_error_log
[error]



=== nested arrays are flattened in order
--- config
    location = /t {
        content_by_lua_block {
            ngx.say({ "a", { "b", { "c", {}, { { "d" } } } }, "e" }, "-", { 1, { 2 } })
        }
    }
--- request
GET /t
--- response_body
abcde-12
--- no_error_log
[error]



=== holes read as nil
--- config
    location = /t {
        content_by_lua_block {
            ngx.say({ "a", nil, "c" })
            local sparse = {}
            sparse[4] = "d"
            ngx.say(sparse)
        }
    }
--- request
GET /t
--- response_body
anilc
nilnilnild
--- no_error_log
[error]



=== an empty table is nothing
--- config
    location = /t {
        content_by_lua_block {
            ngx.print({}, {{}, {}})
            ngx.say({}, "x", {})
        }
    }
--- request
GET /t
--- response_body
x
--- no_error_log
[error]



=== keys that are no positive integer make it a non-array
--- config
    location = /t {
        content_by_lua_block {
            local function try(...)
                ngx.say(select(2, pcall(ngx.print, ...)))
            end
            try({ a = 1 })
            try("x", { 1, 2, x = 3 })
            try({ [0] = "zero" })
            try({ [-1] = "minus" })
            try({ [1.5] = "half" })
            try("x", "y", { 1, { true, { k = 1 } } })
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (non-array table found)
bad argument #2 to '?' (non-array table found)
bad argument #1 to '?' (non-array table found)
bad argument #1 to '?' (non-array table found)
bad argument #1 to '?' (non-array table found)
bad argument #3 to '?' (non-array table found)
--- no_error_log
[error]



=== elements of other types are refused
--- config
    location = /t {
        content_by_lua_block {
            local function try(...)
                ngx.say(select(2, pcall(ngx.print, ...)))
            end
            try({ 1, print })
            try("x", { { coroutine.create(function () end) } })
            try({ io.stdout })
        }
    }
--- request
GET /t
--- response_body
bad argument #1 to '?' (bad data type function found)
bad argument #2 to '?' (bad data type thread found)
bad argument #1 to '?' (bad data type userdata found)
--- no_error_log
[error]



=== metamethods are not consulted
--- config
    location = /t {
        content_by_lua_block {
            local t = setmetatable({ "raw" }, {
                __tostring = function () return "tostring" end,
                __index = function () return "index" end,
            })
            ngx.say(t)
        }
    }
--- request
GET /t
--- response_body
raw
--- no_error_log
[error]



=== a table is not changed by printing it
--- config
    location = /t {
        content_by_lua_block {
            local t = { 1, { 2 }, "x" }
            ngx.say(t)
            ngx.say(type(t[1]), type(t[2]), type(t[2][1]), #t)
        }
    }
--- request
GET /t
--- response_body
12x
numbertablenumber3
--- no_error_log
[error]



=== a long array
--- config
    location = /t {
        content_by_lua_block {
            local t = {}
            for i = 1, 5000 do
                t[i] = { "ab", i % 10 }
            end
            ngx.say(t)
        }
    }
--- request
GET /t
--- response_body eval
("ab1ab2ab3ab4ab5ab6ab7ab8ab9ab0" x 500) . "\n"
--- no_error_log
[error]
