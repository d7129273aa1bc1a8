//! Holds nginx's logs against the log sections of a block, and against what no block may do: die.
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::case::Case;
use super::report::{Report, brief, difference};
use super::value::{Needle, Value, find, lines};
use super::vars::Vars;

/// A log file and how much of it has been looked at.
pub(crate) struct Log {
    path: PathBuf,
    position: usize,
    /// Every look sees the file from its start.
    accumulate: bool,
}

/// How a look at a log waits: always `pause`, and up to `limit` for what must still appear.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) pause: Duration,
    pub(crate) limit: Duration,
}

impl Log {
    pub(crate) fn new(path: PathBuf, accumulate: bool) -> Log {
        Log { path, position: 0, accumulate }
    }

    pub(crate) fn all(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap_or_default()
    }

    /// Checks what is new since the last look; `missing` says what must appear and has not.
    fn look(&mut self, patience: Patience, missing: impl Fn(&[u8]) -> Vec<String>) -> Look {
        let start = Instant::now();
        thread::sleep(patience.pause);
        loop {
            let text = self.all();
            let new = &text[self.position.min(text.len())..];
            let failures = missing(new);
            if failures.is_empty() || start.elapsed() >= patience.limit {
                let new = new.to_vec();
                if !self.accumulate {
                    self.position = text.len();
                }
                return Look { new, failures };
            }
            thread::sleep(patience.pause);
        }
    }
}

struct Look {
    new: Vec<u8>,
    failures: Vec<String>,
}

/// The log sections of a block.
pub(crate) struct LogChecks {
    error_log: Vec<Needle>,
    no_error_log: Vec<Needle>,
    shutdown_error_log: Vec<Needle>,
    no_shutdown_error_log: Vec<Needle>,
    access_log: Vec<Needle>,
    no_access_log: Vec<Needle>,
    grep: Vec<Grep>,
}

/// `grep_error_log` with what it must find; several for repeated requests.
struct Grep {
    needle: Needle,
    expected: Value,
}

impl LogChecks {
    pub(crate) fn new(case: &Case, vars: &Vars) -> Result<LogChecks, String> {
        let grep = match (case.value("grep_error_log"), case.value("grep_error_log_out")) {
            (Some(Value::List(needles)), Some(out)) => needles
                .iter()
                .enumerate()
                .map(|(n, needle)| Grep::new(needle, out, n, vars))
                .collect::<Result<_, _>>()?,
            (Some(needle), Some(Value::List(outs))) => {
                outs.iter().map(|out| Grep::new(needle, out, 0, vars)).collect::<Result<_, _>>()?
            }
            (Some(needle), Some(out)) => vec![Grep::new(needle, out, 0, vars)?],
            _ => Vec::new(),
        };
        Ok(LogChecks {
            error_log: case.needles("error_log")?,
            no_error_log: case.needles("no_error_log")?,
            shutdown_error_log: case.needles("shutdown_error_log")?,
            no_shutdown_error_log: case.needles("no_shutdown_error_log")?,
            access_log: case.needles("access_log")?,
            no_access_log: case.needles("no_access_log")?,
            grep,
        })
    }

    /// After a request; `repeat` counts the rounds of `repeat_each`.
    pub(crate) fn request(&self, log: &mut Log, wait: Patience, repeat: usize, to: &mut Report) {
        let grep = self.grep.get(repeat.min(self.grep.len().saturating_sub(1)));
        let look = log.look(wait, |text| {
            let mut missing = missing("error_log", &self.error_log, text);
            missing.extend(grep.and_then(|g| g.mismatch(text)));
            missing
        });
        look.failures.into_iter().for_each(|f| to.fail(f));
        forbidden("no_error_log", &self.no_error_log, &look.new, to);
    }

    pub(crate) fn access(&self, log: &mut Log, wait: Patience, to: &mut Report) {
        if self.access_log.is_empty() && self.no_access_log.is_empty() {
            return;
        }
        let look = log.look(wait, |text| missing("access_log", &self.access_log, text));
        look.failures.into_iter().for_each(|f| to.fail(f));
        forbidden("no_access_log", &self.no_access_log, &look.new, to);
    }

    /// When nginx has gone.
    pub(crate) fn shutdown(&self, log: &mut Log, to: &mut Report) {
        let now = Patience { pause: Duration::ZERO, limit: Duration::ZERO };
        let look =
            log.look(now, |text| missing("shutdown_error_log", &self.shutdown_error_log, text));
        look.failures.into_iter().for_each(|f| to.fail(f));
        forbidden("no_shutdown_error_log", &self.no_shutdown_error_log, &look.new, to);
        self.disasters(&log.all(), to);
    }

    /// Lines that fail every block which does not name them.
    fn disasters(&self, text: &[u8], to: &mut Report) {
        let greps = || self.grep.iter().map(|g| &g.needle);
        let named = || self.error_log.iter().chain(&self.shutdown_error_log).chain(greps());
        for line in lines(text).filter(|line| is_disaster(line)) {
            if !named().any(|needle| needle.is_in(line)) {
                to.fail(format!("error.log: {}", brief(line)));
            }
        }
    }
}

/// An alert, a panic, a failed assertion, a worker that ended badly.
fn is_disaster(line: &[u8]) -> bool {
    // Alerts about a choice of the configuration, not about something that happened.
    const NOTICES: [&[u8]; 2] =
        [b"lua_code_cache is off", b"detected a LuaJIT version which is not OpenResty's"];
    let has = |needle: &[u8]| find(line, needle).is_some();
    let exited = || {
        const MARK: &[u8] = b" exited with code ";
        find(line, MARK).is_some_and(|at| line.get(at + MARK.len()) != Some(&b'0'))
    };
    let alert = || has(b"[alert]") && !NOTICES.iter().any(|notice| has(notice));
    alert()
        || has(b" exited on signal ")
        || has(b"panicked at")
        || (has(b"Assertion ") && has(b"failed"))
        || exited()
}

impl Grep {
    /// Of lists, the item for round `n`.
    fn new(needle: &Value, expected: &Value, n: usize, vars: &Vars) -> Result<Grep, String> {
        let needle = match needle {
            Value::Text(text) if !text.is_empty() => Needle::Text(text.clone()),
            Value::Pattern(pattern) => Needle::Pattern(pattern.clone()),
            other => return Err(format!("section `grep_error_log` is {}", other.kind())),
        };
        let expected =
            if let Value::List(items) = expected { items.get(n) } else { Some(expected) };
        let expected = match expected {
            Some(Value::Text(text)) => Value::Text(vars.expand(text)?),
            Some(pattern @ Value::Pattern(_)) => pattern.clone(),
            _ => return Err("section `grep_error_log_out` is neither text nor pattern".into()),
        };
        Ok(Grep { needle, expected })
    }

    fn mismatch(&self, text: &[u8]) -> Option<String> {
        let mut found = Vec::new();
        for part in lines(text).filter_map(|line| self.needle.find(line)) {
            if !part.contains(&b'\n') {
                found.extend_from_slice(part);
                found.push(b'\n');
            }
        }
        match &self.expected {
            Value::Pattern(pattern) => (!pattern.matches(&found)).then(|| {
                format!("grep_error_log_out: {pattern} does not match \"{}\"", found.escape_ascii())
            }),
            other => {
                let expected = other.as_text().unwrap_or_default();
                (found != expected).then(|| difference("grep_error_log_out", &found, expected))
            }
        }
    }
}

fn missing(section: &str, needles: &[Needle], text: &[u8]) -> Vec<String> {
    let absent = needles.iter().filter(|needle| !lines(text).any(|l| needle.is_in(l)));
    absent.map(|needle| format!("{section}: no line has {needle}")).collect()
}

fn forbidden(section: &str, needles: &[Needle], text: &[u8], to: &mut Report) {
    for needle in needles {
        let mut hits = lines(text).filter(|l| needle.is_in(l));
        if let Some(first) = hits.next() {
            let more = hits.count();
            let more = if more > 0 { format!("\n   and {more} more lines") } else { String::new() };
            let line = brief(first);
            to.fail(format!("{section}: {needle} is in a line:\n   {line}{more}"));
        }
    }
}
