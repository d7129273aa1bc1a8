# Patterns that finalizers use when their VM is closed: each pattern's own finalizer may have run before.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a VM of one request's
--- http_config
    lua_code_cache off;
--- config
    location = /t {
        content_by_lua_block {
            kept = {}
            for n = 1, 20 do
                local proxy = newproxy(true)
                getmetatable(proxy).__gc = function()
                    for _, options in ipairs { "o", "jo", "do" } do
                        ngx.re.match("ab" .. n, "a(b)" .. n, options)
                        ngx.re.gsub("abc", "b", "x$0", options)
                        local iterator = ngx.re.gmatch("abc", ".", options)
                        if iterator then iterator() iterator() end
                    end
                end
                kept[n] = proxy
                for _, options in ipairs { "o", "jo", "do" } do
                    ngx.re.match("ab" .. n, "a(b)" .. n, options)
                    ngx.re.gsub("abc", "b", "x$0", options)
                end
            end
            ngx.say("done")
        }
    }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- response_body eval
["done\n", "done\n", "done\n"]
--- no_error_log
[error]



=== the worker's
--- config
    location = /t {
        content_by_lua_block {
            local regex = ngx.re
            package.loaded.kept = newproxy(true)
            getmetatable(package.loaded.kept).__gc = function()
                regex.match("ab", "a(b)", "jo")
                regex.gsub("abc", "b", "x$0", "jo")
            end
            regex.match("ab", "a(b)", "jo")
            regex.gsub("abc", "b", "x$0", "jo")
            ngx.say("done")
        }
    }
--- request
GET /t
--- response_body
done
--- no_error_log
[error]
[alert]
