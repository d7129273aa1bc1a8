use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== lines, without what ends them
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn([[printf 'one\r\n\nth'; sleep 0.02; printf 'ree\nrest']])
            for _ = 1, 5 do
                local line, err, partial = proc:stdout_read_line()
                ngx.say(tostring(line), " ", tostring(err), " ", tostring(partial))
            end
        }
    }
--- request
GET /t
--- response_body
one nil nil
 nil nil
three nil nil
nil closed rest
nil closed 
--- error_log
lua pipe read yielding
--- no_error_log
[error]



=== bytes, whatever there is, and everything
--- config
    location = /t {
        content_by_lua_block {
            local spawn = require "ngx.pipe".spawn
            local function say(...)
                for i = 1, select("#", ...) do ngx.print(tostring((select(i, ...))), " ") end
                ngx.say()
            end
            local proc = spawn([[printf 'abcdefgh'; sleep 0.02; printf 'ij']], { buffer_size = 3 })
            say(proc:stdout_read_bytes(5))
            say(proc:stdout_read_any(2))
            say(proc:stdout_read_bytes(0))
            say(proc:stdout_read_bytes(4))
            say(proc:stdout_read_any(1))
            say(proc:stdout_read_all())
            proc = spawn([[printf 'ab' >&2]])
            say(proc:stderr_read_bytes(3))
            say(proc:stderr_read_any(3))
            say(#spawn("head -c 300000 /dev/zero"):stdout_read_all())
        }
    }
--- request
GET /t
--- response_body
abcde nil nil 
f nil nil 
 
ghij nil nil 
nil closed  
 nil nil 
nil closed ab 
nil closed  
300000 
--- no_error_log
[error]



=== a read that takes too long keeps what has come for its caller
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("printf ab; sleep 10", { stdout_read_timeout = 200 })
            local data, err, partial = proc:stdout_read_line()
            ngx.say(tostring(data), " ", err, " ", partial)
            proc:set_timeouts(nil, 10, 10)
            data, err, partial = proc:stdout_read_all()
            ngx.say(tostring(data), " ", err, " <", partial, ">")
            ngx.say(select(2, proc:stderr_read_all()))
        }
    }
--- request
GET /t
--- response_body
nil timeout ab
nil timeout <>
timeout
--- error_log
lua pipe add timer for reading: 200(ms)
--- no_error_log
[error]



=== what is written arrives, however much it is
--- config
    location = /t {
        content_by_lua_block {
            local spawn = require "ngx.pipe".spawn
            local proc = spawn("cat")
            ngx.say(proc:write("abc"), " ", proc:write(12), " ", proc:write { "x", "yz" }, " ", proc:write(""))
            ngx.say((proc:stdout_read_bytes(8)))
            local data = ("0123456789"):rep(100000)
            local writer = ngx.thread.spawn(function ()
                local n = proc:write(data)
                proc:shutdown("stdin")
                return n
            end)
            ngx.say(proc:stdout_read_all() == data)
            ngx.say(select(2, ngx.thread.wait(writer)))
            ngx.say(proc:write("more"))
            ngx.say(select(2, pcall(proc.write, proc, true)))
        }
    }
--- request
GET /t
--- response_body
3 2 3 0
abc12xyz
true
1000000
nilclosed
bad data arg: string, number, or table expected, got boolean
--- error_log
lua pipe write yielding
--- no_error_log
[error]



=== a write that takes too long, and one to nobody
--- config
    location = /t {
        content_by_lua_block {
            local spawn = require "ngx.pipe".spawn
            local proc = spawn("sleep 10", { write_timeout = 20 })
            ngx.say(proc:write(("x"):rep(1000000)))
            proc = spawn("exec <&-; echo closed; sleep 10")
            ngx.say((proc:stdout_read_line()))
            ngx.say(proc:write("x"))
        }
    }
--- request
GET /t
--- response_body
niltimeout
closed
nilclosed
--- error_log eval
["lua pipe add timer for writing: 20(ms)", qr/lua pipe write data error pipe:[0-9A-F]+ \(32: Broken pipe\)/]
--- no_error_log
[error]



=== one reader and one writer at a time
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("sleep 10")
            local reader = ngx.thread.spawn(function () return proc:stdout_read_line() end)
            local writer = ngx.thread.spawn(function () return proc:write(("x"):rep(1000000)) end)
            ngx.say(select(2, proc:stdout_read_line()))
            ngx.say(proc:write("x"))
            ngx.say(ngx.thread.kill(reader), ngx.thread.kill(writer))
            proc:set_timeouts(10, 10)
            ngx.say(select(2, proc:stdout_read_line()))
            ngx.say(proc:write("x"))
        }
    }
--- request
GET /t
--- response_body
pipe busy readingnil
nilpipe busy writing
11
timeout
niltimeout
--- error_log
lua pipe proc read stdout cleanup
lua pipe proc write cleanup
--- no_error_log
[error]



=== shutting a stream down ends the wait for it
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn([[printf 'begun\nab'; sleep 10]])
            proc:stdout_read_line()
            local reader = ngx.thread.spawn(function ()
                local data, err, partial = proc:stdout_read_line()
                return tostring(data) .. " " .. err .. " " .. partial
            end)
            local writer = ngx.thread.spawn(function () return proc:write(("x"):rep(1000000)) end)
            ngx.say(proc:shutdown("stdout"), proc:shutdown("stdin"))
            ngx.say(ngx.thread.wait(reader))
            ngx.say(ngx.thread.wait(writer))
            ngx.say(select(2, proc:stdout_read_line()))
            ngx.say(proc:write("x"))
            ngx.say(select(2, pcall(proc.shutdown, proc, "x")))
        }
    }
--- request
GET /t
--- response_body
truetrue
truenil aborted ab
truenilaborted
closednil
nilclosed
bad shutdown arg: x
--- no_error_log
[error]



=== a reader is killed after its stream was shut down
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("sleep 10")
            local reader = ngx.thread.spawn(function () return proc:stdout_read_line() end)
            proc:shutdown("stdout")
            ngx.say(ngx.thread.kill(reader))
            ngx.sleep(0)
            ngx.say(select(2, proc:stdout_read_line()))
        }
    }
--- request
GET /t
--- response_body
1
closednil
--- no_error_log
[error]
