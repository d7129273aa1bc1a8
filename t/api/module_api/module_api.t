# ngx_http_lua_api.h, through the C module of t/fixture.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== packages of C modules, registered before and after the VM is there
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { in_init = require "fixture" }
--- config
    location = /t {
        content_by_lua_block {
            local fixture = require "fixture"
            local late = require "fixture.late"
            ngx.say(fixture == in_init, " ", late.vm_before, " ", late.vm_after)
        }
    }
--- request
GET /t
--- response_body
true false true
--- no_error_log
[error]



=== packages in the VM of one request
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- config
    lua_code_cache off;
    location = /t {
        content_by_lua_block {
            ngx.say(require "fixture".uri(), " ", require "fixture.late".vm_after)
        }
    }
--- request
GET /t
--- response_body
/t true
--- no_error_log
[error]



=== the request of a coroutine, in phases that wait and in those that do not
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block {
        fixture = require "fixture"
        none = fixture.uri() == nil
    }
--- config
    location = /t {
        set_by_lua_block $uri_in_set { return fixture.uri() }
        rewrite_by_lua_block {
            ngx.ctx.uri = coroutine.wrap(function() return fixture.uri() end)()
        }
        content_by_lua_block {
            ngx.say(none, " ", ngx.var.uri_in_set, " ", ngx.ctx.uri, " ",
                    ngx.location.capture("/sub").body)
        }
    }
    location = /sub {
        content_by_lua_block { ngx.print(fixture.uri()) }
    }
--- request
GET /t
--- response_body
true /t /t /sub
--- no_error_log
[error]



=== lua_http10_buffering
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(require "fixture".http10(), " ", ngx.location.capture("/off").body)
        }
    }
    location = /off {
        lua_http10_buffering off;
        content_by_lua_block { ngx.print(require "fixture".http10()) }
    }
--- request
GET /t
--- response_body
1 0
--- no_error_log
[error]



=== a C function that waits, in every phase that may
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { fixture = require "fixture" }
--- config
    server_rewrite_by_lua_block { ngx.ctx.log = { fixture.sleep(1) } }
    location = /t {
        rewrite_by_lua_block { table.insert(ngx.ctx.log, (select(2, fixture.sleep(2)))) }
        access_by_lua_block { table.insert(ngx.ctx.log, (select(2, fixture.sleep(3)))) }
        content_by_lua_block {
            table.insert(ngx.ctx.log, (select(2, fixture.sleep(4))))
            ngx.say(table.concat(ngx.ctx.log, " "), " ", fixture.cancelled())
        }
    }
--- request
GET /t
--- response_body
slept 1 2 3 4 0
--- no_error_log
[error]



=== coroutines, light threads and timers wait as well, one time after the other
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { fixture = require "fixture" }
--- config
    location = /t {
        content_by_lua_block {
            local co = coroutine.wrap(function()
                for i = 1, 3 do coroutine.yield(select(2, fixture.sleep(i))) end
            end)
            ngx.say(co(), co(), co())
            local function nap(ms) return (select(2, fixture.sleep(ms))) end
            local a, b = ngx.thread.spawn(nap, 20), ngx.thread.spawn(nap, 1)
            ngx.say(ngx.thread.wait(a, b))
            ngx.say(ngx.thread.wait(a))
            local slept
            ngx.timer.at(0, function() slept = fixture.sleep(1) end)
            while not slept do ngx.sleep(0.001) end
            ngx.say(slept, " ", fixture.cancelled())
        }
    }
--- request
GET /t
--- response_body
123
true1
true20
slept 0
--- no_error_log
[error]



=== a wait that is cancelled: by ngx.thread.kill, by ngx.exit, by a failure elsewhere
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { fixture = require "fixture" }
--- config
    location = /t {
        content_by_lua_block {
            local nap = ngx.thread.spawn(fixture.sleep and function() fixture.sleep(60000) end)
            ngx.say(ngx.thread.kill(nap), " ", fixture.cancelled())
            ngx.location.capture("/exit")
            ngx.say(fixture.cancelled())
            ngx.location.capture("/fail")
            ngx.say(fixture.cancelled())
        }
    }
    location = /exit {
        content_by_lua_block {
            ngx.thread.spawn(function() fixture.sleep(60000) end)
            ngx.exit(204)
        }
    }
    location = /fail {
        content_by_lua_block {
            ngx.thread.spawn(function() fixture.sleep(60000) end)
            error("on purpose")
        }
    }
--- request
GET /t
--- response_body
1 1
1
1
--- error_log
on purpose
--- no_error_log
[alert]



=== a wait that ends with the client
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { fixture = require "fixture" }
--- config
    location = /t {
        lua_check_client_abort on;
        content_by_lua_block { fixture.sleep(60000) }
        log_by_lua_block { ngx.log(ngx.WARN, "cancelled: ", fixture.cancelled()) }
    }
--- request
GET /t
--- timeout: 0.5
--- abort
--- wait: 0.5
--- ignore_response
--- error_log
cancelled: 1
--- no_error_log
[error]



=== a resume that nobody waits for
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- config
    location = /t {
        content_by_lua_block {
            local fixture = require "fixture"
            fixture.stray(5)
            ngx.say("slept: ", select("#", ngx.sleep(0.05)))
            local thread = ngx.thread.spawn(function() fixture.stray(5) return "ended" end)
            ngx.say(ngx.thread.wait(thread))
            ngx.sleep(0.05)
            ngx.say(fixture.sleep(1))
        }
    }
--- request
GET /t
--- response_body
slept: 0
trueended
slept1
--- no_error_log
[error]



=== resumed before it has yielded
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- config
    location = /t {
        content_by_lua_block {
            local fixture = require "fixture"
            ngx.say(select("#", fixture.now(7)))
            ngx.say(ngx.thread.wait(ngx.thread.spawn(function() return "ended", fixture.now(8) end)))
        }
    }
--- request
GET /t
--- response_body
0
trueended
--- no_error_log
[error]



=== cleaning up by hand, once
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- config
    location = /t {
        content_by_lua_block {
            local fixture = require "fixture"
            ngx.say(fixture.drop(60000), " ", fixture.cancelled())
        }
    }
--- request
GET /t
--- response_body
true 1
--- no_error_log
[error]



=== where nothing can wait
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    init_by_lua_block { fixture = require "fixture" }
--- config
    location = /t {
        content_by_lua_block { ngx.say("ok") }
        header_filter_by_lua_block { ngx.header.X = select(2, pcall(fixture.sleep, 1)) }
        log_by_lua_block { ngx.log(ngx.WARN, select(2, pcall(fixture.sleep, 1))) }
    }
--- request
GET /t
--- response_body
ok
--- response_headers
X: cannot wait here
--- error_log
cannot wait here
--- no_error_log
[error]



=== zones of other modules and dictionaries
--- main_config
    load_module $TEST_NGINX_FIXTURE/ngx_http_lua_fixture_module.so;
--- http_config
    lua_shared_dict dogs 1m;
    init_by_lua_block {
        fixture = require "fixture"
        in_init = fixture.zone("fixture")
        ngx.shared.dogs:set("text", "a text that is longer than the room")
        ngx.shared.dogs:set("number", 1.5)
        ngx.shared.dogs:set("truth", true)
    }
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(in_init, " ", fixture.zone("fixture"), " ", fixture.zone("none"))
            ngx.say(fixture.get("dogs", "text"))
            ngx.say(fixture.get("dogs", "number"))
            ngx.say(fixture.get("dogs", "truth"))
            ngx.say(fixture.get("dogs", "none"))
        }
    }
--- request
GET /t
--- response_body
1 1 nil
0a text that is l
01.5
0true
-5
--- no_error_log
[error]
