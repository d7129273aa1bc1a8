//! Query strings: `a=1&b&c=%20` as pairs of keys and values.
//!
//! Looks at a pair a block at a time, without going through its bytes, and decodes only parts in which
//! something is escaped.
#![allow(unsafe_code)]
use super::escape;
use crate::scan::{self, BLOCK, Set};

/// A key or a value as it stands in the query string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Part<'a> {
    /// The decoded bytes: the part itself, or what `scratch` holds afterwards.
    #[inline]
    pub(crate) fn decoded<'b>(self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        scratch.clear();
        escape::append_unescaped(scratch, self.raw);
        scratch
    }

    /// As [`Part::decoded`], for decoded bytes that must live on: they are written to `room`, which
    /// moves on. A query string's length is room enough for all its parts.
    ///
    /// # Safety
    /// `room` has room for the part as it stands, and what it holds lives as long as `'a`.
    #[inline]
    pub(crate) unsafe fn decoded_in(self, room: &mut *mut u8) -> &'a [u8] {
        if !self.escaped {
            return self.raw;
        }
        let start = *room;
        // SAFETY: the caller's contract.
        unsafe {
            let len = escape::unescape(self.raw, start);
            *room = start.add(len);
            core::slice::from_raw_parts(start, len)
        }
    }
}

/// The pairs of a query string in order; a key without `=` has no value (Lua sees `true`). Pairs
/// without a key are passed over.
pub(crate) struct Pairs<'a> {
    query: &'a [u8],
    /// Where the next pair begins; `None` behind the last one.
    start: Option<usize>,
    /// How many `&` may still come; 0 at the start: any number.
    limit: usize,
    truncated: bool,
    /// The whole query, if it is shorter than a block.
    short: [u8; BLOCK],
}

macro_rules! sets {
    ($($name:ident: $($byte:literal),+;)+) => {$(
        enum $name {}
        impl Set for $name {
            const RANGES: &'static [(u8, u8)] = &[$(($byte, $byte)),+];
        }
    )+};
}

sets! {
    Separator: b'&';
    Equals: b'=';
    Escaped: b'%', b'+';
}

/// The bounds of a pair, and which of its parts have something to decode.
#[derive(Default)]
struct Bounds {
    equals: Option<usize>,
    separator: Option<usize>,
    key_escaped: bool,
    value_escaped: bool,
}

impl<'a> Pairs<'a> {
    /// At most `max` pairs, those without a key included; 0: all of them.
    #[inline]
    pub(crate) fn of(query: &'a [u8], max: usize) -> Self {
        let short = if query.len() < BLOCK { scan::last_block(query) } else { [0; BLOCK] };
        Self { query, start: Some(0), limit: max, truncated: false, short }
    }

    /// Whether the limit ended the iteration, be it that nothing follows the last `&`.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// The block that holds what follows `at`, and how many bytes of it come before that.
    #[inline(always)]
    fn block(&self, at: usize) -> (&[u8; BLOCK], usize) {
        let last = self.query.len().saturating_sub(BLOCK);
        let begin = at.min(last);
        (self.query[begin..].first_chunk().unwrap_or(&self.short), at - begin)
    }

    #[inline(always)]
    fn bounds(&self, start: usize) -> Bounds {
        let mut bounds = Bounds::default();
        let mut at = start;
        while at < self.query.len() {
            let (block, before) = self.block(at);
            let separator = scan::mask::<Separator>(block) >> before;
            // The bits of the bytes before the separator: all if there is none.
            let inside = separator.wrapping_sub(1) & !separator;
            let equals = (scan::mask::<Equals>(block) >> before) & inside;
            let escaped = (scan::mask::<Escaped>(block) >> before) & inside;
            let in_key = if bounds.equals.is_some() {
                0
            } else if equals == 0 {
                u32::MAX
            } else {
                bounds.equals = Some(at + equals.trailing_zeros() as usize);
                equals.wrapping_sub(1) & !equals
            };
            bounds.key_escaped |= escaped & in_key != 0;
            bounds.value_escaped |= escaped & !in_key != 0;
            if separator != 0 {
                bounds.separator = Some(at + separator.trailing_zeros() as usize);
                break;
            }
            at += BLOCK - before;
        }
        bounds
    }

    /// Counts the `&` at the end of a pair.
    #[inline(always)]
    fn pass(&mut self, separator: usize) {
        if self.limit != 1 {
            self.limit = self.limit.saturating_sub(1);
            self.start = Some(separator + 1);
        } else {
            self.truncated = true;
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Part<'a>, Option<Part<'a>>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        while let Some(start) = self.start.take() {
            let bounds = self.bounds(start);
            let end = bounds.separator.unwrap_or(self.query.len());
            if let Some(at) = bounds.separator {
                self.pass(at);
            }
            let key = &self.query[start..bounds.equals.unwrap_or(end)];
            if key.is_empty() {
                continue;
            }
            let value = bounds
                .equals
                .map(|at| Part { raw: &self.query[at + 1..end], escaped: bounds.value_escaped });
            return Some((Part { raw: key, escaped: bounds.key_escaped }, value));
        }
        None
    }
}

/// How many `&` there are.
#[inline]
pub(crate) fn separators(query: &[u8]) -> usize {
    scan::count::<Separator>(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str, max: usize) -> (String, bool) {
        let mut pairs = Pairs::of(query.as_bytes(), max);
        let mut scratch = Vec::new();
        let mut text = Vec::new();
        for (key, value) in pairs.by_ref() {
            let mut part =
                |part: Part<'_>| String::from_utf8_lossy(part.decoded(&mut scratch)).into_owned();
            text.push(format!("{}:{}", part(key), value.map_or("true".into(), part)));
        }
        (text.join(" "), pairs.truncated())
    }

    #[test]
    fn queries_as_pairs() {
        for (query, pairs) in [
            ("", ""),
            ("a", "a:true"),
            ("a=", "a:"),
            ("a=1&b=2", "a:1 b:2"),
            ("a=b=c", "a:b=c"),
            ("&&a&&=x&=&b&", "a:true b:true"),
            ("a%20b+c=%3D%26&+%=%zz", "a b c:=&  %:%zz"),
            ("%=%2", "%:%2"),
            (
                "aaaaaaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbb&c%41=d",
                "aaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbbbbbb cA:d",
            ),
        ] {
            assert_eq!(parsed(query, 0), (pairs.to_owned(), false), "{query}");
        }
    }

    #[test]
    fn the_limit_counts_separators() {
        for (query, max, pairs, truncated) in [
            ("a=1&b=2", 2, "a:1 b:2", false),
            ("a=1&b=2&", 2, "a:1 b:2", true),
            ("a=1&b=2&c=3", 2, "a:1 b:2", true),
            ("&&c", 2, "", true),
            ("&&c", 3, "c:true", false),
        ] {
            assert_eq!(parsed(query, max), (pairs.to_owned(), truncated), "{query}");
        }
    }
}
