use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== a value's __tostring uses the library's buffer while a header is set
--- config
    location = /t {
        content_by_lua_block {
            local function value(text)
                return setmetatable({}, { __tostring = function()
                    ngx.encode_base64(("A"):rep(1000))
                    ngx.escape_uri((" "):rep(1000))
                    return text
                end })
            end
            ngx.header.X = { "a", value("b"), 3 }
            require("ngx.resp").add_header("Y", { "c", value("d") })
            ngx.req.set_header("Z", { "e", value("f"), 5 })
            local values = { 1, value("2") }
            ngx.header.W = values
            ngx.say(table.concat(values, " "), " ", table.concat(ngx.req.get_headers().z, " "))
        }
    }
--- request
GET /t
--- response_headers
X: a, b, 3
Y: c, d
W: 1, 2
--- response_body
1 2 e f 5
--- no_error_log
[error]
[alert]



=== a value's __tostring takes away what has been read of the table
--- config
    location = /t {
        content_by_lua_block {
            jit.off()
            local values = {}
            for i = 1, 20 do values[i] = ("x"):rep(300000) .. i end
            values[21] = setmetatable({}, { __tostring = function()
                for i = 1, 20 do values[i] = "gone" end
                collectgarbage() collectgarbage()
                return "last"
            end })
            ngx.req.set_header("Z", values)
            local seen = ngx.req.get_headers(0).z
            ngx.say(#seen, " ", #seen[20], " ", seen[20]:sub(-3), " ", seen[21])
        }
    }
--- request
GET /t
--- response_body
21 300002 x20 last
--- no_error_log
[error]
[alert]



=== errors name the caller
--- config
    location = /t {
        content_by_lua_block {
            local function say(err) ngx.say((err:gsub("^.-%):", ""))) end
            local ok, err = pcall(function() require("ngx.resp").add_header("X") end)
            say(err)
            ok, err = pcall(function() ngx.req.set_header("X", setmetatable({ {} }, { __index = error })) end)
            ngx.say(ok, type(err))
            ok, err = pcall(function() ngx.req.set_header(nil, { "x" }) end)
            say(err)
            ngx.say("sent")
            ok, err = pcall(function() ngx.header.X = { "late" } end)
            ngx.say(ok)
        }
    }
--- request
GET /t
--- response_body
3: invalid header value
truenil
7: bad 'name' argument: string expected, got nil
sent
true
--- error_log
attempt to set ngx.header.HEADER after sending out response headers
--- no_error_log
[alert]



=== finalizers that use the library while lists are read out of its buffer
--- config
    location = /t {
        content_by_lua_block {
            jit.off()
            ngx.header.X = { "a", "b", "c" }
            local count, left = 0, true
            local function leave(finalizer) getmetatable(newproxy(true)).__gc = finalizer end
            local function finalizer()
                count = count + 1
                ngx.encode_base64(("A"):rep(2000))
                ngx.decode_base64(("A"):rep(2000))
                if left then leave(finalizer) end
            end
            leave(finalizer)
            -- Each time that memory is taken, all is collected.
            collectgarbage("setstepmul", 1e6)
            collectgarbage("setpause", 0)
            collectgarbage("restart")
            local wrong = 0
            for i = 1, 5 do
                local headers = ngx.req.get_headers()
                local values = ngx.header.X
                local args = ngx.req.get_uri_args()
                local all = { headers.one, headers.two, args.a, args.b, unpack(values) }
                if table.concat(all) ~= "1234abc" then wrong = wrong + 1 end
            end
            left = false
            collectgarbage("setstepmul", 200)
            collectgarbage("setpause", 200)
            ngx.say(wrong, " ", count > 30)
        }
    }
--- more_headers
One: 1
Two: 2
--- request
GET /t?a=3&b=4
--- response_body
0 true
--- no_error_log
[error]
[alert]
