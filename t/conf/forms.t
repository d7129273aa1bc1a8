# The forms of the by_lua directives: string, block, file.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== content: string, block and file
--- config
    location = /string { content_by_lua 'ngx.say("string")'; }
    location = /block { content_by_lua_block { ngx.say("block") } }
    location = /file { content_by_lua_file html/content.lua; }
--- user_files
>>> content.lua
ngx.say("file")
--- request eval
["GET /string", "GET /block", "GET /file"]
--- response_body eval
["string\n", "block\n", "file\n"]
--- no_error_log
[error]



=== rewrite and access: string and file
--- config
    location = /s {
        rewrite_by_lua 'ngx.ctx.r = "rewrite string"';
        access_by_lua 'ngx.ctx.a = "access string"';
        content_by_lua 'ngx.say(ngx.ctx.r, ", ", ngx.ctx.a)';
    }
    location = /f {
        rewrite_by_lua_file html/r.lua;
        access_by_lua_file html/a.lua;
        content_by_lua 'ngx.say(ngx.ctx.r, ", ", ngx.ctx.a)';
    }
--- user_files
>>> r.lua
ngx.ctx.r = "rewrite file"
>>> a.lua
ngx.ctx.a = "access file"
--- request eval
["GET /s", "GET /f"]
--- response_body eval
["rewrite string, access string\n", "rewrite file, access file\n"]
--- no_error_log
[error]



=== nginx unescapes a quoted string before Lua sees it
--- config
    location = /t {
        content_by_lua "
            ngx.say(\"a quote: \\\" and a tab:\\t|\")
            ngx.say('single')
        ";
    }
--- request
GET /t
--- response_body eval
"a quote: \" and a tab:\t|\nsingle\n"
--- no_error_log
[error]



=== no variables in inline code
--- config
    location = /t {
        set $v "expanded";
        content_by_lua 'ngx.say("$v $1 ${v}")';
    }
    location = /b {
        set $v "expanded";
        content_by_lua_block { ngx.say("$v $1 ${v}") }
    }
--- request eval
["GET /t", "GET /b"]
--- response_body eval
["\$v \$1 \${v}\n", "\$v \$1 \${v}\n"]
--- no_error_log
[error]



=== an empty string is no code
--- config
    location = /t { content_by_lua ''; }
--- must_die
--- error_log
invalid location config: no runnable Lua code



=== an empty file name is no code either
--- config
    location = /t { rewrite_by_lua_file ''; }
--- must_die
--- error_log
invalid location config: no runnable Lua code



=== the same directive twice
--- config
    location = /t {
        content_by_lua 'ngx.say(1)';
        content_by_lua 'ngx.say(2)';
    }
--- must_die
--- error_log
"content_by_lua" directive is duplicate



=== two forms of one directive are duplicates, too
--- config
    location = /t {
        access_by_lua 'local x';
        access_by_lua_file html/a.lua;
    }
--- must_die
--- error_log
"access_by_lua_file" directive is duplicate



=== a duplicate block is reported
--- config
    location = /t {
        rewrite_by_lua_block { local x }
        rewrite_by_lua_block { local y }
    }
--- must_die
--- error_log eval
qr/\[emerg\] .* is duplicate in .*nginx\.conf:\d+/



=== content_by_lua only in a location
--- config
    content_by_lua_block { ngx.say("x") }
--- must_die
--- error_log
"content_by_lua_block" directive is not allowed here



=== a string form takes one argument
--- config
    location = /t { content_by_lua 'ngx.say(1)' 'ngx.say(2)'; }
--- must_die
--- error_log
invalid number of arguments in "content_by_lua" directive



=== a block form needs its block
--- config
    location = /t { content_by_lua_block 'ngx.say(1)'; }
--- must_die
--- error_log eval
qr/directive "content_by_lua_block" has no opening "\{"|invalid number of arguments in "content_by_lua_block" directive/



=== a syntax error is found by the first request, and by the next
--- config
    location = /t { content_by_lua_block { ngx.say( } }
--- request eval
["GET /t", "GET /t"]
--- error_code eval
[500, 500]
--- error_log eval
qr/\[error\] .*failed to load inlined Lua code: content_by_lua\(nginx\.conf:\d+\):1: unexpected symbol near '<eof>'/



=== a syntax error in a string form
--- config
    location = /t { content_by_lua 'local = 1'; }
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/failed to load inlined Lua code: content_by_lua\(nginx\.conf:\d+\):1: '<name>' expected near '='/
