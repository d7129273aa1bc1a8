//! What changes a dictionary: set, incr, expire, eviction.
//!
//! A value of the same length is written over the old one. Otherwise an entry is added, and if there is
//! no memory, entries that have not been used for long make room.
use super::layout::{Entry, NUMBER};
use super::lock::{Locked, note};
use super::store::{Store, StoreError, Value};

/// When to store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    Always,
    /// `add`
    IfAbsent,
    /// `replace`
    IfPresent,
}

/// What to do for want of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shortage {
    Evict,
    /// `safe_set`, `safe_add`
    Fail,
}

/// A value with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: Value<'a>,
    pub(super) flags: u32,
    /// 0: never.
    pub(super) expires: u64,
}

/// The result of storing, and whether entries that were not over had to go for it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stored<T> {
    pub(super) result: Result<T, StoreError>,
    pub(super) forcible: bool,
}

impl<T> From<Result<T, StoreError>> for Stored<T> {
    fn from(result: Result<T, StoreError>) -> Self {
        Self { result, forcible: false }
    }
}

impl Store {
    pub(super) fn set(
        &self,
        item: Item<'_>,
        when: When,
        shortage: Shortage,
        now: u64,
    ) -> Stored<()> {
        let hash = self.hash(item.key);
        let locked = self.lock();
        locked.drop_expired(now);
        let found = locked.find(hash, item.key);
        let is_alive = found.is_some_and(|entry| !entry.is_stale(now));
        match when {
            When::IfPresent if !is_alive => return Err(StoreError::NotFound).into(),
            When::IfAbsent if is_alive => return Err(StoreError::Exists).into(),
            _ => {}
        }
        if let Some(entry) = found {
            if entry.fits(item.value.len()) {
                locked.overwrite(entry, item.value, item.flags, item.expires);
                return Ok(()).into();
            }
            locked.remove(entry);
        }
        locked.insert(hash, item, shortage, now)
    }

    pub(super) fn delete(&self, key: &[u8], now: u64) {
        let hash = self.hash(key);
        let locked = self.lock();
        locked.drop_expired(now);
        if let Some(entry) = locked.find(hash, key) {
            locked.remove(entry);
        }
    }

    /// Adds `by` to a number; `init` is what a key that is missing starts with, and when it expires.
    pub(super) fn incr(
        &self,
        key: &[u8],
        by: f64,
        init: Option<(f64, u64)>,
        now: u64,
    ) -> Stored<f64> {
        let hash = self.hash(key);
        let locked = self.lock();
        locked.drop_expired(now);
        let found = locked.find(hash, key);
        if let Some(entry) = found.filter(|entry| !entry.is_stale(now)) {
            return locked.add_to(entry, by).into();
        }
        let Some((init, expires)) = init else { return Err(StoreError::NotFound).into() };
        let sum = init + by;
        let item = Item { key, value: Value::Number(sum), flags: 0, expires };
        if let Some(entry) = found {
            if entry.fits(8) {
                locked.overwrite(entry, item.value, 0, expires);
                return Ok(sum).into();
            }
            locked.remove(entry);
        }
        let stored = locked.insert(hash, item, Shortage::Evict, now);
        Stored { result: stored.result.map(|()| sum), forcible: stored.forcible }
    }

    /// Whether there is such a key; its time may be over.
    pub(super) fn set_expires(&self, key: &[u8], expires: u64) -> bool {
        let hash = self.hash(key);
        let locked = self.lock();
        let found = locked.find(hash, key);
        if let Some(entry) = found {
            let brief = locked.begin_brief(note::VALUE, entry);
            entry.set_expires(expires);
            locked.end_brief(brief);
        }
        found.is_some()
    }
}

impl Locked<'_> {
    #[inline]
    fn add_to(&self, entry: Entry, by: f64) -> Result<f64, StoreError> {
        if entry.kind() != NUMBER {
            return Err(StoreError::NotANumber);
        }
        let sum = entry.number() + by;
        let brief = self.begin_brief(note::VALUE, entry);
        entry.set_number(sum);
        self.end_brief(brief);
        self.store.mark(entry.place());
        Ok(sum)
    }

    fn insert(&self, hash: u32, item: Item<'_>, shortage: Shortage, now: u64) -> Stored<()> {
        let size = Entry::size(item.key.len(), item.value.len());
        let (entry, forcible) = match (self.alloc(size), shortage) {
            (Some(entry), _) => (Some(entry), false),
            (None, Shortage::Fail) => (None, false),
            (None, Shortage::Evict) => self.alloc_by_evicting(size, now),
        };
        let Some(entry) = entry else {
            return Stored { result: Err(StoreError::NoMemory), forcible };
        };
        self.write_key(entry, hash, item.key);
        self.write_value(entry, item.value, item.flags, item.expires);
        self.link(entry);
        Stored { result: Ok(()), forcible }
    }

    /// Removes up to two entries that are over, if they are the oldest.
    #[inline(always)]
    pub(super) fn drop_expired(&self, now: u64) {
        if let Some(entry) = self.oldest().filter(|entry| entry.is_stale(now)) {
            self.drop_two_expired(entry, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_two_expired(&self, first: Entry, now: u64) {
        self.remove_expired(first);
        if let Some(second) = self.oldest().filter(|entry| entry.is_stale(now)) {
            self.remove_expired(second);
        }
    }

    pub(super) fn remove_expired(&self, entry: Entry) {
        let state = self.store.state;
        state.set_expired(state.expired() + 1);
        self.remove(entry);
    }
}
