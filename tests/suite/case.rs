//! A block whose sections are known and evaluated, with typed access to them.
use std::collections::BTreeMap;
use std::time::Duration;

use super::spec::Block;
use super::value::{Needle, Pattern, Value, trim};

/// Sections that say how a block is run.
const SETTINGS: &[&str] = &[
    "LAST",
    "ONLY",
    "SKIP",
    "abort",
    "config",
    "curl",
    "curl_options",
    "error_log_file",
    "http09",
    "http2",
    "http_config",
    "ignore_response",
    "log_level",
    "main_config",
    "more_headers",
    "no_check_leak",
    "no_http2",
    "pipelined_requests",
    "post_main_config",
    "raw_request",
    "raw_request_middle_delay",
    "request",
    "server_addr_for_client",
    "server_name",
    "shutdown",
    "skip_nginx",
    "skip_nginx2",
    "skip_openssl",
    "suppress_stderr",
    "tcp_listen",
    "tcp_no_close",
    "tcp_query_auto_timeout",
    "tcp_query_len",
    "tcp_reply",
    "tcp_reply_delay",
    "tcp_shutdown",
    "tcp_shutdown_delay",
    "timeout",
    "udp_listen",
    "udp_reply",
    "udp_reply_delay",
    "user_files",
    "wait",
];

/// Sections that a block can fail by.
const ASSERTIONS: &[&str] = &[
    "access_log",
    "curl_error",
    "error_code",
    "error_code_like",
    "error_log",
    "grep_error_log",
    "grep_error_log_out",
    "must_die",
    "no_access_log",
    "no_error_log",
    "no_shutdown_error_log",
    "raw_response_headers_like",
    "raw_response_headers_unlike",
    "response_body",
    "response_body_like",
    "response_body_unlike",
    "response_headers",
    "response_headers_like",
    "shutdown_error_log",
    "tcp_query",
    "udp_query",
];

pub(crate) struct Case {
    values: BTreeMap<String, Value>,
}

impl Case {
    /// Every reason why the block cannot be run, or the block ready to run.
    pub(crate) fn new(block: &Block) -> Result<Case, Vec<String>> {
        let mut errors = block.errors.clone();
        let mut values = BTreeMap::new();
        for section in &block.sections {
            let name = section.name.as_str();
            if !SETTINGS.contains(&name) && !ASSERTIONS.contains(&name) {
                errors.push(format!("unknown section `{name}`"));
                continue;
            }
            match section.value() {
                Ok(value) => drop(values.insert(name.to_owned(), value)),
                Err(why) => errors.push(why),
            }
        }
        if !block.sections.iter().any(|s| ASSERTIONS.contains(&s.name.as_str())) {
            errors.push("the block asserts nothing".into());
        }
        for (one, other) in [
            ("grep_error_log", "grep_error_log_out"),
            ("grep_error_log_out", "grep_error_log"),
            ("udp_query", "udp_listen"),
            ("tcp_query", "tcp_listen"),
            ("udp_listen", "udp_reply"),
        ] {
            if block.has(one) && !block.has(other) {
                errors.push(format!("section `{one}` without `{other}`"));
            }
        }
        if !block.has("config") {
            errors.push("no section `config`".into());
        }
        if errors.is_empty() { Ok(Case { values }) } else { Err(errors) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The text of a section, empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> Result<&[u8], String> {
        match self.values.get(name) {
            None => Ok(b""),
            Some(Value::Text(text)) => Ok(text),
            Some(other) => Err(format!("section `{name}` is {}, not text", other.kind())),
        }
    }

    /// The trimmed text of a section that is there.
    pub(crate) fn word(&self, name: &str) -> Result<Option<String>, String> {
        let text = String::from_utf8_lossy(trim(self.text(name)?)).into_owned();
        Ok(self.has(name).then_some(text))
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(word) = self.word(name)? else { return Ok(None) };
        let number = word.parse().map_err(|_| format!("section `{name}`: `{word}` is no number"));
        number.map(Some)
    }

    /// Seconds, or with a unit: `2`, `0.5`, `2s`, `200ms`.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, String> {
        self.word(name)?.map(|word| duration(&word)).transpose()
    }

    /// What a log section looks for: one needle a line, a pattern, or a list of both.
    pub(crate) fn needles(&self, name: &str) -> Result<Vec<Needle>, String> {
        let needle = |value: &Value| match value {
            Value::Text(text) if text.is_empty() => Err(format!("section `{name}`: empty text")),
            Value::Text(text) => Ok(Needle::Text(text.clone())),
            Value::Pattern(pattern) => Ok(Needle::Pattern(pattern.clone())),
            other => Err(format!("section `{name}`: {} in the list", other.kind())),
        };
        match self.values.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) => {
                let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
                let needles: Vec<_> = lines.map(|l| Needle::Text(l.to_vec())).collect();
                if needles.is_empty() {
                    Err(format!("section `{name}` is empty"))
                } else {
                    Ok(needles)
                }
            }
            Some(Value::List(items)) => items.iter().map(needle).collect(),
            Some(one) => Ok(vec![needle(one)?]),
        }
    }

    /// The expectation for the request number `index`; with several requests it has to be a list.
    pub(crate) fn expected(
        &self,
        name: &str,
        index: usize,
        several: bool,
    ) -> Result<Option<&Value>, String> {
        match self.values.get(name) {
            None => Ok(None),
            Some(Value::List(items)) => match items.get(index) {
                None => Err(format!("section `{name}` has nothing for request {index}")),
                item => Ok(item),
            },
            Some(_) if several => Err(format!("section `{name}` must be a list: several requests")),
            value => Ok(value),
        }
    }
}

/// A text as a pattern with these flags; a `qr//` keeps its own.
pub(crate) fn pattern(value: &Value, flags: &str) -> Result<Pattern, String> {
    match value {
        Value::Text(text) if text.is_empty() => Err("an empty pattern".into()),
        Value::Text(text) => Pattern::new(text, flags),
        Value::Pattern(pattern) => Ok(pattern.clone()),
        other => Err(format!("{} where a pattern is needed", other.kind())),
    }
}

pub(crate) fn duration(word: &str) -> Result<Duration, String> {
    let (number, unit) = match (word.strip_suffix("ms"), word.strip_suffix('s')) {
        (Some(number), _) => (number, 1000.0),
        (None, number) => (number.unwrap_or(word), 1.0),
    };
    let seconds = number.trim().parse::<f64>().ok().map(|n| n / unit);
    let duration = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    duration.ok_or_else(|| format!("`{word}` is no time"))
}
