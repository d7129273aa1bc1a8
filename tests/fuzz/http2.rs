//! An HTTP/2 client that writes its frames itself: it can stall, and leave, where curl (`tests/suite/http2.rs`)
//! is too well behaved and too slow to start. It knows just enough to ask, and to see the ends of streams.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::{Names, Outcome, waits};
use super::program::{Asked, Body};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A stalled stream gets room after this long.
const STALL: Duration = Duration::from_millis(20);

/// Asks for everything at once, each request a stream, and reads until all have ended.
pub(crate) fn talk(
    mut stream: TcpStream,
    requests: &[Asked],
    names: &Names<'_>,
    window: u32,
    bound: Duration,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE; the connection's own window is opened all the way.
    frame(&mut bytes, SETTINGS, 0, 0, &[&[0, 4], window.to_be_bytes().as_slice()].concat());
    frame(&mut bytes, WINDOW_UPDATE, 0, 0, &0x3fff_0000_u32.to_be_bytes());
    let mut open = BTreeSet::new();
    let mut answers = BTreeMap::new();
    for (at, asked) in requests.iter().enumerate() {
        let id = 1 + 2 * at as u32;
        open.insert(id);
        ask(&mut bytes, id, asked, names, at);
    }
    let _ = stream.write_all(&bytes);
    let (start, mut stalled) = (Instant::now(), window < 1 << 20);
    let mut pending = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !open.is_empty() {
        if start.elapsed() > bound {
            outcome.unanswered = true;
            break;
        }
        if stalled && start.elapsed() > STALL {
            stalled = false;
            let _ = stream.write_all(&room(&open));
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => pending.extend_from_slice(&buffer[..n]),
            Err(e) if waits(e.kind()) => continue,
            Err(_) => break,
        }
        let reply = receive(&mut pending, &mut open, &mut answers);
        let _ = stream.write_all(&reply);
    }
    // One after the other, however their frames came.
    outcome.answer = answers.into_values().collect::<Vec<_>>().join(b"\n".as_slice());
    outcome
}

/// Takes the whole frames of `pending`; what is to be sent in reply.
fn receive(
    pending: &mut Vec<u8>,
    open: &mut BTreeSet<u32>,
    answers: &mut BTreeMap<u32, Vec<u8>>,
) -> Vec<u8> {
    let mut reply = Vec::new();
    while let Some(head) = pending.first_chunk::<9>().copied() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if pending.len() < 9 + length {
            break;
        }
        let payload: Vec<u8> = pending.drain(..9 + length).skip(9).collect();
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let (kind, flags) = (head[3], head[4]);
        match kind {
            DATA => answers.entry(id).or_default().extend(payload),
            RESET => drop(open.remove(&id)),
            SETTINGS if flags & ACK == 0 => frame(&mut reply, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut reply, PING, ACK, 0, &payload),
            // Streams that the server has not begun will not be served.
            GOAWAY => {
                let last = payload.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
                open.retain(|id| *id <= last);
            }
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            open.remove(&id);
        }
    }
    reply
}

fn ask(bytes: &mut Vec<u8>, id: u32, asked: &Asked, names: &Names<'_>, at: usize) {
    let mut block = Vec::new();
    field(&mut block, ":method", asked.method);
    field(&mut block, ":scheme", "http");
    field(&mut block, ":authority", "fuzz");
    field(&mut block, ":path", &asked.path);
    for (name, value) in names.headers(at, asked) {
        field(&mut block, name, &value);
    }
    for header in &asked.headers {
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        if name != "Connection" {
            field(&mut block, &name.to_ascii_lowercase(), value);
        }
    }
    // Not more than the server's first window has room for.
    let length = match asked.body {
        Body::Length(length) => length.min(60_000),
        _ => 0,
    };
    let end = if length == 0 { END_STREAM } else { 0 };
    frame(bytes, HEADERS, END_HEADERS | end, id, &block);
    let mut left = length;
    while left > 0 {
        let part = left.min(16_000);
        left -= part;
        let end = if left == 0 { END_STREAM } else { 0 };
        frame(bytes, DATA, end, id, &vec![b'a'; part]);
    }
}

/// A header field as a literal that is not indexed; lengths as HPACK has them, 7 bits and a rest.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        match text.len() {
            length @ 0..127 => block.push(length as u8),
            length => {
                block.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    block.push((rest % 128 + 128) as u8);
                    rest /= 128;
                }
                block.push(rest as u8);
            }
        }
        block.extend(text.bytes());
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(payload);
}

/// Much more room for all open streams.
fn room(open: &BTreeSet<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in open {
        frame(&mut bytes, WINDOW_UPDATE, 0, *id, &(1_u32 << 28).to_be_bytes());
    }
    bytes
}
