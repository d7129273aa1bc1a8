//! A dictionary under its lock: finding, adding and removing entries, and the note of what is being
//! changed.
//!
//! Before the first change the holder writes a note into the zone, and takes it back before unlocking.
//! If it dies in between, the next holder finds the note and repairs the dictionary (`repair`). For that,
//! chains are changed by single stores: an entry is complete before it is linked, and unlinked before it
//! is freed, so that each chain makes sense at any moment.
use core::cell::Cell;
use core::sync::atomic::Ordering::Release;
use core::sync::atomic::fence;

use super::layout::{Entry, LIST, Node, Ref};
use super::repair;
use super::store::{Store, Value};

/// What the note in the zone says is being done, besides the entry whose bytes are being overwritten.
pub(super) mod note {
    /// One value is written by one store.
    pub(in super::super) const VALUE: u32 = 1;
    /// Links and the allocator.
    pub(in super::super) const STRUCTURE: u32 = 2;
}

pub(super) struct Locked<'a> {
    pub(super) store: &'a Store,
    /// The shards whose sequence number is odd because of us, a bit each.
    open: Cell<u64>,
    noted: Cell<(u32, Ref)>,
}

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(store: &'a Store) -> Self {
        store.slab.lock();
        let locked = Self { store, open: Cell::new(0), noted: Cell::new((0, Ref::NONE)) };
        let change = store.state.change();
        if change != 0 {
            repair::repair(&locked, change as u32, Ref((change >> 32) as u32));
        }
        locked
    }

    #[inline]
    fn note(&self, change: u32, victim: Ref) {
        let (noted, old) = self.noted.get();
        let new = (noted.max(change), if victim.is_none() { old } else { victim });
        if new != (noted, old) {
            self.noted.set(new);
            self.store.state.set_change(u64::from(new.0) | u64::from(new.1.0) << 32);
            fence(Release);
        }
    }

    /// Tells readers of the shard that what they read now is worth nothing.
    #[inline]
    fn open(&self, shard: usize) {
        let bit = 1 << shard;
        if self.open.get() & bit == 0 {
            self.open.set(self.open.get() | bit);
            let at = self.store.sequence_at(shard);
            self.store.slab.set_u32(at, self.store.slab.u32_at(at).wrapping_add(1) | 1);
            fence(Release);
        }
    }

    fn open_for(&self, entry: Entry) {
        self.open(Store::shard(self.store.bucket(entry.hash())));
    }

    /// Before the links of anything are changed.
    pub(super) fn begin_structure(&self) {
        self.note(note::STRUCTURE, Ref::NONE);
    }

    /// Before the value of an entry is changed by a single store.
    #[inline]
    pub(super) fn begin_value(&self, entry: Entry) {
        self.note(note::VALUE, Ref::NONE);
        self.open_for(entry);
    }

    /// Before an entry is overwritten. If this process dies now, the entry is lost.
    #[inline]
    pub(super) fn begin_overwrite(&self, entry: Entry) {
        self.note(note::VALUE, entry.place());
        self.open_for(entry);
    }

    #[inline]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<Entry> {
        let store = self.store;
        let mut place = Ref(store.slab.u32_at(store.head_at(store.bucket(hash))));
        while !place.is_none() {
            let entry = store.entry(place);
            if entry.has_key(hash, key) {
                return Some(entry);
            }
            place = Ref(entry.next());
        }
        None
    }

    /// An entry with its key, linked nowhere; `size` is what the allocator is asked for.
    #[inline]
    pub(super) fn alloc(&self, size: usize) -> Option<Entry> {
        self.begin_structure();
        let place = Ref::of(self.store.slab.alloc(size)?);
        Some(self.store.entry(place))
    }

    pub(super) fn write_key(&self, entry: Entry, hash: u32, key: &[u8]) {
        entry.set_hash(hash);
        entry.set_key_len(key.len() as u16);
        self.store.slab.copy_in(entry.key_at(), key);
    }

    /// Writes value, flags and time behind an entry's key, where there is room for them.
    #[inline]
    pub(super) fn write_value(&self, entry: Entry, value: Value<'_>, flags: u32, expires: u64) {
        let at = entry.value_at();
        entry.set_kind(value.kind());
        entry.set_value_len(value.len() as u32);
        entry.set_flags(flags);
        entry.set_expires(expires);
        match value {
            Value::Boolean(value) => self.store.slab.set_u8(at, value.into()),
            Value::Number(value) => self.store.slab.set_word(at, value.to_ne_bytes()),
            Value::String(value) => self.store.slab.copy_in(at, value),
        }
    }

    /// Makes a complete entry part of the dictionary.
    pub(super) fn link(&self, entry: Entry) {
        let (store, place) = (self.store, entry.place());
        store.unmark(place);
        self.push_newest(entry);
        let head = store.head_at(store.bucket(entry.hash()));
        entry.set_next(store.slab.u32_at(head));
        self.open_for(entry);
        fence(Release);
        store.slab.set_u32(head, place.0);
        store.state.set_entries(store.state.entries() + 1);
        self.grow(entry.own_size());
    }

    pub(super) fn remove(&self, entry: Entry) {
        self.begin_structure();
        self.open_for(entry);
        self.unlink_from_bucket(entry);
        self.take_from_order(entry);
        let state = self.store.state;
        state.set_entries(state.entries().saturating_sub(1));
        if entry.is_list() {
            self.free_nodes(entry.first());
        }
        self.shrink(entry.own_size());
        self.store.slab.free(entry.place().at());
    }

    fn unlink_from_bucket(&self, entry: Entry) {
        let store = self.store;
        let mut link = store.head_at(store.bucket(entry.hash()));
        loop {
            let place = Ref(store.slab.u32_at(link));
            if place == entry.place() {
                fence(Release);
                store.slab.set_u32(link, entry.next());
                fence(Release);
                return;
            }
            if place.is_none() {
                return;
            }
            // The link to the next entry is an entry's first field.
            link = place.at();
        }
    }

    /// Frees the nodes of a list from `first` on; readers do not know of nodes.
    pub(super) fn free_nodes(&self, first: Ref) {
        let mut place = first;
        while !place.is_none() {
            let node = Node::new(self.store.slab, place);
            let (next, size) = (Ref(node.next()), Node::size(node.len() as usize));
            self.store.slab.free(place.at());
            self.shrink(size);
            place = next;
        }
    }

    fn push_newest(&self, entry: Entry) {
        let (state, place) = (self.store.state, entry.place());
        let newest = Ref(state.newest());
        entry.set_newer(0);
        entry.set_older(newest.0);
        if newest.is_none() {
            state.set_oldest(place.0);
        } else {
            self.store.entry(newest).set_newer(place.0);
        }
        state.set_newest(place.0);
    }

    fn take_from_order(&self, entry: Entry) {
        let (state, store) = (self.store.state, self.store);
        let (newer, older) = (Ref(entry.newer()), Ref(entry.older()));
        if newer.is_none() {
            state.set_newest(older.0);
        } else {
            store.entry(newer).set_older(older.0);
        }
        if older.is_none() {
            state.set_oldest(newer.0);
        } else {
            store.entry(older).set_newer(newer.0);
        }
    }

    pub(super) fn make_newest(&self, entry: Entry) {
        self.begin_structure();
        self.take_from_order(entry);
        self.push_newest(entry);
    }

    pub(super) fn oldest(&self) -> Option<Entry> {
        let place = Ref(self.store.state.oldest());
        (!place.is_none()).then(|| self.store.entry(place))
    }

    /// From the entry not used for the longest time on.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = Entry> {
        let mut next = self.oldest();
        core::iter::from_fn(move || {
            let entry = next?;
            let newer = Ref(entry.newer());
            next = (!newer.is_none()).then(|| self.store.entry(newer));
            Some(entry)
        })
    }

    /// The entries of a bucket; `visit` may remove the one it is given.
    pub(super) fn for_each_in_bucket(&self, bucket: u32, mut visit: impl FnMut(Entry)) {
        let mut place = Ref(self.store.slab.u32_at(self.store.head_at(bucket)));
        while !place.is_none() {
            let entry = self.store.entry(place);
            place = Ref(entry.next());
            visit(entry);
        }
    }

    /// Counts bytes that have been allocated.
    pub(super) fn grow(&self, bytes: usize) {
        let state = self.store.state;
        state.set_bytes(state.bytes() + bytes as u64);
    }

    pub(super) fn shrink(&self, bytes: usize) {
        let state = self.store.state;
        state.set_bytes(state.bytes().saturating_sub(bytes as u64));
    }

    /// For `repair`: what it undoes counts as this holder's.
    pub(super) fn take_over(&self, change: u32, victim: Ref) {
        self.noted.set((change, victim));
        for shard in 0..super::layout::SHARDS {
            self.open(shard);
        }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        let slab = self.store.slab;
        // A panic leaves the note to the next holder.
        if self.noted.get().0 != 0 && !std::thread::panicking() {
            fence(Release);
            let mut open = self.open.get();
            while open != 0 {
                let at = self.store.sequence_at(open.trailing_zeros() as usize);
                slab.set_u32(at, slab.u32_at(at).wrapping_add(1));
                open &= open - 1;
            }
            fence(Release);
            self.store.state.set_change(0);
        }
        slab.unlock();
    }
}

impl Value<'_> {
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Boolean(_) => super::layout::BOOLEAN,
            Self::Number(_) => super::layout::NUMBER,
            Self::String(_) => super::layout::STRING,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Boolean(_) => 1,
            Self::Number(_) => 8,
            Self::String(value) => value.len(),
        }
    }
}

impl Entry {
    /// Whether a value of `len` bytes can take the place of this one's.
    pub(super) fn fits(self, len: usize) -> bool {
        self.kind() != LIST && self.value_len() as usize == len
    }
}
