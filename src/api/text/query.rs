//! Query strings: `a=1&b&c=%20` as pairs of keys and values.
//!
//! Looks at a pair a window at a time, without going through its bytes, and decodes only parts in which
//! something is escaped.
#![allow(unsafe_code)]
use super::escape;
use crate::scan::{self, BLOCK, Set};

/// A key or a value as it stands in the query string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    raw: &'a [u8],
    /// How much of the query string is behind it: a separator, if anything.
    behind: usize,
    escaped: bool,
}

/// How much more than the query string's length is the room that its parts are decoded in.
pub(crate) const MARGIN: usize = escape::UNESCAPE_MARGIN;

impl<'a> Part<'a> {
    /// The decoded bytes: the part itself, or what `scratch` holds afterwards.
    #[inline(always)]
    pub(crate) fn decoded<'b>(self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        scratch.clear();
        scratch.reserve(self.raw.len() + MARGIN);
        // SAFETY: there is that room.
        unsafe { self.unescape(scratch.as_mut_ptr()) }
    }

    /// As [`Part::decoded`], for decoded bytes that must live on: they are written to `room`, which
    /// moves on.
    ///
    /// # Safety
    /// `room` has room for the part as it stands and the margin, and what it holds lives as long as `'a`.
    #[inline]
    pub(crate) unsafe fn decoded_in(self, room: &mut *mut u8) -> &'a [u8] {
        if !self.escaped {
            return self.raw;
        }
        // SAFETY: the caller's contract.
        unsafe {
            let decoded = self.unescape(*room);
            *room = room.add(decoded.len());
            decoded
        }
    }

    /// # Safety
    /// `out` has room for the part as it stands and the margin, and lives as long as `'b`.
    #[inline(always)]
    unsafe fn unescape<'b>(self, out: *mut u8) -> &'b [u8] {
        // SAFETY: the caller's contract; a separator is no digit.
        unsafe {
            let len = escape::unescape_before(self.raw, self.behind, out);
            core::slice::from_raw_parts(out, len)
        }
    }
}

/// The pairs of a query string in order; a key without `=` has no value (Lua sees `true`). Pairs
/// without a key are passed over.
pub(crate) struct Pairs<'a> {
    query: &'a [u8],
    /// Where the next pair begins: at the end of the query or behind it if there is none.
    start: usize,
    /// How many pairs may still come.
    left: usize,
    truncated: bool,
    /// What begins with the query, and holds a window at least.
    padded: &'a [u8],
}

/// Where a query that is shorter than a window is made one.
#[derive(Default)]
pub(crate) struct Padding([u8; WINDOW]);

/// As much is looked at in one go: most pairs are no longer.
const WINDOW: usize = 2 * BLOCK;

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

/// Where a pair has its `=` and its end, and which of its parts have something to decode.
struct Bounds {
    equals: Option<usize>,
    end: usize,
    key_escaped: bool,
    value_escaped: bool,
}

impl<'a> Pairs<'a> {
    /// At most `max` pairs, those without a key included; 0: all of them.
    #[inline]
    pub(crate) fn of(query: &'a [u8], max: usize, padding: &'a mut Padding) -> Self {
        let mut padded = query;
        if query.len() < WINDOW {
            padding.0 = [0; WINDOW];
            padding.0[..query.len()].copy_from_slice(query);
            padded = &padding.0;
        }
        let left = if max == 0 { usize::MAX } else { max };
        Self { query, start: 0, left, truncated: false, padded }
    }

    /// Whether the limit ended the iteration, be it that nothing follows the last `&`.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// A window in which the byte at `at` is, and which one of it that is.
    #[inline(always)]
    fn window(&self, at: usize) -> (&[u8; WINDOW], usize) {
        let begin = at.min(self.padded.len() - WINDOW);
        // SAFETY: a window that begins there is no longer than what is left.
        (unsafe { &*self.padded.as_ptr().add(begin).cast() }, at - begin)
    }

    #[inline(always)]
    fn bounds(&self, start: usize) -> Bounds {
        let (window, before) = self.window(start);
        let separators = mask::<Separator>(window) >> before;
        let end = if separators != 0 {
            start + separators.trailing_zeros() as usize
        } else if self.query.len() - start <= WINDOW {
            self.query.len()
        } else {
            return self.bounds_of_long(start);
        };
        let inside = up_to_first(separators);
        let equals = (mask::<Equals>(window) >> before) & inside;
        let escaped = (mask::<Escaped>(window) >> before) & inside;
        let in_key = up_to_first(equals);
        Bounds {
            equals: (equals != 0).then(|| start + equals.trailing_zeros() as usize),
            end,
            key_escaped: escaped & in_key != 0,
            value_escaped: escaped & !in_key != 0,
        }
    }

    /// The bounds of a pair that is longer than a window.
    #[inline(never)]
    fn bounds_of_long(&self, start: usize) -> Bounds {
        let pair = &self.query[start..];
        let pair = &pair[..memchr::memchr(b'&', pair).unwrap_or(pair.len())];
        let equals = memchr::memchr(b'=', pair);
        let (key, value) = pair.split_at(equals.unwrap_or(pair.len()));
        let is_escaped = |part| memchr::memchr2(b'%', b'+', part).is_some();
        Bounds {
            equals: equals.map(|at| start + at),
            end: start + pair.len(),
            key_escaped: is_escaped(key),
            value_escaped: is_escaped(value),
        }
    }

    /// # Safety
    /// `from` and `to` are places in the query, in this order.
    #[inline(always)]
    unsafe fn part(&self, from: usize, to: usize, escaped: bool) -> Part<'a> {
        // SAFETY: the caller's contract.
        let raw = unsafe { self.query.get_unchecked(from..to) };
        Part { raw, behind: self.query.len() - to, escaped }
    }
}

/// Bit n says whether byte n is in the set.
#[inline(always)]
fn mask<S: Set>(window: &[u8; WINDOW]) -> u32 {
    let [low, high] = window.as_chunks::<BLOCK>().0 else { return 0 };
    scan::mask::<S>(low) | scan::mask::<S>(high) << BLOCK
}

/// The bits up to the lowest one of `mask`: all if it has none.
#[inline(always)]
fn up_to_first(mask: u32) -> u32 {
    mask ^ mask.wrapping_sub(1)
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Part<'a>, Option<Part<'a>>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        while self.start < self.query.len() {
            let start = self.start;
            let Bounds { equals, end, key_escaped, value_escaped } = self.bounds(start);
            self.start = end + 1;
            self.left -= 1;
            if self.left == 0 {
                self.truncated = end < self.query.len();
                self.start = self.query.len();
            }
            let key_end = equals.unwrap_or(end);
            if key_end == start {
                continue;
            }
            // SAFETY: the bounds lie within the query, in this order.
            unsafe {
                let key = self.part(start, key_end, key_escaped);
                let value = equals.map(|at| self.part(at + 1, end, value_escaped));
                return Some((key, value));
            }
        }
        None
    }
}

/// How many `&` there are.
#[inline]
pub(crate) fn separators(query: &[u8]) -> usize {
    memchr::memchr_iter(b'&', query).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &str, max: usize) -> (String, bool) {
        let mut padding = Padding::default();
        let mut pairs = Pairs::of(query.as_bytes(), max, &mut padding);
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
