//! Draws programs: which phases get chunks, and which connections ask for them in which manner.
use super::grammar::Grammar;
use super::program::{Asked, Body, Chunk, Connection, Manner, Program};
use super::random::Random;
use super::request;
use super::route;
use super::server::{HTTP2, LISTENERS};

/// How likely a program has a chunk for a phase, of 100.
const PHASES: &[(usize, &str)] = &[
    (85, "content"),
    (35, "header_filter"),
    (25, "body_filter"),
    (20, "access"),
    (20, "rewrite"),
    (8, "precontent"),
    (8, "server_rewrite"),
    (10, "set"),
    (20, "log"),
    (20, "error"),
    (12, "named"),
];

const METHODS: &[&str] = &["GET", "GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"];

const HEADERS: &[&str] = &[
    "Range: bytes=0-1",
    "If-Modified-Since: Mon, 28 Sep 1970 06:00:00 GMT",
    "If-None-Match: *",
    "Expect: 100-continue",
    "Content-Type: application/x-www-form-urlencoded",
    "Cookie: a=b; c=d",
    "Accept-Encoding: gzip",
    "Connection: keep-alive",
    "X-Any: a",
    "TE: trailers",
];

/// The program `number` of a seed.
pub(crate) fn program(seed: u64, number: u64) -> Program {
    let random = &mut Random::of_program(seed, number);
    let raw = random.one_in(2);
    let mut chunks = Vec::new();
    let variants: &[&'static str] =
        random.pick(&[&["a"], &["a", "b"], &["a", "b"], &["a", "b", "s"]]);
    for variant in variants {
        let before = chunks.len();
        for (likely, phase) in PHASES {
            if random.below(100) < *likely {
                chunks.push(chunk(random, raw, phase, variant));
            }
        }
        if chunks.len() == before {
            chunks.push(chunk(random, raw, "content", variant));
        }
    }
    let mut hup_ms = random.one_in(50).then(|| random.below(40) as u64);
    if random.one_in(80) {
        let phase = random.pick(&["init_worker", "exit_worker"]);
        chunks.push(chunk(random, raw, phase, "a"));
        hup_ms = Some(random.below(5) as u64);
    }
    let connections = (0..1 + random.below(5)).map(|at| connection(random, at)).collect();
    let mut program = Program { number, chunks, connections, hup_ms };
    if !program.must_be_answered() {
        // What waits for ever ends with its client there, and is in the way of a graceful end.
        program.hup_ms = None;
        program.connections.iter_mut().filter(|c| c.listener != HTTP2).for_each(|c| c.listener = 1);
    }
    program
}

fn chunk(random: &mut Random, raw: bool, phase: &'static str, variant: &'static str) -> Chunk {
    Chunk { phase, variant, nodes: Grammar::new(random, phase, raw).chunk() }
}

fn connection(random: &mut Random, at: usize) -> Connection {
    let manner = match random.below(20) {
        0..12 => Manner::Http1 { pause_ms: random.pick(&[0, 0, 2, 10]) },
        12..15 => Manner::Http2 { window: random.pick(&[10, 1000, 1 << 30, 1 << 30]) },
        15..18 => {
            Manner::Leave { after_ms: random.pick(&[0, 2, 5, 10, 30]), reset: random.one_in(2) }
        }
        _ => Manner::HalfClose { after_ms: random.pick(&[0, 2, 10]) },
    };
    let listener = match manner {
        Manner::Http2 { .. } => HTTP2,
        _ => *random.weighted(LISTENERS),
    };
    let delay_ms = match at {
        0 => 0,
        _ => random.pick(&[0, 0, 1, 5, 15, 40]),
    };
    let count = random.pick(&[1, 1, 1, 2, 3]);
    let requests = (0..count).map(|_| asked(random, &manner)).collect();
    Connection { listener, delay_ms, requests, manner }
}

fn asked(random: &mut Random, manner: &Manner) -> Asked {
    let simple = matches!(manner, Manner::Http2 { .. });
    let body = match random.below(12) {
        0 | 1 => Body::Length(random.pick(&[1, 10, 300, 9000, 70_000])),
        2 if !simple => Body::Chunked(random.pick(&[1, 300, 20_000])),
        3 if !simple && random.one_in(3) => Body::Short(random.pick(&[1, 300, 9000])),
        _ => Body::None,
    };
    let headers = (0..random.pick(&[0, 0, 0, 1, 2])).map(|_| random.pick(HEADERS)).collect();
    let raw = (!simple && random.one_in(14)).then(|| request::any(random));
    Asked {
        method: random.pick(METHODS),
        path: route::any(random),
        version: random.pick(&["1.1", "1.1", "1.1", "1.0"]),
        variant: random.pick(&["a", "a", "b"]),
        headers,
        body,
        raw,
    }
}
