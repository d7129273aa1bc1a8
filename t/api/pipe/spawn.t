use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();

__DATA__

=== a program by its arguments, and a command of the shell
--- config
    location = /t {
        content_by_lua_block {
            local pipe = require "ngx.pipe"
            local proc = assert(pipe.spawn { "printf", "%s|", "a b", "$HOME", 3 })
            ngx.say((proc:stdout_read_all()))
            ngx.say(proc:wait())
            proc = assert(pipe.spawn("echo a; echo b >&2; exit 3"))
            ngx.print((proc:stdout_read_all()), (proc:stderr_read_all()))
            ngx.say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
a b|$HOME|3|
trueexit0
a
b
falseexit3
--- error_log
(SIGCHLD) received from
lua pipe spawn process:
--- no_error_log
[error]
[alert]



=== environment, standard error and arguments that are refused
--- config
    location = /t {
        content_by_lua_block {
            local spawn = require "ngx.pipe".spawn
            local proc = spawn({ "env" }, { environ = { "A=1", "B=x y" } })
            ngx.print((proc:stdout_read_all()))
            proc = spawn("echo out; echo err >&2", { merge_stderr = true })
            ngx.print((proc:stdout_read_all()))
            ngx.say(select(2, proc:stderr_read_all()))
            ngx.say(select(2, proc:shutdown("stderr")))
            for _, bad in ipairs { { nil }, { {} }, { "x", { environ = { "A" } } }, { "x", { buffer_size = 0 } } } do
                ngx.say(select(2, pcall(spawn, bad[1], bad[2])))
            end
        }
    }
--- request
GET /t
--- response_body
A=1
B=x y
out
err
merged to stdoutnil
merged to stdout
bad args arg: table expected, got nil
bad args arg: non-empty table expected
bad value at index 1 of environ option: 'name=[value]' format expected, got 'A'
bad buffer_size option
--- no_error_log
[error]



=== a program that cannot be run
--- config
    location = /t {
        content_by_lua_block {
            local pipe = require "ngx.pipe"
            local proc = pipe.spawn { "/no/such/program" }
            ngx.say(proc:wait())
            proc = pipe.spawn({ "/no/such/other" }, { environ = { "A=1" } })
            ngx.say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
falseexit1
falseexit1
--- error_log
lua pipe child execvp() failed while executing /no/such/program (2: No such file or directory)
lua pipe child execvpe() failed while executing /no/such/other (2: No such file or directory)
--- no_error_log
[alert]



=== no descriptor of nginx reaches the program, and no signal is ignored there
--- config
    location = /t {
        content_by_lua_block {
            local pipe = require "ngx.pipe"
            local other = pipe.spawn("cat")
            local open = pipe.spawn({ "ls", "-l", "/proc/self/fd" }):stdout_read_all()
            for _, kind in ipairs { "pipe:", "socket:", "%.log" } do
                ngx.print(select(2, open:gsub(kind, "")), " ")
            end
            ngx.say()
            local proc = pipe.spawn({ "grep", "SigIgn", "/proc/self/status" })
            local ignored = tonumber(proc:stdout_read_line():match("%x+$"):sub(-8), 16)
            ngx.say(bit.band(ignored, bit.lshift(1, 13 - 1)), bit.band(ignored, bit.lshift(1, 31 - 1)))
        }
    }
--- request
GET /t
--- response_body eval
"3 0 0 \n00\n"
--- no_error_log
[error]



=== where a process may be started and waited for
--- http_config
    init_worker_by_lua_block {
        ngx.timer.at(0, function ()
            local proc = require "ngx.pipe".spawn("echo timer")
            ngx.log(ngx.WARN, "from a ", (proc:stdout_read_line()))
        end)
    }
--- config
    location = /t {
        access_by_lua_block {
            ngx.ctx.line = require "ngx.pipe".spawn("echo access"):stdout_read_line()
        }
        content_by_lua_block { ngx.say(ngx.ctx.line) }
        log_by_lua_block {
            local proc = require "ngx.pipe".spawn("echo log")
            for _, call in ipairs { "stdout_read_line", "wait" } do
                ngx.log(ngx.WARN, call, ": ", select(2, pcall(proc[call], proc)))
            end
        }
    }
--- request
GET /t
--- response_body
access
--- wait: 0.1
--- error_log eval
["from a timer", qr/stdout_read_line: .*API disabled in the context of log_by_lua\*/, "wait: API disabled in the context of log_by_lua*"]
--- no_error_log
[error]
[alert]



=== other ways to run programs go on working
--- config
    location = /t {
        content_by_lua_block {
            local proc = require "ngx.pipe".spawn("sleep 0.02")
            ngx.say(tostring(os.execute("exit 3")), " ", os.execute("true"))
            local file = io.popen("echo popen")
            ngx.say(file:read("*a"), tostring(file:close()))
            ngx.say(proc:wait())
        }
    }
--- request
GET /t
--- response_body
768 0
popen
true
trueexit0
--- no_error_log
[error]
[alert]
