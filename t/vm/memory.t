use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== the worker lives on when memory ends, whatever becomes smaller then
--- config
    location = /t {
        content_by_lua_block {
            jit.off()
            require "table.new" require "table.clear"
            local ffi = require "ffi"
            ffi.cdef [[ typedef struct { unsigned long now, max; } limit_t;
                        int getrlimit(int, limit_t *); int setrlimit(int, const limit_t *); ]]
            local ADDRESS_SPACE = 9
            local limit = ffi.new("limit_t")
            ffi.C.getrlimit(ADDRESS_SPACE, limit)
            local before = limit.now

            local function deep(n)
                if n > 0 then return 1 + deep(n - 1) end
                coroutine._yield()
                return 0
            end
            local held, ballast = {}, table.new(5e5, 0)
            local function grow(from)
                for i = from, 600, 2 do
                    held[i] = coroutine._create(deep)
                    coroutine._resume(held[i], 60 + i)
                end
            end
            local function fill(size)
                for i = 1, 1e5 do ballast[#ballast + 1] = ("x"):rep(size - 6) .. i end
            end
            grow(1) grow(2)

            local pages = tonumber(io.open("/proc/self/statm"):read("*l"):match("%d+"))
            limit.now = (pages * 4096) + 30 * 1024 * 1024
            assert(ffi.C.setrlimit(ADDRESS_SPACE, limit) == 0)
            local failures = 0
            local function round()
                for size = 4000, 100, -100 do
                    local _, err = pcall(fill, size)
                    if err == "not enough memory" then failures = failures + 1 end
                end
                for i = 1, 600 do if held[i] then coroutine._resume(held[i]) end end
                for i = 1, 10 do pcall(collectgarbage, "collect") end
                for i = 1, 600 do held[i] = false end
                table.clear(ballast)
                for i = 1, 3 do pcall(collectgarbage, "collect") end
                pcall(grow, 1) pcall(grow, 2)
            end
            for i = 1, 4 do pcall(round) end
            held, ballast = nil, nil
            collectgarbage()
            limit.now = before
            assert(ffi.C.setrlimit(ADDRESS_SPACE, limit) == 0)
            ngx.say(failures > 10)
        }
    }
--- request
GET /t
--- timeout: 10
--- response_body
true
--- no_error_log
[error]
[alert]
