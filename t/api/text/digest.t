# ngx.md5, ngx.md5_bin, ngx.sha1_bin, ngx.hmac_sha1 and ngx.crc32_*.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== MD5
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(ngx.md5(""), " ", ngx.md5(nil))
            ngx.say(ngx.md5("hello"))
            ngx.say(ngx.md5(("x"):rep(1000)))
            ngx.say(ngx.md5(12) == ngx.md5("12"), #ngx.md5_bin("hello"))
            ngx.say((ngx.md5_bin("hello"):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
        }
    }
--- request
GET /t
--- response_body
d41d8cd98f00b204e9800998ecf8427e d41d8cd98f00b204e9800998ecf8427e
5d41402abc4b2a76b9719d911017c592
398533d48111e9f664b1f64cb10c4b63
true16
5d41402abc4b2a76b9719d911017c592
--- no_error_log
[error]



=== SHA-1 around the length of a block
--- config
    location = /t {
        content_by_lua_block {
            for _, len in ipairs{ 0, 5, 55, 56, 63, 64, 65, 1000 } do
                ngx.say((ngx.sha1_bin(("x"):rep(len)):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
            end
        }
    }
--- request
GET /t
--- response_body
da39a3ee5e6b4b0d3255bfef95601890afd80709
9addbf544119efa4a64223b649750a510f0d463f
cef734ba81a024479e09eb5a75b6ddae62e6abf1
901305367c259952f4e7af8323f480d59f81335b
0ddc4e0cccd9a12850deb5abb0853a4425559fec
bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163
78c741ddc482e4cdf8c474a0876347a0905b6233
c3efa690fa3fdd2e2526853eed670538ea127638
--- no_error_log
[error]



=== HMAC-SHA1 with keys short and long
--- config
    location = /t {
        content_by_lua_block {
            for _, len in ipairs{ 0, 20, 63, 64, 65, 200 } do
                ngx.say(ngx.encode_base64(ngx.hmac_sha1(("k"):rep(len), "some text")))
            end
            ngx.say(ngx.encode_base64(ngx.hmac_sha1("key", "")), " ", ngx.hmac_sha1(1, 2) == ngx.hmac_sha1("1", "2"))
        }
    }
--- request
GET /t
--- response_body
Q+z71JcMd6e6UiziSiKNceoNzl8=
e3ZvvTkD08LjqS+VLkutz/Iwfgo=
VwTmXI4j2yNnTMNDGJP1UrSKW/A=
/4X2I7ZVWwIWvzLS49cgY/xIc3Y=
kN3410GOg4kCs2AawFENQTJSCIQ=
6T/dR0xPLXFGbnSa80VidYrRV0w=
9Cuw7rAY671Fl65yE3EexgdghD8= true
--- no_error_log
[error]



=== HMAC-SHA1 takes two strings
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.hmac_sha1, "a")))
            ngx.say(select(2, pcall(ngx.hmac_sha1, "a", {})))
            ngx.say(select(2, pcall(ngx.hmac_sha1, "a", "b", "c")))
        }
    }
--- request
GET /t
--- response_body
expecting 2 arguments, but got 1
bad argument #2 to '?' (string expected, got table)
expecting 2 arguments, but got 3
--- no_error_log
[error]



=== CRC-32, short and long
--- config
    location = /t {
        content_by_lua_block {
            for _, text in ipairs{ "", "a", "hello, world", ("x"):rep(1000) } do
                ngx.say(ngx.crc32_short(text), " ", ngx.crc32_long(text))
            end
            ngx.say(ngx.crc32_short(nil), " ", ngx.crc32_long(12) == ngx.crc32_long("12"))
        }
    }
--- request
GET /t
--- response_body
0 0
3904355907 3904355907
4289425978 4289425978
994167270 994167270
0 true
--- no_error_log
[error]



=== where there is no request
--- http_config
    init_by_lua_block {
        at_init = ngx.md5("hello") .. ngx.crc32_long("a") .. ngx.encode_base64(ngx.hmac_sha1("k", "t"))
            .. ngx.escape_uri(" ") .. ngx.encode_args{ a = 1 } .. ngx.quote_sql_str("x")
    }
--- config
    location = /t { content_by_lua_block { ngx.say(at_init) } }
--- request
GET /t
--- response_body
5d41402abc4b2a76b9719d911017c5923904355907lV204SISiT7NqoYXMbkVIbZJYms=%20a=1'x'
--- no_error_log
[error]
