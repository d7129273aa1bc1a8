//! Where things lie in a dictionary's zone: its state, its entries, and the nodes of lists.
//!
//! Nothing here decides anything. Whoever reads without the lock may see an entry that is being changed
//! or has become something else: that places lie in the zone is checked here and by [`Slab`], what they
//! mean by the caller.
use core::mem::MaybeUninit;

use crate::nginx::slab::{Slab, Span, Strings, Table, Text};

/// Log2 of the unit that references count in.
const UNIT: u32 = 4;

/// The most that a zone may hold: what references can name.
pub(super) const MAX_ZONE: usize = 1 << (32 + UNIT);

/// A place in the zone in units of 16 bytes, small enough for links; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ref(pub(super) u32);

impl Ref {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn of(at: usize) -> Self {
        Self((at >> UNIT) as u32)
    }

    #[inline(always)]
    pub(super) fn at(self) -> usize {
        (self.0 as usize) << UNIT
    }

    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// The type of a value, with the numbers of Lua's types; `LIST` is nobody else's.
pub(super) const BOOLEAN: u8 = 1;
pub(super) const NUMBER: u8 = 3;
pub(super) const STRING: u8 = 4;
pub(super) const LIST: u8 = 5;

macro_rules! layout {
    ($($at:literal, $get:ident $set:ident $load:ident $store:ident $int:ty;)*) => {$(
        #[inline(always)]
        pub(super) fn $get(self) -> $int {
            self.0.$load::<$at>()
        }

        #[inline(always)]
        pub(super) fn $set(self, value: $int) {
            self.0.$store::<$at>(value);
        }
    )*};
}

/// An entry: 36 bytes, then its key, then its value.
///
/// The value of a list is the references of its first and its last node, aligned to four bytes, and its
/// length is the number of nodes. The allocator gives an entry 64 bytes at least.
#[derive(Clone, Copy)]
pub(super) struct Entry(Span<{ Self::LEAST }>);

impl Entry {
    const KEY: usize = 36;
    const LEAST: usize = 64;

    /// `None` at the end of a chain, and if the reference leads out of the zone.
    #[inline(always)]
    pub(super) fn at(slab: Slab, place: Ref) -> Option<Self> {
        slab.span(place.at()).map(Self)
    }

    layout! {
        // The next entry of the bucket.
        0, next set_next u32_at set_u32 u32;
        4, hash set_hash u32_at set_u32 u32;
        // Milliseconds since the epoch; 0: never.
        8, expires set_expires u64_at set_u64 u64;
        // Neighbours in the order of use.
        16, newer set_newer u32_at set_u32 u32;
        20, older set_older u32_at set_u32 u32;
        24, value_len set_value_len u32_at set_u32 u32;
        28, flags set_flags u32_at set_u32 u32;
        32, key_len set_key_len u16_at set_u16 u16;
        34, kind set_kind u8_at set_u8 u8;
    }

    pub(super) fn size(key_len: usize, value_len: usize) -> usize {
        Self::KEY + key_len + value_len
    }

    pub(super) fn list_size(key_len: usize) -> usize {
        Self::KEY + ((key_len + 3) & !3) + 8
    }

    #[inline(always)]
    pub(super) fn is_list(self) -> bool {
        self.kind() == LIST
    }

    #[inline(always)]
    pub(super) fn place(self) -> Ref {
        Ref::of(self.0.at())
    }

    /// What was asked of the allocator for it, without the nodes of a list.
    #[inline]
    pub(super) fn own_size(self) -> usize {
        let key_len = self.key_len().into();
        if self.is_list() {
            Self::list_size(key_len)
        } else {
            Self::size(key_len, self.value_len() as usize)
        }
    }

    pub(super) fn key(self) -> Option<Text> {
        self.0.text_behind::<{ Self::KEY }>(0, self.key_len().into())
    }

    #[inline]
    pub(super) fn set_key(self, key: &[u8]) {
        self.set_key_len(key.len() as u16);
        self.0.copy_in_behind::<{ Self::KEY }>(0, key);
    }

    /// Adds the keys of entries to `keys`.
    #[inline(always)]
    pub(super) fn push_keys(entries: impl Iterator<Item = Self>, keys: &mut Strings) {
        keys.extend::<{ Self::KEY }, _>(entries.map(|entry| (entry.0, entry.key_len())));
    }

    #[inline(always)]
    pub(super) fn number(self) -> f64 {
        self.0.f64_behind::<{ Self::KEY }>(self.key_len().into())
    }

    /// Written by one instruction.
    #[inline(always)]
    pub(super) fn set_number(self, number: f64) {
        self.0.set_f64_behind::<{ Self::KEY }>(self.key_len().into(), number);
    }

    #[inline(always)]
    pub(super) fn truth(self) -> bool {
        self.0.u8_behind::<{ Self::KEY }>(self.key_len().into()) != 0
    }

    #[inline(always)]
    pub(super) fn set_truth(self, truth: bool) {
        self.0.set_u8_behind::<{ Self::KEY }>(self.key_len().into(), truth.into());
    }

    /// Copies the first bytes of its value; `false` if they cannot lie in the zone. The caller knows the
    /// length of key and value.
    #[inline(always)]
    pub(super) fn copy_bytes(self, key_len: usize, to: &mut [MaybeUninit<u8>]) -> bool {
        self.0.copy_out_behind::<{ Self::KEY }>(key_len, to)
    }

    pub(super) fn bytes(self) -> Option<Text> {
        self.0.text_behind::<{ Self::KEY }>(self.key_len().into(), self.value_len() as usize)
    }

    #[inline(always)]
    pub(super) fn set_bytes(self, bytes: &[u8]) {
        self.0.copy_in_behind::<{ Self::KEY }>(self.key_len().into(), bytes);
    }

    #[inline(always)]
    pub(super) fn has_key(self, hash: u32, key: &[u8]) -> bool {
        const SHORT: usize = Entry::LEAST - Entry::KEY;
        if self.hash() != hash {
            false
        } else if key.len() <= SHORT {
            self.key_len() == key.len() as u16 && self.0.equals_within::<{ Self::KEY }>(key)
        } else {
            usize::from(self.key_len()) == key.len()
                && self.0.equals_behind::<{ Self::KEY }>(0, key)
        }
    }

    /// Whether it has expired at `now`.
    ///
    /// Reference: finds an entry in the very millisecond it expires in, unless it is the least recently used.
    #[inline(always)]
    pub(super) fn is_stale(self, now: u64) -> bool {
        let expires = self.expires();
        expires != 0 && expires <= now
    }

    /// Its nodes, if it is a list.
    #[inline(always)]
    pub(super) fn ends(self) -> Option<Ends> {
        let skip = (usize::from(self.key_len()) + 3) & !3;
        self.0.table_behind::<{ Self::KEY }, u32>(skip, 2).map(Ends)
    }
}

/// Where a list begins and ends.
#[derive(Clone, Copy)]
pub(super) struct Ends(Table<u32>);

impl Ends {
    #[inline(always)]
    pub(super) fn first(self) -> Ref {
        Ref(self.0.get(0))
    }

    #[inline(always)]
    pub(super) fn set_first(self, node: Ref) {
        self.0.set(0, node.0);
    }

    #[inline(always)]
    pub(super) fn last(self) -> Ref {
        Ref(self.0.get(1))
    }

    #[inline(always)]
    pub(super) fn set_last(self, node: Ref) {
        self.0.set(1, node.0);
    }
}

/// A value in a list: 13 bytes and the value. The allocator gives it 16 at least.
#[derive(Clone, Copy)]
pub(super) struct Node(Span<16>);

impl Node {
    const VALUE: usize = 13;

    /// `None` at the end of a list, and if the reference leads out of the zone.
    #[inline(always)]
    pub(super) fn at(slab: Slab, place: Ref) -> Option<Self> {
        slab.span(place.at()).map(Self)
    }

    layout! {
        // Before the first node: the list's entry.
        0, previous set_previous u32_at set_u32 u32;
        4, next set_next u32_at set_u32 u32;
        8, len set_len u32_at set_u32 u32;
        12, kind set_kind u8_at set_u8 u8;
    }

    pub(super) fn size(value_len: usize) -> usize {
        Self::VALUE + value_len
    }

    #[inline(always)]
    pub(super) fn place(self) -> Ref {
        Ref::of(self.0.at())
    }

    #[inline(always)]
    pub(super) fn number(self) -> f64 {
        self.0.f64_behind::<{ Self::VALUE }>(0)
    }

    #[inline(always)]
    pub(super) fn set_number(self, number: f64) {
        self.0.set_f64_behind::<{ Self::VALUE }>(0, number);
    }

    #[inline(always)]
    pub(super) fn bytes(self) -> Option<Text> {
        self.0.text_behind::<{ Self::VALUE }>(0, self.len() as usize)
    }

    #[inline(always)]
    pub(super) fn set_bytes(self, bytes: &[u8]) {
        self.0.copy_in_behind::<{ Self::VALUE }>(0, bytes);
    }
}

/// How a zone of some size is laid out: computed, not stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) buckets: u32,
    /// Log2 of the distance of two sequence numbers, which are words of four bytes.
    pub(super) sequence_shift: u32,
    /// Places for the counters of readers.
    pub(super) tallies: usize,
    /// Words of marks.
    pub(super) marks: usize,
    /// The size of the smallest block.
    pub(super) least: usize,
    /// Whether the label has a block of its own, in the first page behind the state.
    pub(super) label_is_apart: bool,
}

/// Buckets share so many sequence numbers.
pub(super) const SHARDS: usize = 64;

/// The pages that nginx's allocator shares out, on most machines.
const PAGE: usize = 4096;

/// Room for what nginx's log lines about the zone end with, a size of the allocator's.
pub(super) const LABEL: usize = 128;

/// A place for the counters of readers, a cache line.
pub(super) const TALLY: usize = 64;

impl Plan {
    /// A zone spends 2 % on what is not entries: a bucket for 256 bytes, and a mark for 64. What keeps
    /// processors out of each other's way is left out of small ones. A page that would be used by less than
    /// half is left to entries, and there are a few buckets less.
    ///
    /// A page holds blocks of one size, so a zone of a few pages has one size for all that is small, as in the
    /// reference. The label's page is the first one for that size; in the smallest zones the only page for entries
    /// serves any size. In zones below 1 MB the label has that page so that as many pages are left as in the
    /// reference.
    pub(super) fn of(zone: usize) -> Self {
        const FEW_PAGES: usize = 16 * PAGE;
        let roomy = zone >= 1 << 20;
        let mut plan = Self {
            buckets: (zone / 256).max(16) as u32,
            sequence_shift: if roomy { 4 } else { 0 },
            tallies: if roomy { 32 } else { 2 },
            marks: zone / 2048 + 1,
            least: if zone < FEW_PAGES { LABEL } else { 16 },
            label_is_apart: zone >= 4 * PAGE && !roomy,
        };
        let size = plan.size();
        if size > PAGE && size % PAGE < PAGE / 2 {
            plan.buckets -= (size % PAGE).div_ceil(4) as u32;
        }
        plan
    }

    pub(super) fn sequences_at(self) -> usize {
        State::SIZE
    }

    /// The words from the first sequence number to behind the last.
    pub(super) fn sequences(self) -> usize {
        SHARDS << self.sequence_shift
    }

    pub(super) fn tallies_at(self) -> usize {
        self.sequences_at() + self.sequences() * 4
    }

    pub(super) fn buckets_at(self) -> usize {
        self.tallies_at() + self.tallies * TALLY
    }

    pub(super) fn marks_at(self) -> usize {
        self.buckets_at() + self.buckets as usize * 4
    }

    pub(super) fn label_at(self) -> usize {
        self.marks_at() + self.marks * 4
    }

    /// More than a page's half, so that it begins a page, and lies alone where writers are.
    pub(super) fn size(self) -> usize {
        (self.label_at() + LABEL).max(PAGE / 2 + 1)
    }
}

/// The state of a dictionary, written under its lock. From its second half on it holds a row of references
/// to spare blocks.
#[derive(Clone, Copy)]
pub(super) struct State(Span<{ Self::SIZE }>);

impl State {
    const SIZE: usize = 128;
    pub(super) const SPARES: usize = 64;

    pub(super) fn at(slab: Slab, at: usize) -> Option<Self> {
        slab.span(at).map(Self)
    }

    layout! {
        // Makes hashes unpredictable.
        0, seed set_seed u64_at set_u64 u64;
        // What is being changed: see `lock`.
        8, change set_change u64_at set_u64 u64;
        // The ends of the order of use.
        16, newest set_newest u32_at set_u32 u32;
        20, oldest set_oldest u32_at set_u32 u32;
        24, entries set_entries u64_at set_u64 u64;
        32, bytes set_bytes u64_at set_u64 u64;
        40, evictions set_evictions u64_at set_u64 u64;
        48, expired set_expired u64_at set_u64 u64;
        56, repairs set_repairs u64_at set_u64 u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_zone_spends_one_page_on_its_state() {
        for zone in [12, 20, 25, 50, 100] {
            let size = Plan::of(zone << 10).size();
            assert!((2049..=4096).contains(&size), "{zone}k: {size}");
        }
    }

    #[test]
    fn a_large_zone_spends_two_percent() {
        for zone in [1 << 20, 10 << 20, 8 << 30] {
            assert!(Plan::of(zone).size() <= zone / 49 + 8192, "{zone}");
        }
    }

    #[test]
    fn references_reach_to_the_end_of_the_largest_zone() {
        let last = MAX_ZONE - 16;
        assert_eq!(Ref::of(last).at(), last);
    }
}
