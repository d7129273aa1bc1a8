//! Finding bytes of a set, sixteen at a time.
//!
//! Not a search library: the sets are known when compiling, and what is looked at is short. Small sets
//! need nothing but what every x86-64 has. Large ones are looked up by nibbles, which takes SSSE3: where
//! it is missing, and on other processors, a table does it byte by byte.
#![allow(unsafe_code)]

pub(crate) const BLOCK: usize = 16;

/// A set of bytes as ranges, both ends included.
pub(crate) trait Set {
    const RANGES: &'static [(u8, u8)];
    const TABLE: [bool; 256] = table(Self::RANGES);
    const NIBBLES: Nibbles = Nibbles::of(&Self::TABLE);

    #[inline(always)]
    fn has(byte: u8) -> bool {
        // By reference, so that looking up does not copy the table.
        let table: &'static [bool; 256] = const { &Self::TABLE };
        table[usize::from(byte)]
    }
}

pub(crate) const fn table(ranges: &[(u8, u8)]) -> [bool; 256] {
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

/// A set of which all or no bytes above ASCII are: `low[n]` has bit h for the byte 0xhn if that is, other
/// than the bytes above ASCII, in the set or not.
pub(crate) struct Nibbles {
    low: [u8; 16],
    above_ascii: bool,
}

impl Nibbles {
    const fn of(table: &[bool; 256]) -> Self {
        let above_ascii = table[128];
        let mut low = [0; 16];
        let mut byte = 0;
        while byte < 128 {
            if table[byte] != above_ascii {
                low[byte & 15] |= 1 << (byte >> 4);
            }
            byte += 1;
        }
        Self { low, above_ascii }
    }
}

/// Bit n says whether byte n is in the set, which is a small one.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn mask<S: Set>(block: &[u8; BLOCK]) -> u32 {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_setzero_si128, _mm_sub_epi8,
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
        _mm_movemask_epi8(found).cast_unsigned()
    }
}

/// The first place that is accepted of those where `first` stands, and `last` so many bytes behind it; or the place up to
/// which there is none, some bytes before the end.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn find_ends(
    data: &[u8],
    first: u8,
    last: u8,
    distance: usize,
    accept: impl Fn(usize) -> bool,
) -> Result<usize, usize> {
    use core::arch::x86_64::{
        _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
    };
    let mut at = 0;
    // SAFETY: both blocks lie within `data`, and SSE2 is part of x86-64.
    unsafe {
        let (first, last) = (_mm_set1_epi8(first.cast_signed()), _mm_set1_epi8(last.cast_signed()));
        while at + distance + BLOCK <= data.len() {
            let front = data.as_ptr().add(at);
            let hit = _mm_and_si128(
                _mm_cmpeq_epi8(_mm_loadu_si128(front.cast()), first),
                _mm_cmpeq_epi8(_mm_loadu_si128(front.add(distance).cast()), last),
            );
            let mut found = _mm_movemask_epi8(hit).cast_unsigned();
            while found != 0 {
                let place = at + found.trailing_zeros() as usize;
                if accept(place) {
                    return Ok(place);
                }
                found &= found - 1;
            }
            at += BLOCK;
        }
    }
    Err(at)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn find_ends(
    data: &[u8],
    first: u8,
    last: u8,
    distance: usize,
    accept: impl Fn(usize) -> bool,
) -> Result<usize, usize> {
    let end = data.len().saturating_sub(distance);
    let hits = |at: &usize| data[*at] == first && data[*at + distance] == last && accept(*at);
    (0..end).find(hits).ok_or(end)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn mask<S: Set>(block: &[u8; BLOCK]) -> u32 {
    block.iter().enumerate().fold(0, |mask, (n, byte)| mask | u32::from(S::has(*byte)) << n)
}

/// How many bytes are in the set.
#[inline]
pub(crate) fn count<S: Set>(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= BLOCK && has_ssse3() {
        // SAFETY: SSSE3 is there.
        return unsafe { ssse3::count::<S>(bytes) };
    }
    count_by_table::<S>(bytes)
}

#[inline(always)]
fn count_by_table<S: Set>(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(S::has(*byte))).sum()
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_ssse3() -> bool {
    std::arch::is_x86_feature_detected!("ssse3")
}

/// What works with SSSE3 only.
#[cfg(target_arch = "x86_64")]
pub(crate) mod ssse3 {
    use super::{BLOCK, Nibbles, Set, count_by_table};
    use core::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_loadu_si128,
        _mm_movemask_epi8, _mm_sad_epu8, _mm_set1_epi8, _mm_setr_epi8, _mm_setzero_si128,
        _mm_shuffle_epi8, _mm_srli_epi16, _mm_sub_epi8, _mm_unpackhi_epi64,
    };

    /// All ones where a byte counts with the bytes above ASCII.
    #[inline]
    #[target_feature(enable = "ssse3")]
    fn as_above_ascii<S: Set>(block: &[u8; BLOCK]) -> __m128i {
        let nibbles: &'static Nibbles = const { &S::NIBBLES };
        let bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
        // SAFETY: both have the 16 bytes that are read.
        let (bytes, low) = unsafe {
            (_mm_loadu_si128(block.as_ptr().cast()), _mm_loadu_si128(nibbles.low.as_ptr().cast()))
        };
        let high = _mm_and_si128(_mm_srli_epi16::<4>(bytes), _mm_set1_epi8(15));
        let rows = _mm_shuffle_epi8(bits, high);
        // A byte above ASCII finds 0 here, whatever its low nibble.
        let columns = _mm_shuffle_epi8(low, bytes);
        _mm_cmpeq_epi8(_mm_and_si128(rows, columns), _mm_setzero_si128())
    }

    /// Bit n says whether byte n is in the set.
    #[inline]
    #[target_feature(enable = "ssse3")]
    pub(crate) fn mask<S: Set>(block: &[u8; BLOCK]) -> u32 {
        let mask = _mm_movemask_epi8(as_above_ascii::<S>(block)).cast_unsigned();
        if S::NIBBLES.above_ascii { mask } else { mask ^ 0xffff }
    }

    /// Any 16 bytes of it in a row keep the last ones of a block.
    static LAST: [u8; 2 * BLOCK] = {
        let mut last = [0; 2 * BLOCK];
        let mut i = BLOCK;
        while i < 2 * BLOCK {
            last[i] = 0xff;
            i += 1;
        }
        last
    };

    /// `bytes` is a block at least.
    #[target_feature(enable = "ssse3")]
    pub(crate) fn count<S: Set>(bytes: &[u8]) -> usize {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let Some(last) = bytes.last_chunk() else { return count_by_table::<S>(bytes) };
        let mut total = 0;
        // What is no whole block lies at the end of the last one.
        let keep = LAST[rest.len()..].first_chunk::<BLOCK>().unwrap_or(&[0; BLOCK]);
        // SAFETY: it has the 16 bytes that are read.
        let keep = unsafe { _mm_loadu_si128(keep.as_ptr().cast()) };
        let mut sums =
            _mm_sub_epi8(_mm_setzero_si128(), _mm_and_si128(as_above_ascii::<S>(last), keep));
        // Each of the 16 sums has room for 255 blocks.
        for blocks in blocks.chunks(254) {
            for block in blocks {
                sums = _mm_sub_epi8(sums, as_above_ascii::<S>(block));
            }
            let halves = _mm_sad_epu8(sums, _mm_setzero_si128());
            total += _mm_cvtsi128_si64(halves) as usize;
            total += _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves)) as usize;
            sums = _mm_setzero_si128();
        }
        if S::NIBBLES.above_ascii { total } else { bytes.len() - total }
    }
}

/// The last, incomplete block, filled up with zeros.
#[inline]
pub(crate) fn last_block(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Some5 {}
    impl Set for Some5 {
        const RANGES: &'static [(u8, u8)] = &[(b'a', b'c'), (0, 0), (0x80, 0xff)];
    }
    enum Some3 {}
    impl Set for Some3 {
        const RANGES: &'static [(u8, u8)] = &[(b'&', b'\''), (0x7f, 0x7f)];
    }

    fn masks_are_those_of_the_table<S: Set>() {
        for byte in 0..=255u8 {
            for n in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[n] = byte;
                let expected = u32::from(S::has(byte)) << n;
                assert_eq!(mask::<S>(&block), expected, "{byte} at {n}");
                #[cfg(target_arch = "x86_64")]
                if has_ssse3() {
                    // SAFETY: SSSE3 is there.
                    assert_eq!(unsafe { ssse3::mask::<S>(&block) }, expected, "{byte} at {n}");
                }
            }
        }
    }

    #[test]
    fn every_byte_is_judged_as_the_table_says() {
        masks_are_those_of_the_table::<Some5>();
        masks_are_those_of_the_table::<Some3>();
    }

    #[test]
    fn counts_texts_of_any_length() {
        for len in 0..70 {
            let text: Vec<u8> = (0..len).map(|n| b"xa\0&\xe9"[n as usize % 5]).collect();
            assert_eq!(count::<Some5>(&text), count_by_table::<Some5>(&text), "{len}");
            assert_eq!(count::<Some3>(&text), count_by_table::<Some3>(&text), "{len}");
        }
        assert_eq!(count::<Some5>(&[b'a'; 20_003]), 20_003);
        assert_eq!(count::<Some3>(&[b'a'; 20_003]), 0);
    }
}
