# require: modules whose code waits while they are loaded.

use Test::Nginx::Socket 'no_plan';

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

no_long_string();
run_tests();

__DATA__

=== a module that opens a socket
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
    server {
        listen unix:$TEST_NGINX_HTML_DIR/peer.sock;
        location / { return 200 "settings"; }
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(require("outer").inner.text)
            ngx.say(require("settings") == require("outer").inner)
        }
    }
--- user_files
>>> outer.lua
return { inner = require("settings") }
>>> settings.lua
local socket = ngx.socket.tcp()
assert(socket:connect("unix:" .. ngx.config.prefix() .. "html/peer.sock"))
assert(socket:send("GET / HTTP/1.0\r\n\r\n"))
local text = assert(socket:receive("*a"))
socket:close()
return { text = text:match("[^\n]*$") }
--- request
GET /t
--- response_body
settings
true
--- no_error_log
[error]
[alert]



=== in init_worker_by_lua, with a request that wants the same module
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    init_worker_by_lua_block { started = require("slow") }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(require("slow").runs, " ", require("slow") == started)
        }
    }
--- user_files
>>> slow.lua
ngx.sleep(0.2)
rawset(_G, "runs", (runs or 0) + 1)
return { runs = runs }
--- request
GET /t
--- response_body
1 true
--- no_error_log
[error]
[alert]



=== others wait, and the code runs once
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /load {
        content_by_lua_block { ngx.print(require("slow")) }
    }
    location = /t {
        content_by_lua_block {
            local a, b, c = ngx.location.capture_multi { { "/load" }, { "/load" }, { "/load" } }
            ngx.say(a.body, " ", b.body, " ", c.body, " ", runs)
        }
    }
--- user_files
>>> slow.lua
rawset(_G, "runs", (runs or 0) + 1)
ngx.sleep(0.05)
return "slow"
--- request
GET /t
--- response_body
slow slow slow 1
--- no_error_log
[error]
[alert]



=== others get the error that there was
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            local function try()
                local ok, err = pcall(require, "faulty")
                return (err:gsub("^.*/", ""):gsub("^base.lua:%d+: ", ""))
            end
            local threads = {}
            for i = 1, 3 do threads[i] = ngx.thread.spawn(try) end
            for i = 1, 3 do ngx.say(select(2, ngx.thread.wait(threads[i]))) end
            ngx.say(try())
        }
    }
--- user_files
>>> faulty.lua
ngx.sleep(0.01)
error("no luck")
--- request
GET /t
--- response_body
faulty.lua:2: no luck
loop or previous error loading module 'faulty'
loop or previous error loading module 'faulty'
loop or previous error loading module 'faulty'
--- no_error_log
[error]
[alert]



=== an error that goes through pcall lets others go on
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            local first = ngx.thread.spawn(function()
                pcall(require, "faulty")
                ngx.sleep(0.3)
                late = true
            end)
            local second = ngx.thread.spawn(function() return select(2, pcall(require, "faulty")) end)
            local _, err = ngx.thread.wait(second)
            ngx.say((err:gsub("^.*: ", "")), " ", late)
            ngx.thread.kill(first)
        }
    }
--- user_files
>>> faulty.lua
ngx.sleep(0.01)
error("no luck")
--- request
GET /t
--- response_body
loop or previous error loading module 'faulty' nil
--- no_error_log
[error]
[alert]



=== two that load each other's modules
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            local function load(name) return pcall(require, name) end
            local a, b = ngx.thread.spawn(load, "left"), ngx.thread.spawn(load, "right")
            for _, thread in ipairs { a, b } do
                local _, ok, err = ngx.thread.wait(thread)
                ngx.say(ok, " ", (tostring(err):gsub("^.*/", ""):gsub("^%w+.lua:%d+: ", "")))
            end
        }
    }
--- user_files
>>> left.lua
ngx.sleep(0.01)
require("right")
>>> right.lua
ngx.sleep(0.01)
require("left")
--- request
GET /t
--- response_body
false loop or previous error loading module 'right'
false loop or previous error loading module 'left'
--- no_error_log
[error]
[alert]



=== a thread that the module's own code has made
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block { ngx.say(require("parent")) }
    }
--- user_files
>>> parent.lua
local function ask() return pcall(require, "parent") end
local _, ok, err = ngx.thread.wait(ngx.thread.spawn(function() ngx.sleep(0.001) return ask() end))
return tostring(ok) .. " " .. err
--- request
GET /t
--- response_body
false loop or previous error loading module 'parent'
--- no_error_log
[error]
[alert]



=== who is killed has loaded nothing, and the next one loads it
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            rawset(_G, "runs", 0)
            local function load() return require("slow") end
            local first, second = ngx.thread.spawn(load), ngx.thread.spawn(load)
            ngx.sleep(0.01)
            ngx.thread.kill(first)
            ngx.say(select(2, ngx.thread.wait(second)), " ", runs)
        }
    }
--- user_files
>>> slow.lua
runs = runs + 1
ngx.sleep(0.05)
return "slow"
--- request
GET /t
--- response_body
slow 2
--- no_error_log
[error]
[alert]



=== a request that leaves in the course of it
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /leave {
        content_by_lua_block { require("leaves") }
    }
    location = /t {
        content_by_lua_block {
            for i = 1, 2 do
                ngx.say(ngx.location.capture("/leave").status, " ", package.loaded.leaves)
            end
            ngx.say(require("leaves"))
        }
    }
--- user_files
>>> leaves.lua
if ngx.var.uri == "/leave" then ngx.exit(403) end
return "stays"
--- request
GET /t
--- response_body
403 nil
403 nil
stays
--- no_error_log
[alert]



=== where nothing can wait
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
    lua_yieldable_require on;
--- config
    location = /load {
        content_by_lua_block { ngx.print(require("slow")) }
    }
    location = /set {
        set_by_lua_block $why { return (select(2, pcall(require, "slow"))) }
        return 200 $why;
    }
    location = /t {
        content_by_lua_block {
            local a, b = ngx.location.capture_multi { { "/load" }, { "/set" } }
            ngx.say(a.body)
            ngx.say(b.body)
            ngx.say(ngx.location.capture("/set").body)
        }
    }
--- user_files
>>> slow.lua
ngx.sleep(0.05)
return "slow"
--- request
GET /t
--- response_body
slow
module 'slow' is being loaded by another coroutine
slow
--- no_error_log
[alert]



=== not in requests, unless that is asked for
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(require, "slow")))
            ngx.say((select(2, pcall(require, "slow")):gsub("^.*: ", "")))
            package.loaded.slow = nil
            assert(ngx.timer.at(0, function() value = require("slow") end))
            while not value do ngx.sleep(0.001) end
            ngx.say(value, " ", require("slow"))
        }
    }
--- user_files
>>> slow.lua
ngx.sleep(0.01)
return "slow"
--- request
GET /t
--- response_body
attempt to yield across C-call boundary
loop or previous error loading module 'slow'
slow slow
--- no_error_log
[error]
[alert]



=== requests wait for what a timer loads
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            assert(ngx.timer.at(0, function() require("slow") end))
            while not package.loaded.slow do ngx.sleep(0.001) end
            ngx.say(type(require("slow")), " ", runs)
        }
    }
--- user_files
>>> slow.lua
rawset(_G, "runs", (runs or 0) + 1)
ngx.sleep(0.05)
return {}
--- request
GET /t
--- response_body
table 1
--- no_error_log
[error]
[alert]
