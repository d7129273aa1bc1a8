# ngx.encode_base64, ngx.decode_base64 and ngx.base64.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== encoding, padded or not
--- config
    location = /t {
        content_by_lua_block {
            for n = 0, 4 do
                local text = ("hello"):sub(1, n)
                ngx.say("[", ngx.encode_base64(text), "] [", ngx.encode_base64(text, true), "]")
            end
            ngx.say(ngx.encode_base64("\255\239\190"))
            ngx.say(ngx.encode_base64(nil), ngx.encode_base64(12), ngx.encode_base64("a", false))
        }
    }
--- request
GET /t
--- response_body
[] []
[aA==] [aA]
[aGU=] [aGU]
[aGVs] [aGVs]
[aGVsbA==] [aGVsbA]
/+++
MTI=YQ==
--- no_error_log
[error]



=== no_padding is a boolean
--- config
    location = /t {
        content_by_lua_block {
            ngx.say(select(2, pcall(ngx.encode_base64, "a", 1)))
            ngx.say(select(2, pcall(ngx.decode_base64, 1)))
        }
    }
--- request
GET /t
--- response_body
bad no_padding: boolean expected, got number
string argument only
--- no_error_log
[error]



=== decoding is as lenient as nginx
--- config
    location = /t {
        content_by_lua_block {
            for _, text in ipairs{ "aGVsbA==", "aGVsbA", "aGVsbA=", "aGVsbB==", "aGVs=!!!", "=" } do
                ngx.say("[", ngx.decode_base64(text), "]")
            end
        }
    }
--- request
GET /t
--- response_body
[hell]
[hell]
[hell]
[hell]
[hel]
[]
--- no_error_log
[error]



=== what is no base64
--- config
    location = /t {
        content_by_lua_block {
            for _, text in ipairs{ "a", "aGVsb", "aGV-", "aG Vs", "aGVs\n", "aGVsaGVsaGVsaGVsaGVsaGVsaGVsaGVs*aGVs" } do
                ngx.say(ngx.decode_base64(text))
            end
        }
    }
--- request
GET /t
--- response_body
nil
nil
nil
nil
nil
nil
--- no_error_log
[error]



=== there and back, at any length
--- config
    location = /t {
        content_by_lua_block {
            local bytes = {}
            for i = 0, 999 do bytes[i + 1] = string.char((i * 31 + math.floor(i / 7)) % 256) end
            local all = table.concat(bytes)
            for len = 0, 400 do
                local text = all:sub(len + 1, 2 * len)
                local padded, bare = ngx.encode_base64(text), ngx.encode_base64(text, true)
                if ngx.decode_base64(padded) ~= text or ngx.decode_base64(bare) ~= text
                    or padded:gsub("=", "") ~= bare
                then
                    ngx.say(len)
                end
            end
            ngx.say(ngx.decode_base64(ngx.encode_base64(all:rep(100))) == all:rep(100))
        }
    }
--- request
GET /t
--- response_body
true
--- no_error_log
[error]



=== the base64url of lua-resty-core
--- config
    location = /t {
        content_by_lua_block {
            local base64 = require "ngx.base64"
            ngx.say(base64.encode_base64url("\255\239\190a"), " ", base64.decode_base64url("_---YQ") == "\255\239\190a")
            ngx.say(base64.decode_base64url("a+b"))
        }
    }
--- request
GET /t
--- response_body
_---YQ true
nilinvalid input
--- no_error_log
[error]



=== MIME, through the exported function
--- config
    location = /t {
        content_by_lua_block {
            local ffi = require "ffi"
            ffi.cdef "int ngx_http_lua_ffi_decode_base64mime(const unsigned char *src, size_t len, unsigned char *dst, size_t *dlen);"
            local function decode(text)
                local room, len = ffi.new("unsigned char[?]", 100), ffi.new("size_t[1]")
                if ffi.C.ngx_http_lua_ffi_decode_base64mime(text, #text, room, len) == 0 then return nil end
                return ffi.string(room, len[0])
            end
            ngx.say(decode("aGVs\r\nbG8g\r\n d29y-bGQ="), "|", decode("aGVsbG8=aGVs"), "|", decode("*"), "|")
            ngx.say(decode("aGVsb"))
        }
    }
--- request
GET /t
--- response_body
hello world|hello||
nil
--- no_error_log
[error]
