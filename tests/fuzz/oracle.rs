//! What must not happen: judges the log, the answers and the server after a program has been played.
use std::thread;
use std::time::Duration;

use super::backtrace;
use super::client::{self, Outcome};
use super::program::Program;
use super::server::Server;

/// Something that must not happen. `kind` is the same for what has the same cause, as far as can be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: String,
    pub(crate) detail: String,
}

impl Fault {
    /// Whether a worker has died, so that another one is in its place.
    pub(crate) fn is_death(&self) -> bool {
        self.kind.starts_with("signal ")
            || self.kind.starts_with(STUCK)
            || self.kind.starts_with("exit code ")
    }
}

pub(crate) const UNANSWERED: &str = "no answer to a request";

/// Lines of [alert] and above that are no fault, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("lua_code_cache is off", "said of nginx.conf when it is read"),
    (
        "failed (12: Cannot allocate memory)",
        "a program may ask for 2 GB, and one server has little memory",
    ),
    ("setrlimit(RLIMIT_CORE", "cores are a help, not a need"),
    ("aborting", "follows a connection left open, which is told of"),
    ("[lua]", "Lua code logs at any level; the runtime's own complaints begin with `fuzz:`"),
    ("lua_max_running_timers are not enough", "said of a limit that programs may well reach"),
];

const SEVERE: &[&str] = &["[alert]", "[emerg]", "exited on signal", "bug of the module"];

/// What the C library and Rust say when memory or a promise is broken.
const BROKEN: &[&str] = &[
    "malloc",
    "free()",
    "corrupt",
    "munmap_chunk",
    "panicked",
    "foreign exception",
    "PANIC",
    "terminate called",
];

/// All faults since the last look, the worker's state and the answers of `program` included.
pub(crate) fn judge(
    server: &mut Server,
    program: &Program,
    attempt: usize,
    outcomes: &[Outcome],
    patience: Duration,
) -> Vec<Fault> {
    let mut faults = if server.is_alive(patience) { of_log(server) } else { stuck(server) };
    if program.must_be_answered() && faults.is_empty() {
        let lost = outcomes.iter().filter(|o| o.unanswered).count();
        if lost > 0 {
            faults.push(Fault { kind: UNANSWERED.into(), detail: format!("{lost} connections") });
        }
    }
    // Objects of the program before may be in use as well.
    let is_raw = program.is_raw();
    if !is_raw && !server.was_raw {
        let outcomes = outcomes.iter().enumerate();
        faults.extend(outcomes.filter_map(|(at, o)| stranger(program, attempt, at, o)));
    }
    server.was_raw = is_raw;
    faults
}

/// A worker that does not answer the probe, and where it has been instead.
fn stuck(server: &mut Server) -> Vec<Fault> {
    server.abort_workers();
    let mut faults = Vec::new();
    // A core takes its time.
    for _ in 0..50 {
        faults.extend(of_log(server));
        if !faults.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    for fault in &mut faults {
        fault.kind.insert_str(0, STUCK);
    }
    if faults.is_empty() {
        faults.push(Fault { kind: STUCK.into(), detail: String::new() });
    }
    faults
}

const STUCK: &str = "no answer to the probe, ";

/// The faults that the log tells of.
pub(crate) fn of_log(server: &mut Server) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut news = server.news();
    let said = |news: &[String], wanted: fn(&str) -> bool| news.iter().any(|line| wanted(line));
    // What a worker has to say comes before its master says that it has died, its core written.
    for _ in 0..20 {
        if !said(&news, |line| kind_of_line(line).is_some())
            || said(&news, |line| line.contains("exited "))
        {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        news.extend(server.news());
    }
    for line in news {
        let Some(kind) = kind_of_line(&line) else { continue };
        let fault = match kind.starts_with("signal") {
            true => backtrace::of(server, &kind).map_or(
                Fault { kind, detail: line.clone() },
                |(kind, detail)| Fault { kind, detail: format!("{line}\n{detail}") },
            ),
            false => Fault { kind, detail: line },
        };
        if !faults.iter().any(|f| f.kind.starts_with(&fault.kind)) {
            faults.push(fault);
        }
    }
    // What else was said belongs to a death.
    let (mut deaths, others): (Vec<_>, Vec<_>) = faults.into_iter().partition(Fault::is_death);
    if let Some(death) = deaths.first_mut() {
        death.detail.extend(others.iter().map(|other| format!("\n{}", other.detail)));
        return deaths;
    }
    others
}

/// What a line of the log says that must not be there, without what differs each time.
fn kind_of_line(line: &str) -> Option<String> {
    if let Some((_, signal)) = line.split_once("exited on signal ") {
        let number: String = signal.chars().take_while(char::is_ascii_digit).collect();
        return Some(format!("signal {number}"));
    }
    if let Some((_, code)) = line.split_once("exited with code ") {
        let code: String = code.chars().take_while(char::is_ascii_digit).collect();
        return (code != "0").then(|| format!("exit code {code}"));
    }
    if line.contains("[lua]") && line.contains("fuzz: ") {
        return Some(plain(line.split("fuzz: ").nth(1).unwrap_or_default()));
    }
    let is_log_line = line.contains(" [") && line.starts_with("20");
    let severe = SEVERE.iter().any(|word| line.contains(word));
    let broken = !is_log_line && BROKEN.iter().any(|word| line.contains(word));
    let allowed = ALLOWED.iter().any(|(text, _)| line.contains(text));
    // Time, process and connection come before the message.
    let message =
        line.split_once("#").and_then(|(_, rest)| rest.split_once(": ")).map_or(line, |(_, m)| m);
    ((severe && !allowed) || broken).then(|| plain(message))
}

/// A message without its numbers, its names and its context.
fn plain(message: &str) -> String {
    let message = message.split(", context").next().unwrap_or_default();
    let message = message.split(", client").next().unwrap_or_default();
    // Every other part is within quotes.
    let parts = message.split('"').enumerate();
    let message: Vec<_> = parts.map(|(at, part)| if at % 2 == 1 { "…" } else { part }).collect();
    let message = message.join("\"");
    let words = message.split_whitespace().filter(|w| !w.starts_with('*'));
    let words = words.map(|word| match word {
        word if word.contains("tok:") => "TOKEN".to_owned(),
        word => {
            let mut word: Vec<_> =
                word.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
            word.dedup_by(|a, b| *a == 'N' && *b == 'N');
            word.into_iter().collect()
        }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(160).collect()
}

/// Whether an answer has the token of a request that did not come over its connection.
fn stranger(program: &Program, attempt: usize, at: usize, outcome: &Outcome) -> Option<Fault> {
    let text = String::from_utf8_lossy(&outcome.answer);
    let own = (0..program.connections[at].requests.len())
        .map(|request| client::token(&program.name(attempt), at, request));
    let own: Vec<_> = own.collect();
    for (start, _) in text.match_indices("tok:p") {
        let Some(end) = text[start..].find('Z') else { continue };
        let token = &text[start..=start + end];
        let is_token = token[4..].chars().all(|c| c.is_ascii_alphanumeric());
        if is_token && !own.iter().any(|o| o == token) {
            let detail = format!("connection {at} of {} got {token}", program.name(attempt));
            return Some(Fault { kind: "an answer with another request's token".into(), detail });
        }
    }
    None
}
