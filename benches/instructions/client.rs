//! A blocking HTTP/1.1 client for one keep-alive connection. It knows what nginx answers on loopback, no more:
//! a length or chunks, no trailers, no pipelining.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::rows::Row;

/// A response as far as two servers must agree on it: no `Date`, and a body without its chunk framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16, row: &Row) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let Row { request: target, headers, body, .. } = row;
        let (method, length) = match body.len() {
            0 => ("GET", String::new()),
            length => ("POST", format!("Content-Length: {length}\r\n")),
        };
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n{body}");
        let request = request.into_bytes();
        Ok(Self { stream: BufReader::new(stream), request })
    }

    pub(crate) fn get(&mut self) -> io::Result<Response> {
        self.stream.get_mut().write_all(&self.request)?;
        let (mut head, mut length) = (String::new(), None);
        loop {
            let line = self.line()?;
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse().map_err(io::Error::other)?);
            }
            if !lower.starts_with("date:") {
                head.push_str(&line);
            }
        }
        let body = match length {
            Some(length) => self.bytes(length)?,
            None if head.starts_with("HTTP/1.1 204") => Vec::new(),
            None => self.chunks()?,
        };
        Ok(Response { head, body })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
