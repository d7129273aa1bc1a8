//! Strings as literals of SQL, as MySQL reads them.
#![allow(unsafe_code)]
use super::rewrite::{Piece, Rewrite, pieces, rewrite};
use crate::scan::Set;

/// The bytes that a backslash goes before.
enum Special {}

impl Set for Special {
    const RANGES: &'static [(u8, u8)] =
        &[(0, 0), (8, 10), (b'\r', b'\r'), (26, 26), (b'"', b'"'), (b'\'', b'\''), (b'\\', b'\\')];
}

impl Rewrite for Special {
    const PIECES: [Piece; 256] = {
        let mut escapes = [[0; 4]; 256];
        let mut byte = 0;
        while byte < 256 {
            escapes[byte] = [b'\\', letter(byte as u8), 0, 2];
            byte += 1;
        }
        pieces(Self::RANGES, &escapes)
    };
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
        let len = rewrite::<Special>(text, literal.as_mut_ptr().add(1));
        literal.set_len(1 + len);
    }
    literal.push(b'\'');
    literal
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
