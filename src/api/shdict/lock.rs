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

use super::layout::{Entry, LIST, Node, Ref, SHARDS};
use super::repair;
use super::store::{Store, Value};
use crate::nginx::slab::Word;

/// What the note in the zone says is being done: these, and in its upper half the entry whose bytes are
/// being overwritten.
pub(super) mod note {
    /// One value is written by one store.
    pub(in super::super) const VALUE: u64 = 1;
    /// Links and the allocator.
    pub(in super::super) const STRUCTURE: u64 = 2;
    /// Where the entry begins.
    pub(in super::super) const VICTIM: u32 = 32;
}

pub(super) struct Locked<'a> {
    pub(super) store: &'a Store,
    /// The shards whose sequence number is odd because of us, a bit each.
    open: Cell<u64>,
    /// The note, as it is in the zone.
    noted: Cell<u64>,
}

/// A change that has begun; the sequence number is that of its shard, which is open for it alone.
#[must_use]
pub(super) struct Brief(Option<(Word<u32>, u32)>);

impl<'a> Locked<'a> {
    #[inline(always)]
    pub(super) fn new(store: &'a Store) -> Self {
        store.slab.lock();
        let change = store.state.change();
        if change != 0 {
            let locked = Self::taken_over(store, change);
            repair::repair(&locked, change);
            locked.settle();
            core::mem::forget(locked);
        }
        Self { store, open: Cell::new(0), noted: Cell::new(0) }
    }

    /// For `repair`: what it undoes counts as this holder's.
    fn taken_over(store: &'a Store, change: u64) -> Self {
        let locked = Self { store, open: Cell::new(0), noted: Cell::new(change) };
        for shard in 0..SHARDS {
            locked.open(shard);
        }
        locked
    }

    #[inline(always)]
    fn note(&self, note: u64) {
        let noted = self.noted.get();
        if noted | note != noted {
            self.noted.set(noted | note);
            self.store.state.set_change(noted | note);
            fence(Release);
        }
    }

    /// Tells readers of the shard that what they read now is worth nothing.
    #[inline(always)]
    fn open(&self, shard: usize) {
        let bit = 1 << shard;
        if self.open.get() & bit == 0 {
            self.open.set(self.open.get() | bit);
            let sequence = self.store.sequence(shard);
            sequence.set(sequence.get().wrapping_add(1) | 1);
            fence(Release);
        }
    }

    #[inline(always)]
    pub(super) fn open_for(&self, entry: Entry) {
        self.open(Store::shard(self.store.bucket(entry.hash())));
    }

    /// Before the links of anything are changed.
    #[inline(always)]
    pub(super) fn begin_structure(&self) {
        self.note(note::STRUCTURE);
    }

    /// Before the value of an entry is changed by a single store.
    #[inline(always)]
    pub(super) fn begin_value(&self, entry: Entry) {
        self.note(note::VALUE);
        self.open_for(entry);
    }

    /// Before an entry is changed in a way that is no concern of anything else. If nothing has been changed
    /// under this lock before, which is the rule, readers may come as soon as it is done.
    #[inline(always)]
    pub(super) fn begin_brief(&self, note: u64, entry: Entry) -> Brief {
        let bucket = self.store.bucket(entry.hash());
        if self.noted.get() != 0 {
            self.note(note);
            self.open(Store::shard(bucket));
            return Brief(None);
        }
        let sequence = self.store.sequence(bucket);
        self.store.state.set_change(note);
        fence(Release);
        let number = sequence.get().wrapping_add(1);
        sequence.set(number);
        fence(Release);
        Brief(Some((sequence, number)))
    }

    #[inline(always)]
    pub(super) fn end_brief(&self, brief: Brief) {
        if let Brief(Some((sequence, number))) = brief {
            fence(Release);
            sequence.set(number.wrapping_add(1));
            fence(Release);
            self.store.state.set_change(0);
        }
    }

    /// Writes over an entry, the only one under this lock. If this process dies meanwhile, the entry is lost.
    #[inline(always)]
    pub(super) fn overwrite(&self, entry: Entry, value: Value<'_>, flags: u32, expires: u64) {
        let place = entry.place();
        let brief = self.begin_brief(note::VALUE | u64::from(place.0) << note::VICTIM, entry);
        self.write_value(entry, value, flags, expires);
        self.end_brief(brief);
        self.store.mark(place);
    }

    #[inline(always)]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<Entry> {
        let mut next = self.store.head(self.store.bucket(hash));
        while let Some(entry) = self.store.entry(next) {
            if entry.has_key(hash, key) {
                return Some(entry);
            }
            next = Ref(entry.next());
        }
        None
    }

    /// An entry with its key, linked nowhere; `size` is what the allocator is asked for.
    #[inline]
    pub(super) fn alloc(&self, size: usize) -> Option<Entry> {
        self.store.entry(self.alloc_block(size)?)
    }

    #[inline]
    pub(super) fn write_key(&self, entry: Entry, hash: u32, key: &[u8]) {
        entry.set_hash(hash);
        entry.set_key(key);
    }

    /// Writes value, flags and time behind an entry's key, where there is room for them.
    #[inline(always)]
    pub(super) fn write_value(&self, entry: Entry, value: Value<'_>, flags: u32, expires: u64) {
        entry.set_kind(value.kind());
        entry.set_value_len(value.len() as u32);
        entry.set_flags(flags);
        entry.set_expires(expires);
        match value {
            Value::Boolean(value) => entry.set_truth(value),
            Value::Number(value) => entry.set_number(value),
            Value::String(value) => entry.set_bytes(value),
        }
    }

    /// Makes a complete entry part of the dictionary.
    #[inline(always)]
    pub(super) fn link(&self, entry: Entry) {
        let (store, place) = (self.store, entry.place());
        store.unmark(place);
        self.push_newest(entry);
        let bucket = store.bucket(entry.hash());
        entry.set_next(store.head(bucket).0);
        self.open(Store::shard(bucket));
        fence(Release);
        store.set_head(bucket, place);
        store.state.set_entries(store.state.entries() + 1);
        self.grow(entry.own_size());
    }

    #[inline(never)]
    pub(super) fn remove(&self, entry: Entry) {
        self.remove_here(entry);
    }

    #[inline(always)]
    pub(super) fn remove_here(&self, entry: Entry) {
        self.begin_structure();
        let bucket = self.store.bucket(entry.hash());
        self.open(Store::shard(bucket));
        self.unlink_from_bucket(entry, bucket);
        self.take_from_order(entry);
        let state = self.store.state;
        state.set_entries(state.entries().saturating_sub(1));
        if entry.is_list()
            && let Some(ends) = entry.ends()
        {
            self.free_nodes(ends.first());
        }
        let size = entry.own_size();
        self.shrink(size);
        self.free_block(entry.place(), size);
    }

    #[inline(always)]
    fn unlink_from_bucket(&self, entry: Entry, bucket: usize) {
        let store = self.store;
        let mut place = store.head(bucket);
        fence(Release);
        if place == entry.place() {
            store.set_head(bucket, Ref(entry.next()));
        }
        while let Some(before) = store.entry(place).filter(|_| place != entry.place()) {
            place = Ref(before.next());
            if place == entry.place() {
                before.set_next(entry.next());
            }
        }
        fence(Release);
    }

    /// Frees the nodes of a list from `first` on; readers do not know of nodes.
    pub(super) fn free_nodes(&self, first: Ref) {
        let slab = self.store.slab;
        let mut next = first;
        while let Some(node) = Node::at(slab, next) {
            next = Ref(node.next());
            self.free_node(node);
        }
    }

    #[inline]
    pub(super) fn free_node(&self, node: Node) {
        let size = Node::size(node.len() as usize);
        self.shrink(size);
        self.free_block(node.place(), size);
    }

    #[inline]
    fn push_newest(&self, entry: Entry) {
        let (state, place) = (self.store.state, entry.place());
        let newest = Ref(state.newest());
        entry.set_newer(0);
        entry.set_older(newest.0);
        match self.store.entry(newest) {
            Some(newest) => newest.set_newer(place.0),
            None => state.set_oldest(place.0),
        }
        state.set_newest(place.0);
    }

    #[inline(always)]
    fn take_from_order(&self, entry: Entry) {
        let (state, store) = (self.store.state, self.store);
        let (newer, older) = (Ref(entry.newer()), Ref(entry.older()));
        match store.entry(newer) {
            Some(newer) => newer.set_older(older.0),
            None => state.set_newest(older.0),
        }
        match store.entry(older) {
            Some(older) => older.set_newer(newer.0),
            None => state.set_oldest(newer.0),
        }
    }

    pub(super) fn make_newest(&self, entry: Entry) {
        self.begin_structure();
        self.take_from_order(entry);
        self.push_newest(entry);
    }

    #[inline(always)]
    pub(super) fn oldest(&self) -> Option<Entry> {
        self.store.entry(Ref(self.store.state.oldest()))
    }

    /// From the entry not used for the longest time on.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = Entry> {
        let (slab, mut next) = (self.store.slab, Ref(self.store.state.oldest()));
        core::iter::from_fn(move || {
            let entry = Entry::at(slab, next)?;
            next = Ref(entry.newer());
            Some(entry)
        })
    }

    /// The entries of a bucket; `visit` may remove the one it is given.
    pub(super) fn for_each_in_bucket(&self, bucket: usize, mut visit: impl FnMut(Entry)) {
        let mut next = self.store.head(bucket);
        while let Some(entry) = self.store.entry(next) {
            next = Ref(entry.next());
            visit(entry);
        }
    }

    /// Counts bytes that have been allocated.
    #[inline(always)]
    pub(super) fn grow(&self, bytes: usize) {
        let state = self.store.state;
        state.set_bytes(state.bytes() + bytes as u64);
    }

    #[inline(always)]
    pub(super) fn shrink(&self, bytes: usize) {
        let state = self.store.state;
        state.set_bytes(state.bytes().saturating_sub(bytes as u64));
    }
}

impl Locked<'_> {
    /// All is as it should be: readers may come, and nothing has to be repaired.
    #[inline(always)]
    fn settle(&self) {
        let (store, mut open) = (self.store, self.open.take());
        fence(Release);
        while open != 0 {
            let sequence = store.sequence(open.trailing_zeros() as usize);
            sequence.set(sequence.get().wrapping_add(1));
            open &= open - 1;
        }
        fence(Release);
        self.noted.set(0);
        store.state.set_change(0);
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // A panic leaves the note to the next holder.
        if self.noted.get() != 0 && !std::thread::panicking() {
            self.settle();
        }
        self.store.slab.unlock();
    }
}

impl Value<'_> {
    #[inline(always)]
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Boolean(_) => super::layout::BOOLEAN,
            Self::Number(_) => super::layout::NUMBER,
            Self::String(_) => super::layout::STRING,
        }
    }

    #[inline(always)]
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
    #[inline(always)]
    pub(super) fn fits(self, len: usize) -> bool {
        self.kind() != LIST && self.value_len() as usize == len
    }
}
