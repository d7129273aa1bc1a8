-- Waits of every kind, about 0.4 seconds each. None of them looks at whether the worker exits.
local semaphore = require "ngx.semaphore"
local pipe = require "ngx.pipe"

local wait = {}

local LENGTH = 0.4

local function each_round(delay)
    local start = ngx.now()
    while ngx.now() - start < LENGTH do ngx.sleep(delay) end
end

function wait.rounds() each_round(0) end
function wait.tiny() each_round(0.0004) end
function wait.short() each_round(0.001) end
function wait.sleep() ngx.sleep(LENGTH) end

-- The thread waits, and who waits for it.
function wait.threads()
    local threads = {}
    for i = 1, 3 do threads[i] = ngx.thread.spawn(wait.rounds) end
    for i = 1, 3 do assert(ngx.thread.wait(threads[i])) end
end

function wait.wrapped() coroutine.wrap(wait.rounds)() end

function wait.semaphore()
    local it = semaphore.new()
    ngx.thread.spawn(function() wait.rounds() it:post(1) end)
    assert(it:wait(10))
end

-- A timer that would fire after the wait, and fires prematurely when the worker exits.
function wait.premature()
    local it = semaphore.new()
    ngx.timer.at(0.8, function() ngx.sleep(0) it:post(1) end)
    assert(it:wait(10))
end

-- Timers that make timers.
function wait.timers()
    local it = semaphore.new()
    local start = ngx.now()
    local function again()
        if ngx.now() - start > LENGTH then it:post(1) else assert(ngx.timer.at(0, again)) end
    end
    ngx.timer.at(0, again)
    assert(it:wait(10))
end

local function peer()
    local socket = ngx.socket.tcp()
    socket:settimeout(10000)
    assert(socket:connect("127.0.0.1", wait.peer))
    return socket
end

function wait.tcp()
    local socket = peer()
    assert(socket:send("tcp\n"))
    assert(socket:receive() == "tcp")
    socket:setkeepalive()
end

-- Only one connection at a time: the others are in the pool's queue.
function wait.queue()
    local function talk()
        local socket = ngx.socket.tcp()
        socket:settimeout(10000)
        assert(socket:connect("127.0.0.1", wait.peer, { pool = "queue", pool_size = 1, backlog = 100 }))
        assert(socket:send("short\n"))
        assert(socket:receive() == "short")
        assert(socket:setkeepalive())
    end
    local threads = {}
    for i = 1, 5 do threads[i] = ngx.thread.spawn(talk) end
    for i = 1, 5 do assert(ngx.thread.wait(threads[i])) end
end

function wait.udp()
    local socket = ngx.socket.udp()
    socket:settimeout(10000)
    assert(socket:setpeername("127.0.0.1", wait.dns))
    -- A query for peer.test.
    assert(socket:send("\1\2\1\0\0\1\0\0\0\0\0\0\4peer\4test\0\0\1\0\1"))
    assert(socket:receive())
    socket:close()
end

function wait.name()
    local socket = ngx.socket.tcp()
    socket:settimeout(10000)
    assert(socket:connect(("n%d.test"):format(math.random(1e9)), wait.peer))
    socket:close()
end

function wait.process()
    local it = assert(pipe.spawn({ "sleep", LENGTH }))
    it:set_timeouts(0, 0, 0, 0)
    assert(it:wait())
end

function wait.output()
    local it = assert(pipe.spawn("sleep 0.4; echo out"))
    it:set_timeouts(0, 0, 0, 0)
    assert(it:stdout_read_line() == "out")
    it:wait()
end

function wait.thread()
    local ok, result = ngx.run_worker_thread("threads", "busy", "work", LENGTH)
    assert(ok and result == "worked", result)
end

function wait.capture()
    assert(ngx.location.capture("/rewrite").body == "rewrite done\n")
end

function wait.captures()
    local a, b = ngx.location.capture_multi({ { "/rounds" }, { "/part", { args = "1" } } })
    assert(a.body == "rounds done\n" and b.body == "first")
end

function wait.body()
    ngx.req.read_body()
    assert(#ngx.req.get_body_data() == 16)
end

function wait.socket()
    local socket = assert(ngx.req.socket())
    assert(#assert(socket:receive(16)) == 16)
end

function wait.flush()
    ngx.print((" "):rep(8 * 1024 * 1024))
    assert(ngx.flush(true))
end

-- The first request loads the module, the others wait for that.
function wait.module()
    package.loaded.slow = nil
    assert(require("slow") == "loaded")
end

-- Nobody waits for these but the worker.
function wait.background()
    for _, kind in ipairs { "rounds", "thread", "threads", "queue", "module" } do
        ngx.timer.at(0, function()
            ngx.log(ngx.NOTICE, "background: begun ", kind)
            wait[kind]()
            ngx.log(ngx.NOTICE, "background: ended ", kind)
        end)
    end
    wait.tiny()
end

wait.peer, wait.dns = require("ports")()

return wait
