//! Takes a response apart as HTTP::Response and Test::Nginx do, broken ones included.
use super::value::{find, is_space, lines, trim};

#[derive(Debug, Default)]
pub(crate) struct Response {
    /// Empty when there is no status line.
    pub(crate) code: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The header section as it came, with the status line.
    pub(crate) raw_headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// What follows the response on the connection.
    pub(crate) left: Vec<u8>,
}

impl Response {
    /// HTTP/0.9: all is body.
    pub(crate) fn bare(bytes: &[u8]) -> Response {
        Response { code: "200".into(), body: bytes.to_vec(), ..Response::default() }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Response, String> {
        let mut response = Response::default();
        if let Some(end) = find(bytes, b"\r\n\r\n") {
            response.raw_headers = bytes[..end + 2].to_vec();
        }
        let line_end = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
        response.code = status_code(&bytes[..line_end]);
        let body = response.read_headers(&bytes[line_end..]);
        if response.code == "304" || response.code == "101" {
            response.body = body.to_vec();
        } else if response.header("Transfer-Encoding").as_deref() == Some(b"chunked") {
            let trailers = response.values("Trailer").map(<[u8]>::to_vec).collect::<Vec<_>>();
            let (decoded, left) = dechunk(body, &trailers)?;
            response.body = decoded;
            response.left = left.to_vec();
        } else {
            let length = response.header("Content-Length");
            let length = length.and_then(|l| String::from_utf8(l).ok()?.trim().parse().ok());
            let (body, left) = body.split_at(body.len().min(length.unwrap_or(usize::MAX)));
            response.body = body.to_vec();
            response.left = left.to_vec();
        }
        Ok(response)
    }

    /// All values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let values: Vec<_> = self.values(name).collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }

    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // HTTP::Headers reads `_` in a name it is asked for as `-`.
        let name = name.replace('_', "-");
        let same = move |key: &[u8]| key.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(move |(k, _)| same(k)).map(|(_, v)| &v[..])
    }

    /// Reads header lines up to the first that is none, returns what follows.
    fn read_headers<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        for line in lines(bytes) {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if let Some((key, value)) = header(text) {
                self.headers.push((key.to_vec(), value.to_vec()));
            } else if let Some((_, value)) = self.headers.last_mut().filter(|_| is_folded(text)) {
                value.push(b'\n');
                value.extend_from_slice(text);
            } else {
                return if text.is_empty() { &rest[line.len()..] } else { rest };
            }
            rest = &rest[line.len()..];
        }
        rest
    }
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|b| *b == b':' || is_space(*b)).filter(|end| *end > 0)?;
    let blanks = line[end..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value = line[end + blanks..].strip_prefix(b":")?;
    Some((&line[..end], value.strip_prefix(b" ").unwrap_or(value)))
}

fn status_code(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let is_code = |w: &str| w.len() == 3 && w.bytes().all(|b| b.is_ascii_digit());
    let first = words.next().unwrap_or("");
    let code = if is_code(first) { first } else { words.next().unwrap_or("") };
    let numeric = code.bytes().all(|b| b.is_ascii_digit());
    if numeric { code.to_owned() } else { String::new() }
}

/// The decoded body and what follows it.
fn dechunk<'a>(bytes: &'a [u8], trailers: &[Vec<u8>]) -> Result<(Vec<u8>, &'a [u8]), String> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let end = find(rest, b"\r\n").ok_or_else(|| bad_chunk(rest))?;
        let size = std::str::from_utf8(trim(&rest[..end])).ok();
        let size = size.and_then(|s| usize::from_str_radix(s, 16).ok());
        let size = size.ok_or_else(|| bad_chunk(rest))?;
        rest = &rest[end + 2..];
        if size == 0 {
            for name in trailers {
                let line = lines(rest).next().unwrap_or(b"");
                if !line.starts_with(&[name, &b": "[..]].concat()) {
                    return Err(format!("no trailer {}", name.escape_ascii()));
                }
                rest = &rest[line.len()..];
            }
            let left = rest.strip_prefix(b"\r\n").ok_or("no CRLF after the last chunk")?;
            return Ok((body, left));
        }
        if rest.len() < size {
            return Err(format!("chunk cut off: {} of {size} bytes", rest.len()));
        }
        body.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").ok_or("no CRLF after a chunk")?;
    }
}

fn bad_chunk(rest: &[u8]) -> String {
    if rest.is_empty() {
        return "no last chunk".into();
    }
    format!("bad chunk: \"{}\"", rest[..rest.len().min(200)].escape_ascii())
}
