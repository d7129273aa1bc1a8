//! Where things lie in a dictionary's zone: its state, its entries, and the nodes of lists.
//!
//! Nothing here decides anything. Whoever reads without the lock may see an entry that is being changed
//! or has become something else: offsets are checked by [`Slab`], meaning by the caller.
use crate::nginx::slab::Slab;

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
    ($($at:expr, $get:ident $set:ident $load:ident $store:ident $int:ty;)*) => {$(
        #[inline(always)]
        pub(super) fn $get(self) -> $int {
            self.slab.$load(self.at + $at)
        }

        #[inline(always)]
        pub(super) fn $set(self, value: $int) {
            self.slab.$store(self.at + $at, value);
        }
    )*};
}

/// An entry: 36 bytes, then its key, then its value.
///
/// The value of a list is the references of its first and its last node, aligned to four bytes, and its
/// length is the number of nodes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    slab: Slab,
    at: usize,
}

impl Entry {
    const KEY: usize = 36;

    #[inline(always)]
    pub(super) fn new(slab: Slab, place: Ref) -> Self {
        Self { slab, at: place.at() }
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
        (Self::KEY + key_len).next_multiple_of(4) + 8
    }

    pub(super) fn is_list(self) -> bool {
        self.kind() == LIST
    }

    pub(super) fn place(self) -> Ref {
        Ref::of(self.at)
    }

    /// What was asked of the allocator for it, without the nodes of a list.
    pub(super) fn own_size(self) -> usize {
        let key_len = self.key_len().into();
        if self.is_list() {
            Self::list_size(key_len)
        } else {
            Self::size(key_len, self.value_len() as usize)
        }
    }

    #[inline(always)]
    pub(super) fn key_at(self) -> usize {
        self.at + Self::KEY
    }

    #[inline(always)]
    pub(super) fn value_at(self) -> usize {
        self.key_at() + usize::from(self.key_len())
    }

    #[inline(always)]
    pub(super) fn has_key(self, hash: u32, key: &[u8]) -> bool {
        self.hash() == hash
            && usize::from(self.key_len()) == key.len()
            && self.slab.equals(self.key_at(), key)
    }

    /// Whether its time was over at `now`.
    #[inline(always)]
    pub(super) fn is_stale(self, now: u64) -> bool {
        let expires = self.expires();
        expires != 0 && expires < now
    }

    /// As [`Entry::is_stale`], but at the very millisecond already.
    pub(super) fn is_over(self, now: u64) -> bool {
        let expires = self.expires();
        expires != 0 && expires <= now
    }

    fn ends_at(self) -> usize {
        self.value_at().next_multiple_of(4)
    }

    pub(super) fn first(self) -> Ref {
        Ref(self.slab.u32_at(self.ends_at()))
    }

    pub(super) fn set_first(self, node: Ref) {
        self.slab.set_u32(self.ends_at(), node.0);
    }

    pub(super) fn last(self) -> Ref {
        Ref(self.slab.u32_at(self.ends_at() + 4))
    }

    pub(super) fn set_last(self, node: Ref) {
        self.slab.set_u32(self.ends_at() + 4, node.0);
    }
}

/// A value in a list: 13 bytes and the value.
#[derive(Clone, Copy)]
pub(super) struct Node {
    slab: Slab,
    at: usize,
}

impl Node {
    const VALUE: usize = 13;

    pub(super) fn new(slab: Slab, place: Ref) -> Self {
        Self { slab, at: place.at() }
    }

    layout! {
        0, previous set_previous u32_at set_u32 u32;
        4, next set_next u32_at set_u32 u32;
        8, len set_len u32_at set_u32 u32;
        12, kind set_kind u8_at set_u8 u8;
    }

    pub(super) fn size(value_len: usize) -> usize {
        Self::VALUE + value_len
    }

    pub(super) fn place(self) -> Ref {
        Ref::of(self.at)
    }

    pub(super) fn value_at(self) -> usize {
        self.at + Self::VALUE
    }
}

/// How a zone of some size is laid out: computed, not stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) buckets: u32,
    /// Log2 of the distance of two sequence numbers.
    pub(super) sequence_shift: u32,
    /// Places for the counters of readers.
    pub(super) tallies: usize,
    pub(super) marks: usize,
}

/// Buckets share so many sequence numbers.
pub(super) const SHARDS: usize = 64;

/// A place for the counters of readers, a cache line.
pub(super) const TALLY: usize = 64;

impl Plan {
    /// A zone spends 2 % on what is not entries: a bucket for 256 bytes, and a mark for 64. What keeps
    /// processors out of each other's way is left out of small ones.
    pub(super) fn of(zone: usize) -> Self {
        let roomy = zone >= 1 << 20;
        Self {
            buckets: (zone / 256).max(16) as u32,
            sequence_shift: if roomy { 6 } else { 2 },
            tallies: if roomy { 32 } else { 2 },
            marks: zone / 512 + 1,
        }
    }

    pub(super) fn sequences_at(self) -> usize {
        State::SIZE
    }

    pub(super) fn tallies_at(self) -> usize {
        self.sequences_at() + (SHARDS << self.sequence_shift)
    }

    pub(super) fn buckets_at(self) -> usize {
        self.tallies_at() + self.tallies * TALLY
    }

    pub(super) fn marks_at(self) -> usize {
        self.buckets_at() + self.buckets as usize * 4
    }

    /// More than a page's half, so that it begins a page, and lies alone where writers are.
    pub(super) fn size(self) -> usize {
        (self.marks_at() + self.marks).max(2049)
    }
}

/// The state of a dictionary, written under its lock.
#[derive(Clone, Copy)]
pub(super) struct State {
    slab: Slab,
    at: usize,
}

impl State {
    const SIZE: usize = 128;

    pub(super) fn new(slab: Slab, at: usize) -> Self {
        Self { slab, at }
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
