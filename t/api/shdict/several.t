# ngx.shared.DICT with a master and two workers: reloads, and workers that are killed.

use Test::Nginx::Socket 'no_plan';

no_long_string();
master_on();
workers(2);
run_tests();

__DATA__

=== a reload keeps what is there, and init_by_lua sees it
--- http_config
    lua_shared_dict dict 1m;
    init_by_lua_block {
        local dict = ngx.shared.dict
        dict:set("generation", (dict:get("generation") or 0) + 1)
    }
    init_worker_by_lua_block {
        ngx.shared.dict:rpush("workers of " .. ngx.shared.dict:get("generation"), ngx.worker.id())
    }
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "int kill(int pid, int signal);"
            local dict = ngx.shared.dict
            dict:set("key", "value", 100, 3)
            ffi.C.kill(require("ngx.process").get_master_pid(), 1)
            for _ = 1, 500 do
                if dict:llen("workers of 2") == 2 then break end
                ngx.sleep(0.01)
            end
            ngx.say(dict:get("generation"), " ", dict:llen("workers of 2"), " ", dict:get("key"))
        }
    }
--- request
GET /t
--- response_body
2 2 value3
--- no_error_log
[error]
[alert]



=== workers are killed while they write
--- http_config
    lua_shared_dict dict 1m;
    init_worker_by_lua_block {
        local dict, self = ngx.shared.dict, ngx.worker.pid()
        local text = {}
        for len = 0, 9 do text[len] = tostring(len):rep(len * 300) end
        -- Whoever does not serve the request writes, until it is killed.
        local function write(premature)
            if premature then return end
            local boss = dict:get("boss")
            if boss and boss ~= self then
                dict:set("victim", self)
                for i = 1, 3000 do
                    dict:set("key" .. i % 100, text[i % 10])
                    dict:rpush("list", text[i % 7])
                    if i % 3 == 0 then dict:lpop("list") end
                    if i % 50 == 0 then dict:delete("list") end
                end
            end
            ngx.timer.at(boss and 0 or 0.002, write)
        end
        ngx.timer.at(0, write)
    }
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "int kill(int pid, int signal);"
            local dict = ngx.shared.dict
            for i = 1, 100 do dict:set("fixed" .. i, i) end
            dict:set("boss", ngx.worker.pid())
            local killed, before = 0, nil
            for _ = 1, 3000 do
                local pid = dict:get("victim")
                if pid and pid ~= before then
                    ngx.sleep(0.002 + killed % 5 * 0.001)
                    ffi.C.kill(pid, 9)
                    before, killed = pid, killed + 1
                    if killed == 8 then break end
                end
                ngx.sleep(0.005)
            end
            local wrong = 0
            for i = 1, 100 do
                if dict:get("fixed" .. i) ~= i then wrong = wrong + 1 end
            end
            for _, key in ipairs(dict:get_keys(0)) do
                local value, err = dict:get(key)
                if key:sub(1, 3) == "key" then
                    local digit = value and value:sub(1, 1)
                    if value ~= "" and value ~= digit:rep(tonumber(digit) * 300) then
                        wrong = wrong + 1
                    end
                end
            end
            dict:set("after", "all is well")
            ngx.say(killed, " killed, ", wrong, " wrong, ", dict:get("after"))
        }
    }
--- request
GET /t
--- timeout: 20
--- response_body
8 killed, 0 wrong, all is well
--- error_log
exited on signal 9
--- grep_error_log eval
qr/exited on signal 9|was locked by/
--- grep_error_log_out eval
qr/exited on signal 9/
--- no_error_log
[error]
