//! Turns the request sections of a block into the bytes to send, header lines added as Test::Nginx adds them.
use std::time::Duration;

use super::case::Case;
use super::value::{Value, is_space, lines, trim};
use super::vars::Vars;

/// One request on a connection of its own, sent packet by packet.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) packets: Vec<Packet>,
}

#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) delay_before: Option<Duration>,
    pub(crate) bytes: Vec<u8>,
}

/// All requests of a block, and how many responses the last connection brings.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) list: Vec<Request>,
    pub(crate) pipelined: Option<usize>,
}

impl Requests {
    pub(crate) fn of(case: &Case, vars: &Vars, host: &str) -> Result<Requests, String> {
        let headers = MoreHeaders { section: case.value("more_headers"), host };
        let mut pipelined = None;
        let list = if let Some(raw) = case.value("raw_request") {
            vec![raw_request(case, raw)?]
        } else if let Some(Value::List(items)) = case.value("pipelined_requests") {
            pipelined = Some(items.len());
            vec![pipeline(items, headers, vars)?]
        } else if case.has("pipelined_requests") {
            return Err("section `pipelined_requests` must be a list".into());
        } else {
            match case.value("request") {
                None => return Err("no section `request`".into()),
                Some(Value::List(items)) => {
                    let requests = items.iter().enumerate();
                    requests.map(|(n, item)| request(item, headers, n)).collect::<Result<_, _>>()?
                }
                Some(Value::Text(text)) => {
                    vec![request(&Value::text(without_comments(text)), headers, 0)?]
                }
                Some(other) => return Err(format!("section `request` is {}", other.kind())),
            }
        };
        Ok(Requests { list, pipelined })
    }

    /// Expectations have to be lists then.
    pub(crate) fn several(&self) -> bool {
        self.pipelined.is_some() || self.list.len() > 1
    }
}

fn raw_request(case: &Case, raw: &Value) -> Result<Request, String> {
    let middle = case.duration("raw_request_middle_delay")?;
    let items = if let Value::List(items) = raw { &items[..] } else { std::slice::from_ref(raw) };
    let packet = |(n, item): (usize, &Value)| {
        let bytes = item.as_text().ok_or_else(|| format!("`raw_request` holds {}", item.kind()))?;
        Ok(Packet { delay_before: middle.filter(|_| n > 0), bytes: bytes.to_vec() })
    };
    Ok(Request { packets: items.iter().enumerate().map(packet).collect::<Result<_, String>>()? })
}

fn pipeline(items: &[Value], headers: MoreHeaders<'_>, vars: &Vars) -> Result<Request, String> {
    let mut bytes = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let text = item.as_text().ok_or("`pipelined_requests` must hold texts")?;
        let connection = if n + 1 == items.len() { "close" } else { "keep-alive" };
        bytes.extend(build(&[vars.expand(text)?], &headers.of(n)?, connection)?.concat());
    }
    Ok(Request { packets: vec![Packet { delay_before: None, bytes }] })
}

fn request(item: &Value, headers: MoreHeaders<'_>, number: usize) -> Result<Request, String> {
    let items = if let Value::List(items) = item { &items[..] } else { std::slice::from_ref(item) };
    let (mut delays, mut parts) = (Vec::new(), Vec::new());
    for item in items {
        let (text, delay) = match item {
            Value::Map(entries) => {
                let entry = |name| entries.iter().find(|(k, _)| k == name).map(|(_, v)| v);
                (entry("value").unwrap_or(&Value::Undef), entry("delay_before"))
            }
            other => (other, None),
        };
        let delay =
            delay.map(|d| String::from_utf8_lossy(d.as_text().unwrap_or(b"?")).into_owned());
        delays.push(delay.map(|d| super::case::duration(&d)).transpose()?);
        let kind = text.kind();
        parts.push(text.as_text().ok_or_else(|| format!("a request is {kind}"))?.to_vec());
    }
    let parts = build(&parts, &headers.of(number)?, "close")?;
    let packets = parts.into_iter().zip(delays);
    let packets = packets.map(|(bytes, delay_before)| Packet { delay_before, bytes });
    Ok(Request { packets: packets.collect() })
}

/// Blank space and `# …` lines at the start of a request do not count.
fn without_comments(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let start = rest.iter().position(|b| !is_space(*b)).unwrap_or(rest.len());
        rest = &rest[start..];
        if !rest.starts_with(b"#") {
            return rest;
        }
        rest = &rest[lines(rest).next().map_or(0, <[u8]>::len)..];
    }
}

#[derive(Clone, Copy)]
struct MoreHeaders<'a> {
    section: Option<&'a Value>,
    host: &'a str,
}

struct Headers<'a> {
    /// Whole lines, each with CRLF.
    text: Vec<u8>,
    chunked: bool,
    /// For the `Host:` line, if `text` has none.
    host: &'a str,
}

impl<'a> MoreHeaders<'a> {
    fn of(&self, number: usize) -> Result<Headers<'a>, String> {
        let text = match self.section {
            None => &b""[..],
            Some(Value::Text(text)) => text,
            Some(Value::List(items)) => {
                let text = items.get(number).and_then(Value::as_text);
                text.ok_or_else(|| format!("`more_headers` lacks request {number}"))?
            }
            Some(other) => return Err(format!("section `more_headers` is {}", other.kind())),
        };
        Ok(header_lines(text, self.host))
    }
}

fn header_lines<'a>(text: &[u8], host: &'a str) -> Headers<'a> {
    let mut headers = Headers { text: Vec::new(), chunked: false, host };
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        if line.iter().find(|b| !is_space(**b)) == Some(&b'#') {
            continue;
        }
        let colon = line.iter().position(|b| *b == b':');
        let (key, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let start = value.iter().position(|b| !is_space(*b)).unwrap_or(value.len());
        let value = &value[start..];
        headers.chunked |= key.eq_ignore_ascii_case(b"transfer-encoding") && value == b"chunked";
        headers.text.extend([key, b": ", value, b"\r\n"].concat());
    }
    headers
}

/// The request `parts` make together, with header lines, still cut where the parts were cut.
fn build(
    parts: &[Vec<u8>],
    headers: &Headers<'_>,
    connection: &str,
) -> Result<Vec<Vec<u8>>, String> {
    let whole = parts.concat();
    let line_end = whole.iter().position(|b| *b == b'\n').map_or(whole.len(), |at| at + 1);
    let (line, body) = whole.split_at(line_end);
    let line = RequestLine::parse(line)?;
    let more = &headers.text;
    let has = |name: &[u8], exact: bool| {
        lines(more).any(|l| {
            l.get(..name.len())
                .is_some_and(|start| start == name || (!exact && start.eq_ignore_ascii_case(name)))
        })
    };
    let mut head = Vec::new();
    if !has(b"Host:", false) {
        head.extend(format!("Host: {}\r\n", headers.host).bytes());
    }
    if !has(b"Connection", false) {
        head.extend(format!("Connection: {connection}\r\n").bytes());
    }
    head.extend_from_slice(more);
    let counted = !headers.chunked && !body.is_empty() && !has(b"Content-Length:", true);
    let sent_body = if counted { trim(body) } else { body };
    if counted {
        head.extend(format!("Content-Length: {}\r\n", sent_body.len()).bytes());
    }
    head.extend_from_slice(b"\r\n");
    let mut edits: Vec<(usize, Vec<u8>)> = line.edits();
    edits.push((0, head));
    edits.push((body.len(), sent_body.to_vec()));
    Ok(splice(parts, &edits))
}

/// The parts of `  GET /url HTTP/1.1` and the blanks around them.
struct RequestLine<'a> {
    /// Blanks before, then each of up to three words with the blanks after it.
    before: usize,
    words: Vec<(&'a [u8], usize)>,
}

impl RequestLine<'_> {
    fn parse(line: &[u8]) -> Result<RequestLine<'_>, String> {
        let bad = || format!("bad request line \"{}\"", line.escape_ascii());
        let before = line.iter().take_while(|b| is_space(**b)).count();
        let mut rest = &line[before..];
        let mut words = Vec::new();
        while !rest.is_empty() {
            let word = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
            let blanks = rest[word..].iter().take_while(|b| is_space(**b)).count();
            let after = &rest[word + blanks..];
            if !after.is_empty() && rest[word..word + blanks].iter().any(|b| *b != b' ') {
                return Err(bad());
            }
            words.push((&rest[..word], blanks));
            rest = after;
        }
        if (1..=3).contains(&words.len()) { Ok(RequestLine { before, words }) } else { Err(bad()) }
    }

    /// How many bytes to take away, and what to put there.
    fn edits(&self) -> Vec<(usize, Vec<u8>)> {
        let default: [&[u8]; 3] = [b"", b"/", b"HTTP/1.1"];
        let ends: [&[u8]; 3] = [b" ", b" ", b"\r\n"];
        let mut edits = vec![(self.before, Vec::new())];
        for n in 0..3 {
            let (taken, word, blanks) = match self.words.get(n) {
                Some((word, blanks)) => (word.len(), *word, *blanks),
                None => (0, default[n], 0),
            };
            edits.push((taken, [word, ends[n]].concat()));
            edits.push((blanks, Vec::new()));
        }
        edits
    }
}

/// Applies edits to a text cut into parts. A replacement that spans a cut fills the part before the cut
/// with as many bytes as it had there.
fn splice(parts: &[Vec<u8>], edits: &[(usize, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut sizes = parts.iter().map(Vec::len);
    let mut left = sizes.next().unwrap_or(0);
    let mut out = vec![Vec::new()];
    let put = |out: &mut Vec<Vec<u8>>, bytes: &[u8]| {
        if let Some(part) = out.last_mut() {
            part.extend_from_slice(bytes);
        }
    };
    for (taken, replacement) in edits {
        let (mut taken, mut rest) = (*taken, &replacement[..]);
        while taken > left {
            let Some(size) = sizes.next() else { break };
            let (here, later) = rest.split_at(left.min(rest.len()));
            put(&mut out, here);
            rest = later;
            taken -= left;
            left = size;
            out.push(Vec::new());
        }
        put(&mut out, rest);
        left = left.saturating_sub(taken);
    }
    out.extend(sizes.map(|_| Vec::new()));
    out
}
