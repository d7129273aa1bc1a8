# set_by_lua*: nginx variables computed by Lua.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== one result, of several
--- config
    location = /t {
        set_by_lua_block $v { return "first", "second" }
        return 200 "[$v]\n";
    }
--- request
GET /t
--- response_body
[first]
--- no_error_log
[error]



=== what results become
--- config
    location = /t {
        set_by_lua_block $int { return 42 }
        set_by_lua_block $float { return -1.5 }
        set_by_lua_block $big { return 2^53 }
        set_by_lua_block $none { }
        set_by_lua_block $nil { return nil }
        set_by_lua_block $bool { return true }
        set_by_lua_block $table { return {} }
        set_by_lua_block $bytes { return "a\0b" }
        content_by_lua_block {
            local v = ngx.var
            ngx.say(v.int, " ", v.float, " ", v.big, " ", #v.bytes)
            ngx.say("[", v.none, v["nil"], v.bool, v.table, "]")
        }
    }
--- request
GET /t
--- response_body
42 -1.5 9.007199254741e+15 3
[]
--- no_error_log
[error]



=== arguments, by ngx.arg and as varargs
--- config
    location = /t {
        set $b B;
        set_by_lua $v 'local a, b, c = ...
            return a .. b .. c .. ngx.arg[1] .. ngx.arg[2] .. ngx.arg[3] .. select("#", ...)'
            x "$b$uri" "y z";
        return 200 "$v\n";
    }
--- request
GET /t
--- response_body
xB/ty zxB/ty z3
--- no_error_log
[error]



=== arguments that are not there
--- config
    location = /t {
        set_by_lua $v 'local t = {}
            for _, i in ipairs{-1, 0, 1, 2, 3, 2^31} do t[#t + 1] = tostring(ngx.arg[i]) end
            return table.concat(t, " ")' one "";
        return 200 "$v\n";
    }
--- request
GET /t
--- response_body
nil nil one nil nil nil
--- no_error_log
[error]



=== no arguments in a block
--- config
    location = /t {
        set_by_lua_block $v { return tostring(ngx.arg[1]) .. select("#", ...) }
        return 200 "$v\n";
    }
--- request
GET /t
--- response_body
nil0
--- no_error_log
[error]



=== more arguments than the rewrite module has room for, in an if
--- config
    location = /t {
        if ($uri = /t) {
            set_by_lua $v 'local s = 0 for i = 1, 40 do s = s + ngx.arg[i] end return s'
                1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
                31 32 33 34 35 36 37 38 39 $arg_n;
        }
        return 200 "$v\n";
    }
--- request
GET /t?n=40
--- response_body
820
--- no_error_log
[error]



=== in the order of nginx's own set, if and rewrite
--- config
    location = /t {
        set $a 1;
        set_by_lua_block $b { return ngx.var.a + 1 }
        set $a $b$b;
        set_by_lua_block $c { return ngx.var.a + 1 }
        if ($c = 23) {
            set_by_lua_block $d { return "yes" }
        }
        if ($c != 23) {
            set_by_lua_block $d { return "no" }
        }
        set_by_lua_block $e { return ngx.var.d .. "!" }
        return 200 "$a $b $c $d $e\n";
    }
--- request
GET /t
--- response_body
22 2 23 yes yes!
--- no_error_log
[error]



=== in a server, before the location is found
--- config
    set_by_lua_block $who { return ngx.get_phase() .. " " .. ngx.var.uri }
    location = /t { return 200 "$who\n"; }
--- request
GET /t
--- response_body
set /t
--- no_error_log
[error]



=== captures of a regular expression
--- config
    location ~ ^/(.)(.*)$ {
        set_by_lua $v 'return ngx.arg[1] .. "-" .. ngx.arg[2] .. "-" .. ngx.var[2]' $1 $2;
        return 200 "$v\n";
    }
--- request
GET /t%20u
--- response_body
t-%20u- u
--- no_error_log
[error]



=== a built-in variable that can be set
--- config
    location = /t {
        set_by_lua_block $args { return "b=2" }
        return 200 "$args $arg_b\n";
    }
--- request
GET /t?a=1
--- response_body
b=2 2
--- no_error_log
[error]



=== it can be set again by Lua, and is known to other modules
--- config
    location = /t {
        set_by_lua_block $v { return "set" }
        add_header X-V $v;
        content_by_lua_block { ngx.var.v = ngx.var.v .. "-again" ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
X-V: set-again
--- response_body
ok
--- no_error_log
[error]



=== ngx.ctx reaches the later phases
--- config
    location = /t {
        set_by_lua_block $v { ngx.ctx.n = (ngx.ctx.n or 0) + 1 }
        set_by_lua_block $v { ngx.ctx.n = (ngx.ctx.n or 0) + 1 }
        content_by_lua_block { ngx.say(ngx.ctx.n, " ", ngx.get_phase()) }
    }
--- request
GET /t
--- response_body
2 content
--- no_error_log
[error]



=== response headers and the status can be set
--- config
    location = /t {
        set_by_lua_block $v { ngx.header["X-Set"] = "by lua" ngx.status = 201 }
        content_by_lua_block { ngx.say("ok") }
    }
--- request
GET /t
--- response_headers
X-Set: by lua
--- response_body
ok
--- error_code: 201
--- no_error_log
[error]



=== an error ends the request
--- config
    location = /t {
        set_by_lua_block $v { local x = nil; return x.y }
        return 200 "not reached\n";
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log
failed to run set_by_lua*: set_by_lua(nginx.conf:
attempt to index local 'x' (a nil value)
stack traceback:



=== an error that is no text
--- config
    location = /t {
        set_by_lua_block $v { error({}) }
        return 200 "not reached\n";
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log
failed to run set_by_lua*: unknown reason



=== code that does not compile
--- config
    location = /t {
        set_by_lua $v 'return return';
        return 200 "not reached\n";
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log
failed to load inlined Lua code: set_by_lua(nginx.conf:



=== APIs that wait or write are refused
--- config
    location = /t {
        set_by_lua_block $v {
            local t = {}
            for _, f in ipairs{ngx.say, ngx.print, ngx.flush, ngx.eof, ngx.send_headers, ngx.sleep, ngx.exit} do
                local ok, err = pcall(f, unpack(f == ngx.flush and {} or {0}))
                t[#t + 1] = tostring(ok) .. " " .. err:gsub("^.-:%d+: ", "")
            end
            return table.concat(t, "\n")
        }
        content_by_lua_block { ngx.say((ngx.var.v:gsub("API disabled in the context of set_by_lua%*", "refused"))) }
    }
--- request
GET /t
--- response_body
false refused
false refused
false refused
false no argument is expected
false refused
false refused
false refused
--- no_error_log
[error]



=== ngx.arg cannot be assigned to
--- config
    location = /t {
        set_by_lua $v 'local ok, err = pcall(function() ngx.arg[1] = "x" end) return err' a;
        return 200 "$v\n";
    }
--- request
GET /t
--- response_body_like: API disabled in the context of set_by_lua\*$
--- no_error_log
[error]



=== as a file, with arguments
--- config
    location = /t {
        set_by_lua_file $v html/sum.lua 3 $arg_n;
        return 200 "$v\n";
    }
--- user_files
>>> sum.lua
return ngx.arg[1] + ngx.arg[2]
--- request
GET /t?n=4
--- response_body
7
--- no_error_log
[error]



=== as a file whose name holds a variable
--- config
    location = /t {
        set_by_lua_file $v html/$arg_f.lua;
        return 200 "$v\n";
    }
--- user_files
>>> a.lua
return "file a"
>>> b.lua
return "file b"
--- pipelined_requests eval
["GET /t?f=a", "GET /t?f=b", "GET /t?f=a"]
--- response_body eval
["file a\n", "file b\n", "file a\n"]
--- no_error_log
[error]



=== a file that is not there is an error
--- config
    location = /t {
        set_by_lua_file $v html/none.lua;
        return 200 "not reached\n";
    }
--- request
GET /t
--- error_code: 500
--- response_body_like: 500 Internal Server Error
--- error_log eval
qr/failed to load external Lua file ".*html\/none.lua": cannot open/



=== without the code cache, in an if that is not always taken
--- http_config
    lua_code_cache off;
--- config
    location = /t {
        if ($arg_x) {
            set_by_lua_block $x { return "x" }
        }
        set_by_lua_block $y { return "y" }
        content_by_lua_block { ngx.say("[", ngx.var.x, ngx.var.y, "]") }
    }
--- pipelined_requests eval
["GET /t?x=1", "GET /t", "GET /t?x=1", "GET /t"]
--- response_body eval
["[xy]\n", "[y]\n", "[xy]\n", "[y]\n"]
--- no_error_log
[error]



=== the name must be a variable's
--- config
    location = /t { set_by_lua_block v { return 1 } }
--- must_die
--- error_log
invalid variable name "v"



=== a variable that cannot be set
--- config
    location = /t { set_by_lua_block $uri { return 1 } }
--- must_die
--- error_log
the duplicate "uri" variable



=== in subrequests
--- config
    location = /t {
        ssi on;
        ssi_types text/plain;
        return 200 '<!--# include virtual="/s?n=1" --><!--# include virtual="/s?n=2" -->end\n';
    }
    location = /s {
        set_by_lua_block $n { return ngx.var.arg_n * 10 }
        return 200 "$n ";
    }
--- request
GET /t
--- response_body eval
"10 20 end\n"
--- no_error_log
[error]
