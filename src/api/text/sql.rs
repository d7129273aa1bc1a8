//! Strings as literals of SQL, as MySQL reads them.
#![allow(unsafe_code)]
use super::scan::{self, BLOCK, Set};

/// The bytes that a backslash goes before.
enum Special {}

impl Set for Special {
    const RANGES: &'static [(u8, u8)] =
        &[(0, 0), (8, 10), (b'\r', b'\r'), (26, 26), (b'"', b'"'), (b'\'', b'\''), (b'\\', b'\\')];
}

/// What stands behind the backslash.
const fn letter(byte: u8) -> u8 {
    match byte {
        0 => b'0',
        8 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\r' => b'r',
        26 => b'Z',
        byte => byte,
    }
}

/// `text` as a literal, its quotes included.
pub(super) fn quote(text: &[u8]) -> Vec<u8> {
    let mut literal = Vec::with_capacity(2 * text.len() + 2);
    literal.push(b'\'');
    // SAFETY: even if a backslash goes before every byte there is room.
    unsafe {
        let len = escape(text, literal.as_mut_ptr().add(1));
        literal.set_len(1 + len);
    }
    literal.push(b'\'');
    literal
}

/// # Safety
/// `out` has room for twice the length of `text`.
#[inline]
unsafe fn escape(text: &[u8], out: *mut u8) -> usize {
    let mut rest = text;
    let mut at = out;
    while let Some(block) = rest.first_chunk::<BLOCK>() {
        let found = scan::mask::<Special>(block).trailing_zeros() as usize;
        // SAFETY: the caller's contract; `found` is a byte of the block or, if there is none, at least
        // its length.
        unsafe {
            at.cast::<[u8; BLOCK]>().write_unaligned(*block);
            if found >= BLOCK {
                at = at.add(BLOCK);
                rest = &rest[BLOCK..];
            } else {
                at = put_escaped(at.add(found), block[found]);
                rest = &rest[found + 1..];
            }
        }
    }
    for byte in rest {
        // SAFETY: as above, byte by byte.
        unsafe {
            if Special::has(*byte) {
                at = put_escaped(at, *byte);
            } else {
                at.write(*byte);
                at = at.add(1);
            }
        }
    }
    // SAFETY: both point into the same room.
    unsafe { at.offset_from_unsigned(out) }
}

/// # Safety
/// `at` has room for two bytes.
#[inline(always)]
unsafe fn put_escaped(at: *mut u8, byte: u8) -> *mut u8 {
    // SAFETY: the caller's contract.
    unsafe {
        at.cast::<[u8; 2]>().write([b'\\', letter(byte)]);
        at.add(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (text, literal) in [
            ("", "''"),
            ("plain \u{e9}", "'plain \u{e9}'"),
            ("\0\u{8}\t\n\r\u{1a}\\'\"", r#"'\0\b\t\n\r\Z\\\'\"'"#),
            ("0123456789abcdef'0123456789abcdef", r"'0123456789abcdef\'0123456789abcdef'"),
            ("\u{b}\u{c}", "'\u{b}\u{c}'"),
        ] {
            assert_eq!(String::from_utf8(quote(text.as_bytes())).unwrap(), literal);
        }
        let quotes = [b'\''; 1000];
        assert_eq!(quote(&quotes).len(), 2002);
    }
}
