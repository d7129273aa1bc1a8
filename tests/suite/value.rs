//! What a section of a block is worth once its filters have run. Everything is bytes, as in Perl without
//! `use utf8`: one byte is one character, for lengths and for patterns.
use std::fmt::Write as _;

use pcre2::bytes::{Regex, RegexBuilder};

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Undef,
    Text(Vec<u8>),
    Pattern(Pattern),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<[u8]>) -> Value {
        Value::Text(text.as_ref().to_vec())
    }

    pub(crate) fn as_text(&self) -> Option<&[u8]> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Undef => "undef",
            Value::Text(_) => "text",
            Value::Pattern(_) => "a pattern",
            Value::List(_) => "a list",
            Value::Map(_) => "a hash",
        }
    }
}

/// A Perl regular expression. PCRE2 reads them as Perl does, `$` before a last newline included.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    shown: String,
    regex: Regex,
}

impl Pattern {
    pub(crate) fn new(source: &[u8], flags: &str) -> Result<Pattern, String> {
        if let Some(other) = flags.chars().find(|c| !"imsx".contains(*c)) {
            return Err(format!("flag `{other}` of a pattern is not supported"));
        }
        let source = ascii(source);
        let end = if flags.contains('x') { "\n" } else { "" };
        let regex = RegexBuilder::new()
            .build(&format!("(?^{flags}:{source}{end})"))
            .map_err(|e| format!("pattern /{source}/: {e}"))?;
        Ok(Pattern { shown: format!("/{source}/{flags}"), regex })
    }

    /// The first match, `None` also when PCRE2 gives up on the subject.
    pub(crate) fn find<'a>(&self, subject: &'a [u8]) -> Option<&'a [u8]> {
        let found = self.regex.find(subject).ok()??;
        Some(&subject[found.start()..found.end()])
    }

    pub(crate) fn matches(&self, subject: &[u8]) -> bool {
        self.find(subject).is_some()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// PCRE2 takes its patterns as `str`: bytes above 127 become escapes.
fn ascii(source: &[u8]) -> String {
    source.iter().fold(String::new(), |mut out, &byte| {
        if byte.is_ascii() {
            out.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
        out
    })
}

/// What one line of a log is searched for.
#[derive(Clone, Debug)]
pub(crate) enum Needle {
    Text(Vec<u8>),
    Pattern(Pattern),
}

impl Needle {
    pub(crate) fn find<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Needle::Text(text) => find(line, text).map(|at| &line[at..at + text.len()]),
            Needle::Pattern(pattern) => pattern.find(line),
        }
    }

    pub(crate) fn is_in(&self, line: &[u8]) -> bool {
        self.find(line).is_some()
    }
}

impl std::fmt::Display for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Needle::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Needle::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// Position of `needle` in `hay`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    hay.windows(needle.len()).position(|w| w == needle)
}

/// `from` replaced by `to` wherever no word character follows, as `s/from\b/to/g` does.
pub(crate) fn replace_word(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, from) {
        let after = &rest[at + from.len()..];
        let ends = after.first().is_none_or(|b| !is_word(*b));
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(if ends { to } else { from });
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Perl's `\s`.
pub(crate) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_space(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_space(*b)).map_or(start, |at| at + 1);
    &text[start..end]
}

/// The lines of a text, each with its newline.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|b| *b == b'\n')
}
