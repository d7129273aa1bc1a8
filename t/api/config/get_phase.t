# ngx.get_phase.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== every phase by its name
--- http_config
    init_by_lua_block { phases = { ngx.get_phase() } }
    init_worker_by_lua_block { table.insert(phases, ngx.get_phase()) }
--- config
    server_rewrite_by_lua_block { ngx.ctx.p = { ngx.get_phase() } }
    location = /t {
        rewrite_by_lua_block { table.insert(ngx.ctx.p, ngx.get_phase()) }
        access_by_lua_block { table.insert(ngx.ctx.p, ngx.get_phase()) }
        content_by_lua_block {
            table.insert(ngx.ctx.p, ngx.get_phase())
            ngx.say(table.concat(phases, " "), " ", table.concat(ngx.ctx.p, " "))
        }
        log_by_lua_block { ngx.log(ngx.WARN, "phase: ", ngx.get_phase()) }
    }
--- request
GET /t
--- response_body
init init_worker server_rewrite rewrite access content
--- error_log
phase: log
--- no_error_log
[error]



=== unchanged by a sleep and in a user coroutine
--- config
    location = /t {
        access_by_lua_block {
            ngx.sleep(0.001)
            ngx.ctx.p = ngx.get_phase()
        }
        content_by_lua_block {
            ngx.say(ngx.ctx.p)
            coroutine.wrap(function () ngx.say(ngx.get_phase()) end)()
        }
    }
--- request
GET /t
--- response_body
access
content
--- no_error_log
[error]
