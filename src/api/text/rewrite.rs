//! Copying text in which some bytes become two or three: percent-escapes, backslashes.
//!
//! Short text goes through a table byte by byte. Of long text most bytes stay what they are: whole blocks
//! are copied and then mended.
#![allow(unsafe_code)]
use crate::scan::{self, BLOCK, Set};

/// What a byte becomes: its first bytes, as many as the last one says.
pub(super) type Piece = [u8; 4];

/// A set of bytes with what they become.
pub(crate) trait Rewrite: Set {
    /// What a byte of the set becomes.
    const PIECES: [Piece; 256];

    #[inline(always)]
    fn piece(byte: u8) -> Piece {
        // By reference, so that looking up does not copy the table.
        let pieces: &'static [Piece; 256] = const { &Self::PIECES };
        pieces[usize::from(byte)]
    }
}

/// The table in which the bytes of `ranges` become the `escape` of themselves.
pub(super) const fn pieces(ranges: &[(u8, u8)], escapes: &[Piece; 256]) -> [Piece; 256] {
    let in_set = scan::table(ranges);
    let mut pieces = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        pieces[byte] = if in_set[byte] { escapes[byte] } else { [byte as u8, 0, 0, 1] };
        byte += 1;
    }
    pieces
}

/// Writes `text` as `S` has it, and returns the length.
///
/// # Safety
/// `out` has room for exactly that length.
#[inline]
pub(super) unsafe fn rewrite<S: Rewrite>(text: &[u8], out: *mut u8) -> usize {
    // SAFETY: the caller's contract.
    let (mut rest, mut at) = unsafe { rewrite_long::<S>(text, out) };
    // What is left never becomes shorter, so a whole piece fits while four bytes are left.
    while let [a, b, c, d, _, _, _, ..] = *rest {
        // SAFETY: as said.
        unsafe {
            at = put_piece(at, S::piece(a));
            at = put_piece(at, S::piece(b));
            at = put_piece(at, S::piece(c));
            at = put_piece(at, S::piece(d));
        }
        rest = &rest[4..];
    }
    while let [byte, _, _, _, ..] = *rest {
        // SAFETY: as said.
        at = unsafe { put_piece(at, S::piece(byte)) };
        rest = &rest[1..];
    }
    for byte in rest {
        let piece = S::piece(*byte);
        // SAFETY: nothing is written but what the byte becomes: one, two or three bytes.
        unsafe {
            at.write(piece[0]);
            if piece[3] > 1 {
                at.add(1).write(piece[1]);
            }
            if piece[3] > 2 {
                at.add(2).write(piece[2]);
            }
            at = at.add(usize::from(piece[3]));
        }
    }
    // SAFETY: both point into the same room.
    unsafe { at.offset_from_unsigned(out) }
}

/// How many bytes behind the text [`rewrite_roomy`] may write.
pub(super) const MARGIN: usize = 3;

/// As [`rewrite`], where there is room for [`MARGIN`] bytes more.
///
/// # Safety
/// `out` has that room.
#[inline]
pub(super) unsafe fn rewrite_roomy<S: Rewrite>(text: &[u8], out: *mut u8) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let (rest, mut at) = rewrite_long::<S>(text, out);
        for byte in rest {
            at = put_piece(at, S::piece(*byte));
        }
        at.offset_from_unsigned(out)
    }
}

/// Rewrites what can be done by blocks, and returns what is left to do, and where.
///
/// # Safety
/// As for [`rewrite`].
#[inline(always)]
unsafe fn rewrite_long<S: Rewrite>(text: &[u8], out: *mut u8) -> (&[u8], *mut u8) {
    #[cfg(target_arch = "x86_64")]
    if text.len() >= 2 * BLOCK && scan::has_ssse3() {
        // SAFETY: the caller's contract, and SSSE3 is there.
        return unsafe { rewrite_blocks::<S>(text, out) };
    }
    (text, out)
}

/// Rewrites blocks as long as another one follows, and returns what is left to do, and where.
///
/// # Safety
/// As for [`rewrite`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
unsafe fn rewrite_blocks<S: Rewrite>(text: &[u8], out: *mut u8) -> (&[u8], *mut u8) {
    let (mut rest, mut at) = (text, out);
    // What is left never becomes shorter: while two blocks are left, there is a block to read, and
    // room for one, from each byte of the first on.
    while let Some(blocks) = rest.first_chunk::<{ 2 * BLOCK }>() {
        let mut found = scan::ssse3::mask::<S>(half(blocks));
        let mut done = 0;
        // SAFETY: as said.
        unsafe { put_block(at, blocks, 0) };
        while found != 0 {
            let special = found.trailing_zeros() as usize;
            found &= found - 1;
            // SAFETY: as said.
            unsafe {
                at = put_piece(at.add(special - done), S::piece(blocks[special]));
                done = special + 1;
                put_block(at, blocks, done);
            }
        }
        // SAFETY: as said.
        at = unsafe { at.add(BLOCK - done) };
        rest = &rest[BLOCK..];
    }
    (rest, at)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn half(blocks: &[u8; 2 * BLOCK]) -> &[u8; BLOCK] {
    blocks.first_chunk().expect("two blocks hold one")
}

/// # Safety
/// `at` has room for a block; `from` is at most the length of one.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn put_block(at: *mut u8, blocks: &[u8; 2 * BLOCK], from: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let block = blocks.as_ptr().add(from).cast::<[u8; BLOCK]>().read();
        at.cast::<[u8; BLOCK]>().write(block);
    }
}

/// # Safety
/// `at` has room for four bytes.
#[inline(always)]
unsafe fn put_piece(at: *mut u8, piece: Piece) -> *mut u8 {
    // SAFETY: the caller's contract.
    unsafe {
        at.cast::<Piece>().write(piece);
        at.add(usize::from(piece[3]))
    }
}
