//! Collects what went wrong in one block and tells it so that a reader need not open the files.
use std::fmt::Write as _;

use similar::TextDiff;

use super::value::{lines, trim};

#[derive(Debug, Default)]
pub(crate) struct Report {
    failures: Vec<String>,
    /// Said only when the block fails anyway.
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn fail(&mut self, failure: impl Into<String>) {
        self.failures.push(failure.into());
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The value, or a failure.
    pub(crate) fn need<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.fail(why)).ok()
    }

    pub(crate) fn same(&mut self, what: &str, actual: &[u8], expected: &[u8]) {
        if actual != expected {
            self.fail(difference(what, actual, expected));
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        let number = |(n, failure): (usize, &String)| format!("{}. {failure}", n + 1);
        let mut out: Vec<_> = self.failures.iter().enumerate().map(number).collect();
        out.extend(self.notes.iter().cloned());
        out.join("\n\n")
    }
}

/// One line each for short texts, a diff by lines for longer ones.
pub(crate) fn difference(what: &str, actual: &[u8], expected: &[u8]) -> String {
    let is_line = |text: &[u8]| lines(text).count() < 2;
    if is_line(actual) && is_line(expected) {
        return format!(
            "{what}\n   expected \"{}\"\n   actual   \"{}\"",
            cut(expected).escape_ascii(),
            cut(actual).escape_ascii()
        );
    }
    let (expected, actual) = (visible(expected), visible(actual));
    let diff = TextDiff::from_lines(&expected, &actual);
    let mut out = format!("{what} (- expected, + actual)");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n   {}", hunk.header());
        for change in hunk.iter_changes() {
            let _ = write!(out, "\n   {}{}", change.tag(), change.value().trim_end_matches('\n'));
        }
    }
    out
}

/// Text as lines with everything odd escaped; a missing last newline is said.
fn visible(text: &[u8]) -> String {
    let mut out = String::new();
    for line in lines(text) {
        match line.strip_suffix(b"\n") {
            Some(line) => out.push_str(&format!("{}\n", quote(line))),
            None => out.push_str(&format!("{} (no newline)\n", quote(line))),
        }
    }
    out
}

/// A log line, printable and without its end if that is far away.
pub(crate) fn brief(line: &[u8]) -> String {
    const ENOUGH: usize = 400;
    let line = trim(line);
    let more = if line.len() > ENOUGH { "…" } else { "" };
    quote(&line[..line.len().min(ENOUGH)]) + more
}

/// Printable, without escapes for quotes.
fn quote(line: &[u8]) -> String {
    let escaped = cut(line).escape_ascii().to_string();
    escaped.replace("\\\"", "\"").replace("\\'", "'")
}

/// Enough of a text to recognise it.
pub(crate) fn cut(text: &[u8]) -> &[u8] {
    const ENOUGH: usize = 2000;
    &text[..text.len().min(ENOUGH)]
}
