//! What goes over many entries: get_keys, scan, flush_all, flush_expired.
//!
//! Where all entries are wanted, they are found by bucket, a few at a time, so that nobody waits for the
//! whole of it; unless there are so few of them that their own order is the shorter way, or as short.
use super::layout::Entry;
use super::lock::Locked;
use super::store::Store;
use crate::nginx::slab::Strings;

/// Buckets looked at under one lock.
const BATCH: u32 = 128;

impl Store {
    /// Up to `max` keys that have not expired, those stored first at the front; 0: all, which are in no order if they
    /// are many.
    ///
    /// Reference: the least recently used first. Here reading moves nothing (docs/decisions/0049).
    pub(super) fn keys(&self, max: usize, now: u64) -> Strings {
        let entries = usize::try_from(self.state.entries()).unwrap_or(usize::MAX);
        let max = if max == 0 { usize::MAX } else { max };
        let mut keys = Strings::with_room_for(entries.min(max));
        if max == usize::MAX && !self.is_sparse() {
            for bucket in 0..self.plan.buckets as usize {
                self.keys_of_bucket(bucket, now, &mut keys);
            }
            return keys;
        }
        let locked = self.lock();
        let alive = locked.oldest_first().filter(move |entry| !entry.is_stale(now));
        Entry::push_keys(alive.take(max), &mut keys);
        keys
    }

    /// The keys of some buckets from `cursor` on, at least `count` of them unless that takes looking at
    /// too many buckets; and where to go on, 0 at the end.
    pub(super) fn scan(&self, cursor: u32, count: usize, now: u64) -> (u32, Strings) {
        let mut keys = Strings::with_room_for(count);
        let patience = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(10).max(BATCH);
        let end = cursor.saturating_add(patience).min(self.plan.buckets);
        let mut next = cursor;
        while next < end && keys.len() < count {
            self.keys_of_bucket(next as usize, now, &mut keys);
            next += 1;
        }
        (if next >= self.plan.buckets { 0 } else { next }, keys)
    }

    /// Makes every entry expire.
    pub(super) fn flush_all(&self, now: u64) {
        const LONG_AGO: u64 = 1;
        if self.is_sparse() {
            let locked = self.lock();
            for entry in locked.oldest_first() {
                locked.begin_value(entry);
                entry.set_expires(LONG_AGO);
            }
        } else {
            self.for_each_in_batches(|_, entry| entry.set_expires(LONG_AGO));
        }
        self.lock().evict(now);
    }

    /// Removes entries that are over, at most `max` (0: all); how many it were.
    pub(super) fn flush_expired(&self, max: usize, now: u64) -> usize {
        let mut freed = 0;
        if max == 0 && !self.is_sparse() {
            self.for_each_in_batches(|locked, entry| {
                if entry.is_stale(now) {
                    locked.remove_expired(entry);
                    freed += 1;
                }
            });
            return freed;
        }
        let locked = self.lock();
        for entry in locked.oldest_first().filter(|entry| entry.is_stale(now)) {
            locked.remove_expired(entry);
            freed += 1;
            if freed == max {
                break;
            }
        }
        freed
    }

    /// Whether there are few entries, or far fewer than buckets.
    fn is_sparse(&self) -> bool {
        const FEW: u32 = 1024;
        self.state.entries() <= u64::from((self.plan.buckets / 8).max(FEW))
    }

    /// Entries may be changed, and the one at hand be removed.
    fn for_each_in_batches(&self, mut visit: impl FnMut(&Locked<'_>, Entry)) {
        let mut bucket = 0;
        while bucket < self.plan.buckets {
            let end = bucket.saturating_add(BATCH).min(self.plan.buckets);
            let locked = self.lock();
            for bucket in bucket..end {
                locked.for_each_in_bucket(bucket as usize, |entry| {
                    locked.begin_value(entry);
                    visit(&locked, entry);
                });
            }
            bucket = end;
        }
    }
}
