//! The tables of templates: what programs are made of, and how often. `grammar.rs` says how a template reads.
//!
//! They are productions, not programs: each row is one call or one context, and what fails is found by how they
//! come together. A row per way of calling an API is enough, wrong arguments come by themselves.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) template: &'static str,
    /// Its block runs where nothing can wait.
    pub(crate) cramped: bool,
    /// Its block may run on behalf of any request.
    pub(crate) shared: bool,
}

const fn row(template: &'static str) -> Row {
    Row { template, cramped: false, shared: false }
}

const fn cramped(template: &'static str) -> Row {
    Row { template, cramped: true, shared: false }
}

/// Cramped, and run on behalf of whoever comes along.
const fn anybody(template: &'static str) -> Row {
    Row { template, cramped: true, shared: true }
}

const fn shared(template: &'static str) -> Row {
    Row { template, cramped: false, shared: true }
}

type Table = &'static [(usize, Row)];

/// All of them but the contexts, by how often one is taken from each.
pub(crate) const ANY: &[(usize, Table)] = &[
    (24, COROUTINES),
    (13, THREADS),
    (12, WAITS),
    (9, OUTPUT),
    (8, CONTROL),
    (5, TIMERS),
    (7, SOCKETS),
    (4, SEMAPHORES),
    (1, PIPES),
    (6, LOCATIONS),
    (7, super::apis::REQUEST),
    (4, super::apis::TEXT),
    (4, super::apis::DICTIONARIES),
    (6, super::apis::VARIABLES),
    (4, super::apis::WORKER),
    (7, GARBAGE),
    (4, FUNCTIONS),
    (2, WILD),
];

/// What templates begin with whose block runs in a coroutine of its own, which can so resume the one it came from.
pub(crate) const TREE: &str = "local up = ";

pub(crate) const COROUTINES: Table = &[
    (10, row("local up = coroutine.running() $C = $k(@ ~ end)")),
    (5, row("local up = coroutine.running() $W = $p(@ ~ end)")),
    (10, row("out($r($c, $w))")),
    (6, row("out($r($c))")),
    (4, row("out($W($w))")),
    (
        8,
        row(
            "local up = coroutine.running() R.same(T, coroutine.resume(coroutine.create(@ ~ return T end)))",
        ),
    ),
    (4, row("local up = coroutine.running() out($r($k(@ ~ end), $w))")),
    (4, row("local up = coroutine.running() out($p(@ ~ return T end)($v))")),
    (
        3,
        row(
            "local up = coroutine.running() for x in $p(@ ~ end) do out(x) if R.spent(S) then break end end",
        ),
    ),
    (8, row("out($d($w))")),
    (2, row("out($d(R.numbers(200)))")),
    (4, row("$C = coroutine.running()")),
    (
        2,
        row(
            "local me = coroutine.running() out($r(coroutine.create(function() return $r(me) end)))",
        ),
    ),
    (7, row("out($r(up, $w))")),
    (6, row("out($r(S.c1, $w))")),
    (
        4,
        row(
            "local up = coroutine.running() S.c1 = $k(@ out($d(1)) ~ end) out(coroutine.resume(S.c1))",
        ),
    ),
    (3, row("out(coroutine.status($c))")),
    (1, row("out(coroutine._status($c))")),
    (2, row("debug.traceback($c)")),
    (1, row("out(coroutine.isyieldable and coroutine.isyieldable())")),
    (1, row("$C = $k($F)")),
    (1, row("out($k($v))")),
];

pub(crate) const THREADS: Table = &[
    (10, row("local up = coroutine.running() $H = ngx.thread.spawn(@ ~ end, $w)")),
    (4, row("local up = coroutine.running() ngx.thread.spawn(@ ~ end)")),
    (6, row("out(ngx.thread.wait($h))")),
    (2, row("out(ngx.thread.wait($h, $h))")),
    (6, row("out(ngx.thread.kill($h))")),
    (
        3,
        row(
            "local up = coroutine.running() out(ngx.thread.wait(ngx.thread.spawn(@ ~ return T end)))",
        ),
    ),
    (
        2,
        row(
            "local up = coroutine.running() local th = ngx.thread.spawn(@ ~ end) out(ngx.thread.kill(th))",
        ),
    ),
    (1, row("$H = ngx.thread.spawn($F)")),
    (1, row("out(ngx.thread.spawn($v))")),
];

/// Whatever waits, or asks whether it can.
pub(crate) const WAITS: Table = &[
    (12, row("out($d($w))")),
    (10, row("ngx.sleep($t)")),
    (2, row("out(ngx.location.capture($l))")),
    (1, row("out(ngx.location.capture_multi({ { $l }, { $l } }))")),
    (4, row("out(ngx.thread.wait($h))")),
    (5, row("out($r($c))")),
    (2, row("out($W())")),
    (
        3,
        row("R.same(T, coroutine.resume(coroutine.create(function() ngx.sleep($t) return T end)))"),
    ),
    (4, row("out($E:wait($t))")),
    (3, row("$K = R.connect(S, $y)")),
    (4, row("out($K:receive())")),
    (1, row("out($U:receive())")),
    (1, row("ngx.flush(true)")),
    (2, row("ngx.req.read_body()")),
    (1, row("out($P:wait())")),
    (1, row("out(ngx.run_worker_thread(\"pool\", \"task\", \"echo\", $v))")),
    (3, row("ngx.exit($i)")),
    (1, row("ngx.exec($l)")),
    (1, row("ngx.eof()")),
    (1, row("$F($w)")),
];

const OUTPUT: Table = &[
    (25, row("ngx.say(T)")),
    (3, row("ngx.print($v)")),
    (3, row("ngx.say($w)")),
    (3, row("ngx.flush($v)")),
    (2, row("ngx.flush(true)")),
    (2, row("ngx.send_headers()")),
    (2, row("ngx.eof()")),
    (2, row("ngx.print((\"b\"):rep(100000))")),
    (2, row("ngx.status = $i")),
    (2, row("ngx.header[$s] = $v")),
    (1, row("out(ngx.header[$s])")),
    (1, row("ngx.header.content_length = $n")),
    (1, row("ngx.resp.get_headers($v)")),
    (1, row("out(ngx.headers_sent)")),
    (1, row("require(\"ngx.resp\").add_header($s, $v)")),
    (2, row("ngx.arg[1] = $v")),
    (1, row("ngx.arg[2] = $v")),
    (1, row("out(ngx.arg[1], ngx.arg[2])")),
];

const CONTROL: Table = &[
    (10, row("ngx.exit($i)")),
    (3, row("ngx.exec($l, $v)")),
    (1, row("ngx.exec(\"\\64named\")")),
    (2, row("ngx.redirect($l, $i)")),
    (1, row("ngx.redirect($s)")),
    (4, row("error($v)")),
    (3, row("do return $v end")),
    (1, row("ngx.req.set_uri($l, true)")),
    (2, row("out(ngx.on_abort(@ ~ end))")),
    (1, row("out(ngx.on_abort(function() ngx.exit(499) end))")),
    (1, row("out(ngx.on_abort($v))")),
];

const TIMERS: Table = &[
    (10, shared("out(ngx.timer.at($t, @ ~ end, $v))")),
    (2, shared("$F = @ ~ end out(ngx.timer.at($t, $F))")),
    (1, shared("out(R.every($t, @ ~ end))")),
    (1, row("out(ngx.timer.at($v, $v, $v))")),
    (1, row("out(ngx.timer.running_count(), ngx.timer.pending_count())")),
];

const SOCKETS: Table = &[
    (8, row("$K = R.connect(S, $y)")),
    (3, row("$K = R.connect(S, $y, { pool = \"a\", pool_size = 1, backlog = $n })")),
    (2, row("$K = ngx.socket.tcp()")),
    (1, row("$K = ngx.socket.stream()")),
    (2, row("$K = ngx.req.socket($v)")),
    (1, row("$K = ngx.req.socket(true)")),
    (2, row("out($K:connect(\"127.0.0.1\", R.peer))")),
    (1, row("out($K:connect($w))")),
    (6, row("out($K:receive($v))")),
    (4, row("out($K:receive())")),
    (2, row("out($K:receiveany($n))")),
    (3, row("$F = $K:receiveuntil(\"x\", $v)")),
    (4, row("out($K:send($v))")),
    (4, row("out($K:setkeepalive($n, $n))")),
    (3, row("out($K:close())")),
    (1, row("out($K:getreusedtimes())")),
    (1, row("out($K:settimeout($m))")),
    (1, row("out($K:settimeouts($m, $m, $m))")),
    (1, row("out($K:setoption($s, $v))")),
    (1, row("out($K:getoption($s))")),
    (1, row("out($K:getfd())")),
    (1, row("out($K:sslhandshake($v, $s))")),
    (1, row("out($K:bind($s))")),
    (2, row("local k = $K ngx.thread.spawn(function() out(k:receive()) end) out(k:$z($v))")),
    (3, row("$U = R.udp()")),
    (2, row("out($U:send($v))")),
    (2, row("out($U:receive($v))")),
    (1, row("out($U:setpeername($w))")),
    (1, row("out($U:close())")),
    (1, row("out($U:settimeout($m))")),
];

const SEMAPHORES: Table = &[
    (5, row("$E = require(\"ngx.semaphore\").new($n)")),
    (2, row("$E = require(\"ngx.semaphore\").new(0)")),
    (6, row("out($E:wait($t))")),
    (6, row("out($E:post($n))")),
    (4, row("$E:post(1)")),
    (2, row("out($E:count())")),
    (1, row("$E = nil")),
];

const PIPES: Table = &[
    (4, row("$P = R.pipe({ \"cat\" })")),
    (2, row("$P = R.pipe(\"echo a; echo b >&2; exit 3\")")),
    (1, row("$P = R.pipe($v, $v)")),
    (3, row("out($P:write($v))")),
    (3, row("out($P:stdout_read_line())")),
    (1, row("out($P:stdout_read_any($n))")),
    (1, row("out($P:stderr_read_all())")),
    (2, row("out($P:wait())")),
    (1, row("out($P:shutdown($s))")),
    (2, row("out($P:kill(9))")),
    (1, row("out($P:pid())")),
];

const LOCATIONS: Table = &[
    (8, row("$Q = ngx.location.capture($l)")),
    (3, row("$Q = ngx.location.capture($l, { method = ngx.HTTP_POST, body = $s, ctx = {} })")),
    (2, row("$Q = ngx.location.capture($l, { args = $v, vars = $v, share_all_vars = true })")),
    (1, row("$Q = ngx.location.capture($l, { always_forward_body = true, copy_all_vars = true })")),
    (1, row("$Q = ngx.location.capture($l, $v)")),
    (3, row("$Q = { ngx.location.capture_multi({ { $l }, { $l, { method = ngx.HTTP_HEAD } } }) }")),
    (1, row("out(ngx.location.capture_multi($v))")),
    (1, row("out($Q.status, $Q.body, $Q.header, $Q.truncated)")),
    (1, row("out(ngx.is_subrequest, ngx.req.is_internal())")),
];

const GARBAGE: Table = &[
    (4, row("R.collect(S)")),
    (8, row("R.litter(S, 200)")),
    (2, row("R.litter(S, 1000)")),
    (1, row("collectgarbage(\"step\", 200)")),
    (1, row("collectgarbage(\"setpause\", 100)")),
    (
        2,
        row(
            "for _, k in ipairs { \"c\", \"h\", \"k\", \"e\", \"q\", \"f\" } do L[k .. 1], S[k .. 2] = nil end",
        ),
    ),
];

const FUNCTIONS: Table = &[
    (5, shared("$F = @ ~ end")),
    (5, row("out($F($w))")),
    (2, row("$X = $v")),
    (2, row("$X = $o")),
    (2, row("out(tostring($o), type($o))")),
    (1, row("out($o == $o, pcall(function() return $o .. $o end))")),
    (3, row("for i = 1, 4 do ~ end")),
    (2, row("if ngx.is_subrequest then ~ end")),
    (2, row("do ~ end")),
];

const WILD: Table = &[
    (3, row("calls.run(ngx.get_phase(), $n)")),
    (2, row("calls.run(\"\", S.fuel)")),
    (1, row("reads.all()")),
    (1, row("reads.body()")),
    (1, row("reads.change()")),
];

/// Lua code that is called from C code, so that nothing in it can wait, and such that only looks so.
pub(crate) const CONTEXTS: Table = &[
    (10, cramped("string.gsub(\"xyz\", \".\", @ ~ end)")),
    (6, cramped("table.sort({ 3, 1, 2 }, function(a, b) ~ return a < b end)")),
    (3, cramped("local _ = setmetatable({}, { __index = @ ~ end }).x")),
    (3, cramped("setmetatable({}, { __newindex = @ ~ end }).x = 1")),
    (
        3,
        cramped(
            "local t = setmetatable({}, { __eq = @ ~ return true end }) local _ = t == setmetatable({}, getmetatable(t))",
        ),
    ),
    (3, cramped("local t = setmetatable({}, { __lt = @ ~ return true end }) local _ = t < t")),
    (3, cramped("local t = setmetatable({}, { __concat = @ ~ return \"\" end }) local _ = t .. t")),
    (2, row("setmetatable({}, { __call = @ ~ end })(1)")),
    (1, cramped("local _ = -setmetatable({}, { __unm = @ ~ end })")),
    (6, cramped("tostring(setmetatable({}, { __tostring = @ ~ return \"t\" end }))")),
    (3, cramped("print(setmetatable({}, { __tostring = @ ~ return \"t\" end }))")),
    (3, cramped("ngx.log(ngx.NOTICE, setmetatable({}, { __tostring = @ ~ return \"t\" end }))")),
    (2, cramped("ngx.say(setmetatable({}, { __tostring = @ ~ return \"t\" end }))")),
    (
        2,
        cramped(
            "ngx.header.X = { \"a\", setmetatable({}, { __tostring = @ ~ return \"t\" end }) }",
        ),
    ),
    (
        2,
        cramped(
            "ngx.req.set_header(\"X\", setmetatable({}, { __tostring = @ ~ return \"t\" end }))",
        ),
    ),
    (5, anybody("getmetatable(newproxy(true)).__gc = function() ~ end")),
    (4, anybody("getmetatable(newproxy(true)).__gc = function() ~ end R.collect(S)")),
    (4, anybody("ffi.gc(ffi.new(\"int[2]\"), function() ~ end)")),
    (3, anybody("ffi.gc(ffi.new(\"int[2]\"), function() ~ end) R.collect(S)")),
    (4, anybody("debug.sethook(function() debug.sethook() ~ end, \"\", 1 + $n % 50)")),
    (2, anybody("debug.sethook(function() debug.sethook() ~ end, \"l\")")),
    (1, anybody("debug.sethook(function() debug.sethook() ~ end, \"cr\")")),
    (5, cramped("xpcall(error, @ ~ return ... end)")),
    (4, row("xpcall(function() ~ end, debug.traceback)")),
    (6, row("pcall(function() ~ end)")),
    (3, cramped("load(function() if R.spent(S) then return end ~ end)")),
    (2, row("package.preload.made = function() ~ end package.loaded.made = nil require \"made\"")),
    (2, row("ngx.re.gsub(\"abc\", \"b\", function() ~ return \"x\" end)")),
    (2, cramped("table.foreach({ 1 }, function() ~ end)")),
    (2, row("local _ = (loadstring \"local f = ... return f()\")(function() ~ end)")),
    (1, row("for _ in function() ~ end do break end")),
];
