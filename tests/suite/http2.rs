//! HTTP/2 requests, sent by curl as Test::Nginx does; its answer reads like an HTTP/1 response.
use std::fs;
use std::process::Command;

use super::case::Case;
use super::client::{Answer, Exchange};
use super::report::Report;
use super::request::Request;
use super::root::ServerRoot;
use super::value::{find, lines, trim};

pub(crate) fn run(
    case: &Case,
    exchange: &Exchange,
    request: &Request,
    root: &ServerRoot,
    report: &mut Report,
) -> Result<Answer, String> {
    if case.has("raw_request") || case.has("pipelined_requests") {
        return Err("`http2` goes with `request` only".into());
    }
    let bytes = request.packets.iter().flat_map(|p| p.bytes.iter().copied()).collect::<Vec<_>>();
    let end = find(&bytes, b"\r\n\r\n").ok_or("a request without a head")?;
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let mut head = lines(head).map(|l| String::from_utf8_lossy(trim(l)).into_owned());
    let first = head.next().unwrap_or_default();
    let mut words = first.split_whitespace();
    let (method, url) = (words.next().unwrap_or("GET"), words.next().unwrap_or("/"));

    let timeout = exchange.timeout.as_secs_f64().to_string();
    let mut curl = Command::new("curl");
    curl.args(["-i", "-sS", "--http2-prior-knowledge", "--max-time", &timeout]);
    curl.args(["-H", "User-Agent:", "-H", "Accept:", "-H", "Host:"]);
    match method {
        "GET" => &mut curl,
        "HEAD" => curl.arg("-I"),
        other => curl.args(["-X", other]),
    };
    let headers: Vec<_> = head.filter(|h| !is_named(h, "connection")).collect();
    for header in &headers {
        curl.args(["-H", header]);
    }
    if !body.is_empty() {
        if !headers.iter().any(|h| is_named(h, "content-type")) {
            curl.args(["-H", "Content-Type: "]);
        }
        let file = root.html().join("curl.data.bin");
        fs::write(&file, body).map_err(|e| format!("{}: {e}", file.display()))?;
        curl.arg("--data-binary").arg(format!("@{}", file.display()));
    }
    if let Some(options) = case.word("curl_options")? {
        curl.args(options.split_whitespace());
    }
    curl.arg(format!("http://{}{url}", exchange.address));
    let output = curl.output().map_err(|e| format!("curl: {e}"))?;
    check_error(case, &output.stdout, &output.stderr, report)?;
    Ok(Answer { bytes: output.stdout, ..Answer::default() })
}

/// Without an answer there must be the error the block expects.
fn check_error(
    case: &Case,
    answer: &[u8],
    error: &[u8],
    report: &mut Report,
) -> Result<(), String> {
    let shown = error.escape_ascii();
    if answer.is_empty() {
        let expected = case.needles("curl_error")?;
        if expected.is_empty() || !expected.iter().any(|n| n.is_in(error)) {
            report.fail(format!("curl: no answer: {shown}"));
        }
    } else if !error.is_empty() {
        report.note(format!("curl: {shown}"));
    }
    Ok(())
}

fn is_named(header: &str, name: &str) -> bool {
    header.split(':').next().is_some_and(|n| n.trim().eq_ignore_ascii_case(name))
}
