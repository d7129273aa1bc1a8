# ngx.req.get_headers: names, limits, repeated headers.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== names are in lower case, and looked up in any case
--- config
    location = /t {
        content_by_lua_block {
            local h = ngx.req.get_headers()
            ngx.say(rawget(h, "x-a-b"), h["X-A-B"], h.x_a_b, h.X_A_b, h.nothing)
        }
    }
--- request
GET /t
--- more_headers
X-A-b: yes
--- response_body
yesyesyesyesnil
--- no_error_log
[error]



=== raw names are as they were sent, and only those are found
--- config
    location = /t {
        content_by_lua_block {
            local h = ngx.req.get_headers(nil, true)
            ngx.say(h["X-MiXed"], " ", h["x-mixed"], " ", getmetatable(h))
        }
    }
--- request
GET /t
--- more_headers
X-MiXed: 1
--- response_body
1 nil nil
--- no_error_log
[error]



=== a header that comes again is a table
--- config
    location = /t {
        content_by_lua_block {
            local h = ngx.req.get_headers()
            ngx.say(table.concat(h.foo, ","), " ", h.bar)
        }
    }
--- request
GET /t
--- more_headers
Foo: a
Bar: x
foo: b
FOO: c
--- response_body
a,b,c x
--- no_error_log
[error]



=== the limit, and what is said when it cuts
--- config
    location = /t {
        content_by_lua_block {
            for _, max in ipairs { 1, 2, 3, 4, 0, -1 } do
                local h, err = ngx.req.get_headers(max)
                local n = 0
                for _ in pairs(h) do n = n + 1 end
                ngx.say(max, ": ", n, " ", err)
            end
        }
    }
--- request
GET /t
--- more_headers
Foo: a
--- response_body
1: 1 truncated
2: 2 truncated
3: 3 nil
4: 3 nil
0: 3 nil
-1: 3 nil
--- error_log
lua exceeding request header limit 3 > 1
lua exceeding request header limit 3 > 2
--- no_error_log
[error]



=== a hundred unless the caller says
--- config
    location = /t {
        content_by_lua_block {
            local function count(h)
                local n = 0
                for _ in pairs(h) do n = n + 1 end
                return n
            end
            local h, err = ngx.req.get_headers()
            ngx.say(count(h), " ", err)
            h, err = ngx.req.get_headers(0)
            ngx.say(count(h), " ", err)
        }
    }
--- request
GET /t
--- more_headers
X-1: 1
X-2: 2
X-3: 3
X-4: 4
X-5: 5
X-6: 6
X-7: 7
X-8: 8
X-9: 9
X-10: 10
X-11: 11
X-12: 12
X-13: 13
X-14: 14
X-15: 15
X-16: 16
X-17: 17
X-18: 18
X-19: 19
X-20: 20
X-21: 21
X-22: 22
X-23: 23
X-24: 24
X-25: 25
X-26: 26
X-27: 27
X-28: 28
X-29: 29
X-30: 30
X-31: 31
X-32: 32
X-33: 33
X-34: 34
X-35: 35
X-36: 36
X-37: 37
X-38: 38
X-39: 39
X-40: 40
X-41: 41
X-42: 42
X-43: 43
X-44: 44
X-45: 45
X-46: 46
X-47: 47
X-48: 48
X-49: 49
X-50: 50
X-51: 51
X-52: 52
X-53: 53
X-54: 54
X-55: 55
X-56: 56
X-57: 57
X-58: 58
X-59: 59
X-60: 60
X-61: 61
X-62: 62
X-63: 63
X-64: 64
X-65: 65
X-66: 66
X-67: 67
X-68: 68
X-69: 69
X-70: 70
X-71: 71
X-72: 72
X-73: 73
X-74: 74
X-75: 75
X-76: 76
X-77: 77
X-78: 78
X-79: 79
X-80: 80
X-81: 81
X-82: 82
X-83: 83
X-84: 84
X-85: 85
X-86: 86
X-87: 87
X-88: 88
X-89: 89
X-90: 90
X-91: 91
X-92: 92
X-93: 93
X-94: 94
X-95: 95
X-96: 96
X-97: 97
X-98: 98
X-99: 99
X-100: 100
X-101: 101
X-102: 102
X-103: 103
X-104: 104
X-105: 105
X-106: 106
X-107: 107
X-108: 108
X-109: 109
X-110: 110
--- response_body
100 truncated
112 nil
--- error_log
lua exceeding request header limit 112 > 100
--- no_error_log
[error]



=== no client, no headers
--- http_config
    init_worker_by_lua_block {
        local ok, err = pcall(ngx.req.get_headers)
        package.loaded.answer = err
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(package.loaded.answer) }
    }
--- request
GET /t
--- response_body
API disabled in the current context
--- no_error_log
[error]
