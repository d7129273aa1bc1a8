//! Percent-escaping: which bytes each kind of text escapes, and both directions.
//!
//! Most text has little to escape, so it is copied block by block and only the bytes that need it are
//! looked at. No check of room: the callers know the length beforehand, as `escaped_len` tells it.
#![allow(unsafe_code)]
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

/// The value of a hexadecimal digit, 0xff for anything else.
const DIGIT: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        values[b"0123456789abcdef"[value] as usize] = value as u8;
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
    let mut rest = text;
    let mut at = out;
    while let Some(block) = rest.first_chunk::<BLOCK>() {
        let found = scan::mask::<Percent>(block).trailing_zeros() as usize;
        // SAFETY: what was written is no longer than what was read, so the whole block fits.
        unsafe {
            at.cast::<[u8; BLOCK]>().write_unaligned(block.map(plus_to_space));
            if found >= BLOCK {
                at = at.add(BLOCK);
                rest = &rest[BLOCK..];
                continue;
            }
            at = at.add(found);
            rest = &rest[found..];
            // Escapes often come in a row.
            while let [b'%', ..] = rest {
                let (byte, len) = decode_first(rest);
                at.write(byte);
                at = at.add(1);
                rest = &rest[len..];
            }
        }
    }
    // What is read and what is written keep their distance between two escapes: one index serves both.
    let (mut next, mut skipped) = (0, 0);
    while let Some(&byte) = rest.get(next) {
        let byte = PLAIN[usize::from(byte)];
        if byte == b'%' {
            let (decoded, len) = decode_first(&rest[next..]);
            // SAFETY: as above.
            unsafe { at.add(next - skipped).write(decoded) };
            skipped += len - 1;
            next += len;
            continue;
        }
        // SAFETY: as above.
        unsafe { at.add(next - skipped).write(byte) };
        next += 1;
    }
    // SAFETY: as above.
    at = unsafe { at.add(next - skipped) };
    // SAFETY: both point into the same room.
    unsafe { at.offset_from_unsigned(out) }
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
    if byte == b'+' { b' ' } else { byte }
}

/// What a text that begins with `%` begins with, and how many bytes that takes.
#[inline(always)]
fn decode_first(text: &[u8]) -> (u8, usize) {
    if let [_, high, low, ..] = text {
        let (high, low) = (DIGIT[usize::from(*high)], DIGIT[usize::from(*low)]);
        // 0xff, the mark of no digit, has bits that no digit has.
        if (high | low) < 16 {
            return (high << 4 | low, 3);
        }
    }
    (b'%', 1)
}

/// Appends `text` with its escapes decoded.
pub(super) fn append_unescaped(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len());
    // SAFETY: there is room for the text as it is.
    unsafe {
        let len = unescape(text, out.as_mut_ptr().add(out.len()));
        out.set_len(out.len() + len);
    }
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
        let mut out = Vec::new();
        append_unescaped(&mut out, text);
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
