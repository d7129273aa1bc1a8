# ngx.encode_args and ngx.decode_args.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== tables as query strings
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.encode_args{ foo = 3, }, " ", ngx.encode_args{ ["b r"] = "hello world&=" })
            ngx.say(ngx.encode_args{ a = true }, " [", ngx.encode_args{ a = false, b = {} }, "] [", ngx.encode_args{}, "]")
            ngx.say(ngx.encode_args{ a = { 1, true, false, "x y", 2.5, -7 } })
            ngx.say(ngx.encode_args{ a = { 1e15, 2^31, -2^31, "" } }, " ", ngx.encode_args{ [""] = "x" })
        }
    }
--- request
GET /t
--- response_body
foo=3 b%20r=hello%20world%26%3D
a [] []
a=1&a&a=x%20y&a=2.5&a=-7
a=1e%2B15&a=2147483648&a=-2147483648&a= =x
--- no_error_log
[error]



=== a key with something to escape, and no value
--- config
    location = /t {
        content_by_lua_block {
            ngx.say("[", ngx.encode_args{ ["a b"] = false, ["c d"] = {}, ["e f"] = { false } }, "]")
        }
    }
--- request
GET /t
--- response_body
[]
--- no_error_log
[error]



=== what is no argument
--- config
    location = /t {
        content_by_lua_block {
            for _, args in ipairs{ { 1 }, { a = print }, { a = { {} } }, { [true] = 1 }, { a = { ngx.null } } } do
                ngx.say(select(2, pcall(ngx.encode_args, args)))
            end
            ngx.say(select(2, pcall(ngx.encode_args)))
            ngx.say(select(2, pcall(ngx.encode_args, {}, 1)))
            ngx.say(select(2, pcall(ngx.encode_args, "a")))
        }
    }
--- request
GET /t
--- response_body
attempt to use a non-string key in the "args" option table
attempt to use function as query arg value
attempt to use table as query arg value
attempt to use a non-string key in the "args" option table
attempt to use userdata as query arg value
expecting 1 argument but seen 0
expecting 1 argument but seen 2
bad argument #1 to '?' (table expected, got string)
--- no_error_log
[error]



=== errors come from the line that calls
--- config
    location = /t {
        content_by_lua_block {
            local function message(f, ...) return select(2, pcall(f, ...)) end
            ngx.say(message(function ()
                local query = ngx.encode_args("a")
                return query
            end))
            ngx.say(message(function () local query = ngx.encode_args({ a = print }) return query end))
            ngx.say(message(function () local query = ngx.encode_args() return query end))
        }
    }
--- request
GET /t
--- response_body
content_by_lua(nginx.conf:40):4: bad argument #1 to 'encode_args' (table expected, got string)
content_by_lua(nginx.conf:40):7: attempt to use function as query arg value
content_by_lua(nginx.conf:40):8: expecting 1 argument but seen 0
--- no_error_log
[error]



=== compiled, it says what it says when it is interpreted
--- config
    location = /t {
        content_by_lua_block {
            local function order(query)
                local parts = {}
                for part in query:gmatch("[^&]+") do parts[#parts + 1] = part end
                table.sort(parts)
                return table.concat(parts, "&")
            end
            local tables = {
                { a = "x y", b = 1, c = true, d = false, e = { 1, "", true, false, 2.5 }, [""] = "&" },
                { a = 1e15, b = -1, c = 0, d = -0.0, e = 2^31, f = 1/0, g = "é", h = {}, i = "=%" },
                {}, { false }, { "x" }, { a = {}, b = false }, { a = { {} } }, { a = print }, { [true] = 1 },
            }
            local function all()
                local results = {}
                for i, args in ipairs(tables) do
                    local ok, result = pcall(ngx.encode_args, args)
                    results[i] = ok and order(result) or result
                end
                return table.concat(results, "\n")
            end
            jit.off()
            local interpreted = all()
            jit.on()
            local differ = 0
            for _ = 1, 500 do
                if all() ~= interpreted then differ = differ + 1 end
            end
            ngx.say(differ)
            ngx.say(interpreted)
        }
    }
--- request
GET /t
--- response_body
0
=%26&a=x%20y&b=1&c&e&e=&e=1&e=2.5
a=1e%2B15&b=-1&c=0&d=-0&e=2147483648&f=inf&g=%C3%A9&i=%3D%25

attempt to use a non-string key in the "args" option table
attempt to use a non-string key in the "args" option table

attempt to use table as query arg value
attempt to use function as query arg value
attempt to use a non-string key in the "args" option table
--- no_error_log
[error]



=== an error halfway leaves nothing to the next one
--- config
    location = /t {
        content_by_lua_block {
            local calls = 0
            debug.sethook(function () calls = calls + 1 if calls == 40 then error("stop") end end, "l")
            local ok = pcall(function ()
                for _ = 1, 10 do local query = ngx.encode_args{ a = "secret", b = "secret", c = "secret" } end
            end)
            debug.sethook()
            ngx.say(ok, " [", ngx.encode_args{}, "] [", ngx.encode_args{ d = false }, "] ", ngx.encode_args{ d = 1 })
        }
    }
--- request
GET /t
--- response_body
false [] [] d=1
--- no_error_log
[error]



=== finalizers that need the same functions meanwhile
--- config
    location = /t {
        content_by_lua_block {
            local inner = 0
            local function finalizer()
                if ngx.encode_args{ inner = 1 } == "inner=1" and ngx.decode_args("inner=%31").inner == "1" then
                    inner = inner + 1
                end
            end
            local function garbage()
                local proxy = newproxy(true)
                getmetatable(proxy).__gc = finalizer
            end
            local args = {}
            for i = 1, 30 do args["key" .. i] = ("%"):rep(i) end
            local wrong = 0
            collectgarbage("setpause", 0)
            collectgarbage("setstepmul", 1000)
            collectgarbage()
            for i = 1, 200 do
                garbage()
                args.number = i
                local text = ngx.encode_args(args)
                local back = ngx.decode_args(text)
                for key, value in pairs(args) do
                    if back[key] ~= tostring(value) then wrong = wrong + 1 end
                end
                if next(back, nil) == nil or back.inner then wrong = wrong + 1 end
            end
            ngx.say(wrong, " ", inner > 0)
        }
    }
--- request
GET /t
--- response_body
0 true
--- no_error_log
[error]



=== one key many times takes no room for as many keys
--- config
    location = /t {
        content_by_lua_block {
            local text = ("a&"):rep(300000)
            collectgarbage()
            local before = collectgarbage("count")
            local args = ngx.decode_args(text, 0)
            collectgarbage()
            ngx.say(#args.a, " ", collectgarbage("count") - before < 9000)
        }
    }
--- request
GET /t
--- response_body
300000 true
--- no_error_log
[error]



=== decoding, compiled
--- config
    location = /t {
        content_by_lua_block {
            local texts = {
                "", "a", "a=", "a=1&a=2&a", "&&=x&a=%41+b&", "k=" .. ("x%20"):rep(20), ("a&"):rep(150), "%00=%ff&b=%zz",
            }
            local function shown(text, ...)
                local args, more = ngx.decode_args(text, ...)
                local parts = {}
                for key, value in pairs(args) do
                    if type(value) == "table" then
                        for i, v in ipairs(value) do value[i] = tostring(v) end
                        value = #value .. table.concat(value, ",", 1, math.min(#value, 3))
                    end
                    parts[#parts + 1] = key .. ":" .. tostring(value)
                end
                table.sort(parts)
                return table.concat(parts, " ") .. " " .. tostring(more)
            end
            local function all()
                local results = {}
                for i, text in ipairs(texts) do
                    results[i] = shown(text) .. "|" .. shown(text, 2) .. "|" .. shown(text, 0) .. "|" .. shown(text, -1)
                end
                return table.concat(results, "\n")
            end
            jit.off()
            local interpreted = all()
            jit.on()
            local differ = 0
            for _ = 1, 300 do
                if all() ~= interpreted then differ = differ + 1 end
            end
            ngx.say(differ)
            ngx.say((interpreted:gsub("x ", "."):gsub("%z", "0"):gsub("\255", "255")))
        }
    }
--- request
GET /t
--- response_body
0
 nil| nil| nil| nil
a:true nil|a:true nil|a:true nil|a:true nil
a: nil|a: nil|a: nil|a: nil
a:31,2,true nil|a:21,2 truncated|a:31,2,true nil|a:31,2,true nil
a:A b nil| truncated|a:A b nil|a:A b nil
k:.................... nil|k:.................... nil|k:.................... nil|k:.................... nil
a:100true,true,true truncated|a:2true,true truncated|a:150true,true,true nil|a:150true,true,true nil
0:255 b:%zz nil|0:255 b:%zz nil|0:255 b:%zz nil|0:255 b:%zz nil
--- no_error_log
[error]



=== query strings as tables
--- config
    location = /t {
        content_by_lua_block {
            local args, err = ngx.decode_args("a=1&b=hello%20world+x&c&d=&=no&&e=%26%3D&%66=g=h")
            ngx.say(args.a, "|", args.b, "|", args.c == true, "|", args.d, "|", args.e, "|", args.f, "|", err)
            local count = 0
            for _ in pairs(args) do count = count + 1 end
            ngx.say(count)
        }
    }
--- request
GET /t
--- response_body
1|hello world x|true||&=|g=h|nil
6
--- no_error_log
[error]



=== a key that comes again
--- config
    location = /t {
        content_by_lua_block {
            local args = ngx.decode_args("a=1&b=x&a&a=3&%61=4&b=y")
            for i, value in ipairs(args.a) do ngx.print(tostring(value), " ") end
            ngx.say(args.b[1], args.b[2], #args.b)
        }
    }
--- request
GET /t
--- response_body
1 true 3 4 xy2
--- no_error_log
[error]



=== 100 arguments unless one says
--- config
    location = /t {
        content_by_lua_block {
            local list = {}
            for i = 1, 150 do list[i] = "k" .. i .. "=" .. i end
            local query = table.concat(list, "&")
            local function count(...)
                local args, err = ngx.decode_args(query, ...)
                local n = 0
                for _ in pairs(args) do n = n + 1 end
                ngx.say(n, " ", args.k100, " ", args.k101, " ", err)
            end
            count()
            count(0)
            count(-1)
            count(149)
            count(150)
            count(1)
        }
    }
--- request
GET /t
--- response_body
100 100 nil truncated
150 100 101 nil
150 100 101 nil
149 100 101 truncated
150 100 101 nil
1 nil nil truncated
--- error_log
lua hit query args limit 100
lua hit query args limit 149
--- no_error_log
[error]



=== the limit counts separators
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, ngx.decode_args("a=1&b=2", 2)), " ", select(2, ngx.decode_args("a=1&b=2&", 2)))
            ngx.say(next((ngx.decode_args("&&c", 2))), " ", (next(ngx.decode_args("&&c", 3))))
        }
    }
--- request
GET /t
--- response_body
nil truncated
nil c
--- no_error_log
[error]



=== any bytes, and very many of them
--- config
    location = /t {
        content_by_lua_block {
            local args = ngx.decode_args("\0=\1&%00%=%&\255")
            ngx.say(args["\0"] == "\1", args["\0%"] == "%", args["\255"])
            ngx.say(next(ngx.decode_args(("&"):rep(100000), 0)), next(ngx.decode_args(("="):rep(100000), 0)))
            ngx.say(#ngx.decode_args(("a=1&"):rep(10000), 0).a, " ", #ngx.decode_args("x=" .. ("%41"):rep(100000)).x)
            ngx.say(next(ngx.decode_args("")), #ngx.encode_args{ a = ("%"):rep(100000) })
        }
    }
--- request
GET /t
--- response_body
truetruetrue
nilnil
10000 100000
nil300002
--- no_error_log
[error]



=== decode_args takes a string and a number
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.decode_args)))
            ngx.say(select(2, pcall(ngx.decode_args, "a", 1, 2)))
            ngx.say(select(2, pcall(ngx.decode_args, {})))
            ngx.say(select(2, pcall(ngx.decode_args, "a", "b")))
            ngx.say(ngx.decode_args(12)["12"])
        }
    }
--- request
GET /t
--- response_body
expecting 1 or 2 arguments but seen 0
expecting 1 or 2 arguments but seen 3
bad argument #1 to '?' (string expected, got table)
bad argument #2 to '?' (number expected, got string)
true
--- no_error_log
[error]
