# ngx.time and its kin.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== time and now agree with the system clock
--- config
    location = /t {
        content_by_lua_block {
            ngx.update_time()
            local t, now = ngx.time(), ngx.now()
            ngx.say(math.abs(t - os.time()) <= 1, " ", now >= t and now < t + 1)
            ngx.say(t == math.floor(t), " ", now * 1000 % 1 < 0.01 or now * 1000 % 1 > 0.99)
        }
    }
--- request
GET /t
--- response_body
true true
true true
--- no_error_log
[error]



=== the time stands still while Lua runs, until update_time
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.now()
            local stop = os.clock() + 0.02
            while os.clock() < stop do end
            ngx.say(ngx.now() == before)
            ngx.update_time()
            ngx.say(ngx.now() - before >= 0.015)
        }
    }
--- request
GET /t
--- response_body
true
true
--- no_error_log
[error]



=== a sleep moves it on
--- config
    location = /t {
        content_by_lua_block {
            local before = ngx.now()
            ngx.sleep(0.05)
            ngx.say(ngx.now() - before >= 0.045)
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]



=== today, localtime and utctime in their formats
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.today())
            ngx.say(ngx.localtime())
            ngx.say(ngx.utctime())
        }
    }
--- request
GET /t
--- response_body_like eval
qr/^\d{4}-\d\d-\d\d\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/
--- no_error_log
[error]



=== they render ngx.time
--- config
    location = /t {
        content_by_lua_block {
            local t = ngx.time()
            ngx.say(ngx.today() == os.date("%Y-%m-%d", t))
            ngx.say(ngx.localtime() == os.date("%Y-%m-%d %H:%M:%S", t))
            ngx.say(ngx.utctime() == os.date("!%Y-%m-%d %H:%M:%S", t))
        }
    }
--- request
GET /t
--- response_body
true
true
true
--- no_error_log
[error]



=== http_time, cookie_time and back
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.http_time(1290079655))
            ngx.say(ngx.cookie_time(1290079655))
            ngx.say(ngx.parse_http_time("Thu, 18 Nov 2010 11:27:35 GMT"))
            ngx.say(ngx.parse_http_time("not a time"))
        }
    }
--- request
GET /t
--- response_body
Thu, 18 Nov 2010 11:27:35 GMT
Thu, 18-Nov-10 11:27:35 GMT
1290079655
nil
--- no_error_log
[error]



=== wrong types
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.http_time, "x")))
            ngx.say(select(2, pcall(ngx.cookie_time, nil)))
            ngx.say(select(2, pcall(ngx.parse_http_time, 1)))
        }
    }
--- request
GET /t
--- response_body
number argument only
number argument only
string argument only
--- no_error_log
[error]



=== usable where there is no request
--- http_config
    init_by_lua_block { at_init = type(ngx.time()) .. type(ngx.now()) .. #ngx.today() }
    init_worker_by_lua_block { ngx.update_time() at_worker = #ngx.utctime() }
--- config
    location = /t {
        content_by_lua_block { ngx.say(at_init, " ", at_worker) }
        log_by_lua_block { ngx.log(ngx.WARN, "log: ", #ngx.localtime()) }
    }
--- request
GET /t
--- response_body
numbernumber10 19
--- error_log
log: 19
--- no_error_log
[error]
