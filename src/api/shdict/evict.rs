//! Making room: which entries go when the allocator has no memory for another one.
//!
//! The allocator shares out pages, and each page of small blocks to blocks of one size. So what a new entry needs
//! may be a block of its size, or a page, or some pages in a row; and a page is free when the last block in it
//! is. An entry that has not been used for long goes if that frees what is needed. Otherwise its page is
//! cleared, or the pages around it that cost least, whatever else lies there. docs/decisions/0049 has the reasons.
use core::ops::Range;

use super::layout::{Entry, Node, Ref};
use super::lock::Locked;
use super::memory::SIZES;
use crate::nginx::slab::{Block, Slab};

/// How many entries in the order of use are looked at for a better one than the oldest.
const LOOK_AHEAD: usize = 30;

/// How many of them have their surroundings looked at.
const CANDIDATES: usize = 4;

/// What a new entry needs.
#[derive(Clone, Copy)]
enum Need {
    /// A block of that size, or a page to be shared out.
    Block(usize),
    Pages(usize),
}

impl Need {
    fn of(locked: &Locked<'_>, size: usize) -> Self {
        let block = locked.block_size(size);
        if block < 16 << SIZES { Self::Block(block) } else { Self::Pages(pages(size)) }
    }

    /// Pages in a row that serve it in any case.
    fn pages(self) -> usize {
        match self {
            Self::Block(_) => 1,
            Self::Pages(pages) => pages,
        }
    }
}

fn pages(size: usize) -> usize {
    size.div_ceil(Slab::page_size())
}

/// What it costs to clear a page.
#[derive(Clone, Copy, Default)]
struct Toll {
    entries: usize,
    /// Entries that have been used since eviction last came by.
    used: usize,
    /// Values of lists: a list goes as a whole, however long.
    nodes: usize,
}

impl Toll {
    fn is_low(self) -> bool {
        self.used == 0 && self.nodes == 0
    }

    fn weight(self) -> usize {
        self.entries + 4 * self.used + 64 * self.nodes
    }

    fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            used: self.used + other.used,
            nodes: self.nodes + other.nodes,
        }
    }

    fn without(self, other: Self) -> Self {
        Self {
            entries: self.entries - other.entries,
            used: self.used - other.used,
            nodes: self.nodes - other.nodes,
        }
    }
}

impl Locked<'_> {
    /// An entry of `size` bytes; and whether others have been evicted.
    #[cold]
    pub(super) fn alloc_by_evicting(&self, size: usize, now: u64) -> (Option<Entry>, bool) {
        const ROUNDS: usize = 30;
        let need = Need::of(self, size);
        // Reference: what is larger than the zone costs that many entries all the same.
        let is_hopeless = need.pages() > self.pages_of_entries().len();
        for round in 0..ROUNDS {
            let Some(oldest) = self.least_used(now) else { return (None, round > 0) };
            if oldest.is_stale(now) || is_hopeless {
                self.evict_entry(oldest, now);
                self.drop_expired(now);
            } else if let Some(entry) = self.find_suitable(oldest, need, now) {
                self.evict_entry(entry, now);
            } else {
                self.clear_near(oldest, need.pages(), now);
            }
            if let Some(entry) = self.alloc(size) {
                return (Some(entry), true);
            }
        }
        (None, true)
    }

    /// Removes the entry that has not been used for longest, and up to two more if they have expired.
    pub(super) fn evict(&self, now: u64) {
        if let Some(entry) = self.least_used(now) {
            self.evict_entry(entry, now);
            self.drop_expired(now);
        }
    }

    fn evict_entry(&self, entry: Entry, now: u64) {
        let state = self.store.state;
        if entry.is_stale(now) {
            state.set_expired(state.expired() + 1);
        } else {
            state.set_evictions(state.evictions() + 1);
        }
        self.remove(entry);
    }

    /// The entry that has not been used for longest, which is the oldest now.
    ///
    /// Reference: keeps entries in the exact order of their use. Here a use leaves a mark, and an entry
    /// with one gets a second chance.
    fn least_used(&self, now: u64) -> Option<Entry> {
        const CHANCES: usize = 64;
        for _ in 0..CHANCES {
            let entry = self.oldest()?;
            if self.may_go(entry, now) {
                break;
            }
            self.store.unmark(entry.place());
            self.make_newest(entry);
        }
        self.oldest()
    }

    fn may_go(&self, entry: Entry, now: u64) -> bool {
        entry.is_stale(now) || !self.store.is_marked(entry.place())
    }

    /// One of the oldest entries whose own memory is what is needed.
    fn find_suitable(&self, oldest: Entry, need: Need, now: u64) -> Option<Entry> {
        let suits = |entry: Entry, at_most: usize| match (need, Need::of(self, entry.own_size())) {
            (Need::Block(needed), Need::Block(own)) => own == needed,
            (_, Need::Pages(own)) => own >= need.pages() && own <= at_most,
            (Need::Pages(_), Need::Block(_)) => false,
        };
        if suits(oldest, usize::MAX) {
            return Some(oldest);
        }
        let at_most = if matches!(need, Need::Pages(_)) { need.pages() * 2 } else { 0 };
        let mut others = self.oldest_first().take(LOOK_AHEAD).skip(1);
        others.find(|entry| suits(*entry, at_most) && self.may_go(*entry, now))
    }

    /// The pages that can be cleared: those without anything of the dictionary's own.
    pub(super) fn pages_of_entries(&self) -> Range<usize> {
        let (slab, plan) = (self.store.slab, self.store.plan);
        let own = pages(plan.size()) + usize::from(plan.label_is_apart);
        slab.page_of(slab.root()) + own..slab.pages()
    }

    /// Clears `count` pages in a row around one of the oldest entries.
    #[inline(never)]
    fn clear_near(&self, oldest: Entry, count: usize, now: u64) {
        // They would be taken for nodes whose list cannot be found.
        self.give_back_spares();
        let slab = self.store.slab;
        let mut best = self.cheapest(slab.page_of(oldest.place().at()), count, now);
        let mut seen = vec_of(oldest, slab);
        for entry in self.oldest_first().take(LOOK_AHEAD).skip(1) {
            if best.1.is_low() || seen.len() == CANDIDATES {
                break;
            }
            let page = slab.page_of(entry.place().at());
            if seen.contains(&page) || !self.may_go(entry, now) {
                continue;
            }
            seen.push(page);
            let other = self.cheapest(page, count, now);
            if other.1.weight() < best.1.weight() {
                best = other;
            }
        }
        self.clear(best.0, now);
    }

    /// Of all `count` pages in a row with that one among them, those that cost least; and what they cost.
    fn cheapest(&self, page: usize, count: usize, now: u64) -> (Range<usize>, Toll) {
        let all = self.pages_of_entries();
        let first = (page + 1).saturating_sub(count).max(all.start);
        let last = page.min(all.end.saturating_sub(count));
        let tolls: Vec<Toll> =
            (first..(last + count).min(all.end)).map(|page| self.toll(page, now)).collect();
        let mut sum = tolls.iter().take(count).fold(Toll::default(), |sum, toll| sum.and(*toll));
        let mut best = (first, sum);
        for (i, (gone, come)) in tolls.iter().zip(tolls.iter().skip(count)).enumerate() {
            sum = sum.and(*come).without(*gone);
            if sum.weight() < best.1.weight() {
                best = (first + i + 1, sum);
            }
        }
        (best.0..best.0 + count, best.1)
    }

    fn toll(&self, page: usize, now: u64) -> Toll {
        let mut toll = Toll::default();
        for block in self.blocks(page) {
            match self.entry_in(block) {
                None => toll.nodes += 1,
                Some(entry) if self.may_go(entry, now) => toll.entries += 1,
                Some(_) => toll.used += 1,
            }
        }
        toll
    }

    /// The blocks in a page, or the one that the page is a part of.
    fn blocks(&self, page: usize) -> impl Iterator<Item = Block> {
        let slab = self.store.slab;
        let head = slab.head_of_page(page);
        slab.blocks(head..head + 1)
    }

    fn entry_in(&self, block: Block) -> Option<Entry> {
        self.store.entry(Ref::of(block.at)).filter(|entry| self.is_linked(*entry))
    }

    /// Whether it is an entry: any block may look like one.
    fn is_linked(&self, entry: Entry) -> bool {
        let mut next = self.store.head(self.store.bucket(entry.hash()));
        while let Some(other) = self.store.entry(next) {
            if other.place() == entry.place() {
                return true;
            }
            next = Ref(other.next());
        }
        false
    }

    /// The list that the node in a block belongs to. The way to it is as long as what is freed then.
    fn list_of(&self, block: Block) -> Option<Entry> {
        let mut place = Ref::of(block.at);
        for _ in 0..self.store.slab.size() / 16 {
            let before = Ref(Node::at(self.store.slab, place)?.previous());
            let is_its_list = |entry: &Entry| {
                entry.is_list()
                    && entry.ends().is_some_and(|ends| ends.first() == place)
                    && self.is_linked(*entry)
            };
            if let Some(list) = self.store.entry(before).filter(is_its_list) {
                return Some(list);
            }
            place = before;
        }
        None
    }

    /// Evicts what has a part in these pages.
    fn clear(&self, pages: Range<usize>, now: u64) {
        for page in pages {
            for block in self.blocks(page) {
                if let Some(entry) = self.entry_in(block).or_else(|| self.list_of(block)) {
                    self.evict_entry(entry, now);
                }
            }
        }
    }
}

/// The page of one entry, with room for those of others.
fn vec_of(entry: Entry, slab: Slab) -> Vec<usize> {
    let mut pages = Vec::with_capacity(CANDIDATES);
    pages.push(slab.page_of(entry.place().at()));
    pages
}
