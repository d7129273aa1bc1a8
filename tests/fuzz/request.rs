//! Requests that no browser sends.
use super::random::Random;

const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "FOO", "get", ""];

const PATHS: &[&str] = &[
    "/echo",
    "/body",
    "/filtered",
    "/rewritten",
    "/proxied",
    "/file",
    "/none",
    "/",
    "*",
    "x",
    "/echo/../body",
];

const HEADERS: &[&str] = &[
    "Host",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Cookie",
    "Range",
    "If-Range",
    "Expect",
    "If-Modified-Since",
    "If-None-Match",
    "User-Agent",
    "Accept-Encoding",
    "Content-Type",
    "Authorization",
    "X-Forwarded-For",
    "Keep-Alive",
    "TE",
    "Upgrade",
    "X_Y",
    "X-Any",
    "",
    ":",
    "A B",
];

const VALUES: &[&str] = &[
    "",
    "a",
    "0",
    "5",
    "-1",
    "99999999999999999999",
    "chunked",
    "close",
    "keep-alive",
    "100-continue",
    "bytes=0-1",
    "bytes=5-,0-1,-3",
    "Mon, 28 Sep 1970 06:00:00 GMT",
    "\"etag\"",
    "W/\"x\", *",
    "a=b; c",
    ";;==;",
    "gzip",
    "*",
    "h2c",
    "Mozilla/4.0 (compatible; MSIE 6.",
    "application/x-www-form-urlencoded",
];

const QUERY: &[u8] = b"%%%&&==+;/?#abcABC0129\"'<>\\\xff\x80.~ ";
const TEXT: &[u8] = b"abcdefgh  ,;=\"\\%\x80\xff\t:";

/// A request, which may be no request at all.
pub(crate) fn any(random: &mut Random) -> Vec<u8> {
    if random.one_in(30) {
        let bound = random.pick(&[10, 100, 5000]);
        return (0..random.below(bound)).map(|_| random.below(256) as u8).collect();
    }
    let mut request = line(random);
    let body = body(random);
    if !random.one_in(8) {
        request.extend(b"Host: fuzz\r\n");
    }
    for _ in 0..random.pick(&[0, 1, 3, 20]) {
        header(random, &mut request);
    }
    match random.below(40) {
        0 => (0..random.below(300)).for_each(|i| request.extend(format!("X-{i}: {i}\r\n").bytes())),
        1 => request.extend([b"X-Long: ".as_slice(), &vec![b'x'; 100_000], b"\r\n"].concat()),
        _ => {}
    }
    let framed = frame(random, &mut request, body);
    request.extend(b"Connection: close\r\n\r\n");
    request.extend(framed);
    if random.one_in(10) {
        request.truncate(random.below(request.len() + 1));
    }
    for _ in 0..random.pick(&[0, 0, 0, 1, 4]) {
        let at = random.below(request.len() + 1);
        let byte = random.pick(b"\0\r\n %:\xff");
        request.insert(at, byte);
    }
    request
}

fn line(random: &mut Random) -> Vec<u8> {
    let mut line = format!("{} {}", random.pick(METHODS), random.pick(PATHS)).into_bytes();
    match random.below(20) {
        0 => line.extend(many_arguments(random)),
        1..12 => {
            line.push(b'?');
            line.extend(
                random.bytes(80, QUERY).into_iter().filter(|b| *b != b' ' || !random.one_in(8)),
            );
        }
        _ => {}
    }
    line.extend(
        random
            .pick(&[
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.0",
                "",
                " HTTP/9.9",
                " HTTP/2.0",
            ])
            .bytes(),
    );
    line.extend(b"\r\n");
    line
}

/// More than the 8 KB that nginx takes if they come in the line; the tests' server takes more.
fn many_arguments(random: &mut Random) -> Vec<u8> {
    let count = random.pick(&[101, 1_000, 10_000]);
    let pairs: Vec<String> = (0..count).map(|i| format!("k{}={i}", i % 300)).collect();
    format!("?{}", pairs.join("&")).into_bytes()
}

fn header(random: &mut Random, request: &mut Vec<u8>) {
    request.extend(random.pick(HEADERS).bytes());
    request.extend(random.pick(&[": ", ":", " : ", ":\t"]).bytes());
    if random.one_in(2) {
        request.extend(random.pick(VALUES).bytes());
    } else {
        request.extend(random.bytes(60, TEXT));
    }
    request.extend(random.pick(&["\r\n", "\r\n", "\r\n", "\n"]).bytes());
}

fn body(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0..4 => Vec::new(),
        4 => many_arguments(random).split_off(1),
        5 => vec![b'b'; random.pick(&[1_000, 20_000, 70_000])],
        _ => random.bytes(200, QUERY),
    }
}

/// How the body comes: its length, a wrong one, or chunks, whole and broken.
fn frame(random: &mut Random, request: &mut Vec<u8>, body: Vec<u8>) -> Vec<u8> {
    if body.is_empty() {
        return body;
    }
    match random.below(6) {
        0..3 => {
            let length = match random.below(6) {
                0 => body.len() + 10,
                1 => body.len() / 2,
                _ => body.len(),
            };
            request.extend(format!("Content-Length: {length}\r\n").bytes());
            body
        }
        3 | 4 => {
            request.extend(b"Transfer-Encoding: chunked\r\n");
            let mut chunks = Vec::new();
            for part in body.chunks(1 + random.below(3_000)) {
                chunks.extend(format!("{:x}\r\n", part.len()).bytes());
                chunks.extend([part, b"\r\n"].concat());
            }
            chunks.extend(
                random.pick(&["0\r\n\r\n", "0\r\n\r\n", "0\r\nX: y\r\n\r\n", "", "zz\r\n"]).bytes(),
            );
            chunks
        }
        _ => body,
    }
}
