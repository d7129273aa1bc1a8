# lua_code_cache and the keys under which code is cached.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== off: warned about when the configuration is read
--- config
    lua_code_cache off;
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- error_log eval
qr/\[alert\] .*lua_code_cache is off; this will hurt performance in .*nginx\.conf:\d+/
--- no_error_log
[error]



=== on is the default, and silent
--- config
    lua_code_cache on;
    location = /t { content_by_lua_block { ngx.say("ok") } }
--- request
GET /t
--- response_body
ok
--- no_error_log
lua_code_cache
[error]



=== off: a file is read for each request
--- config
    lua_code_cache off;
    location = /t { content_by_lua_file html/page.lua; }
    location = /edit {
        content_by_lua_block {
            local f = io.open(ngx.config.prefix() .. "html/page.lua", "w")
            f:write("ngx.say('new')")
            f:close()
        }
    }
--- user_files
>>> page.lua
ngx.say("old")
--- request eval
["GET /t", "GET /edit", "GET /t"]
--- response_body eval
["old\n", "", "new\n"]
--- no_error_log
[error]



=== off: modules and globals are those of one request
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    lua_code_cache off;
    location = /t {
        rewrite_by_lua_block { require("counter").hit() }
        content_by_lua_block { ngx.say(require("counter").hit()) }
    }
--- user_files
>>> counter.lua
local n = 0
return { hit = function () n = n + 1 return n end }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["2\n", "2\n"]
--- no_error_log
[error]



=== off: init_by_lua runs for each VM
--- http_config
    init_by_lua_block { made = ngx.now and "made at init" }
--- config
    lua_code_cache off;
    location = /t {
        content_by_lua_block {
            ngx.say(made)
            rawset(_G, "made", "changed")
        }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["made at init\n", "made at init\n"]
--- no_error_log
[error]



=== off in one location, on in another
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /on { content_by_lua_block { ngx.say(require("counter").hit()) } }
    location = /off {
        lua_code_cache off;
        content_by_lua_block { ngx.say(require("counter").hit()) }
    }
--- user_files
>>> counter.lua
local n = 0
return { hit = function () n = n + 1 return n end }
--- request eval
["GET /on", "GET /off", "GET /on", "GET /off"]
--- response_body eval
["1\n", "1\n", "2\n", "1\n"]
--- no_error_log
[error]



=== off: phases of one request share a VM, with sleep and ctx
--- config
    lua_code_cache off;
    location = /t {
        rewrite_by_lua_block { rawset(_G, "trace", "r") ngx.sleep(0.001) }
        access_by_lua_block { rawset(_G, "trace", trace .. "a") ngx.sleep(0.001) }
        content_by_lua_block { ngx.sleep(0.001) ngx.say(trace, ngx.ctx.v) }
        log_by_lua_block { ngx.log(ngx.WARN, "log sees ", trace) }
    }
--- request
GET /t
--- response_body
ranil
--- error_log
log sees ra
--- no_error_log
[error]



=== off: the VM is closed with the request
--- config
    lua_code_cache off;
    location = /t {
        content_by_lua_block {
            local p = newproxy(true)
            local log, warn = ngx.log, ngx.WARN
            getmetatable(p).__gc = function () log(warn, "collected at the end") end
            rawset(_G, "anchor", p)
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_body
ok
--- error_log
collected at the end
lua close the global Lua VM
--- no_error_log
[error]



=== inline code is cached by its phase and its text
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_block { local log = 1 }
    }
--- request
GET /t
--- response_body
ok
--- error_log eval
[qr/code cache miss \(key='content_by_lua_nhli_[0-9a-f]{32}', ref=-1\)/,
 qr/code cache miss \(key='log_by_lua_nhli_[0-9a-f]{32}', ref=-1\)/]
--- no_error_log
[error]



=== the key is the md5 of the text
--- config
    location = /t {
        content_by_lua 'ngx.say("ok")';
    }
--- request
GET /t
--- response_body
ok
--- error_log
content_by_lua_nhli_c50cc4d93080ff3ad75124635402ef38
--- no_error_log
[error]



=== a file is cached by the path in the configuration
--- config
    location = /t { content_by_lua_file html/page.lua; }
--- user_files
>>> page.lua
ngx.say("ok")
--- request
GET /t
--- response_body
ok
--- error_log
code cache miss (key='nhlf_
--- no_error_log
[error]



=== the second request hits
--- config
    location = /t { content_by_lua_block { ngx.say("ok") } }
    location = /again { content_by_lua_block { ngx.say("ok") } }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /again"]
--- response_body eval
["ok\n", "ok\n", "ok\n"]
--- no_error_log
[error]



=== the registry holds the cache: a reference under each key
--- config
    location = /t {
        content_by_lua_block {
            for _, t in pairs(debug.getregistry()) do
                if type(t) == "table" then
                    for k, v in pairs(t) do
                        if type(k) == "string" and k:find("_nhli_", 1, true) then
                            ngx.say(k:sub(1, 20), " ", type(v), " ", type(t[v]))
                        end
                    end
                end
            end
        }
    }
--- request
GET /t
--- response_body
content_by_lua_nhli_ number function
--- no_error_log
[error]



=== the same text in two locations of one phase is one entry
--- config
    location = /a { access_by_lua_block { local x = "same" } content_by_lua_block { ngx.say("a") } }
    location = /b { access_by_lua_block { local x = "same" } content_by_lua_block { ngx.say("b") } }
    location = /n {
        content_by_lua_block {
            local n = 0
            for _, t in pairs(debug.getregistry()) do
                for k in pairs(type(t) == "table" and t or {}) do
                    if tostring(k):find("^access_by_lua_nhli_") then n = n + 1 end
                end
            end
            ngx.say(n)
        }
    }
--- request eval
["GET /a", "GET /b", "GET /n"]
--- response_body eval
["a\n", "b\n", "1\n"]
--- no_error_log
[error]
