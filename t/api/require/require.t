# require: as LuaJIT's own does, in every step, also where modules may wait.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== what a module returns is kept
--- http_config
    lua_yieldable_require on;
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(require("value") == require("value"), " ", type(package.loaded.value))
            ngx.say(require("nothing"), " ", package.loaded.nothing)
            ngx.say(require("no"), " ", require("no"), " ", runs)
            ngx.say(require("own"), " ", package.loaded.own)
            ngx.say(require("sub.module"))
        }
    }
--- user_files
>>> value.lua
return {}
>>> nothing.lua
local a = 1
>>> no.lua
rawset(_G, "runs", (runs or 0) + 1)
return false
>>> own.lua
package.loaded[...] = "set by " .. select("#", ...) .. " " .. ...
>>> sub/module.lua
return ...
--- request
GET /t
--- response_body
true table
true true
false false 2
set by 1 own set by 1 own
sub.module
--- no_error_log
[error]



=== the order of the loaders, and what they may say
--- http_config
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            package.preload.first = function(...) return "preloaded " .. ... end
            ngx.say(require("first"))
            table.insert(package.loaders, 1, function(name)
                if name == "mine" then return function(...) return "my " .. ... end end
                if name == "numbered" then return 7 end
                if name == "silent" then return nil end
                return "\n\tnot mine"
            end)
            ngx.say(require("mine"))
            for _, name in ipairs { "numbered", "silent", "other" } do
                local ok, err = pcall(require, name)
                ngx.say((err:sub(1, 50):gsub("\n", "|")))
            end
            table.remove(package.loaders, 1)
        }
    }
--- request
GET /t
--- response_body
preloaded first
my mine
module 'numbered' not found:7|	no field package.pr
module 'silent' not found:|	no field package.prelo
module 'other' not found:|	not mine|	no field pack
--- no_error_log
[error]



=== what is not there
--- http_config
    lua_yieldable_require on;
    lua_package_cpath "/nowhere/?.so";
--- config
    location = /t {
        content_by_lua_block {
            package.path = ngx.config.prefix() .. "html/?.lua"
            local ok, err = pcall(function() require("no.where") end)
            ngx.say((err:gsub("'[^']*/html/", "'PREFIX/html/")))
        }
    }
--- request
GET /t
--- response_body_like
^content_by_lua\(nginx\.conf:\d+\):3: module 'no\.where' not found:
	no field package\.preload\['no\.where'\]
	no file 'PREFIX/html/no/where\.lua'
	no file '/nowhere/no/where\.so'
	no file '/nowhere/no\.so'
--- no_error_log
[error]



=== misuse
--- http_config
    lua_yieldable_require on;
--- config
    location = /t {
        content_by_lua_block {
            local function why(...)
                local ok, err = pcall(...)
                ngx.say((err:gsub("^content_by_lua.-:%d+%):", "HERE:")))
            end
            why(function() require() end)
            why(function() require(nil) end)
            why(function() require({}) end)
            why(function() local load = require load(true) end)
            why(function() require(5) end)
            local loaders = package.loaders
            package.loaders = nil
            why(function() require("anything") end)
            package.loaders = loaders
        }
    }
--- request
GET /t
--- response_body_like
^HERE:\d+: bad argument #1 to 'require' \(string expected, got (no value|nil)\)
HERE:\d+: bad argument #1 to 'require' \(string expected, got nil\)
HERE:\d+: bad argument #1 to 'require' \(string expected, got table\)
HERE:\d+: bad argument #1 to 'load' \(string expected, got boolean\)
HERE:\d+: module '5' not found:
(	.*
)+HERE:\d+: 'package.loaders' must be a table
--- no_error_log
[error]



=== loops and earlier errors
--- http_config
    lua_yieldable_require on;
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 2 do
                local ok, err = pcall(require, "round")
                ngx.say((err:gsub("^.*/", ""):gsub("^base.lua:%d+: ", "")))
            end
            for i = 1, 2 do
                local ok, err = pcall(require, "faulty")
                ngx.say((err:gsub("^.*/", ""):gsub("^base.lua:%d+: ", "")))
            end
            for i = 1, 2 do
                local ok, err = pcall(require, "broken")
                ngx.say((err:gsub("'/.-/html/", "'"):gsub("\n\t?/.-/html/", " "):gsub("\n\t?", " ")))
            end
            package.loaded.faulty = nil
            ngx.say((select(2, pcall(require, "faulty")):gsub("^.*/", "")))
        }
    }
--- user_files
>>> round.lua
require("about")
>>> about.lua
require("round")
>>> faulty.lua
error("no luck")
>>> broken.lua
local = 1
--- request
GET /t
--- response_body
about.lua:1: loop or previous error loading module 'round'
loop or previous error loading module 'round'
faulty.lua:1: no luck
loop or previous error loading module 'faulty'
error loading module 'broken' from file 'broken.lua': broken.lua:1: '<name>' expected near '='
error loading module 'broken' from file 'broken.lua': broken.lua:1: '<name>' expected near '='
faulty.lua:1: no luck
--- no_error_log
[error]



=== tracebacks
--- http_config
    lua_yieldable_require on;
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            require("faulty")
        }
    }
--- user_files
>>> faulty.lua
error("no luck")
--- request
GET /t
--- error_code: 500
--- error_log eval
["faulty.lua:1: no luck", "faulty.lua:1: in ", "[C]: in function 'require'", qr/content_by_lua\(nginx.conf:\d+\):2: in main chunk/]
--- no_error_log
[alert]



=== a require of somebody's own
--- http_config
    lua_yieldable_require on;
    init_by_lua_block {
        local original = require
        asked = {}
        function require(name)
            asked[#asked + 1] = name
            return original(name)
        end
    }
--- config
    location = /t {
        content_by_lua_block {
            package.preload.mine = function() return require("string").rep("x", 3) end
            ngx.say(require("mine"), " ", table.concat(asked, " "))
            ngx.say(_G.require == require)
        }
    }
--- request
GET /t
--- response_body
xxx mine string
true
--- no_error_log
[error]
