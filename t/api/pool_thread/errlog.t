use Test::Nginx::Socket 'no_plan';

run_tests();

__DATA__

=== four threads at once log, at debug level, while captured lines are read
--- main_config
    thread_pool pool threads=4;
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_capture_error_log 100k;
    lua_shared_dict d 1m;
--- config
    location = /t {
        content_by_lua_block {
            local errlog = require "ngx.errlog"
            local function work(n)
                for i = 1, 30 do
                    local ok, result = ngx.run_worker_thread("pool", "task", "work", n, i)
                    if not ok or result ~= n * 1000 + i then ngx.log(ngx.ERR, result) end
                end
            end
            local threads = {}
            for n = 1, 4 do threads[n] = ngx.thread.spawn(work, n) end
            local lines, odd = 0, 0
            local function read()
                local logs = errlog.get_logs(1000)
                for i = 1, #logs, 3 do
                    lines = lines + 1
                    if not logs[i + 2]:find("^%d%d%d%d/%d%d/%d%d ") then odd = odd + 1 end
                end
            end
            local reader = ngx.thread.spawn(function()
                while true do read() ngx.sleep(0.001) end
            end)
            for n = 1, 4 do ngx.thread.wait(threads[n]) end
            ngx.thread.kill(reader)
            read()
            ngx.log(ngx.WARN, "still captured")
            local found = false
            for _, line in ipairs(errlog.get_logs(1000)) do
                found = found or tostring(line):find("still captured") ~= nil
            end
            ngx.say(lines > 100, " ", odd, " ", found)
        }
    }
--- user_files
>>> task.lua
local task = {}
local errlog = require "ngx.errlog"
function task.work(n, i)
    for k = 1, 100 do
        ngx.decode_args("a=1&b=2&c=3", 2)
        ngx.re.gsub("a" .. k, "[a-z]", "<$0>", "jo")
        ngx.shared.d:incr("count", 1, 0)
        errlog.raw_log(ngx.INFO or 7, ("x"):rep(k))
    end
    return n * 1000 + i
end
return task
--- request
GET /t
--- timeout: 10
--- response_body
true 0 true
--- no_error_log
[error]
[alert]
[crit]
