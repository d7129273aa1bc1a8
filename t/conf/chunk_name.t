# Chunk names of inline code: directive, file and line.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== nginx.conf is named without its folder
--- config
    location = /t {
        content_by_lua_block { ngx.say((debug.getinfo(1, "S").source:gsub("%d+", "N"))) }
    }
--- request
GET /t
--- response_body
=content_by_lua(nginx.conf:N)
--- no_error_log
[error]



=== the line is the one of the directive, for each form
--- config
    include ../html/lines.conf;
--- user_files
>>> lines.conf
# 1
location = /t { # 2
    rewrite_by_lua_block {
        ngx.ctx.r = debug.getinfo(1, "S").source
    }
    access_by_lua '
        ngx.ctx.a = debug.getinfo(1, "S").source
    ';
    content_by_lua_block
    {
        ngx.say(ngx.ctx.r:match(":%d+"), ngx.ctx.a:match(":%d+"),
                debug.getinfo(1, "S").source:match(":%d+"))
    }
}
--- request
GET /t
--- response_body
:3:8:10
--- no_error_log
[error]



=== an included file has a path
--- config
    include ../html/inc.conf;
--- user_files
>>> inc.conf

location = /t {
    content_by_lua_block { ngx.say(debug.getinfo(1, "S").source) }
}
--- request
GET /t
--- response_body_like: html/inc\.conf:3\)$
--- no_error_log
[error]



=== a long path loses its beginning, not its line
--- config
    include ../html/a_folder_with_a_long_name/and_another_one_that_is_long/inc.conf;
--- user_files
>>> a_folder_with_a_long_name/and_another_one_that_is_long/inc.conf
location = /t {
    content_by_lua_block {
        local source = debug.getinfo(1, "S").source
        ngx.say(source, " ", #source)
    }
}
--- request
GET /t
--- response_body_like
^=content_by_lua\(\.\.\..*another_one_that_is_long/inc\.conf:2\) 60
--- no_error_log
[error]



=== a file's chunk name is its full path
--- config
    location = /t { content_by_lua_file html/page.lua; }
--- user_files
>>> page.lua
local source = debug.getinfo(1, "S").source
ngx.say(source == "@" .. ngx.config.prefix() .. "html/page.lua")
--- request
GET /t
--- response_body
true
--- no_error_log
[error]



=== errors name the line inside the block, counted from its brace
--- config
    include ../html/inc.conf;
--- user_files
>>> inc.conf
location = /t {

    content_by_lua_block {

        error("on the third line")
    }
}
--- request
GET /t
--- error_code: 500
--- error_log eval
qr/runtime error: content_by_lua\(.*html\/inc\.conf:3\):3: on the third line/
