//! Base64 as nginx reads and writes it.
//!
//! The bulk is the crate's work; what is nginx's own is here: everything from the first `=` on is
//! ignored, padding may be missing, and unused bits of the last character may be set.
#![allow(unsafe_code)]
use base64_simd::{Out, STANDARD, STANDARD_NO_PAD};

/// Text that is no base64.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// 6 bits by character; `NO_DIGIT` for what is none.
const DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 64 {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

/// The length of `len` bytes encoded with padding.
#[cfg(test)]
pub(super) const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// # Safety
/// `out` has room for `len` bytes.
#[inline]
unsafe fn room<'a>(out: *mut u8, len: usize) -> Out<'a, [u8]> {
    // SAFETY: the caller's contract; bytes need no alignment.
    unsafe { Out::new(core::ptr::slice_from_raw_parts_mut(out, len)) }
}

/// Writes `data` encoded, and returns the length.
///
/// # Safety
/// `out` has room for it: `encoded_len(data.len())`, less the padding if there is to be none.
#[inline]
pub(super) unsafe fn encode(data: &[u8], out: *mut u8, padded: bool) -> usize {
    let encoding = if padded { STANDARD } else { STANDARD_NO_PAD };
    // SAFETY: the caller's contract.
    let out = unsafe { room(out, encoding.encoded_length(data.len())) };
    encoding.encode(data, out).len()
}

/// Writes what `text` encodes, and returns the length.
///
/// # Safety
/// `out` has room for three bytes for each four of `text`, begun ones included.
#[inline]
pub(super) unsafe fn decode(text: &[u8], out: *mut u8) -> Result<usize, Malformed> {
    let mut end = text.len();
    while end > 0 && text[end - 1] == b'=' {
        end -= 1;
    }
    // SAFETY: the caller's contract, here and below.
    let result = unsafe { decode_unpadded(&text[..end], out) };
    if result.is_ok() {
        return result;
    }
    // Is there an `=` further to the front?
    match text[..end].iter().position(|byte| *byte == b'=') {
        // SAFETY: as above.
        Some(end) => unsafe { decode_unpadded(&text[..end], out) },
        None => result,
    }
}

/// # Safety
/// As for [`decode`].
#[inline]
unsafe fn decode_unpadded(text: &[u8], out: *mut u8) -> Result<usize, Malformed> {
    let (groups, last) = text.split_at(text.len() & !3);
    if last.len() == 1 {
        return Err(Malformed);
    }
    let len = groups.len() / 4 * 3;
    // SAFETY: the caller's contract.
    STANDARD_NO_PAD.decode(groups, unsafe { room(out, len) }).map_err(|_| Malformed)?;
    let mut bits = 0u32;
    for (n, byte) in last.iter().enumerate() {
        let digit = DIGITS[usize::from(*byte)];
        if digit == NO_DIGIT {
            return Err(Malformed);
        }
        bits |= u32::from(digit) << (26 - 6 * n);
    }
    let rest = last.len().saturating_sub(1);
    for (n, byte) in bits.to_be_bytes().iter().take(rest).enumerate() {
        // SAFETY: there is room for three bytes of the begun group.
        unsafe { out.add(len + n).write(*byte) };
    }
    Ok(len + rest)
}

/// Writes what `text` encodes after RFC 2045, which skips all bytes outside of the alphabet, and
/// returns the length.
///
/// # Safety
/// As for [`decode`].
pub(super) unsafe fn decode_mime(text: &[u8], out: *mut u8) -> Result<usize, Malformed> {
    let (mut bits, mut digits) = (0u32, 0);
    let mut at = out;
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let digit = DIGITS[usize::from(*byte)];
        if digit == NO_DIGIT {
            continue;
        }
        bits = bits << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            let [_, group @ ..] = bits.to_be_bytes();
            // SAFETY: the caller's contract.
            unsafe {
                at.cast::<[u8; 3]>().write(group);
                at = at.add(3);
            }
            (bits, digits) = (0, 0);
        }
    }
    if digits == 1 {
        return Err(Malformed);
    }
    let rest = bits << (32 - 6 * digits.max(1));
    for byte in rest.to_be_bytes().iter().take(if digits == 0 { 0 } else { digits as usize - 1 }) {
        // SAFETY: as above.
        unsafe {
            at.write(*byte);
            at = at.add(1);
        }
    }
    // SAFETY: both point into the same room.
    Ok(unsafe { at.offset_from_unsigned(out) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(
        decode: unsafe fn(&[u8], *mut u8) -> Result<usize, Malformed>,
        text: &[u8],
    ) -> Result<Vec<u8>, Malformed> {
        let mut out = vec![0xee; text.len().div_ceil(4) * 3 + 1];
        // SAFETY: the room is that of the contract.
        let len = unsafe { decode(text, out.as_mut_ptr()) }?;
        assert_eq!(out.last(), Some(&0xee));
        out.truncate(len);
        Ok(out)
    }

    fn encoded(data: &[u8], padded: bool) -> String {
        let mut out = vec![0; encoded_len(data.len())];
        // SAFETY: the room is that of the contract.
        let len = unsafe { encode(data, out.as_mut_ptr(), padded) };
        out.truncate(len);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn encodes_with_and_without_padding() {
        for (data, padded, bare) in [
            ("", "", ""),
            ("f", "Zg==", "Zg"),
            ("fo", "Zm8=", "Zm8"),
            ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"),
        ] {
            assert_eq!(encoded(data.as_bytes(), true), padded);
            assert_eq!(encoded(data.as_bytes(), false), bare);
        }
        assert_eq!(encoded(&[0xff, 0xef, 0xbe], true), "/+++");
    }

    #[test]
    fn decodes_what_nginx_decodes() {
        for (text, data) in [
            ("", Ok("")),
            ("Zg==", Ok("f")),
            ("Zg", Ok("f")),
            ("Zg=", Ok("f")),
            ("Zm9vYg======", Ok("foob")),
            ("Zg==Zg==", Ok("f")),
            ("Zm8=$$", Ok("fo")),
            ("=Zm8", Ok("")),
            ("===", Ok("")),
            // Bits that belong to no byte.
            ("Zh==", Ok("f")),
            ("Zm9", Ok("fo")),
            ("Z", Err(Malformed)),
            ("Zm9vY===", Err(Malformed)),
            ("Zm9v-_", Err(Malformed)),
            ("Zm 9", Err(Malformed)),
            ("Zm9\0", Err(Malformed)),
            ("Zg==\n", Ok("f")),
            ("Zm9v\n", Err(Malformed)),
        ] {
            let data = data.map(|data: &str| data.as_bytes().to_vec());
            assert_eq!(decoded(decode, text.as_bytes()), data, "{text}");
        }
    }

    #[test]
    fn mime_skips_what_is_no_digit() {
        for (text, data) in [
            ("Zm9v\r\nYmFy", Ok("foobar")),
            ("Z-m_9 v\0", Ok("foo")),
            ("Z m 9 v Y g = = Z", Ok("foob")),
            ("$", Ok("")),
            ("Zm9vY", Err(Malformed)),
            (" Z ", Err(Malformed)),
            ("Zm9", Ok("fo")),
        ] {
            let data = data.map(|data: &str| data.as_bytes().to_vec());
            assert_eq!(decoded(decode_mime, text.as_bytes()), data, "{text}");
        }
    }

    #[test]
    fn what_was_encoded_comes_back() {
        let data: Vec<u8> = (0..1000u32).map(|n| ((n * 7919) >> 3) as u8).collect();
        for len in 0..300 {
            let data = &data[len..2 * len];
            for padded in [true, false] {
                let text = encoded(data, padded);
                assert_eq!(decoded(decode, text.as_bytes()).as_deref(), Ok(data), "{len}");
                assert_eq!(decoded(decode_mime, text.as_bytes()).as_deref(), Ok(data), "{len}");
            }
        }
    }
}
