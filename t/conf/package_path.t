# lua_package_path and lua_package_cpath.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== $prefix is the server prefix
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say(require("mod").name) } }
--- user_files
>>> mod.lua
return { name = "found" }
--- request
GET /t
--- response_body
found
--- no_error_log
[error]



=== ${prefix} as well, and more than once
--- http_config
    lua_package_path "${prefix}html/a/?.lua;${prefix}html/b/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say(require("one"), require("two")) } }
--- user_files
>>> a/one.lua
return "1"
>>> b/two.lua
return "2"
--- request
GET /t
--- response_body
12
--- no_error_log
[error]



=== ;; stands for the default path, at its place
--- http_config
    lua_package_path "/first/?.lua;;/last/?.lua";
    lua_package_cpath "/first/?.so;;/last/?.so";
--- config
    location = /t {
        content_by_lua_block {
            local function look(p)
                return p:match("^(/first/[^;]+);.+;(/last/[^;]+)$")
            end
            ngx.say(look(package.path))
            ngx.say(look(package.cpath))
        }
    }
--- request
GET /t
--- response_body
/first/?.lua/last/?.lua
/first/?.so/last/?.so
--- no_error_log
[error]



=== without ;; the cpath is taken as it stands
--- http_config
    lua_package_cpath "/only/?.so";
--- config
    location = /t { content_by_lua_block { ngx.say(package.cpath) } }
--- request
GET /t
--- response_body
/only/?.so
--- no_error_log
[error]



=== $prefix in the cpath
--- http_config
    lua_package_cpath "$prefix/clib/?.so;;";
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(package.cpath:sub(1, #ngx.config.prefix() + 10)
                    == ngx.config.prefix() .. "/clib/?.so")
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]



=== a missing module: the error lists where it was looked for
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { require "no.such.module" } }
--- request
GET /t
--- error_code: 500
--- error_log eval
[qr/module 'no\.such\.module' not found:/, qr/no file '.*\/html\/no\/such\/module\.lua'/]



=== a module with an error fails, and fails again
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t {
        content_by_lua_block {
            for i = 1, 2 do
                local ok, err = pcall(require, "bad")
                ngx.say(ok, " ", err:match("bad.lua:1: (.+)") or err:match("loop or .+"))
            end
        }
    }
--- user_files
>>> bad.lua
error("boom")
--- request
GET /t
--- response_body_like
^false boom
false loop or previous error loading module 'bad'
--- no_error_log
[error]



=== package.loaded: hot replacement of a module
--- http_config
    lua_package_path "$prefix/html/?.lua;;";
--- config
    location = /t { content_by_lua_block { ngx.say(require("mod")) } }
    location = /edit {
        content_by_lua_block {
            local f = io.open(ngx.config.prefix() .. "html/mod.lua", "w")
            f:write("return 'new'")
            f:close()
            package.loaded.mod = nil
        }
    }
--- user_files
>>> mod.lua
return "old"
--- request eval
["GET /t", "GET /edit", "GET /t"]
--- response_body eval
["old\n", "", "new\n"]
--- no_error_log
[error]



=== only once
--- http_config
    lua_package_path "a;;";
    lua_package_path "b;;";
--- config
--- must_die
--- error_log
"lua_package_path" directive is duplicate



=== only at the level of http
--- config
    lua_package_cpath "a;;";
--- must_die
--- error_log
"lua_package_cpath" directive is not allowed here
