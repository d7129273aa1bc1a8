//! The pattern of `receiveuntil`: where it stands in what has been received, and how much of it may have
//! begun at the end.
//!
//! It knows nothing of sockets and keeps no state of a search: what may be the beginning of the pattern
//! stays in the socket's buffer until it is known.
use core::cell::{Cell, OnceCell};

use memchr::memmem::Finder;

use crate::scan::{BLOCK, find_ends};

/// Patterns up to this length are looked for by their first and last bytes.
const SHORT: usize = 8;

/// So far; beyond that by their first bytes alone, many places at a time.
const NEAR: usize = 16 * BLOCK;

pub(crate) struct Pattern {
    bytes: Box<[u8]>,
    /// What is read includes the pattern.
    pub(crate) inclusive: bool,
    /// The last piece ended with the pattern.
    pub(crate) ended: Cell<bool>,
    finder: OnceCell<Finder<'static>>,
    /// For each proper prefix, the longest shorter prefix that it ends with.
    fallbacks: OnceCell<Box<[u32]>>,
}

/// Where a reading in pieces stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes are no part of the pattern, and enough for a piece.
    Full(usize),
    /// The pattern begins here.
    Match(usize),
    /// Neither yet.
    More,
}

impl Pattern {
    /// `bytes` is not empty.
    pub(crate) fn new(bytes: &[u8], inclusive: bool) -> Self {
        Self {
            bytes: bytes.into(),
            inclusive,
            ended: Cell::new(false),
            finder: OnceCell::new(),
            fallbacks: OnceCell::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the pattern stands first in `data`, of which the first `known` bytes have been searched.
    #[inline]
    pub(crate) fn find(&self, data: &[u8], known: usize) -> Option<usize> {
        let last = self.len() - 1;
        let from = known.saturating_sub(last);
        let rest = &data[from..];
        let found = match last {
            0 => memchr::memchr(self.bytes[0], rest),
            1..SHORT => self.find_short(rest, last),
            _ => self.finder().find(rest),
        };
        found.map(|at| from + at)
    }

    /// Most that is read up to a short pattern is short as well.
    #[inline(always)]
    fn find_short(&self, data: &[u8], last: usize) -> Option<usize> {
        let near = &data[..data.len().min(NEAR)];
        let is_all = |at: usize| last == 1 || near[at..].starts_with(&self.bytes);
        match find_ends(near, self.bytes[0], self.bytes[last], last, is_all) {
            Ok(at) => Some(at),
            Err(rest) => self.find_by_first(data, rest),
        }
    }

    #[inline(never)]
    fn find_by_first(&self, data: &[u8], from: usize) -> Option<usize> {
        let end = data.len().checked_sub(self.len() - 1)?;
        let starts = memchr::memchr_iter(self.bytes[0], data.get(from..end)?);
        starts.map(|at| from + at).find(|at| data[*at..].starts_with(&self.bytes))
    }

    #[cold]
    fn finder(&self) -> &Finder<'static> {
        self.finder.get_or_init(|| Finder::new(&self.bytes).into_owned())
    }

    /// How many bytes at the end of `data`, which does not hold the pattern, may be its beginning.
    pub(crate) fn begun(&self, data: &[u8]) -> usize {
        let tail = &data[data.len().saturating_sub(self.len() - 1)..];
        let begins = |at: &usize| self.bytes.starts_with(&tail[*at..]);
        let at = memchr::memchr_iter(self.bytes[0], tail).find(begins);
        at.map_or(0, |at| tail.len() - at)
    }

    /// Reads `data` up to where at least `size` bytes are known to be no part of the pattern. It is
    /// always the same piece, however the data comes.
    pub(crate) fn piece(&self, data: &[u8], size: usize) -> Piece {
        let fallbacks = self.fallbacks();
        let mut state = 0;
        let mut at = 0;
        while let Some(byte) = data.get(at) {
            if *byte == self.bytes[state] {
                at += 1;
                state += 1;
                if state == self.len() {
                    return Piece::Match(at - state);
                }
                continue;
            }
            if state == 0 {
                let limit = data.len().min(size);
                at = memchr::memchr(self.bytes[0], &data[at..limit]).map_or(limit, |n| at + n);
                if at >= size {
                    return Piece::Full(at);
                }
                continue;
            }
            state = self.fall(fallbacks, state, *byte);
            // Reference: a piece grows beyond its size where a whole beginning turns out to be none.
            let known = if state == 0 { at } else { at + 1 - state };
            if state > 0 {
                at += 1;
            }
            if known >= size {
                return Piece::Full(known);
            }
        }
        Piece::More
    }

    /// The state after `byte`, which does not go on from `state`; 0 means that it is still to be looked
    /// at.
    fn fall(&self, fallbacks: &[u32], state: usize, byte: u8) -> usize {
        let mut state = state;
        while state > 0 {
            state = fallbacks[state - 1] as usize;
            if state > 0 && self.bytes[state] == byte {
                return state + 1;
            }
        }
        0
    }

    fn fallbacks(&self) -> &[u32] {
        self.fallbacks.get_or_init(|| {
            let mut table = vec![0u32; self.len()];
            let mut state = 0usize;
            for i in 1..self.len() {
                while state > 0 && self.bytes[i] != self.bytes[state] {
                    state = table[state - 1] as usize;
                }
                state += usize::from(self.bytes[i] == self.bytes[state]);
                table[i] = state as u32;
            }
            table.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_wherever_they_stand() {
        for (pattern, data, at) in [
            ("a", "bca", Some(2)),
            ("aa", "abcabcaad", Some(6)),
            ("abcabd", "abcabcabd", Some(3)),
            ("--abc", "hello---abc", Some(6)),
            ("0123456789abc", "00123456789abd0123456789abc", Some(14)),
            ("aaa", "aabaab", None),
        ] {
            let pattern = Pattern::new(pattern.as_bytes(), false);
            for known in 0..at.unwrap_or(data.len()) {
                assert_eq!(pattern.find(data.as_bytes(), known), at, "{data}");
            }
        }
    }

    #[test]
    fn patterns_are_found_near_and_far() {
        for pattern in ["\r\n", "abc", "aab", "abcdefgh", "abcdefghi", "x"] {
            for at in (0..600).step_by(7).chain([15, 16, 17, 254, 255, 256, 257]) {
                let mut data = "a".repeat(at).into_bytes();
                data.extend_from_slice(b"b\rxa");
                let pattern = Pattern::new(pattern.as_bytes(), false);
                let first = data.windows(pattern.len()).position(|part| *part == *pattern.bytes);
                assert_eq!(pattern.find(&data, 0), first);
                data.extend_from_slice(&pattern.bytes);
                let first = data.windows(pattern.len()).position(|part| *part == *pattern.bytes);
                for rest in 0..40 {
                    data.truncate(at + 4 + pattern.len());
                    data.resize(at + 4 + pattern.len() + rest, b'a');
                    assert_eq!(pattern.find(&data, 0), first, "{at} {rest}");
                }
            }
        }
    }

    #[test]
    fn the_beginning_of_a_pattern_is_kept() {
        for (pattern, data, begun) in
            [("abcabd", "xxabcab", 5), ("aaa", "baa", 2), ("\r\n", "x\r", 1), ("ab", "xb", 0)]
        {
            assert_eq!(Pattern::new(pattern.as_bytes(), false).begun(data.as_bytes()), begun);
        }
    }

    #[test]
    fn pieces_do_not_depend_on_how_data_comes() {
        let read = |pattern: &str, data: &str, size: usize| {
            let pattern = Pattern::new(pattern.as_bytes(), false);
            let whole = pattern.piece(data.as_bytes(), size);
            let grown = (0..=data.len())
                .map(|n| pattern.piece(&data.as_bytes()[..n], size))
                .find(|piece| *piece != Piece::More);
            assert_eq!(grown.unwrap_or(Piece::More), whole, "{data}");
            whole
        };
        assert_eq!(read("--abc", "hello, world--abc", 5), Piece::Full(5));
        assert_eq!(read("--abc", "hell--abc", 5), Piece::Match(4));
        assert_eq!(read("abcabd", "abcabcabd", 2), Piece::Full(3));
        assert_eq!(read("abcx", "abcabcx", 1), Piece::Full(3));
        assert_eq!(read("abcabd", "abcab", 2), Piece::More);
        assert_eq!(read("aaab", "aaaab", 1), Piece::Full(1));
        assert_eq!(read("b", "aaaaa", 9), Piece::More);
    }
}
