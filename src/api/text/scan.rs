//! Finding bytes of a set, sixteen at a time.
//!
//! Not a search library: the sets are a handful of ranges known when compiling, and what is looked at
//! is short. Every x86-64 has the instructions used here, so nothing is detected at run time; elsewhere
//! the same masks are made byte by byte.
#![allow(unsafe_code)]

pub(super) const BLOCK: usize = 16;

/// From this length on, blocks are worth their set-up.
pub(super) const LONG: usize = 4 * BLOCK;

/// A set of bytes as ranges, both ends included.
pub(crate) trait Set {
    const RANGES: &'static [(u8, u8)];
    const TABLE: [bool; 256] = table(Self::RANGES);

    #[inline(always)]
    fn has(byte: u8) -> bool {
        // By reference, so that looking up does not copy the table.
        let table: &'static [bool; 256] = const { &Self::TABLE };
        table[usize::from(byte)]
    }
}

pub(super) const fn table(ranges: &[(u8, u8)]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < ranges.len() {
        let mut byte = ranges[i].0 as usize;
        while byte <= ranges[i].1 as usize {
            table[byte] = true;
            byte += 1;
        }
        i += 1;
    }
    table
}

/// All ones where a byte is in the set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn hits<S: Set>(block: &[u8; BLOCK]) -> core::arch::x86_64::__m128i {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_or_si128, _mm_set1_epi8,
        _mm_setzero_si128, _mm_sub_epi8,
    };
    // SAFETY: the block has the 16 bytes that are read, and SSE2 is part of x86-64.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let mut found = _mm_setzero_si128();
        for &(first, last) in S::RANGES {
            let above_first = _mm_sub_epi8(bytes, _mm_set1_epi8(first.cast_signed()));
            let hit = if first == last {
                _mm_cmpeq_epi8(bytes, _mm_set1_epi8(first.cast_signed()))
            } else {
                let width = _mm_set1_epi8((last - first).cast_signed());
                _mm_cmpeq_epi8(_mm_min_epu8(above_first, width), above_first)
            };
            found = _mm_or_si128(found, hit);
        }
        found
    }
}

/// Bit n says whether byte n is in the set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn mask<S: Set>(block: &[u8; BLOCK]) -> u32 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { core::arch::x86_64::_mm_movemask_epi8(hits::<S>(block)).cast_unsigned() }
}

/// How many bytes are in the set.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn count<S: Set>(bytes: &[u8]) -> usize {
    use core::arch::x86_64::{
        _mm_cvtsi128_si64, _mm_sad_epu8, _mm_setzero_si128, _mm_sub_epi8, _mm_unpackhi_epi64,
    };
    let (blocks, rest) =
        if bytes.len() < LONG { (&[][..], bytes) } else { bytes.as_chunks::<BLOCK>() };
    let mut total: usize = rest.iter().map(|byte| usize::from(S::has(*byte))).sum();
    // Each of the 16 sums has room for 255 blocks.
    for blocks in blocks.chunks(255) {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let mut sums = _mm_setzero_si128();
            for block in blocks {
                sums = _mm_sub_epi8(sums, hits::<S>(block));
            }
            let halves = _mm_sad_epu8(sums, _mm_setzero_si128());
            total += _mm_cvtsi128_si64(halves) as usize;
            total += _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves)) as usize;
        }
    }
    total
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn mask<S: Set>(block: &[u8; BLOCK]) -> u32 {
    block.iter().enumerate().fold(0, |mask, (n, byte)| mask | u32::from(S::has(*byte)) << n)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn count<S: Set>(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| S::has(**byte)).count()
}

/// The last, incomplete block, filled up with zeros.
#[inline]
pub(super) fn last_block(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Some5;
    impl Set for Some5 {
        const RANGES: &'static [(u8, u8)] = &[(b'a', b'c'), (0, 0), (0xff, 0xff)];
    }

    #[test]
    fn every_byte_is_judged_as_the_table_says() {
        for byte in 0..=255u8 {
            for n in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[n] = byte;
                assert_eq!(
                    mask::<Some5>(&block),
                    u32::from(Some5::has(byte)) << n,
                    "{byte} at {n}"
                );
            }
        }
    }

    #[test]
    fn counts_beyond_a_byte() {
        assert_eq!(count::<Some5>(&[b'a'; 20_003]), 20_003);
    }

    #[test]
    fn counts_texts_of_any_length() {
        for len in 0..70 {
            let text: Vec<u8> = (0..len).map(|n| b"xa\0yz"[n as usize % 5]).collect();
            let expected = text.iter().filter(|byte| Some5::has(**byte)).count();
            assert_eq!(count::<Some5>(&text), expected, "{len}");
        }
    }
}
