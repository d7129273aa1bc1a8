//! Percent-escaping: which bytes each kind of text escapes, and both directions.
//!
//! Most text has little to escape, so it is copied block by block and only the bytes that need it are
//! looked at. No check of room: the callers know the length beforehand, as `escaped_len` tells it.
#![allow(unsafe_code)]
use core::ops::Range;
use std::borrow::Cow;

use super::rewrite::{MARGIN, Piece, Rewrite, pieces, rewrite, rewrite_roomy};
use crate::scan::{self, BLOCK, Set};

/// Declares a set by the bytes it escapes.
macro_rules! escapes {
    ($($(#[$doc:meta])* $name:ident: $($first:literal $(..= $last:literal)?),+;)+) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}
        impl Set for $name {
            const RANGES: &'static [(u8, u8)] = &[$(escapes!(@range $first $($last)?)),+];
        }
        impl Rewrite for $name {
            const PIECES: [Piece; 256] = pieces(Self::RANGES, &PERCENT_ESCAPES);
        }
    )+};
    (@range $byte:literal) => { ($byte, $byte) };
    (@range $first:literal $last:literal) => { ($first, $last) };
}

escapes! {
    /// A whole URI without its arguments.
    Uri: 0..=b' ', b'#', b'%', b'?', 0x7f..=0xff;
    /// The arguments of a URI.
    Args: 0..=b' ', b'#', b'%', b'+', b'?', 0x7f..=0xff;
    /// A path segment, a key or a value.
    Component: 0..=b' ', b'"'..=b'&', b'+'..=b',', b'/', b':'..=b'@', b'['..=b'^', b'`', b'{'..=b'}',
        0x7f..=0xff;
    /// A URI in an HTML attribute.
    Html: 0..=b' ', b'"'..=b'#', b'%', b'\'', 0x7f..=0xff;
    /// A URI in a Refresh header.
    Refresh: 0..=b' ', b'"', b'\'', 0x7f..=0xff;
    /// A key of memcached, and a value for mail authentication.
    Memcached: 0..=b' ', b'%';
    /// Arguments that are escaped already, as far as somebody cared to.
    RawArgs: 0..=b' ', 0x7f;
}

/// Runs `$call` with `$set` as the set of an escape type (`NGX_ESCAPE_*`).
macro_rules! with_escape_type {
    ($kind:expr, $set:ident => $call:expr) => {
        match $kind {
            0 => {
                type $set = $crate::api::text::escape::Uri;
                $call
            }
            1 => {
                type $set = $crate::api::text::escape::Args;
                $call
            }
            3 => {
                type $set = $crate::api::text::escape::Html;
                $call
            }
            4 => {
                type $set = $crate::api::text::escape::Refresh;
                $call
            }
            5 | 6 => {
                type $set = $crate::api::text::escape::Memcached;
                $call
            }
            _ => {
                type $set = $crate::api::text::escape::Component;
                $call
            }
        }
    };
}
pub(super) use with_escape_type;

/// `%00` to `%FF`.
const PERCENT_ESCAPES: [Piece; 256] = {
    let digits = b"0123456789ABCDEF";
    let mut pieces = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        pieces[byte] = [b'%', digits[byte >> 4], digits[byte & 15], 3];
        byte += 1;
    }
    pieces
};

/// The value of a hexadecimal digit, and more than any byte for anything else.
const DIGIT: [u16; 256] = {
    let mut values = [0x100; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789ABCDEF"[value] as usize] = value as u16;
        values[b"0123456789abcdef"[value] as usize] = value as u16;
        value += 1;
    }
    values
};

/// The length of `text` with the bytes of `S` escaped.
#[inline]
pub(super) fn escaped_len<S: Set>(text: &[u8]) -> usize {
    text.len() + 2 * scan::count::<S>(text)
}

/// Writes `text` with the bytes of `S` escaped, and returns the length.
///
/// # Safety
/// `out` has room for `escaped_len::<S>(text)` bytes.
#[inline]
pub(super) unsafe fn escape<S: Rewrite>(text: &[u8], out: *mut u8) -> usize {
    // SAFETY: the caller's contract.
    unsafe { rewrite::<S>(text, out) }
}

/// As [`escape`], where there is room for [`MARGIN`] bytes more.
///
/// # Safety
/// `out` has that room.
#[inline]
pub(super) unsafe fn escape_roomy<S: Rewrite>(text: &[u8], out: *mut u8) -> usize {
    // SAFETY: the caller's contract.
    unsafe { rewrite_roomy::<S>(text, out) }
}

/// Appends `text` with the bytes of `S` escaped.
#[inline]
pub(super) fn append<S: Rewrite>(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(3 * text.len() + MARGIN);
    // SAFETY: even if every byte is escaped there is room.
    unsafe {
        let len = escape_roomy::<S>(text, out.as_mut_ptr().add(out.len()));
        out.set_len(out.len() + len);
    }
}

/// `text` with the bytes of `S` escaped, itself if there are none.
pub(crate) fn escaped<S: Rewrite>(text: &[u8]) -> Cow<'_, [u8]> {
    if scan::count::<S>(text) == 0 {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::new();
    append::<S>(&mut out, text);
    Cow::Owned(out)
}

struct Percent;

impl Set for Percent {
    const RANGES: &'static [(u8, u8)] = &[(b'%', b'%')];
}

/// Writes `text` with its escapes decoded and `+` as a space, and returns the length, which is at most
/// that of `text`. A `%` that two hexadecimal digits do not follow stands for itself.
///
/// # Safety
/// `out` has room for `text.len()` bytes, and is no part of `text`.
#[inline]
pub(super) unsafe fn unescape(text: &[u8], out: *mut u8) -> usize {
    // SAFETY: the caller's contract. Blocks are written where as much of the text is left to read.
    unsafe { unescape_before(text, 0, out) }
}

/// How many bytes behind the text [`unescape_before`] may write.
pub(super) const UNESCAPE_MARGIN: usize = BLOCK;

/// As [`unescape`], for a text behind which more can be read, so that blocks are read to its end.
///
/// # Safety
/// `out` has room for `text.len()` bytes, and if `behind` is not 0, for the margin. `behind` bytes can be
/// read behind the text.
#[inline(always)]
pub(super) unsafe fn unescape_before(text: &[u8], behind: usize, out: *mut u8) -> usize {
    let Range { start: mut next, end } = text.as_ptr_range();
    let mut at = out;
    // SAFETY: nothing is read behind `end` but the rest of a block, which the caller lets us. What was written
    // is no longer than what was read, so a whole block fits, if need be into the margin.
    unsafe {
        while end.offset_from_unsigned(next) + behind >= BLOCK {
            let block = next.cast::<[u8; BLOCK]>().read();
            at.cast::<[u8; BLOCK]>().write(block.map(plus_to_space));
            let found = scan::mask::<Percent>(&block);
            let plain = if found == 0 { BLOCK } else { found.trailing_zeros() as usize };
            let left = end.offset_from_unsigned(next);
            if behind > 0 && plain >= left {
                return at.add(left).offset_from_unsigned(out);
            }
            (next, at) = (next.add(plain), at.add(plain));
            if found != 0 {
                (next, at) = unescape_run(next, end, at);
            }
        }
        while next < end {
            if *next == b'%' {
                (next, at) = unescape_run(next, end, at);
                continue;
            }
            at.write(PLAIN[usize::from(*next)]);
            (next, at) = (next.add(1), at.add(1));
        }
        at.offset_from_unsigned(out)
    }
}

/// Decodes the escapes that follow one after the other, as they often do, from the `%` at `first` on. Returns what is
/// left to do, and where.
///
/// # Safety
/// What is from `first` to `end` can be read, and written to `at`.
#[inline(always)]
unsafe fn unescape_run(first: *const u8, end: *const u8, at: *mut u8) -> (*const u8, *mut u8) {
    let (mut next, mut at) = (first, at);
    // SAFETY: the caller's contract.
    unsafe {
        let last = end.wrapping_sub(2);
        while next < last {
            let [b'%', high, low] = next.cast::<[u8; 3]>().read() else { break };
            let Some(byte) = digits(high, low) else { break };
            at.write(byte);
            (next, at) = (next.add(3), at.add(1));
        }
        if next == first {
            at.write(b'%');
            (next, at) = (next.add(1), at.add(1));
        }
    }
    (next, at)
}

/// Every byte as it is, but `+` as a space.
const PLAIN: &[u8; 256] = &{
    let mut plain = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = plus_to_space(byte as u8);
        byte += 1;
    }
    plain
};

#[inline(always)]
const fn plus_to_space(byte: u8) -> u8 {
    byte - if byte == b'+' { b'+' - b' ' } else { 0 }
}

/// The byte that two hexadecimal digits stand for.
#[inline(always)]
fn digits(high: u8, low: u8) -> Option<u8> {
    let value = DIGIT[usize::from(high)] << 4 | DIGIT[usize::from(low)];
    (value >> 8 == 0).then_some(value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape_as(kind: i32, text: &[u8]) -> String {
        let mut out = Vec::new();
        let len =
            with_escape_type!(kind, S => { append::<S>(&mut out, text); escaped_len::<S>(text) });
        assert_eq!(out.len(), len);
        String::from_utf8(out).unwrap()
    }

    fn unescaped(text: &[u8]) -> Vec<u8> {
        let mut out = vec![0; text.len()];
        // SAFETY: there is room for the text as it is.
        let len = unsafe { unescape(text, out.as_mut_ptr()) };
        out.truncate(len);
        out
    }

    /// What each type leaves alone of the printable ASCII characters.
    #[test]
    fn types_and_their_characters() {
        let printable: Vec<u8> = (b' '..=b'~').collect();
        let escapes = |kind| {
            let kept = escape_as(kind, &printable);
            printable
                .iter()
                .filter(|b| kept.contains(&format!("%{b:02X}")))
                .map(|b| *b as char)
                .collect::<String>()
        };
        for (kind, escaped) in [
            (0, " #%?"),
            (1, " #%+?"),
            (2, " \"#$%&+,/:;<=>?@[\\]^`{|}"),
            (3, " \"#%'"),
            (4, " \"'"),
            (5, " %"),
            (6, " %"),
        ] {
            assert_eq!(escapes(kind), escaped, "{kind}");
            let above = escape_as(kind, "\u{7f}".as_bytes());
            assert_eq!(above == "%7F", kind < 5, "{kind}");
            assert_eq!(escape_as(kind, b"\0\x1f"), "%00%1F", "{kind}");
        }
        assert_eq!(&*escaped::<RawArgs>(b"a b\x7f%20\xff"), b"a%20b%7F%20\xff");
        assert!(matches!(escaped::<RawArgs>(b"a=b"), Cow::Borrowed(_)));
    }

    #[test]
    fn decoding_is_lenient() {
        for (text, plain) in [
            ("a+b%20c", "a b c"),
            ("%41%4a%4A", "AJJ"),
            ("%", "%"),
            ("%4", "%4"),
            ("%%34", "%4"),
            ("%4%34", "%44"),
            ("%zz%2G%g2", "%zz%2G%g2"),
            ("0123456789abcde%41%4", "0123456789abcdeA%4"),
            ("0123456789abcdef%%%%+", "0123456789abcdef%%%% "),
        ] {
            assert_eq!(unescaped(text.as_bytes()), plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_was_escaped_comes_back() {
        let text: Vec<u8> = (0..2000u32).map(|n| ((n * 7919) >> 3) as u8).collect();
        for len in 0..200 {
            for start in [0, 1, 500, 1300] {
                let text = &text[start..start + len];
                assert_eq!(unescaped(escape_as(2, text).as_bytes()), text);
            }
        }
    }
}
