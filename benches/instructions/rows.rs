//! What is measured: one row an operation. A new API adds a row here, and nothing else.

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The most our cost above the floor may be, as a part of the C module's.
    pub(crate) target: f64,
    /// Directives of the `http` block.
    pub(crate) http: &'static str,
    /// Directives of the location that is asked for.
    pub(crate) location: &'static str,
    /// What stands in `row.lua`, for `*_by_lua_file`.
    pub(crate) file: &'static str,
    /// The request line's target; the location is `/t`.
    pub(crate) request: &'static str,
    /// More lines of the request's header.
    pub(crate) headers: &'static str,
    /// The body of a POST request; a GET if it is empty.
    pub(crate) body: &'static str,
    /// The name of the floor it is compared with.
    pub(crate) floor: &'static str,
    /// The name of a row that takes the floor's place: each module is measured above its own.
    pub(crate) over: &'static str,
    /// Libraries whose work is not counted, by the beginning of their files' names.
    pub(crate) without: &'static [&'static str],
}

pub(crate) const NONE: Row = Row {
    name: "",
    target: 0.7,
    http: "",
    location: "",
    file: "",
    request: "/t",
    headers: "",
    body: "",
    floor: "return 200",
    over: "",
    without: &[],
};

/// With `Host`, fifteen headers.
const FOURTEEN_HEADERS: &str = "\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Referer: http://localhost/from/here\r\nCookie: session=0123456789abcdef; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n\
    X-Forwarded-For: 192.0.2.1\r\nX-Request-Id: 7b2c9a\r\n";

const FLOOR: Row = Row { name: "return 200", location: "return 200 'hello\n';", ..NONE };

/// What rows are compared with: a response made by nginx alone, to a request like theirs.
pub(crate) const FLOORS: &[Row] = &[
    FLOOR,
    Row { name: "return 200 to 15 headers", headers: FOURTEEN_HEADERS, ..FLOOR },
    Row { name: "return 302", location: "return 302 /elsewhere;", ..NONE },
];

/// Reads of lines that have come in one go, above the row that does the same but for the reads. LuaJIT does not
/// compile here: it compiles the loop anew for each iterator that `receiveuntil` has made, up to a limit, and each
/// call of another one finds out for all of these in turn that it is none of them, in both modules alike.
const LINES: Row =
    Row { target: 0.4, http: "init_by_lua_block { jit.off() }", over: "pool hit, send", ..NONE };

const DICT: &str = "lua_shared_dict dict 1m;";

/// Every row.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(crate::rows_over_hello::ROWS)
}

const ROWS: &[Row] = &[
    Row { name: "empty chunk", location: "content_by_lua_block { }", ..NONE },
    Row {
        name: "hello",
        target: 0.6,
        location: r#"content_by_lua_block { ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "hello from a file",
        target: 0.6,
        location: "content_by_lua_file row.lua;",
        file: r#"ngx.say("hello")"#,
        ..NONE
    },
    Row {
        name: "20 × say",
        target: 0.3,
        location: r#"content_by_lua_block { for i = 1, 20 do ngx.say("hello") end }"#,
        ..NONE
    },
    Row {
        name: "access + content",
        location: r#"
            access_by_lua_block { local a = 1 }
            content_by_lua_block { ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "content + log",
        location: r#"
            content_by_lua_block { ngx.say("hello") }
            log_by_lua_block { local a = 1 }"#,
        ..NONE
    },
    Row {
        name: "sleep(0)",
        target: 0.9,
        location: r#"content_by_lua_block { ngx.sleep(0) ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "sleep(0.001)",
        location: r#"content_by_lua_block { ngx.sleep(0.001) ngx.say("hello") }"#,
        ..NONE
    },
    Row {
        name: "var get",
        location: "content_by_lua_block { ngx.say(ngx.var.arg_a) }",
        request: "/t?a=hello",
        ..NONE
    },
    // Often enough for LuaJIT to compile the loop, FFI call included: what is left is nginx's
    // lookup and LuaJIT's copy, the same in both.
    Row {
        name: "200 × var get",
        target: 1.05,
        location: r#"
            content_by_lua_block {
                local var, length = ngx.var, 0
                for i = 1, 200 do
                    length = length + #var.uri
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "var set",
        location: r#"
            set $mark "";
            content_by_lua_block { ngx.var.mark = "hello" ngx.say(ngx.var.mark) }"#,
        ..NONE
    },
    Row {
        name: "ctx",
        location: r#"content_by_lua_block { ngx.ctx.a = "hello" ngx.say(ngx.ctx.a) }"#,
        ..NONE
    },
    Row {
        name: "get_headers of 15",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local h = ngx.req.get_headers()
                ngx.say(h.accept, h["X-Request-Id"])
            }"#,
        headers: FOURTEEN_HEADERS,
        floor: "return 200 to 15 headers",
        ..NONE
    },
    Row {
        name: "raw_header of 15",
        target: 0.4,
        location: r#"content_by_lua_block { ngx.say(#ngx.req.raw_header()) }"#,
        headers: FOURTEEN_HEADERS,
        floor: "return 200 to 15 headers",
        ..NONE
    },
    Row {
        name: "3 request headers set",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local set = ngx.req.set_header
                set("Host", "a.example")
                set("X-New", "1")
                set("Accept", "*/*")
                ngx.say("hello")
            }"#,
        headers: FOURTEEN_HEADERS,
        floor: "return 200 to 15 headers",
        ..NONE
    },
    Row {
        name: "uri_args of 10",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local a = ngx.req.get_uri_args()
                ngx.say(a.a, a.page)
            }"#,
        request: "/t?a=hello&b=2&page=17&sort=name&order=desc&q=some+text%21&lang=en&x&y=&z=end",
        ..NONE
    },
    Row {
        name: "5 headers set",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local h = ngx.header
                h["Content-Type"] = "text/plain"
                h["Cache-Control"] = "no-store"
                h["X-A"] = "1"
                h["X-B"] = "hello"
                h["ETag"] = '"x"'
                ngx.say("hello")
            }"#,
        ..NONE
    },
    Row {
        name: "resp.get_headers",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local h = ngx.header
                h["X-A"] = "1"
                h["X-B"] = "hello"
                ngx.say(ngx.resp.get_headers()["x-a"])
            }"#,
        ..NONE
    },
    Row {
        name: "redirect",
        target: 0.8,
        location: r#"content_by_lua_block { ngx.redirect("/elsewhere") }"#,
        floor: "return 302",
        ..NONE
    },
    Row {
        name: "exec",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                if not ngx.req.is_internal() then ngx.exec("/t?a=1") end
                ngx.say("hello")
            }"#,
        ..NONE
    },
    Row {
        name: "capture",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                if ngx.is_subrequest then
                    ngx.say("hello")
                else
                    ngx.print(ngx.location.capture("/t").body)
                end
            }"#,
        ..NONE
    },
    Row {
        name: "read_body, set_body_data, get_body_data",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                ngx.req.read_body()
                ngx.req.set_body_data("hello")
                ngx.say(ngx.req.get_body_data())
            }"#,
        ..NONE
    },
    Row {
        name: "init_body, 10 × append_body, finish_body",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                ngx.req.read_body()
                ngx.req.init_body(100)
                for i = 1, 10 do ngx.req.append_body("hello") end
                ngx.req.finish_body()
                ngx.say(ngx.req.get_body_data())
            }"#,
        ..NONE
    },
    Row {
        name: "thread.spawn + wait",
        target: 0.6,
        location: r#"
            content_by_lua_block {
                local thread = ngx.thread
                local ok, answer = thread.wait(thread.spawn(function () return "hello" end))
                ngx.say(answer)
            }"#,
        ..NONE
    },
    Row {
        name: "10 threads waited for together",
        target: 0.6,
        location: r#"
            content_by_lua_block {
                local thread, threads = ngx.thread, {}
                for i = 1, 10 do
                    threads[i] = thread.spawn(function () ngx.sleep(0) return i end)
                end
                local sum = 0
                for i = 1, 10 do
                    local ok, n = thread.wait(unpack(threads))
                    sum = sum + n
                    table.remove(threads, 1)
                end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "coroutine.wrap, 10 × yield",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local next = coroutine.wrap(function ()
                    for i = 1, 10 do coroutine.yield(i) end
                end)
                local sum = 0
                for i = 1, 10 do sum = sum + next() end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "coroutine.create, resume",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local ok, answer = coroutine.resume(coroutine.create(function (a) return a end), "hello")
                ngx.say(answer)
            }"#,
        ..NONE
    },
    Row {
        name: "timer.at(0)",
        target: 0.4,
        location: r#"
            content_by_lua_block {
                ngx.timer.at(0, function () end)
                ngx.say("hello")
            }"#,
        ..NONE
    },
    // A request for each tick, which it waits for.
    Row {
        name: "timer.every, a tick",
        target: 0.6,
        http: r#"
            init_worker_by_lua_block {
                ticks = require "ngx.semaphore".new()
                ngx.timer.every(0.001, function ()
                    if ticks:count() < 0 then ticks:post() end
                end)
            }"#,
        location: "content_by_lua_block { ngx.say(ticks:wait(1)) }",
        ..NONE
    },
    Row {
        name: "semaphore post + wait",
        target: 0.6,
        http: r#"init_by_lua_block { sem = require "ngx.semaphore".new() }"#,
        location: r#"
            content_by_lua_block {
                local waiter = ngx.thread.spawn(function () return sem:wait(1) end)
                sem:post()
                ngx.say(select(2, ngx.thread.wait(waiter)))
            }"#,
        ..NONE
    },
    Row {
        name: "semaphore post + wait at once",
        target: 0.9,
        http: r#"init_by_lua_block { sem = require "ngx.semaphore".new() }"#,
        location: r#"
            content_by_lua_block {
                sem:post()
                ngx.say(sem:wait(1))
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.match",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local match, length = ngx.re.match, 0
                for i = 1, 20 do
                    local m = match("hello, world 1234", [[([0-9])([0-9]+)]], "jo")
                    length = length + #m[2]
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.find",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local find, sum = ngx.re.find, 0
                for i = 1, 20 do
                    local from, to = find("hello, world 1234", [[[0-9]+]], "jo")
                    sum = sum + from + to
                end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "re.gmatch over 20 matches",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local length = 0
                for m in ngx.re.gmatch(string.rep("hello ", 20), [[(\w)(\w+)]], "jo") do
                    length = length + #m[2]
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.sub",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local sub, length = ngx.re.sub, 0
                for i = 1, 20 do
                    length = length + #sub("hello, world 1234", "([0-9])[0-9]", "[$0][$1]", "jo")
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.gsub of 5",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local gsub, length = ngx.re.gsub, 0
                for i = 1, 20 do
                    length = length + #gsub("a1 b2 c3 d4 e5", [[([a-z])([0-9])]], "$2$1", "jo")
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.gsub of 5 with a function",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local gsub, length = ngx.re.gsub, 0
                local swap = function(m) return m[2] .. m[1] end
                for i = 1, 20 do
                    length = length + #gsub("a1 b2 c3 d4 e5", [[([a-z])([0-9])]], swap, "jo")
                end
                ngx.say(length)
            }"#,
        ..NONE
    },
    Row {
        name: "20 × re.split into 5",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local split, parts = require("ngx.re").split, 0
                for i = 1, 20 do
                    parts = parts + #split("a, b,c ,d , e", [[\s*,\s*]], "jo")
                end
                ngx.say(parts)
            }"#,
        ..NONE
    },
    Row {
        name: "connect, PING, close",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                socket:send("PING\r\n")
                ngx.say(socket:receive())
                socket:close()
            }"#,
        ..NONE
    },
    Row {
        name: "10 × PING",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                local line
                for i = 1, 10 do
                    socket:send("PING\r\n")
                    line = socket:receive()
                end
                ngx.say(line)
                socket:setkeepalive()
            }"#,
        ..NONE
    },
    Row {
        name: "pool hit, send",
        target: 0.9,
        http: "init_by_lua_block { jit.off() }",
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                ngx.say(socket:send("QUIET\r\n"))
                socket:setkeepalive()
            }"#,
        ..NONE
    },
    Row {
        name: "200 × receive line",
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                socket:send("LINES\r\n")
                local length = 0
                for i = 1, 200 do
                    length = length + #socket:receive()
                end
                ngx.say(length)
                socket:setkeepalive()
            }"#,
        ..LINES
    },
    Row {
        name: "200 × receiveuntil",
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                socket:send("LINES\r\n")
                local length, read = 0, socket:receiveuntil("\r\n")
                for i = 1, 200 do
                    length = length + #read()
                end
                ngx.say(length)
                socket:setkeepalive()
            }"#,
        ..LINES
    },
    Row {
        name: "receive of 64 KB",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                socket:send("BLOCK\r\n")
                ngx.say(#socket:receive(65536))
                socket:setkeepalive()
            }"#,
        ..NONE
    },
    Row {
        name: "pool hit",
        target: 0.9,
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", PEER_PORT)
                ngx.say(socket:setkeepalive())
            }"#,
        ..NONE
    },
    Row {
        name: "100 × shdict get",
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict, sum = ngx.shared.dict, 0
                dict:set("key", 1)
                for i = 1, 100 do sum = sum + dict:get("key") end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "100 × shdict get, 100 bytes",
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict, sum = ngx.shared.dict, 0
                dict:set("key", string.rep("x", 100))
                for i = 1, 100 do sum = sum + #dict:get("key") end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "100 × shdict set",
        target: 0.9,
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict = ngx.shared.dict
                for i = 1, 100 do dict:set("key", i) end
                ngx.say(dict:get("key"))
            }"#,
        ..NONE
    },
    Row {
        name: "100 × shdict incr",
        target: 0.9,
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict = ngx.shared.dict
                for i = 1, 100 do dict:incr("key", 1, 0) end
                ngx.say(dict:get("key") > 99)
            }"#,
        ..NONE
    },
    Row {
        name: "10 × shdict get, 64 KB",
        target: 0.9,
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict, sum = ngx.shared.dict, 0
                if not dict:get("key") then dict:set("key", string.rep("x", 65536)) end
                for i = 1, 10 do sum = sum + #dict:get("key") end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "100 × shdict lpush, rpop",
        target: 0.9,
        http: DICT,
        location: r#"
            content_by_lua_block {
                local dict, sum = ngx.shared.dict, 0
                for i = 1, 100 do
                    dict:lpush("list", "some value")
                    sum = sum + #dict:rpop("list")
                end
                ngx.say(sum)
            }"#,
        ..NONE
    },
    Row {
        name: "shdict get_keys(100) of 10,000",
        target: 0.9,
        http: r#"
            lua_shared_dict dict 10m;
            init_by_lua_block {
                for i = 1, 10000 do ngx.shared.dict:set("key" .. i, i) end
            }"#,
        location: r#"content_by_lua_block { ngx.say(#ngx.shared.dict:get_keys(100)) }"#,
        ..NONE
    },
    Row {
        name: "10 × udp echo",
        target: 0.8,
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.udp()
                socket:setpeername("127.0.0.1", PEER_PORT)
                local data
                for i = 1, 10 do
                    socket:send("hello")
                    data = socket:receive()
                end
                ngx.say(data)
                socket:close()
            }"#,
        ..NONE
    },
    Row {
        // OpenSSL takes 420,000 more, the same for both.
        name: "TLS handshake with a session, without OpenSSL's part",
        target: 0.9,
        without: &["libssl", "libcrypto"],
        location: r#"
            content_by_lua_block {
                local socket = ngx.socket.tcp()
                socket:connect("127.0.0.1", TLS_PEER_PORT)
                package.session = socket:sslhandshake(package.session)
                ngx.say(type(package.session))
                socket:close()
            }"#,
        ..NONE
    },
];
