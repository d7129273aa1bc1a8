# What a sandbox of user code needs from the VM: loadstring, setfenv, hooks.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== functions loaded at run time, replaced by the next load
--- config
    location = /add {
        content_by_lua_block {
            local box = package.loaded.box or {}
            package.loaded.box = box
            box.run = assert(loadstring("return " .. ngx.var.arg_v))
            ngx.say("loaded")
        }
    }
    location = /run { content_by_lua_block { ngx.say(package.loaded.box.run()) } }
--- request eval
["GET /add?v=1", "GET /run", "GET /add?v=2", "GET /run"]
--- response_body eval
["loaded\n", "1\n", "loaded\n", "2\n"]
--- no_error_log
[error]



=== loadstring returns nil and the message of a syntax error
--- config
    location = /t {
        content_by_lua_block { ngx.say(loadstring("return (", "=user")) }
    }
--- request
GET /t
--- response_body
niluser:1: unexpected symbol near '<eof>'
--- no_error_log
[error]



=== an environment with a whitelist
--- config
    location = /t {
        content_by_lua_block {
            local env = { say = ngx.say, tostring = tostring }
            local f = setfenv(loadstring("say(tostring(os), tostring(ngx)) leak = 1"), env)
            f()
            ngx.say(env.leak, " ", rawget(_G, "leak"))
            ngx.say((pcall(setfenv(loadstring("os.exit()"), env))))
        }
    }
--- request
GET /t
--- response_body
nilnil
1 nil
false
--- no_error_log
[error]
writing a global Lua variable



=== an instruction limit stops an endless loop
--- config
    location = /t {
        content_by_lua_block {
            local loop = loadstring("while true do end")
            jit.off(loop)
            debug.sethook(function () error("user script too hot", 0) end, "", 100000)
            local ok, err = pcall(loop)
            debug.sethook()
            ngx.say(ok, " ", err)
        }
    }
--- request eval
["GET /t", "GET /t"]
--- response_body eval
["false user script too hot\n", "false user script too hot\n"]
--- no_error_log
[error]



=== an uncaught stop by the hook is a 500, the next request is served
--- config
    location = /t {
        content_by_lua_block {
            if ngx.var.arg_hot then
                local loop = loadstring("while true do end")
                jit.off(loop)
                debug.sethook(function ()
                    debug.sethook()
                    error("user script too hot", 0)
                end, "", 100000)
                loop()
            end
            ngx.say("cool")
        }
    }
--- request eval
["GET /t?hot=1", "GET /t"]
--- error_code eval
[500, 200]
--- no_error_log
[alert]

