//! Copying text in which some bytes become two or three: percent-escapes, backslashes.
//!
//! Most text has few such bytes, so whole blocks are copied and then mended; what follows the last
//! whole block goes through a table byte by byte.
#![allow(unsafe_code)]
use super::scan::{self, BLOCK, Set};

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
    let mut rest = text;
    let mut at = out;
    // What is left never becomes shorter: while two blocks are left, there is a block to read, and
    // room for one, from each byte of the first on.
    while let Some(block) = rest.first_chunk::<{ 2 * BLOCK }>() {
        let mut found = scan::mask::<S>(half(block));
        let mut done = 0;
        // SAFETY: as said.
        unsafe { put_block(at, block, 0) };
        while found != 0 {
            let special = found.trailing_zeros() as usize;
            found &= found - 1;
            // SAFETY: as said.
            unsafe {
                at = put_piece(at.add(special - done), S::piece(block[special & (BLOCK - 1)]));
                done = special + 1;
                put_block(at, block, done);
            }
        }
        // SAFETY: as said.
        at = unsafe { at.add(BLOCK - done) };
        rest = &rest[BLOCK..];
    }
    if let Some(block) = rest.first_chunk::<BLOCK>()
        && scan::mask::<S>(block) == 0
    {
        // SAFETY: a block is left.
        unsafe {
            at.cast::<[u8; BLOCK]>().write(*block);
            at = at.add(BLOCK);
        }
        rest = &rest[BLOCK..];
    }
    while let [byte, _, _, _, ..] = rest {
        // SAFETY: four bytes are left.
        at = unsafe { put_piece(at, S::piece(*byte)) };
        rest = &rest[1..];
    }
    for byte in rest {
        let piece = S::piece(*byte);
        for byte in &piece[..usize::from(piece[3] & 3)] {
            // SAFETY: nothing but what the byte becomes.
            unsafe {
                at.write(*byte);
                at = at.add(1);
            }
        }
    }
    // SAFETY: both point into the same room.
    unsafe { at.offset_from_unsigned(out) }
}

#[inline(always)]
fn half(blocks: &[u8; 2 * BLOCK]) -> &[u8; BLOCK] {
    let [first, _] = blocks.as_chunks().0 else { unreachable!("twice a block is two blocks") };
    first
}

/// # Safety
/// `at` has room for a block; `from` is at most the length of one.
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
