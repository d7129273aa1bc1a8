# ngx.var: reading nginx variables.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== core variables
--- config
    location = /t {
        content_by_lua_block {
            local v = ngx.var
            ngx.say(v.uri, " ", v.args, " ", v.request_method, " ", v.server_protocol,
                    " ", v.remote_addr, " ", v.host, " ", v.scheme)
        }
    }
--- request
GET /t?x=1&y=2
--- response_body
/t x=1&y=2 GET HTTP/1.1 127.0.0.1 localhost http
--- no_error_log
[error]



=== values are strings, absent ones nil
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(type(ngx.var.connection_requests), " ", type(ngx.var.is_args))
            ngx.say(ngx.var.args, " ", ngx.var.remote_user, " [", ngx.var.is_args, "]")
        }
    }
--- request
GET /t
--- response_body
string string
nil nil []
--- no_error_log
[error]



=== an undefined name is nil
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.var.no_such_thing, ngx.var[""], ngx.var["a b"])
        }
    }
--- request
GET /t
--- response_body
nilnilnil
--- no_error_log
[error]



=== names are case-insensitive
--- config
    location = /t {
        set $Mixed "m";
        content_by_lua_block {
            ngx.say(ngx.var.mixed, ngx.var.MIXED, ngx.var.Uri)
        }
    }
--- request
GET /t
--- response_body
mm/t
--- no_error_log
[error]



=== variables of set, map and geo
--- http_config
    map $arg_k $mapped { default none; a alpha; }
    geo $where { default far; 127.0.0.0/8 near; }
--- config
    location = /t {
        set $here "set by nginx";
        set $empty "";
        content_by_lua_block {
            ngx.say(ngx.var.here, "|", ngx.var.empty, "|", ngx.var.mapped, "|", ngx.var.where)
        }
    }
--- request eval
["GET /t?k=a", "GET /t"]
--- response_body eval
["set by nginx||alpha|near\n", "set by nginx||none|near\n"]
--- no_error_log
[error]



=== arg_, http_, cookie_
--- config
    location = /t {
        content_by_lua_block {
            local v = ngx.var
            ngx.say(v.arg_name, " ", v.arg_none, " ", v.arg_empty, "|")
            ngx.say(v.http_x_fruit, " ", v.http_none, " ", v.cookie_id, " ", v.cookie_none)
            ngx.say(v.ARG_Name, " ", v.HTTP_X_FRUIT)
        }
    }
--- request
GET /t?name=a%20b&empty=
--- more_headers
X-Fruit: pear
Cookie: id=7; other=8
--- response_body
a%20b nil |
pear nil 7 nil
a%20b pear
--- no_error_log
[error]



=== sent_http_ once there is a header
--- config
    location = /t {
        content_by_lua_block {
            ngx.header["X-Out"] = "out"
            ngx.send_headers()
            ngx.say(ngx.var.sent_http_x_out, " ", ngx.var.sent_http_content_type)
        }
    }
--- request
GET /t
--- response_body
out text/plain
--- no_error_log
[error]



=== captures of a regex location
--- config
    location ~ ^/t/(\w+)/(\d*)$ {
        content_by_lua_block {
            ngx.say(ngx.var[1], "|", ngx.var[2], "|", ngx.var[3])
        }
    }
--- request eval
["GET /t/ab/12", "GET /t/ab/"]
--- response_body eval
["ab|12|nil\n", "ab||nil\n"]
--- no_error_log
[error]



=== named captures
--- config
    location ~ ^/t/(?<word>\w+)$ {
        content_by_lua_block {
            ngx.say(ngx.var.word, "|", ngx.var[1])
        }
    }
--- request
GET /t/hello
--- response_body
hello|hello
--- no_error_log
[error]



=== no captures without a regex
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.var[1], ngx.var[0], ngx.var[-1], ngx.var[100])
        }
    }
--- request
GET /t
--- response_body
nilnilnilnil
--- no_error_log
[error]



=== a numeric string is a name, not a capture
--- config
    location ~ ^/t/(\w+)$ {
        content_by_lua_block {
            ngx.say(ngx.var[1], " ", ngx.var["1"])
        }
    }
--- request
GET /t/x
--- response_body
x nil
--- no_error_log
[error]



=== bad keys
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(function () return ngx.var[true] end)))
            ngx.say(select(2, pcall(function () return ngx.var[{}] end)))
        }
    }
--- request
GET /t
--- response_body_like
bad variable name
.*bad variable name
--- no_error_log
[error]



=== binary values come whole
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(#ngx.var.binary_remote_addr, " ", ngx.var.binary_remote_addr:byte(1, 4))
        }
    }
--- request
GET /t
--- response_body
4 127001
--- no_error_log
[error]



=== readable in every request phase
--- config
    location = /t {
        set $trace "";
        rewrite_by_lua_block { ngx.var.trace = "r" .. #ngx.var.uri }
        access_by_lua_block { ngx.var.trace = ngx.var.trace .. " a" .. ngx.var.arg_a }
        content_by_lua_block { ngx.say(ngx.var.trace) }
        log_by_lua_block { ngx.log(ngx.WARN, "log: ", ngx.var.status, " ", ngx.var.trace) }
    }
--- request
GET /t?a=9
--- response_body
r2 a9
--- error_log
log: 200 r2 a9
--- no_error_log
[error]



=== no request, no variables
--- http_config
    init_by_lua_block {
        local _, e = pcall(function () return ngx.var.uri end)
        why = e
    }
    init_worker_by_lua_block {
        local _, e = pcall(function () return ngx.var.uri end)
        why_worker = e
    }
--- config
    location = /t {
        content_by_lua_block { ngx.say(why, "\n", why_worker) }
    }
--- request
GET /t
--- response_body_like
no request found
.*API disabled in the current context
--- no_error_log
[error]



=== no arguments and empty ones are two things, wherever they come from
--- config
    location = /show { content_by_lua_block { ngx.say(ngx.req.get_method(), " ", ngx.var.args, " ", ngx.var.query_string, ".") } }
    location = /exec { content_by_lua_block { ngx.exec("/show", ngx.ctx.args or (ngx.var.arg_a and "") or nil) } }
    location = /exec_empty { content_by_lua_block { ngx.exec("/show?") } }
    location = /exec_table { content_by_lua_block { ngx.exec("/show", {}) } }
    location = /exec_some { content_by_lua_block { ngx.exec("/show?a=1", "b=2") } }
    location = /set { content_by_lua_block { ngx.req.set_uri_args("") ngx.say(ngx.var.args, ".") } }
    location = /set_table { content_by_lua_block { ngx.req.set_uri_args({}) ngx.say(ngx.var.args, ".") } }
    location = /include { ssi on; ssi_types text/plain; return 200 '<!--# include virtual="/show" -->'; }
    location = /t {
        content_by_lua_block {
            for _, query in ipairs {
                { "/show" }, { "/show?" }, { "/show", { args = "" } }, { "/show", { args = {} } }, { "/show?a=1" },
                { "/show", { args = "b=2" } }, { "/exec" }, { "/exec?a" }, { "/exec_empty" }, { "/exec_table" },
                { "/exec_some" }, { "/set?a" }, { "/set_table?a" }, { "/set" },
            } do
                ngx.print(ngx.location.capture(unpack(query)).body)
            end
        }
    }
--- request eval
["GET /t", "GET /show", "GET /show?", "GET /show?a", "GET /exec", "GET /include", "GET /t?x=1"]
--- response_body eval
["GET nil nil.\nGET  .\nGET nil nil.\nGET nil nil.\nGET a=1 a=1.\nGET b=2 b=2.\nGET nil nil.\nGET nil nil.\nGET  .\nGET nil nil.\nGET a=1&b=2 a=1&b=2.\n.\n.\n.\n", "GET nil nil.\n", "GET nil nil.\n", "GET a a.\n", "GET nil nil.\n", "GET nil nil.\n", "GET nil nil.\nGET  .\nGET nil nil.\nGET nil nil.\nGET a=1 a=1.\nGET b=2 b=2.\nGET nil nil.\nGET nil nil.\nGET  .\nGET nil nil.\nGET a=1&b=2 a=1&b=2.\n.\n.\n.\n"]
--- no_error_log
[error]
[alert]
