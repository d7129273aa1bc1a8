# *_by_lua_file: how the path is found, variables in it, missing files.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a relative path is relative to the prefix
--- config
    location = /t { content_by_lua_file html/sub/page.lua; }
--- user_files
>>> sub/page.lua
ngx.say("sub page")
--- request
GET /t
--- response_body
sub page
--- no_error_log
[error]



=== a variable in the path chooses the file
--- config
    location ~ ^/run/(\w+)$ { content_by_lua_file html/$1.lua; }
--- user_files
>>> one.lua
ngx.say("one")
>>> two.lua
ngx.say("two ", ngx.var[1])
--- request eval
["GET /run/one", "GET /run/two", "GET /run/one"]
--- response_body eval
["one\n", "two two\n", "one\n"]
--- no_error_log
[error]



=== an absolute path in a variable
--- config
    location = /t {
        rewrite_by_lua_block { ngx.var.file = ngx.config.prefix() .. "html/page.lua" }
        set $file "";
        content_by_lua_file $file;
    }
--- user_files
>>> page.lua
ngx.say("absolute")
--- request
GET /t
--- response_body
absolute
--- no_error_log
[error]



=== variables in rewrite, access and log files
--- config
    location = /t {
        set $kind "k";
        rewrite_by_lua_file html/rewrite_$kind.lua;
        access_by_lua_file html/access_$kind.lua;
        content_by_lua_block { ngx.say(ngx.ctx.t) }
        log_by_lua_file html/log_$kind.lua;
    }
--- user_files
>>> rewrite_k.lua
ngx.ctx.t = "r"
>>> access_k.lua
ngx.ctx.t = ngx.ctx.t .. "a"
>>> log_k.lua
ngx.log(ngx.WARN, "log file ", ngx.ctx.t)
--- request
GET /t
--- response_body
ra
--- error_log
log file ra
--- no_error_log
[error]



=== a missing content file is a 404
--- config
    location = /t { content_by_lua_file html/nowhere.lua; }
--- request
GET /t
--- error_code: 404
--- error_log eval
qr/\[error\] .*failed to load external Lua file ".*html\/nowhere\.lua": cannot open .*html\/nowhere\.lua/



=== a missing rewrite or access file is a 404
--- config
    location = /r {
        rewrite_by_lua_file html/nowhere.lua;
        content_by_lua_block { ngx.say("never") }
    }
    location = /a {
        access_by_lua_file html/nowhere.lua;
        content_by_lua_block { ngx.say("never") }
    }
--- request eval
["GET /r", "GET /a"]
--- error_code eval
[404, 404]
--- error_log
cannot open



=== a missing log file is only logged
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        log_by_lua_file html/nowhere.lua;
    }
--- request
GET /t
--- response_body
ok
--- error_log
failed to load external Lua file



=== a folder is no file: 503
--- config
    location = /t { content_by_lua_file html; }
--- request
GET /t
--- error_code: 503
--- error_log eval
qr/failed to load external Lua file ".*html": cannot read .*html/



=== a syntax error names the file and the line: 500
--- config
    location = /t { content_by_lua_file html/bad.lua; }
--- user_files
>>> bad.lua
local a = 1
local b = = 2
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/failed to load external Lua file ".*html\/bad\.lua": .*html\/bad\.lua:2: unexpected symbol near '='/



=== a run-time error names the file and the line
--- config
    location = /t { content_by_lua_file html/bad.lua; }
--- user_files
>>> bad.lua
local t = nil
t.x = 1
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/lua entry thread aborted: runtime error: .*html\/bad\.lua:2: attempt to index local 't' \(a nil value\)/



=== a first line with # is skipped
--- config
    location = /t { content_by_lua_file html/script.lua; }
--- user_files
>>> script.lua
#!/usr/bin/env luajit
ngx.say(debug.getinfo(1, "l").currentline)
--- request
GET /t
--- response_body
2
--- no_error_log
[error]



=== an empty file
--- config
    location = /t { content_by_lua_file html/empty.lua; }
--- user_files eval
">>> empty.lua\n"
--- request
GET /t
--- response_body
--- error_code: 200
--- no_error_log
[error]



=== bytecode is accepted
--- config
    location = /t {
        rewrite_by_lua_block {
            local f = io.open(ngx.config.prefix() .. "html/code.luac", "wb")
            f:write(string.dump(loadstring("ngx.say('from bytecode')", "=dumped")))
            f:close()
        }
        content_by_lua_file html/code.luac;
    }
--- user_files
>>> dummy.txt
--- request
GET /t
--- response_body
from bytecode
--- no_error_log
[error]



=== a file is read once: the code cache
--- config
    location = /t {
        content_by_lua_file html/page.lua;
    }
    location = /change {
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
["GET /t", "GET /change", "GET /t"]
--- response_body eval
["old\n", "", "old\n"]
--- no_error_log
[error]



=== a new file under a variable path is picked up
--- config
    location ~ ^/run/(\w+)$ { content_by_lua_file html/$1.lua; }
    location = /add {
        content_by_lua_block {
            local f = io.open(ngx.config.prefix() .. "html/fresh.lua", "w")
            f:write("ngx.say('fresh')")
            f:close()
        }
    }
--- user_files
>>> dummy.txt
--- request eval
["GET /run/fresh", "GET /add", "GET /run/fresh"]
--- error_code eval
[404, 200, 200]
--- no_error_log
[alert]
