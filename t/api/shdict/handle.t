# ngx.shared.DICT: what is passed instead of a dictionary.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== whatever is no dictionary is refused by every method
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local dict, ffi = ngx.shared.dict, require "ffi"
            local sock, unused = ngx.socket.tcp(), ngx.socket.tcp()
            assert(sock:connect("127.0.0.1", $TEST_NGINX_SERVER_PORT))
            local sema = require("ngx.semaphore").new()
            local wrong = {
                {}, { false }, { 1 }, { "text" }, { {} }, { dict }, { print }, { coroutine.create(function() end) },
                { io.stdout }, { newproxy() }, { newproxy(true) }, { ngx.null }, { dict, dict[1] },
                sock, unused, sema, { sock[1] }, { sema.sem }, { ngx.re }, ngx.shared, ngx.req,
                { ffi.new("char[1]") }, { ffi.new("char[4096]") }, { ffi.new("void *[2]", { dict[1], nil }) },
                { ffi.cast("void *", 8) }, { ffi.cast("void *", 65541) }, { ffi.cast("char *", dict[1]) + 4 },
            }
            -- At the end of a page as well.
            for _ = 1, 500 do wrong[#wrong + 1] = { newproxy() } end
            local said = {}
            local function try(name, method)
                for _, zone in ipairs(wrong) do
                    local ok, message = pcall(method, zone, "key", 1)
                    if name == "get_keys" or name == "flush_expired" or name == "scan" then
                        ok, message = pcall(method, zone, 1)
                    elseif name == "flush_all" or name == "stats" or name:find("space") or name == "capacity" then
                        ok, message = pcall(method, zone)
                    elseif name:find("pop") or name == "llen" then
                        ok, message = pcall(method, zone, "key")
                    end
                    message = tostring(message):gsub("^.-:%d+: ", "")
                    said[ok and name .. " went well" or message] = true
                end
            end
            local count, methods = 0, getmetatable(dict)
            while methods do
                for name, method in pairs(methods) do
                    if type(method) == "function" then
                        count = count + 1
                        try(name, method)
                    end
                end
                methods = getmetatable(methods)
                methods = methods and methods.__index
            end
            local sorted = {}
            for message in pairs(said) do sorted[#sorted + 1] = message end
            table.sort(sorted)
            ngx.say(count, "\n", table.concat(sorted, "\n"))
            ngx.say(dict:set("key", 2), " ", dict:get("key"))
        }
    }
--- request
GET /t
--- response_body
23
bad "zone" argument
bad user data for the ngx_shm_zone_t pointer
true 2
--- no_error_log
[error]
[alert]



=== whatever is no zone is refused by every exported function
--- http_config
    lua_shared_dict dict 100k;
--- config
    location = /t {
        content_by_lua_block {
            local ffi, base = require "ffi", require "resty.core.base"
            local C = ffi.C
            local zone = C.ngx_http_lua_ffi_shdict_udata_to_zone(ngx.shared.dict[1])
            local buffer = ffi.new("char[4096]")
            local wrong = {
                ffi.cast("void *", nil), ffi.cast("void *", 1), ffi.cast("void *", -1), ffi.cast("void *", buffer),
                ffi.cast("char *", zone) + 8, ffi.cast("char *", zone) - 128, ffi.cast("char *", zone) + 128,
                ffi.cast("char *", zone) + 128 * 4096,
            }
            local kind, text, size = ffi.new("int[1]"), ffi.new("unsigned char *[1]"), ffi.new("size_t[1]")
            local number, flags, stale = ffi.new("double[1]", 1), ffi.new("int[1]"), ffi.new("int[1]")
            local err, forcible = base.get_errmsg_ptr(), ffi.new("int[1]")
            local function message() return ffi.string(err[0]) end
            local function try(zone)
                local got = C.ngx_http_lua_ffi_shdict_get(zone, "k", 1, kind, text, size, number, flags, 0, stale, err)
                got = got .. message()
                local set = C.ngx_http_lua_ffi_shdict_store(zone, 0, "k", 1, 3, nil, 0, 1, 0, 0, err, forcible)
                set = set .. message()
                local sum = C.ngx_http_lua_ffi_shdict_incr(zone, "k", 1, number, err, 1, 0, 0, forcible)
                sum = sum .. message()
                return table.concat({
                    got, set, sum,
                    tonumber(C.ngx_http_lua_ffi_shdict_flush_all(zone)),
                    tonumber(C.ngx_http_lua_ffi_shdict_get_ttl(zone, "k", 1)),
                    tonumber(C.ngx_http_lua_ffi_shdict_set_expire(zone, "k", 1, 1)),
                    tonumber(C.ngx_http_lua_ffi_shdict_capacity(zone)),
                    tonumber(C.ngx_http_lua_ffi_shdict_free_space(zone)),
                }, ", ")
            end
            local said = {}
            for _, zone in ipairs(wrong) do said[try(zone)] = true end
            for answer in pairs(said) do ngx.say(answer) end
        }
    }
--- request
GET /t
--- response_body
-1bad "zone" argument, -1bad "zone" argument, -1bad "zone" argument, -1, -5, -1, 0, 0
--- no_error_log
[error]
[alert]



=== another module's zone is no dictionary, and each dictionary is itself
--- http_config
    lua_shared_dict one 100k;
    lua_shared_dict two 200k;
    limit_req_zone $arg_key zone=other:1m rate=1r/s;
--- config
    location = /t {
        content_by_lua_block {
            local one, two = ngx.shared.one, ngx.shared.two
            one:set("key", 1)
            two:set("key", 2)
            ngx.say(one:get("key"), two:get("key"), " ", one.get(two, "key"), two.get({ one[1] }, "key"))
            ngx.say(one:capacity(), " ", two:capacity())
        }
    }
--- request
GET /t
--- response_body
12 21
102400 204800
--- no_error_log
[error]
[alert]
