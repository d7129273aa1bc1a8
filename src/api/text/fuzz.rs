//! Random texts: what works on blocks must agree with the plainest way to do the same.
#![allow(unsafe_code)]
use std::collections::BTreeMap;

use super::args::{self, Padding, Pairs};
use super::base64::{self, Malformed};
use super::escape::{self, with_escape_type};
use super::sql;
use crate::fuzz::{Random, rounds};
use crate::vm::Vm;

const SPECIAL: &[u8] = b"%%%%&&==+ \0\x7f\xff/?#;:'\"\\\n\r2f4A";

fn text(random: &mut Random) -> Vec<u8> {
    random.bytes(200, SPECIAL)
}

fn plain_unescape(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    out
}

#[test]
fn unescaping_agrees() {
    rounds(|random| {
        let text = text(random);
        let mut out = vec![0xee; text.len() + 1];
        // SAFETY: there is room for the text.
        let len = unsafe { escape::unescape(&text, out.as_mut_ptr()) };
        assert_eq!(out[text.len()], 0xee, "{text:?}");
        assert_eq!(out[..len], plain_unescape(&text), "{text:?}");
    });
}

fn escape_as(kind: i32, text: &[u8]) -> Vec<u8> {
    with_escape_type!(kind, S => {
        let len = escape::escaped_len::<S>(text);
        // Whole blocks are written while that much of the text is left.
        let mut out = vec![0xee; len + 1];
        // SAFETY: there is the room that was asked for.
        let written = unsafe { escape::escape::<S>(text, out.as_mut_ptr()) };
        assert_eq!((written, out[len]), (len, 0xee), "{text:?}");
        out.truncate(len);
        out
    })
}

#[test]
fn escaping_does_to_a_text_what_it_does_to_each_byte() {
    rounds(|random| {
        let (kind, text) = (random.below(8) as i32, text(random));
        let escaped = escape_as(kind, &text);
        let bytes: Vec<u8> = text.iter().flat_map(|b| escape_as(kind, &[*b])).collect();
        assert_eq!(escaped, bytes, "{kind} {text:?}");
        if kind == 2 {
            assert_eq!(plain_unescape(&escaped), text);
        }
    });
}

type Decoded = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn plain_pairs(query: &[u8], max: usize) -> (Decoded, bool) {
    let parts: Vec<&[u8]> = query.split(|b| *b == b'&').collect();
    let read = if max > 0 { max.min(parts.len()) } else { parts.len() };
    let pairs = parts[..read].iter().filter_map(|part| {
        let equals = part.iter().position(|b| *b == b'=');
        let key = plain_unescape(&part[..equals.unwrap_or(part.len())]);
        let value = equals.map(|at| plain_unescape(&part[at + 1..]));
        (!key.is_empty()).then_some((key, value))
    });
    (pairs.collect(), read < parts.len())
}

fn pairs(query: &[u8], max: usize) -> (Decoded, bool) {
    let mut scratch = Vec::new();
    let mut padding = Padding::default();
    let mut pairs = Pairs::of(query, max, &mut padding);
    let mut decoded = Vec::new();
    for (key, value) in pairs.by_ref() {
        let key = key.decoded(&mut scratch).to_vec();
        decoded.push((key, value.map(|value| value.decoded(&mut scratch).to_vec())));
    }
    (decoded, pairs.truncated())
}

#[test]
fn query_strings_agree() {
    rounds(|random| {
        let (query, max) = (text(random), random.below(6));
        assert_eq!(pairs(&query, max), plain_pairs(&query, max), "{max} {query:?}");
    });
}

fn by_key(pairs: Decoded) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
    let mut map = BTreeMap::<_, Vec<_>>::new();
    for (key, value) in pairs {
        map.entry(key).or_default().push(value);
    }
    map
}

#[test]
fn a_table_of_arguments_says_what_the_query_string_said() {
    let vm = Vm::new().unwrap();
    let stack = vm.stack();
    rounds(|random| {
        let query = text(random);
        args::push_table(stack, &query, 0);
        let encoded = args::encode_table(stack, 1).unwrap();
        stack.set_top(0);
        let (before, after) = (pairs(&query, 0).0, pairs(&encoded, 0).0);
        assert_eq!(by_key(before), by_key(after), "{query:?} {encoded:?}");
    });
    vm.close();
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What the digits say, unused bits left out.
fn plain_digits(digits: &[usize]) -> Vec<u8> {
    let bits: Vec<bool> =
        digits.iter().flat_map(|d| (0..6).rev().map(move |i| d >> i & 1 == 1)).collect();
    bits.chunks_exact(8).map(|b| b.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

fn plain_decode(text: &[u8], skips: bool) -> Result<Vec<u8>, Malformed> {
    let cut = text.split(|b| *b == b'=').next().unwrap_or_default();
    let digit = |b: &u8| ALPHABET.iter().position(|a| a == b);
    let mut digits: Vec<usize> = cut.iter().filter_map(digit).collect();
    if !skips && (digits.len() < cut.len() || cut.len() % 4 == 1) {
        return Err(Malformed);
    }
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    Ok(plain_digits(&digits))
}

fn run_decoder(
    decode: unsafe fn(&[u8], *mut u8) -> Result<usize, Malformed>,
    text: &[u8],
) -> Result<Vec<u8>, Malformed> {
    let room = text.len().div_ceil(4) * 3;
    let mut out = vec![0xee; room + 1];
    // SAFETY: the room of the contract.
    let len = unsafe { decode(text, out.as_mut_ptr()) };
    assert_eq!(out[room], 0xee, "{text:?}");
    out.truncate(len?);
    Ok(out)
}

#[test]
fn base64_agrees() {
    rounds(|random| {
        let data = random.bytes(300, SPECIAL);
        for padded in [true, false] {
            let mut out = vec![0; base64::encoded_len(data.len())];
            // SAFETY: the room is that of padded text.
            let len = unsafe { base64::encode(&data, out.as_mut_ptr(), padded) };
            out.truncate(len);
            assert_eq!(run_decoder(base64::decode, &out).as_ref(), Ok(&data));
            // One change, which may make it something else, or nothing.
            if !out.is_empty() {
                let at = random.below(out.len());
                out[at] = random.pick(b"A/=-_\n\0\xff");
            }
            assert_eq!(run_decoder(base64::decode, &out), plain_decode(&out, false), "{out:?}");
        }
    });
}

#[test]
fn base64mime_skips_what_is_none() {
    rounds(|random| {
        let mut text = random.bytes(100, b"ABab01+/=-_ \r\n\0\xff");
        text.retain(|b| *b != b'=' || random.below(8) == 0);
        let decoded = run_decoder(base64::decode_mime, &text);
        let plain = plain_decode(&text, true);
        // A lone last digit is an error, or nothing.
        assert!(decoded == plain || decoded == Err(Malformed), "{text:?} {decoded:?} {plain:?}");
    });
}

#[test]
fn sql_literals_agree() {
    rounds(|random| {
        let text = text(random);
        let inner = |text: &[u8]| {
            let literal = sql::quote(text);
            literal[1..literal.len() - 1].to_vec()
        };
        let bytes: Vec<u8> = text.iter().flat_map(|b| inner(&[*b])).collect();
        assert_eq!(inner(&text), bytes, "{text:?}");
    });
}
