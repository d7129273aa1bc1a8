//! What the pages of a slab pool hold, as far as making room needs to know it.
//!
//! The allocator has no function for this: it is read from its table of pages, in the form that nginx has kept
//! since 1.7. Nothing is written, and nothing rests on it but where to look: who is told of a block that is none
//! finds no entry there. Unit tests compare it with nginx's own sources.
#![allow(unsafe_code)]
use core::ops::Range;

use super::Slab;
use crate::nginx::sys::{self, ngx_slab_page_t};

/// A block in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    pub(crate) at: usize,
    pub(crate) size: usize,
}

impl Block {
    pub(crate) fn end(self) -> usize {
        self.at + self.size
    }
}

/// The two lowest bits of a page's `prev`.
const KIND: usize = 3;
const WHOLE: usize = 0;
const BIG: usize = 1;
const EXACT: usize = 2;

/// In `slab` of the first of some whole pages that are in use; the rest is their number.
const START: usize = 1 << (usize::BITS - 1);
/// `slab` of the other ones.
const FOLLOWS: usize = usize::MAX;

// SAFETY (every block of this impl): [slab-locked]: the pool is initialised, and nobody else allocates.
// Pages are numbered from 0, and checked.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Slab {
    /// How many pages there are.
    pub(crate) fn pages(self) -> usize {
        let pool = self.pool();
        let (first, last) = unsafe { ((*pool).pages.addr(), (*pool).last.addr()) };
        last.saturating_sub(first) / size_of::<ngx_slab_page_t>()
    }

    pub(crate) fn page_size() -> usize {
        unsafe { sys::ngx_pagesize }
    }

    fn first_page_at(self) -> usize {
        let start = unsafe { (*self.pool()).start };
        start.addr().wrapping_sub(self.base.addr().get())
    }

    /// The number of the page that `at` lies in.
    pub(crate) fn page_of(self, at: usize) -> usize {
        at.saturating_sub(self.first_page_at()) / Self::page_size()
    }

    fn page_at(self, page: usize) -> usize {
        self.first_page_at() + page * Self::page_size()
    }

    /// `slab` and the kind of a page.
    fn page(self, page: usize) -> Option<(usize, usize)> {
        (page < self.pages()).then(|| unsafe {
            let page = (*self.pool()).pages.add(page);
            ((*page).slab, (*page).prev & KIND)
        })
    }

    /// The first page of the block that the page belongs to, if that is of whole pages; else the page.
    pub(crate) fn head_of_page(self, page: usize) -> usize {
        let follows = |page| self.page(page) == Some((FOLLOWS, WHOLE));
        (0..=page).rev().find(|page| !follows(*page)).unwrap_or(page)
    }

    /// The first block in use that begins at `at` or behind it, in the same page.
    pub(crate) fn block_from(self, at: usize) -> Option<Block> {
        let number = self.page_of(at);
        let page_at = self.page_at(number);
        let skipped = at.checked_sub(page_at)?;
        let (slab, kind) = self.page(number)?;
        if kind == WHOLE {
            let is_head = slab & START != 0 && slab != FOLLOWS && skipped == 0;
            let size = (slab & !START) * Self::page_size();
            return is_head.then_some(Block { at, size });
        }
        let exact = Self::page_size() / usize::BITS as usize;
        let size = if kind == EXACT { exact } else { 1 << (slab & 15) };
        let blocks = Self::page_size() / size;
        let first = skipped.div_ceil(size).max(Self::blocks_of_bitmap(kind, size));
        let is_used = |block: usize| match kind {
            BIG => slab >> (32 + block) & 1 != 0,
            EXACT => slab >> block & 1 != 0,
            _ => {
                let bits = usize::BITS as usize;
                let word = self.table::<u64>(page_at, Self::page_size() / 8);
                let word = word.and_then(|words| words.word(block / bits));
                word.is_some_and(|word| word.get() >> (block % bits) & 1 != 0)
            }
        };
        let block = (first..blocks).find(|block| is_used(*block))?;
        Some(Block { at: page_at + block * size, size })
    }

    /// Pages of small blocks begin with a bit for each of them.
    fn blocks_of_bitmap(kind: usize, size: usize) -> usize {
        if kind == BIG || kind == EXACT {
            return 0;
        }
        (Self::page_size() / size / (size * 8)).max(1)
    }

    /// All blocks in use that begin in some pages, as they are when they are come to.
    pub(crate) fn blocks(self, pages: Range<usize>) -> impl Iterator<Item = Block> {
        let (mut at, end) = (self.page_at(pages.start), self.page_at(pages.end));
        core::iter::from_fn(move || {
            while at < end {
                if let Some(block) = self.block_from(at) {
                    at = block.end();
                    return Some(block);
                }
                at = self.page_at(self.page_of(at) + 1);
            }
            None
        })
    }
}
