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
use super::memory;
use crate::nginx::process;
use crate::nginx::slab::{Ring, Slab, Spread, Strings, Table, Word};

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
    multiplier: u64,
    sequences: Ring<u32>,
    tallies: Ring<u64>,
    buckets: Spread<u32>,
    marks: Table<u32>,
    pub(super) spares: Table<u32>,
}

/// A writer was there: what has been read is worth nothing.
pub(super) struct Disturbed;

/// Not a case for [`Store::get_at_once`].
pub(super) struct Unusual;

impl From<Disturbed> for Unusual {
    #[inline(always)]
    fn from(_: Disturbed) -> Self {
        Self
    }
}

/// When a reader began: while it holds, no writer has been at the shard.
#[derive(Clone, Copy)]
struct Moment {
    sequence: Word<u32>,
    number: u32,
}

impl Moment {
    /// Whether no writer is at the shard.
    #[inline(always)]
    fn is_quiet(self) -> bool {
        self.number & 1 == 0
    }

    #[inline(always)]
    fn holds(self) -> bool {
        fence(Acquire);
        self.sequence.get() == self.number
    }
}

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[inline(always)]
fn fold(wide: u128) -> u64 {
    wide as u64 ^ (wide >> 64) as u64
}

impl Store {
    /// Makes an empty dictionary of a new zone; `label` goes with nginx's log lines about it.
    pub(super) fn create(slab: Slab, seed: u64, label: &[u8]) -> Option<Self> {
        let plan = Plan::of(slab.size());
        let at = slab.alloc(plan.size())?;
        slab.clear(at, plan.size());
        State::at(slab, at)?.set_seed(seed);
        slab.set_root(at);
        Self::set_label(slab, plan, label)?;
        // A dictionary without a page for entries is none.
        if slab.free_bytes() == 0 { None } else { Self::open(slab) }
    }

    /// Names the zone in nginx's log lines.
    pub(super) fn set_label(slab: Slab, plan: Plan, label: &[u8]) -> Option<()> {
        let label = &label[..label.len().min(layout::LABEL - 1)];
        let size = plan.least.max(label.len() + 1);
        let own = plan.label_is_apart.then(|| slab.alloc(size));
        let at = own.unwrap_or(Some(slab.root() + plan.label_at()))?;
        slab.copy_in(at, label);
        slab.clear(at + label.len(), 1);
        slab.set_log_context(at);
        Some(())
    }

    /// The dictionary that has been made of the zone before.
    pub(super) fn open(slab: Slab) -> Option<Self> {
        let (at, plan) = (slab.root(), Plan::of(slab.size()));
        if at == 0 {
            return None;
        }
        let state = State::at(slab, at)?;
        let seed = state.seed();
        Some(Self {
            slab,
            state,
            plan,
            seed,
            multiplier: fold(product(seed ^ 0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9)) | 1,
            sequences: slab.table(at + plan.sequences_at(), plan.sequences())?.into_ring()?,
            tallies: slab.table(at + plan.tallies_at(), plan.tallies * TALLY / 8)?.into_ring()?,
            buckets: slab.table(at + plan.buckets_at(), plan.buckets as usize)?.into_spread()?,
            marks: slab.table(at + plan.marks_at(), plan.marks)?,
            spares: slab.table(at + State::SPARES, memory::SIZES)?,
        })
    }

    /// Mixes eight bytes at a time, with two secrets.
    #[inline(always)]
    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        let (mut hash, mut rest) = (self.seed ^ key.len() as u64, key);
        while let Some((word, more)) = rest.split_first_chunk().filter(|(_, more)| !more.is_empty())
        {
            hash = fold(product(hash ^ u64::from_le_bytes(*word), self.multiplier));
            rest = more;
        }
        let last = match (rest.first_chunk(), rest.last_chunk(), rest) {
            (Some(first), Some(last), _) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            (.., [first, .., last]) => {
                u64::from(*first) | u64::from(rest[rest.len() / 2]) << 8 | u64::from(*last) << 16
            }
            (.., [only]) => u64::from(*only),
            (.., []) => 0,
        };
        // The middle of the product: each bit of the key has a part in one half of it.
        let wide = product(hash ^ last, self.multiplier);
        (wide >> 64) as u32 ^ (wide >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn bucket(&self, hash: u32) -> usize {
        self.buckets.find(hash).0
    }

    /// Buckets take turns with the sequence numbers.
    #[inline(always)]
    pub(super) fn shard(bucket: usize) -> usize {
        bucket % SHARDS
    }

    /// The first entry of a bucket.
    #[inline(always)]
    pub(super) fn head(&self, bucket: usize) -> Ref {
        Ref(self.buckets.words().get(bucket))
    }

    #[inline(always)]
    pub(super) fn set_head(&self, bucket: usize, place: Ref) {
        self.buckets.words().set(bucket, place.0);
    }

    /// `None` at the end of a chain.
    #[inline(always)]
    pub(super) fn entry(&self, place: Ref) -> Option<Entry> {
        Entry::at(self.slab, place)
    }

    #[inline(always)]
    pub(super) fn sequence(&self, bucket: usize) -> Word<u32> {
        self.sequences.word(bucket << self.plan.sequence_shift)
    }

    /// Whether the entry has been used since eviction last came by.
    #[inline(always)]
    pub(super) fn is_marked(&self, place: Ref) -> bool {
        self.marks.get(Self::mark_at(place)) >> Self::mark_bit(place) & 1 != 0
    }

    /// A mark is a hint: two processes that set neighbouring ones at the same time may lose one.
    #[inline(always)]
    pub(super) fn mark(&self, place: Ref) {
        if !self.is_marked(place) {
            self.set_mark(place);
        }
    }

    #[inline(never)]
    fn set_mark(&self, place: Ref) {
        let at = Self::mark_at(place);
        self.marks.set(at, self.marks.get(at) | 1 << Self::mark_bit(place));
    }

    pub(super) fn unmark(&self, place: Ref) {
        if self.is_marked(place) {
            let at = Self::mark_at(place);
            self.marks.set(at, self.marks.get(at) & !(1 << Self::mark_bit(place)));
        }
    }

    #[inline(always)]
    fn mark_at(place: Ref) -> usize {
        place.0 as usize / 128
    }

    /// No two entries share 64 bytes.
    #[inline(always)]
    fn mark_bit(place: Ref) -> u32 {
        place.0 / 4 % 32
    }

    #[inline(always)]
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked::new(self)
    }

    /// For the holder of the lock, who may find that a writer has died.
    #[inline(always)]
    fn locked_moment(&self, bucket: usize) -> Moment {
        let sequence = self.sequence(bucket);
        let moment = Moment { sequence, number: sequence.get() };
        fence(Acquire);
        moment
    }

    #[inline(always)]
    fn moment(&self, bucket: usize) -> Result<Moment, Disturbed> {
        let moment = self.locked_moment(bucket);
        if moment.is_quiet() { Ok(moment) } else { Err(Disturbed) }
    }

    /// Reads without the lock, until it has read without a writer in between. `read` may see anything, and
    /// can ask whether what it sees still makes sense.
    #[inline(always)]
    fn read<T, F: FnMut(Moment) -> Result<T, Disturbed>>(&self, bucket: usize, mut read: F) -> T {
        match self.attempt(bucket, &mut read) {
            Ok(result) => result,
            Err(Disturbed) => self.insist(bucket, read),
        }
    }

    #[inline(always)]
    fn attempt<T>(
        &self,
        bucket: usize,
        read: &mut impl FnMut(Moment) -> Result<T, Disturbed>,
    ) -> Result<T, Disturbed> {
        let moment = self.moment(bucket)?;
        let result = read(moment)?;
        if moment.holds() { Ok(result) } else { Err(Disturbed) }
    }

    /// After many attempts, or where a writer has died, reads with the lock.
    #[cold]
    #[inline(never)]
    fn insist<T, F: FnMut(Moment) -> Result<T, Disturbed>>(&self, bucket: usize, mut read: F) -> T {
        const ATTEMPTS: usize = 200;
        for _ in 1..ATTEMPTS {
            core::hint::spin_loop();
            if let Ok(result) = self.attempt(bucket, &mut read) {
                return result;
            }
        }
        let _lock = self.lock();
        loop {
            if let Ok(result) = read(self.locked_moment(bucket)) {
                return result;
            }
        }
    }

    #[inline(always)]
    fn find(
        &self,
        first: Ref,
        hash: u32,
        key: &[u8],
        moment: Moment,
    ) -> Result<Option<Entry>, Disturbed> {
        let mut next = first;
        while let Some(entry) = self.entry(next) {
            if entry.has_key(hash, key) {
                return Ok(Some(entry));
            }
            next = Ref(entry.next());
            // A chain that is being changed may lead in circles.
            if !moment.holds() {
                return Err(Disturbed);
            }
        }
        Ok(None)
    }

    /// The value of a key in the usual case: no writer is at it, it is not over or nobody wants it then, and
    /// it fits into `room` if it is a string.
    #[inline(always)]
    pub(super) fn get_at_once<'a>(
        &self,
        key: &[u8],
        stale: Stale,
        now: impl Fn() -> u64,
        room: impl Fn() -> &'a mut [MaybeUninit<u8>],
    ) -> Result<Option<Answer>, Unusual> {
        let hash = self.hash(key);
        let (bucket, head) = self.buckets.find(hash);
        let moment = self.locked_moment(bucket);
        if !moment.is_quiet() {
            return Err(Unusual);
        }
        let entry = self.find(Ref(head.get()), hash, key, moment)?;
        let Some(entry) = entry.filter(|entry| entry.expires() == 0 || !entry.is_stale(now()))
        else {
            return self.miss_at_once(entry, stale, moment);
        };
        // Strings first, and lists are refused with them.
        let kind = entry.kind();
        if kind >= STRING {
            let (len, room) = (entry.value_len() as usize, room());
            if kind != STRING || len > room.len() {
                return Err(Unusual);
            }
            if entry.copy_bytes(key.len(), &mut room[..len]) {
                return self.hit_at_once(entry, Found::String(len), moment);
            }
        } else if kind == NUMBER {
            return self.hit_at_once(entry, Found::Number(entry.number()), moment);
        } else if kind == BOOLEAN {
            return self.hit_at_once(entry, Found::Boolean(entry.truth()), moment);
        }
        Err(Unusual)
    }

    #[inline(always)]
    fn hit_at_once(
        &self,
        entry: Entry,
        value: Found,
        moment: Moment,
    ) -> Result<Option<Answer>, Unusual> {
        let flags = entry.flags();
        if !moment.holds() {
            return Err(Unusual);
        }
        self.mark(entry.place());
        self.count(HITS);
        Ok(Some(Answer { value, flags, stale: false }))
    }

    /// `entry` is over, if there is one.
    #[inline(always)]
    fn miss_at_once(
        &self,
        entry: Option<Entry>,
        stale: Stale,
        moment: Moment,
    ) -> Result<Option<Answer>, Unusual> {
        if entry.is_some() && stale == Stale::Accept || !moment.holds() {
            return Err(Unusual);
        }
        self.count(MISSES);
        Ok(None)
    }

    /// The value of a key.
    pub(super) fn get(
        &self,
        key: &[u8],
        stale: Stale,
        now: u64,
        room: &mut impl Room,
    ) -> Result<Option<Answer>, StoreError> {
        let hash = self.hash(key);
        let read = |moment| self.look(hash, key, stale, now, room, moment);
        let (place, answer) = self.read(self.bucket(hash), read);
        if place.is_none() {
            self.count(MISSES);
        } else {
            self.mark(place);
            self.count(HITS);
        }
        answer
    }

    /// The entry, if there is one, and the answer.
    fn look(
        &self,
        hash: u32,
        key: &[u8],
        stale: Stale,
        now: u64,
        room: &mut impl Room,
        moment: Moment,
    ) -> Result<(Ref, Result<Option<Answer>, StoreError>), Disturbed> {
        let (_, head) = self.buckets.find(hash);
        let Some(entry) = self.find(Ref(head.get()), hash, key, moment)? else {
            return Ok((Ref::NONE, Ok(None)));
        };
        let is_stale = entry.is_stale(now);
        if is_stale && stale == Stale::Refuse {
            return Ok((Ref::NONE, Ok(None)));
        }
        let value = Self::value(entry, key.len(), room, moment)?;
        let flags = entry.flags();
        let answer = value.map(|value| Some(Answer { value, flags, stale: is_stale }));
        Ok((entry.place(), answer))
    }

    fn value(
        entry: Entry,
        key_len: usize,
        room: &mut impl Room,
        moment: Moment,
    ) -> Result<Result<Found, StoreError>, Disturbed> {
        Ok(match entry.kind() {
            NUMBER => Ok(Found::Number(entry.number())),
            BOOLEAN => Ok(Found::Boolean(entry.truth())),
            STRING => {
                let len = entry.value_len() as usize;
                if !moment.holds() {
                    return Err(Disturbed);
                }
                let copied = room.of(len).is_some_and(|room| entry.copy_bytes(key_len, room));
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
        let (bucket, head) = self.buckets.find(hash);
        let look = &look;
        self.read(bucket, move |moment| {
            Ok(self.find(Ref(head.get()), hash, key, moment)?.map(look))
        })
    }

    /// Hands the keys of one bucket that are not over to `keys`, all or none.
    pub(super) fn keys_of_bucket(&self, bucket: usize, now: u64, keys: &mut Strings) {
        let kept = keys.mark();
        self.read(bucket, |moment| {
            keys.cut(kept);
            let mut next = self.head(bucket);
            while let Some(entry) = self.entry(next) {
                next = Ref(entry.next());
                if !entry.is_stale(now) {
                    Entry::push_keys(core::iter::once(entry), keys);
                }
                if !moment.holds() {
                    return Err(Disturbed);
                }
            }
            Ok(())
        });
    }

    /// Each process has a place of its own for what it counts, or shares it with few.
    #[inline(always)]
    fn count(&self, what: usize) {
        let tally = self.tallies.word(process::slot() * (TALLY / 8) + what);
        tally.set(tally.get().wrapping_add(1));
    }

    /// Bytes of pages that hold nothing.
    pub(super) fn free_space(&self) -> usize {
        let locked = self.lock();
        locked.give_back_spares();
        self.slab.free_bytes()
    }

    pub(super) fn stats(&self) -> Stats {
        let sum = |what| {
            let tally = |own| self.tallies.word(own * (TALLY / 8) + what).get();
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
const MISSES: usize = 1;
