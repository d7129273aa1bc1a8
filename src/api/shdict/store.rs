//! A dictionary in a zone, and reading it, which takes no lock.
//!
//! A reader notes the sequence number of the key's shard, follows the bucket's chain, copies the value,
//! and looks at the number again: if a writer has been at the shard meanwhile, what was read is thrown
//! away. So reading writes nothing but a mark that says that the entry has been used (once, until
//! eviction takes it away) and a counter of its own process.
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::Acquire;
use core::sync::atomic::fence;

use super::layout::{self, BOOLEAN, Entry, LIST, NUMBER, Plan, Ref, SHARDS, STRING, State, TALLY};
use super::lock::Locked;
use crate::nginx::process;
use crate::nginx::slab::Slab;

/// Why an operation did not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StoreError {
    NotFound,
    Exists,
    NoMemory,
    NotANumber,
    NotAList,
    IsAList,
}

/// A value that goes in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value<'a> {
    Boolean(bool),
    Number(f64),
    String(&'a [u8]),
}

/// A value that came out; the bytes of a string are in the reader's [`Room`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Found {
    Boolean(bool),
    Number(f64),
    String(usize),
}

/// An answer to `get`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Answer {
    pub(super) value: Found,
    pub(super) flags: u32,
    pub(super) stale: bool,
}

/// Where the bytes of a string are put; asked again if they have to be read again.
pub(super) trait Room {
    /// Room for `len` bytes; `None` if there is no memory.
    fn of(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]>;
}

/// Whose time is over: who wants it all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    Refuse,
    Accept,
}

/// What `stats` tells.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Stats {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) evictions: u64,
    pub(super) expired: u64,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) repairs: u64,
}

/// A dictionary, as one process knows it: where things are.
pub(super) struct Store {
    pub(super) slab: Slab,
    pub(super) state: State,
    pub(super) plan: Plan,
    seed: u64,
    sequences_at: usize,
    tallies_at: usize,
    pub(super) buckets_at: usize,
    marks_at: usize,
}

/// A writer was there: what has been read is worth nothing.
pub(super) struct Disturbed;

impl Store {
    /// Makes an empty dictionary of a new zone; `label` goes with nginx's log lines about it.
    pub(super) fn create(slab: Slab, seed: u64, label: &[u8]) -> Option<Self> {
        let plan = Plan::of(slab.size());
        let at = slab.alloc(plan.size())?;
        slab.clear(at, plan.size());
        let state = State::new(slab, at);
        state.set_seed(seed);
        slab.set_root(at);
        Self::set_label(slab, label)?;
        Self::open(slab)
    }

    pub(super) fn set_label(slab: Slab, label: &[u8]) -> Option<()> {
        let at = slab.alloc(label.len() + 1)?;
        slab.copy_in(at, label);
        slab.set_u8(at + label.len(), 0);
        slab.set_log_context(at);
        Some(())
    }

    /// The dictionary that has been made of the zone before.
    pub(super) fn open(slab: Slab) -> Option<Self> {
        let (at, plan) = (slab.root(), Plan::of(slab.size()));
        if at == 0 {
            return None;
        }
        let state = State::new(slab, at);
        Some(Self {
            slab,
            state,
            plan,
            seed: state.seed(),
            sequences_at: at + plan.sequences_at(),
            tallies_at: at + plan.tallies_at(),
            buckets_at: at + plan.buckets_at(),
            marks_at: at + plan.marks_at(),
        })
    }

    /// Mixes eight bytes at a time, with a secret seed.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        let fold = |a: u64, b: u64| {
            let wide = u128::from(a) * u128::from(b);
            wide as u64 ^ (wide >> 64) as u64
        };
        let mut hash = self.seed ^ key.len() as u64;
        let mut chunks = key.chunks_exact(8);
        for chunk in &mut chunks {
            let word = chunk.try_into().map_or(0, u64::from_le_bytes);
            hash = fold(hash ^ word, MULTIPLIER);
        }
        let rest = chunks.remainder();
        let word = match *rest {
            [] => return (fold(hash, MULTIPLIER ^ self.seed) >> 32) as u32,
            [a, b, c, d, ..] => {
                let n = rest.len();
                let tail = [rest[n - 4], rest[n - 3], rest[n - 2], rest[n - 1]];
                u64::from(u32::from_le_bytes([a, b, c, d]))
                    | u64::from(u32::from_le_bytes(tail)) << 32
            }
            [a, ..] => {
                let (middle, last) = (rest[rest.len() / 2], rest[rest.len() - 1]);
                u64::from(a) | u64::from(middle) << 8 | u64::from(last) << 16
            }
        };
        (fold(fold(hash ^ word, MULTIPLIER), MULTIPLIER ^ self.seed) >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn bucket(&self, hash: u32) -> u32 {
        ((u64::from(hash) * u64::from(self.plan.buckets)) >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn shard(bucket: u32) -> usize {
        bucket as usize % SHARDS
    }

    #[inline(always)]
    pub(super) fn head_at(&self, bucket: u32) -> usize {
        self.buckets_at + bucket as usize * 4
    }

    #[inline(always)]
    pub(super) fn entry(&self, place: Ref) -> Entry {
        Entry::new(self.slab, place)
    }

    #[inline(always)]
    pub(super) fn sequence_at(&self, shard: usize) -> usize {
        self.sequences_at + (shard << self.plan.sequence_shift)
    }

    /// Whether the entry has been used since eviction last came by.
    #[inline(always)]
    pub(super) fn is_marked(&self, place: Ref) -> bool {
        self.slab.u8_at(self.mark_at(place)) & Self::mark_bit(place) != 0
    }

    /// A mark is a hint: two processes that set neighbouring ones at the same time may lose one.
    #[inline(always)]
    pub(super) fn mark(&self, place: Ref) {
        let (at, bit) = (self.mark_at(place), Self::mark_bit(place));
        let marks = self.slab.u8_at(at);
        if marks & bit == 0 {
            self.slab.set_u8(at, marks | bit);
        }
    }

    pub(super) fn unmark(&self, place: Ref) {
        let (at, bit) = (self.mark_at(place), Self::mark_bit(place));
        let marks = self.slab.u8_at(at);
        if marks & bit != 0 {
            self.slab.set_u8(at, marks & !bit);
        }
    }

    #[inline(always)]
    fn mark_at(&self, place: Ref) -> usize {
        self.marks_at + place.0 as usize / 32
    }

    /// No two entries share 64 bytes.
    #[inline(always)]
    fn mark_bit(place: Ref) -> u8 {
        1 << (place.0 / 4 % 8)
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked::new(self)
    }

    /// Reads without the lock, until it has read without a writer in between; after many attempts, or
    /// where a writer has died, with the lock. `read` may see anything, and is told when to look at
    /// whether it still makes sense.
    #[inline]
    fn read<T>(
        &self,
        shard: usize,
        mut read: impl FnMut(&dyn Fn() -> bool) -> Result<T, Disturbed>,
    ) -> T {
        const ATTEMPTS: usize = 200;
        let at = self.sequence_at(shard);
        for _ in 0..ATTEMPTS {
            let before = self.slab.u32_at(at);
            fence(Acquire);
            if before & 1 != 0 {
                core::hint::spin_loop();
                continue;
            }
            let undisturbed = || {
                fence(Acquire);
                self.slab.u32_at(at) == before
            };
            if let Ok(result) = read(&undisturbed)
                && undisturbed()
            {
                return result;
            }
        }
        let _lock = self.lock();
        loop {
            if let Ok(result) = read(&|| true) {
                return result;
            }
        }
    }

    #[inline]
    fn find(
        &self,
        hash: u32,
        key: &[u8],
        undisturbed: &dyn Fn() -> bool,
    ) -> Result<Ref, Disturbed> {
        let mut place = Ref(self.slab.u32_at(self.head_at(self.bucket(hash))));
        let mut steps = 0_u32;
        while !place.is_none() {
            let entry = self.entry(place);
            if entry.has_key(hash, key) {
                return Ok(place);
            }
            place = Ref(entry.next());
            steps += 1;
            // A chain that is being changed may lead in circles.
            if steps.is_multiple_of(32) && !undisturbed() {
                return Err(Disturbed);
            }
        }
        Ok(Ref::NONE)
    }

    /// The value of a key.
    #[inline]
    pub(super) fn get(
        &self,
        key: &[u8],
        stale: Stale,
        now: u64,
        room: &mut impl Room,
    ) -> Result<Option<Answer>, StoreError> {
        let hash = self.hash(key);
        let shard = Self::shard(self.bucket(hash));
        let (place, answer) = self.read(shard, |undisturbed| {
            let place = self.find(hash, key, undisturbed)?;
            if place.is_none() {
                return Ok((place, Ok(None)));
            }
            let entry = self.entry(place);
            let is_stale = entry.is_stale(now);
            if is_stale && stale == Stale::Refuse {
                return Ok((Ref::NONE, Ok(None)));
            }
            let value = self.value(entry, room, undisturbed)?;
            let flags = entry.flags();
            let answer = value.map(|value| Some(Answer { value, flags, stale: is_stale }));
            Ok((place, answer))
        });
        if place.is_none() {
            self.count(MISSES);
        } else {
            self.mark(place);
            self.count(HITS);
        }
        answer
    }

    #[inline]
    fn value(
        &self,
        entry: Entry,
        room: &mut impl Room,
        undisturbed: &dyn Fn() -> bool,
    ) -> Result<Result<Found, StoreError>, Disturbed> {
        let at = entry.value_at();
        Ok(match entry.kind() {
            NUMBER => Ok(Found::Number(f64::from_ne_bytes(self.slab.word_at(at)))),
            BOOLEAN => Ok(Found::Boolean(self.slab.u8_at(at) != 0)),
            STRING => {
                let len = entry.value_len() as usize;
                if !undisturbed() {
                    return Err(Disturbed);
                }
                let copied = room.of(len).is_some_and(|room| self.slab.copy_out(at, room));
                if copied { Ok(Found::String(len)) } else { Err(StoreError::NoMemory) }
            }
            LIST => Err(StoreError::IsAList),
            _ => Err(StoreError::NotFound),
        })
    }

    /// When the key expires (0: never), also if that is over.
    pub(super) fn expires(&self, key: &[u8]) -> Option<u64> {
        self.peek(key, layout::Entry::expires)
    }

    /// The number of values in a list.
    pub(super) fn list_len(&self, key: &[u8], now: u64) -> Result<u32, StoreError> {
        let found = self.peek(key, |entry| {
            (!entry.is_stale(now)).then(|| entry.is_list().then(|| entry.value_len()))
        });
        match found.flatten() {
            None => Ok(0),
            Some(None) => Err(StoreError::NotAList),
            Some(Some(len)) => Ok(len),
        }
    }

    fn peek<T>(&self, key: &[u8], look: impl Fn(Entry) -> T) -> Option<T> {
        let hash = self.hash(key);
        self.read(Self::shard(self.bucket(hash)), |undisturbed| {
            let place = self.find(hash, key, undisturbed)?;
            Ok((!place.is_none()).then(|| look(self.entry(place))))
        })
    }

    /// Hands the keys of one bucket that are not over to `keys`, all or none.
    pub(super) fn keys_of_bucket(&self, bucket: u32, now: u64, keys: &mut Keys) {
        let kept = keys.mark();
        self.read(Self::shard(bucket), |undisturbed| {
            keys.take_back(kept);
            let mut place = Ref(self.slab.u32_at(self.head_at(bucket)));
            while !place.is_none() {
                let entry = self.entry(place);
                let (at, len) = (entry.key_at(), entry.key_len().into());
                place = Ref(entry.next());
                let is_over = entry.is_over(now);
                if !undisturbed() {
                    return Err(Disturbed);
                }
                if !is_over {
                    keys.push(self.slab, at, len);
                }
            }
            Ok(())
        });
    }

    /// Each process has a place of its own for what it counts, or shares it with few.
    #[inline(always)]
    fn count(&self, what: usize) {
        let own = process::slot() & (self.plan.tallies - 1);
        let at = self.tallies_at + own * TALLY + what;
        self.slab.set_u64(at, self.slab.u64_at(at).wrapping_add(1));
    }

    pub(super) fn stats(&self) -> Stats {
        let sum = |what| {
            let tally = |own| self.slab.u64_at(self.tallies_at + own * TALLY + what);
            (0..self.plan.tallies).map(tally).fold(0, u64::wrapping_add)
        };
        let state = self.state;
        Stats {
            entries: state.entries(),
            bytes: state.bytes(),
            evictions: state.evictions(),
            expired: state.expired(),
            hits: sum(HITS),
            misses: sum(MISSES),
            repairs: state.repairs(),
        }
    }
}

/// Where in a process's place the counts lie.
const HITS: usize = 0;
const MISSES: usize = 8;

/// Keys copied out of a dictionary, one after the other.
#[derive(Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn mark(&self) -> (usize, usize) {
        (self.bytes.len(), self.ends.len())
    }

    fn take_back(&mut self, (bytes, ends): (usize, usize)) {
        self.bytes.truncate(bytes);
        self.ends.truncate(ends);
    }

    /// Without memory the key is left out.
    pub(super) fn push(&mut self, slab: Slab, at: usize, len: usize) {
        if self.ends.try_reserve(1).is_ok() && slab.append_to(at, len, &mut self.bytes) {
            self.ends.push(self.bytes.len());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}
