# Response headers that nginx itself keeps in slots of their own.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== Content-Type replaces the default type
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_type = "application/json; charset=utf-8"
            ngx.say(ngx.header["Content-Type"])
        }
    }
--- request
GET /t
--- response_headers
Content-Type: application/json; charset=utf-8
--- response_body
application/json; charset=utf-8
--- no_error_log
[error]



=== Content-Type is unset until the header is due
--- config
    location = /t {
        default_type text/css;
        content_by_lua_block {
            local before = ngx.header.content_type
            ngx.send_headers()
            ngx.say(before, " ", ngx.header.content_type)
        }
    }
--- request
GET /t
--- response_headers
Content-Type: text/css
--- response_body
nil text/css
--- no_error_log
[error]



=== Content-Type = nil sends none
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_type = nil
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
! Content-Type
--- response_body
ok
--- no_error_log
[error]



=== a list for Content-Type: the last one counts
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_type = { "text/css", "text/html" }
            ngx.say("ok")
        }
    }
--- request
GET /t
--- response_headers
Content-Type: text/html
--- response_body
ok
--- no_error_log
[error]



=== Content-Length is taken and the body is not chunked
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_length = 3
            ngx.print("abc")
            ngx.log(ngx.WARN, "length: ", ngx.header.content_length)
        }
    }
--- request
GET /t
--- response_headers
Content-Length: 3
! Transfer-Encoding
--- response_body: abc
--- error_log
length: 3
--- no_error_log
[error]



=== Content-Length = nil takes it back
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_length = 3
            ngx.header.content_length = nil
            ngx.say("longer than three")
        }
    }
--- request
GET /t
--- response_headers
! Content-Length
Transfer-Encoding: chunked
--- response_body
longer than three
--- no_error_log
[error]



=== Content-Length that is no number raises
--- config
    location = /t {
        content_by_lua_block {
            local _, err = pcall(function () ngx.header.content_length = "3x" end)
            ngx.say(err)
        }
    }
--- request
GET /t
--- response_body_like
failed to set header$
--- no_error_log
[error]



=== Location is sent as given, name and value, also when relative
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.location = ngx.var.arg_to
            ngx.exit(302)
        }
    }
--- request eval
["GET /t?to=/next", "GET /t?to=next", "GET /t?to=http://other.test/x"]
--- raw_response_headers_like eval
["\r\nlocation: /next\r\n", "\r\nlocation: next\r\n", "\r\nlocation: http://other.test/x\r\n"]
--- error_code eval
[302, 302, 302]
--- no_error_log
[error]



=== Location reads back and is removed
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.Location = "/a"
            local a = ngx.header.location
            ngx.header.Location = nil
            ngx.say(a, " ", ngx.header.location)
        }
    }
--- request
GET /t
--- response_headers
! Location
--- response_body
/a nil
--- no_error_log
[error]



=== Server and Date are replaced, not doubled
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.server = "mine"
            ngx.header.date = "Thu, 01 Jan 1970 00:00:00 GMT"
            ngx.say(ngx.header.server)
        }
    }
--- request
GET /t
--- response_headers
Server: mine
Date: Thu, 01 Jan 1970 00:00:00 GMT
--- response_body
mine
--- no_error_log
[error]



=== Last-Modified is a time
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.last_modified = "Wed, 18 Nov 2015 10:11:12 GMT"
            ngx.say(ngx.header.last_modified)
        }
    }
--- request
GET /t
--- response_headers
Last-Modified: Wed, 18 Nov 2015 10:11:12 GMT
--- response_body
Wed, 18 Nov 2015 10:11:12 GMT
--- no_error_log
[error]



=== Last-Modified answers If-Modified-Since with 304
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.last_modified = "Wed, 18 Nov 2015 10:11:12 GMT"
            ngx.say("body")
        }
    }
--- request
GET /t
--- more_headers
If-Modified-Since: Wed, 18 Nov 2015 10:11:12 GMT
--- response_body
--- error_code: 304
--- no_error_log
[error]



=== Last-Modified = nil
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.last_modified = "Wed, 18 Nov 2015 10:11:12 GMT"
            ngx.header.last_modified = nil
            ngx.say(ngx.header.last_modified)
        }
    }
--- request
GET /t
--- response_headers
! Last-Modified
--- response_body
nil
--- no_error_log
[error]



=== Cache-Control as a list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.cache_control = { "private", "no-store" }
            ngx.say(table.concat(ngx.header.cache_control, "+"))
        }
    }
--- request
GET /t
--- raw_response_headers_like: cache-control: private\r\ncache-control: no-store\r\n
--- response_body
private+no-store
--- no_error_log
[error]



=== Cache-Control: a string replaces a list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.cache_control = { "private", "no-store" }
            ngx.header.cache_control = "public"
            ngx.say(ngx.header.cache_control)
        }
    }
--- request
GET /t
--- response_headers
Cache-Control: public
--- response_body
public
--- no_error_log
[error]



=== Cache-Control: nil removes the whole list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.cache_control = { "private", "no-store" }
            ngx.header.cache_control = nil
            ngx.say(ngx.header.cache_control)
        }
    }
--- request
GET /t
--- response_headers
! Cache-Control
--- response_body
nil
--- no_error_log
[error]



=== Link as a list
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.link = { "</a>; rel=a", "</b>; rel=b" }
            ngx.say(#ngx.header.link)
        }
    }
--- request
GET /t
--- raw_response_headers_like: link: </a>; rel=a\r\nlink: </b>; rel=b\r\n
--- response_body
2
--- no_error_log
[error]



=== ETag, Expires, Refresh, Accept-Ranges, WWW-Authenticate
--- config
    location = /t {
        content_by_lua_block {
            local h = ngx.header
            h.etag, h.expires, h.refresh = '"v1"', "0", "5; url=/x"
            h.accept_ranges, h.www_authenticate = "none", "Basic"
            ngx.say(h.etag, h.expires, h.refresh, h.accept_ranges, h.www_authenticate)
        }
    }
--- request
GET /t
--- response_headers
ETag: "v1"
Expires: 0
Refresh: 5; url=/x
Accept-Ranges: none
WWW-Authenticate: Basic
--- response_body
"v1"05; url=/xnoneBasic
--- no_error_log
[error]



=== Content-Encoding
--- config
    location = /t {
        content_by_lua_block {
            ngx.header.content_encoding = "identity"
            ngx.say(ngx.header.content_encoding)
        }
    }
--- request
GET /t
--- response_headers
Content-Encoding: identity
--- response_body
identity
--- no_error_log
[error]
