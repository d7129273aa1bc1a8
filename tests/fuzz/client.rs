//! Plays the connections of a program, all at once, and tells what each of them got.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::http2;
use super::program::{Asked, Body, Connection, Manner, Program};

/// Every request must have had its answer, or the end of its connection, after this long: the programs wait for
/// some tenths of a second at most.
pub(crate) const BOUND: Duration = Duration::from_secs(8);

/// As long for a program that may wait for ever.
const SHORT_BOUND: Duration = Duration::from_millis(400);

const TICK: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) answer: Vec<u8>,
    /// Nothing came any more, and the connection was still open.
    pub(crate) unanswered: bool,
}

/// Plays all connections; how each ended, in their order.
pub(crate) fn play(
    program: &Program,
    attempt: usize,
    ports: &[u16],
    bound: Duration,
) -> Vec<Outcome> {
    let bound = if program.must_be_answered() { bound } else { SHORT_BOUND };
    let name = program.name(attempt);
    thread::scope(|scope| {
        let players = program.connections.iter().enumerate().map(|(at, connection)| {
            let name = &name;
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(connection.delay_ms));
                connect(connection, &Names { program: name, at }, ports[connection.listener], bound)
            })
        });
        let players: Vec<_> = players.collect();
        players.into_iter().map(|p| p.join().unwrap_or_default()).collect()
    })
}

/// What the requests of a connection are known by.
pub(crate) struct Names<'a> {
    program: &'a str,
    at: usize,
}

impl Names<'_> {
    fn token(&self, request: usize) -> String {
        token(self.program, self.at, request)
    }

    /// The headers by which the server finds the request's chunks.
    pub(crate) fn headers(&self, request: usize, asked: &Asked) -> [(&'static str, String); 3] {
        [
            ("x-p", self.program.to_owned()),
            ("x-t", self.token(request)),
            ("x-c", asked.variant.to_owned()),
        ]
    }
}

/// The token of one request; `Z` ends it, so that none begins another.
pub(crate) fn token(program: &str, connection: usize, request: usize) -> String {
    format!("tok:{program}c{connection}r{request}Z")
}

fn connect(connection: &Connection, names: &Names<'_>, port: u16, bound: Duration) -> Outcome {
    // A server that takes no connections shows by the probe.
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return Outcome::default() };
    let set = stream.set_read_timeout(Some(TICK)).and(stream.set_write_timeout(Some(bound)));
    if set.and(stream.set_nodelay(true)).is_err() {
        return Outcome::default();
    }
    if let Manner::Http2 { window } = connection.manner {
        return http2::talk(stream, &connection.requests, names, window, bound);
    }
    http1(&stream, connection, names, bound)
}

fn http1(
    mut stream: &TcpStream,
    connection: &Connection,
    names: &Names<'_>,
    bound: Duration,
) -> Outcome {
    let last = connection.requests.len() - 1;
    for (at, asked) in connection.requests.iter().enumerate() {
        // The server may have enough before the end.
        let _ = stream.write_all(&written(asked, names, at, at == last));
        if let Manner::Http1 { pause_ms } = connection.manner
            && pause_ms > 0
        {
            thread::sleep(Duration::from_millis(pause_ms));
        }
    }
    match connection.manner {
        Manner::Leave { after_ms, reset } => {
            thread::sleep(Duration::from_millis(after_ms));
            if reset {
                reset_on_close(stream);
            }
            return Outcome::default();
        }
        Manner::HalfClose { after_ms } => {
            thread::sleep(Duration::from_millis(after_ms));
            let _ = stream.shutdown(Shutdown::Write);
        }
        _ => {}
    }
    let mut outcome = Outcome::default();
    outcome.unanswered = !read(stream, &mut outcome.answer, Instant::now() + bound);
    outcome
}

/// A request as it goes over the wire in HTTP/1.
fn written(asked: &Asked, names: &Names<'_>, at: usize, is_last: bool) -> Vec<u8> {
    if let Some(raw) = &asked.raw {
        return raw.clone();
    }
    let Asked { method, path, version, .. } = asked;
    let mut text = format!("{method} {path} HTTP/{version}\r\nHost: fuzz\r\n");
    for (name, value) in names.headers(at, asked) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    for header in asked.headers.iter().filter(|h| !is_last || !h.starts_with("Connection")) {
        text.push_str(&format!("{header}\r\n"));
    }
    text.push_str(if is_last { "Connection: close\r\n" } else { "Connection: keep-alive\r\n" });
    let (frame, body) = body(asked.body);
    let mut bytes = format!("{text}{frame}\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

/// A body's header, and its bytes.
fn body(body: Body) -> (String, Vec<u8>) {
    let text = |length: usize| b"a=b&c=d&".iter().copied().cycle().take(length).collect::<Vec<_>>();
    match body {
        Body::None => (String::new(), Vec::new()),
        Body::Length(length) => (format!("Content-Length: {length}\r\n"), text(length)),
        Body::Short(length) => (format!("Content-Length: {}\r\n", length * 2), text(length)),
        Body::Chunked(length) => {
            let mut chunks = Vec::new();
            for part in text(length).chunks(length / 3 + 1) {
                chunks.extend(format!("{:x}\r\n", part.len()).bytes());
                chunks.extend([part, b"\r\n"].concat());
            }
            chunks.extend(b"0\r\n\r\n");
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunks)
        }
    }
}

/// Reads until the peer closes or the time has come; whether the peer closed.
pub(crate) fn read(mut stream: &TcpStream, answer: &mut Vec<u8>, end: Instant) -> bool {
    let mut buffer = [0; 16 * 1024];
    while Instant::now() < end {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(e) if waits(e.kind()) => {}
            // Reset: ended as well.
            Err(_) => return true,
        }
    }
    false
}

pub(crate) fn waits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Makes the end of the connection a reset.
#[allow(unsafe_code)]
fn reset_on_close(stream: &TcpStream) {
    use std::os::fd::AsRawFd as _;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value lives during the call.
    unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size);
    }
}
