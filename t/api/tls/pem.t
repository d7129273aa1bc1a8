# ngx.ssl: certificates and keys without a connection.

use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== PEM becomes what setclientcert takes
--- config
    location = /t {
        content_by_lua_block {
            local ssl = require "ngx.ssl"
            local function read(name)
                local file = assert(io.open("$TEST_NGINX_CERT_DIR/" .. name))
                local text = file:read("*a")
                file:close()
                return text
            end
            local both = read("client.crt") .. read("ca.crt")
            ngx.say(type(ssl.parse_pem_cert(both)), " ", type(ssl.parse_pem_priv_key(read("client.key"))))
            local one, two = assert(ssl.cert_pem_to_der(read("client.crt"))), ssl.cert_pem_to_der(both)
            ngx.say(two:sub(1, #one) == one, " ", #two > #one, " ", one:byte() == 0x30)
            ngx.say(#ssl.priv_key_pem_to_der(read("client.key")) > 100)
            collectgarbage()
        }
    }
--- request
GET /t
--- response_body
cdata cdata
true true true
true
--- no_error_log
[error]
[alert]



=== what is no PEM
--- config
    location = /t {
        content_by_lua_block {
            local ssl = require "ngx.ssl"
            ngx.say(ssl.parse_pem_cert("nonsense"))
            ngx.say(ssl.parse_pem_cert(""))
            ngx.say(ssl.parse_pem_priv_key("nonsense"))
            ngx.say(ssl.cert_pem_to_der("nonsense"))
            ngx.say(ssl.priv_key_pem_to_der("nonsense", "secret"))
            local file = io.open("$TEST_NGINX_CERT_DIR/client.crt")
            local pem = file:read("*a")
            file:close()
            ngx.say(ssl.parse_pem_cert(pem .. pem:sub(1, 100)))
        }
    }
--- request
GET /t
--- response_body
nilPEM_read_bio_X509_AUX() failed
nilPEM_read_bio_X509_AUX() failed
nilPEM_read_bio_PrivateKey() failed
nilPEM_read_bio_X509_AUX() failed
nilPEM_read_bio_PrivateKey() failed
nilPEM_read_bio_X509() failed
--- no_error_log
[error]
[alert]



=== nothing asks for a passphrase
--- config
    location = /t {
        content_by_lua_block {
            local ssl = require "ngx.ssl"
            os.execute("openssl pkey -aes128 -passout pass:secret -in $TEST_NGINX_CERT_DIR/client.key "
                       .. "-out $TEST_NGINX_SERVER_ROOT/locked.key")
            local file = io.open("$TEST_NGINX_SERVER_ROOT/locked.key")
            local pem = file:read("*a")
            file:close()
            ngx.say(ssl.parse_pem_priv_key(pem))
            ngx.say(ssl.priv_key_pem_to_der(pem))
            ngx.say(ssl.priv_key_pem_to_der(pem, "wrong"))
            ngx.say(#ssl.priv_key_pem_to_der(pem, "secret") > 100)
        }
    }
--- request
GET /t
--- response_body
nilPEM_read_bio_PrivateKey() failed
nilPEM_read_bio_PrivateKey() failed
nilPEM_read_bio_PrivateKey() failed
true
--- no_error_log
[error]
[alert]



=== what needs a client's connection says that it is not there
--- config
    location = /t {
        content_by_lua_block {
            local ssl = require "ngx.ssl"
            ngx.say(ssl.server_name())
            ngx.say(ssl.clear_certs())
            ngx.say(ssl.get_tls1_version())
        }
    }
--- request
GET /t
--- response_body
nilnot available in this version of the module
nilnot available in this version of the module
nilnot available in this version of the module
--- no_error_log
[error]
