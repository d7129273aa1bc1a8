//! What stands for the placeholders of templates: objects by where they may lie, and values that nobody expects.
use super::random::Random;

const NUMBERS: &[&str] = &[
    "0", "1", "-1", "2", "3", "10", "0.5", "0.001", "-0.5", "100", "200", "404", "499", "500",
    "1e3", "65536", "2^31", "-2^31", "2^32", "2^53", "2^63", "1e308", "-1e308", "1/0", "-1/0",
    "0/0",
];

const STRINGS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"abc\"",
    "\"k\"",
    "\"l\"",
    "\"content-length\"",
    "\"Content-Type\"",
    "\"X-Any\"",
    "\"Location\"",
    "\"1\"",
    "\"-1\"",
    "\"nan\"",
    "\"\\0\"",
    "\"a\\0b\"",
    "\"%4\"",
    "\"\\r\\nX: y\"",
    "\"a=b&c=%3d&&=\"",
    "\"(\"",
    "\"127.0.0.1\"",
    "\"unix:/none\"",
    "\"YWJj\"",
    "\"\\255\\254\"",
    "(\"x\"):rep(300)",
    "(\"y=\"):rep(5000)",
    "(\"z\"):rep(70000)",
];

/// Wrong types of every kind.
const ODD: &[&str] = &[
    "nil",
    "true",
    "false",
    "ngx.null",
    "{}",
    "{ 1, 2 }",
    "{ { \"a\" }, \"b\" }",
    "{ a = 1 }",
    "print",
    "function() end",
    "error",
    "io.stdout",
    "newproxy()",
    "ffi.new(\"int[2]\")",
    "coroutine.create(function() end)",
    "coroutine.running()",
    "setmetatable({}, { __index = error, __tostring = error })",
    "setmetatable({}, { __tostring = function() return \"t\" end })",
    "setmetatable({}, { __tostring = function() coroutine.yield() return \"t\" end })",
    "setmetatable({}, { __len = error, __call = error })",
    "ngx.shared.d",
    "R.numbers(200)",
    "R.raw_pointer(\"x\")",
    "1LL",
];

const MOMENTS: &[&str] = &["0", "0", "0.001", "0.001", "0.002", "0.005", "0.01", "0.02"];
const MSECS: &[&str] = &["1", "5", "20", "30"];

const STATUSES: &[&str] = &[
    "ngx.OK",
    "ngx.ERROR",
    "ngx.DECLINED",
    "ngx.AGAIN",
    "ngx.DONE",
    "200",
    "201",
    "204",
    "206",
    "301",
    "302",
    "304",
    "400",
    "403",
    "404",
    "408",
    "413",
    "416",
    "444",
    "499",
    "500",
    "502",
    "503",
    "ngx.HTTP_CLOSE",
];

const WAYS: &[&str] =
    &["\"echo\"", "\"lines\"", "\"drip\"", "\"close\"", "\"reset\"", "\"hold\"", "\"big\""];

const METHODS: &[&str] = &["receive", "send", "close", "setkeepalive", "connect", "receiveany"];

const RESUMES: &[(usize, &str)] = &[(1, "coroutine.resume"), (1, "coroutine._resume")];

const CREATES: &[(usize, &str)] = &[(5, "coroutine.create"), (2, "coroutine._create")];

const WRAPS: &[(usize, &str)] = &[(4, "coroutine.wrap"), (2, "coroutine._wrap")];

const YIELDS: &[(usize, &str)] = &[(10, "coroutine.yield"), (1, "coroutine._yield")];

/// Text for a placeholder:
///
/// `$C` `$W` `$H` `$K` `$U` `$E` `$P` `$F` `$Q` `$X`: a place for a coroutine, a wrapped one, a light thread, a TCP
/// socket, a UDP socket, a semaphore, a pipe, a function, a capture's result, anything; `$c` `$h` `$o`: an expression
/// for a coroutine, a thread, any object; `$v` any value, `$w` up to three of them, `$n` a number, `$s` a string, `$t`
/// a moment, `$m` milliseconds, `$i` a status, `$l` a location, `$y` what the peer is asked for; `$r` `$k` `$p` `$d`:
/// one of the ways to resume, create, wrap, yield; `$z` a method of sockets.
pub(crate) fn any(random: &mut Random, kind: char) -> String {
    let text = match kind {
        'C' | 'W' | 'H' | 'K' | 'U' | 'E' | 'P' | 'F' | 'Q' | 'X' => return held(random, kind),
        'c' => return coroutine(random),
        'h' => return thread(random),
        'o' => return object(random),
        'v' => return value(random),
        'w' => {
            let values: Vec<_> = (0..1 + random.below(3)).map(|_| value(random)).collect();
            return values.join(", ");
        }
        'l' => return location(random),
        'n' => random.pick(NUMBERS),
        's' => random.pick(STRINGS),
        't' => random.pick(MOMENTS),
        'm' => random.pick(MSECS),
        'i' => random.pick(STATUSES),
        'y' => random.pick(WAYS),
        'r' => random.weighted(RESUMES),
        'k' => random.weighted(CREATES),
        'p' => random.weighted(WRAPS),
        'z' => random.pick(METHODS),
        'd' => random.weighted(YIELDS),
        other => panic!("no placeholder ${other}"),
    };
    text.to_owned()
}

/// Where an object lies: with the chunk, with all requests of the program, or with the request in nginx's sense.
fn place(random: &mut Random, kind: char) -> String {
    let holder = random.pick(&["L", "L", "L", "S", "S", "S", "ngx.ctx"]);
    let name = kind.to_ascii_lowercase();
    format!("{holder}.{name}{}", 1 + random.below(2))
}

/// An object, of the right kind mostly; one of an earlier program now and then.
fn held(random: &mut Random, kind: char) -> String {
    match random.below(16) {
        0 => object(random),
        1 => place(random, kind).replace("S.", "O.").replace("L.", "O."),
        _ => place(random, kind),
    }
}

fn coroutine(random: &mut Random) -> String {
    match random.below(12) {
        0..2 => "coroutine.running()".to_owned(),
        // The coroutine that has made the one this code is in.
        2..4 => "up".to_owned(),
        4..6 => held(random, 'H'),
        _ => held(random, 'C'),
    }
}

fn thread(random: &mut Random) -> String {
    match random.below(10) {
        0 => "coroutine.running()".to_owned(),
        1 => held(random, 'C'),
        2 => "up".to_owned(),
        _ => held(random, 'H'),
    }
}

fn object(random: &mut Random) -> String {
    let kind = random.pick(&['C', 'W', 'H', 'K', 'U', 'E', 'P', 'F', 'Q', 'X']);
    let place = place(random, kind);
    if random.one_in(6) { place.replace("S.", "O.") } else { place }
}

fn value(random: &mut Random) -> String {
    match random.below(10) {
        0..3 => random.pick(STRINGS).to_owned(),
        3..5 => random.pick(NUMBERS).to_owned(),
        5..8 => random.pick(ODD).to_owned(),
        _ => object(random),
    }
}

/// A path for a subrequest or a redirect; `runtime.deeper` ends their nesting.
fn location(random: &mut Random) -> String {
    let path = super::route::any(random);
    match random.below(8) {
        0 => random
            .pick(&["\"/none\"", "\"@named\"", "\"/static\"", "\"/file.txt\"", "\"\""])
            .to_owned(),
        _ => format!("\"{path}?c=s&d=\" .. R.deeper()"),
    }
}
