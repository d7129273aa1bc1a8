//! A zone of shared memory: nginx's slab allocator, its lock, and access to the bytes by offset.
//!
//! Offsets count from the start of the zone and are checked: what lies outside reads as zero and is not
//! written, so that no content, however wrong, leads out of the zone. A [`Span`] or a [`Table`] is checked
//! once, when it is made. Fields are read and written as relaxed atomics, because other processes do so at
//! the same time; what orders them is up to the caller. The lock is that of the slab pool itself, which
//! nginx's master frees when the process that holds it dies.
#![allow(unsafe_code)]
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

use super::sys::{self, ngx_slab_pool_t};

mod bytes;
mod pages;
mod strings;

pub(crate) use pages::Block;
pub(crate) use strings::{Strings, Text};

/// A handle to a zone that nginx has made a slab pool of. The memory lives as long as the process: nginx
/// unmaps a zone only when a new configuration has none of its name, and no request is left by then.
#[derive(Clone, Copy)]
pub(crate) struct Slab {
    base: NonNull<u8>,
    size: usize,
}

/// `N` bytes of a zone that begin at a multiple of 16.
#[derive(Clone, Copy)]
pub(crate) struct Span<const N: usize> {
    slab: Slab,
    at: usize,
}

/// A row of words in a zone, numbered from 0.
#[derive(Clone, Copy)]
pub(crate) struct Table<T> {
    first: NonNull<T>,
    len: usize,
}

macro_rules! fields {
    ($($load:ident $store:ident $atomic:ident $int:ty;)*) => {$(
        impl<const N: usize> Span<N> {
            #[inline(always)]
            pub(crate) fn $load<const AT: usize>(self) -> $int {
                const { assert!(AT + size_of::<$int>() <= N && AT % size_of::<$int>() == 0) };
                // SAFETY: [zone-bytes]; within the span, which lies in the zone, and aligned.
                unsafe {
                    let field = self.slab.base.as_ptr().add(self.at + AT);
                    $atomic::from_ptr(field.cast()).load(Relaxed)
                }
            }

            #[inline(always)]
            pub(crate) fn $store<const AT: usize>(self, value: $int) {
                const { assert!(AT + size_of::<$int>() <= N && AT % size_of::<$int>() == 0) };
                // SAFETY: as for reading.
                unsafe {
                    let field = self.slab.base.as_ptr().add(self.at + AT);
                    $atomic::from_ptr(field.cast()).store(value, Relaxed);
                }
            }
        }
    )*};
}

fields! {
    u8_at set_u8 AtomicU8 u8;
    u16_at set_u16 AtomicU16 u16;
    u32_at set_u32 AtomicU32 u32;
    u64_at set_u64 AtomicU64 u64;
}

/// One word of a table.
#[derive(Clone, Copy)]
pub(crate) struct Word<T>(NonNull<T>);

impl<T> Table<T> {
    #[inline(always)]
    pub(crate) fn word(self, i: usize) -> Option<Word<T>> {
        // SAFETY: [zone-bytes]; one of the table's words.
        (i < self.len).then(|| Word(unsafe { self.first.add(i) }))
    }
}

/// As many words as a power of two: behind the last comes the first.
#[derive(Clone, Copy)]
pub(crate) struct Ring<T> {
    first: NonNull<T>,
    mask: usize,
}

impl<T> Ring<T> {
    #[inline(always)]
    pub(crate) fn word(self, i: usize) -> Word<T> {
        // SAFETY: [zone-bytes]; one of the ring's words.
        Word(unsafe { self.first.add(i & self.mask) })
    }
}

/// Words that 32 bits of a hash are spread over.
#[derive(Clone, Copy)]
pub(crate) struct Spread<T>(Table<T>);

impl<T> Spread<T> {
    /// The word of a hash, and its number.
    #[inline(always)]
    pub(crate) fn find(self, hash: u32) -> (usize, Word<T>) {
        let number = ((u64::from(hash) * self.0.len as u64) >> 32) as usize;
        // SAFETY: [zone-bytes]; a part of the length, so one of the words.
        (number, Word(unsafe { self.0.first.add(number) }))
    }

    #[inline(always)]
    pub(crate) fn words(self) -> Table<T> {
        self.0
    }
}

impl<T> Table<T> {
    /// `None` if the number of words is no power of two.
    pub(crate) fn into_ring(self) -> Option<Ring<T>> {
        let Self { first, len } = self;
        len.is_power_of_two().then(|| Ring { first, mask: len - 1 })
    }

    /// `None` for more words than hashes, or for none.
    pub(crate) fn into_spread(self) -> Option<Spread<T>> {
        (1..=1 << 32).contains(&self.len).then_some(Spread(self))
    }
}

macro_rules! words {
    ($($atomic:ident $int:ty;)*) => {$(
        impl Word<$int> {
            #[inline(always)]
            pub(crate) fn get(self) -> $int {
                // SAFETY: [zone-bytes]; within the zone, and aligned.
                unsafe { $atomic::from_ptr(self.0.as_ptr()).load(Relaxed) }
            }

            #[inline(always)]
            pub(crate) fn set(self, value: $int) {
                // SAFETY: as for reading.
                unsafe { $atomic::from_ptr(self.0.as_ptr()).store(value, Relaxed) }
            }
        }
    )*};
}

words! {
    AtomicU32 u32;
    AtomicU64 u64;
}

impl Table<u32> {
    #[inline(always)]
    pub(crate) fn get(self, i: usize) -> u32 {
        // Not by `word`: the test whether there is one would be made twice.
        if i >= self.len {
            return 0;
        }
        // SAFETY: [zone-bytes]; one of the table's words.
        Word(unsafe { self.first.add(i) }).get()
    }

    #[inline(always)]
    pub(crate) fn set(self, i: usize, value: u32) {
        if i < self.len {
            // SAFETY: [zone-bytes]; one of the table's words.
            Word(unsafe { self.first.add(i) }).set(value);
        }
    }
}

impl Slab {
    /// # Safety
    /// `base` is the start of a zone of `size` bytes that nginx has initialised and that stays mapped.
    pub(crate) unsafe fn from_raw(base: *mut u8, size: usize) -> Option<Self> {
        let base = NonNull::new(base).filter(|base| base.cast::<u128>().is_aligned())?;
        (size >= Self::LEAST).then_some(Self { base, size })
    }

    /// nginx takes a pool of less for a mistake.
    const LEAST: usize = 8 << 10;

    pub(crate) fn size(self) -> usize {
        self.size
    }

    #[inline(always)]
    fn contains(self, at: usize, len: usize) -> bool {
        at <= self.size && len <= self.size - at
    }

    /// The `N` bytes from `at` on; `None` outside of the zone, or at 0, where the allocator has its own.
    #[inline(always)]
    pub(crate) fn span<const N: usize>(self, at: usize) -> Option<Span<N>> {
        const UNIT: usize = 16;
        const { assert!(UNIT + N <= Self::LEAST) };
        let fits = at.wrapping_sub(UNIT) <= self.size.wrapping_sub(UNIT + N);
        (fits && at.is_multiple_of(UNIT)).then_some(Span { slab: self, at })
    }

    /// The `len` words from `at` on.
    #[inline(always)]
    pub(crate) fn table<T>(self, at: usize, len: usize) -> Option<Table<T>> {
        let fits = self.contains(at, len.checked_mul(size_of::<T>())?);
        // SAFETY: [zone-bytes]; within the zone.
        let first = fits.then(|| unsafe { self.base.add(at) }.cast::<T>())?;
        first.is_aligned().then_some(Table { first, len })
    }

    pub(crate) fn copy_in(self, at: usize, from: &[u8]) {
        if self.contains(at, from.len()) {
            // SAFETY: [zone-bytes]; within the zone, which no Rust reference leads into.
            unsafe { bytes::copy(from.as_ptr(), self.base.as_ptr().add(at), from.len()) };
        }
    }

    /// Writes zeroes.
    pub(crate) fn clear(self, at: usize, len: usize) {
        if self.contains(at, len) {
            // SAFETY: [zone-bytes]; within the zone.
            unsafe { self.base.as_ptr().add(at).write_bytes(0, len) };
        }
    }
}

/// What begins `skip` bytes behind the first `AT`, and may end behind the span.
impl<const N: usize> Span<N> {
    /// Where it begins.
    #[inline(always)]
    pub(crate) fn at(self) -> usize {
        self.at
    }

    #[inline(always)]
    fn behind<const AT: usize>(self, skip: usize, len: usize) -> Option<*mut u8> {
        const { assert!(AT <= N) };
        // A span lies in the zone.
        let room = self.slab.size.wrapping_sub(self.at + AT);
        let fits = skip.checked_add(len).is_some_and(|end| end <= room);
        // SAFETY: [zone-bytes]; within the zone.
        fits.then(|| unsafe { self.slab.base.as_ptr().add(self.at + AT + skip) })
    }

    #[inline(always)]
    pub(crate) fn u8_behind<const AT: usize>(self, skip: usize) -> u8 {
        // SAFETY: [zone-bytes]; within the zone.
        self.behind::<AT>(skip, 1).map_or(0, |place| unsafe { bytes::read(place) })
    }

    #[inline(always)]
    pub(crate) fn set_u8_behind<const AT: usize>(self, skip: usize, value: u8) {
        if let Some(place) = self.behind::<AT>(skip, 1) {
            // SAFETY: [zone-bytes]; within the zone.
            unsafe { bytes::write(place, value) }
        }
    }

    #[inline(always)]
    pub(crate) fn f64_behind<const AT: usize>(self, skip: usize) -> f64 {
        // SAFETY: [zone-bytes]; within the zone.
        self.behind::<AT>(skip, 8).map_or(0.0, |place| unsafe { bytes::read(place) })
    }

    /// Written by one instruction: a process that is killed has written all of the number or none.
    #[inline(always)]
    pub(crate) fn set_f64_behind<const AT: usize>(self, skip: usize, value: f64) {
        if let Some(place) = self.behind::<AT>(skip, 8) {
            // SAFETY: [zone-bytes]; within the zone.
            unsafe { bytes::write(place, value) }
        }
    }

    /// The `len` words that follow, from a multiple of their size on.
    #[inline(always)]
    pub(crate) fn table_behind<const AT: usize, T>(
        self,
        skip: usize,
        len: usize,
    ) -> Option<Table<T>> {
        let first = self.behind::<AT>(skip, len * size_of::<T>())?;
        // A span begins at a multiple of 16.
        let is_aligned = (AT + skip).is_multiple_of(align_of::<T>());
        // SAFETY: not null.
        is_aligned.then(|| unsafe { Table { first: NonNull::new_unchecked(first.cast()), len } })
    }

    /// Whether `other` is what begins behind the first `AT` bytes and ends within the span.
    #[inline(always)]
    pub(crate) fn equals_within<const AT: usize>(self, other: &[u8]) -> bool {
        const { assert!(AT <= N) };
        other.len() <= N - AT
            // SAFETY: [zone-bytes]; within the span, which lies in the zone.
            && unsafe { bytes::equal(self.slab.base.as_ptr().add(self.at + AT), other) }
    }

    #[inline(always)]
    pub(crate) fn equals_behind<const AT: usize>(self, skip: usize, other: &[u8]) -> bool {
        self.behind::<AT>(skip, other.len())
            // SAFETY: [zone-bytes]; within the zone.
            .is_some_and(|place| unsafe { bytes::equal_long(place, other) })
    }

    #[inline(always)]
    pub(crate) fn copy_in_behind<const AT: usize>(self, skip: usize, from: &[u8]) {
        if let Some(place) = self.behind::<AT>(skip, from.len()) {
            // SAFETY: [zone-bytes]; within the zone, which no Rust reference leads into.
            unsafe { bytes::copy(from.as_ptr(), place, from.len()) };
        }
    }

    /// Copies bytes out of the zone. Another process may be writing them: whether they are of one piece
    /// is for the caller to find out.
    #[inline(always)]
    pub(crate) fn copy_out_behind<const AT: usize>(
        self,
        skip: usize,
        to: &mut [MaybeUninit<u8>],
    ) -> bool {
        let place = self.behind::<AT>(skip, to.len());
        if let Some(place) = place {
            // SAFETY: [zone-bytes]; within the zone, which no Rust reference leads into.
            unsafe { bytes::copy(place, to.as_mut_ptr().cast(), to.len()) };
        }
        place.is_some()
    }
}

// SAFETY (every block of this impl): [slab-locked]: the pool is initialised, and nobody else allocates.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Slab {
    fn pool(self) -> *mut ngx_slab_pool_t {
        self.base.as_ptr().cast()
    }

    /// `size` bytes, as an offset, which is a multiple of 16 if there are more than 8 of them.
    #[inline]
    pub(crate) fn alloc(self, size: usize) -> Option<usize> {
        let place = unsafe { sys::ngx_slab_alloc_locked(self.pool(), size) };
        (!place.is_null()).then(|| place.addr() - self.base.addr().get())
    }

    /// Gives back what `alloc` returned.
    #[inline]
    pub(crate) fn free(self, at: usize) {
        if self.contains(at, 1) {
            unsafe { sys::ngx_slab_free_locked(self.pool(), self.base.as_ptr().add(at).cast()) };
        }
    }

    /// Bytes in pages that nothing has been allocated from.
    pub(crate) fn free_bytes(self) -> usize {
        unsafe { (*self.pool()).pfree * sys::ngx_pagesize }
    }

    /// Forgets every allocation.
    pub(crate) fn reset(self) {
        unsafe { sys::ngx_slab_init(self.pool()) };
    }

    /// What allocating reports in nginx's log lines about the zone; and that a want of memory, which is
    /// an everyday thing here, needs no line.
    pub(crate) fn set_log_context(self, at: usize) {
        unsafe {
            (*self.pool()).log_ctx = self.base.as_ptr().add(at);
            (*self.pool()).set_log_nomem(0);
        }
    }

    pub(crate) fn log_context(self) -> Vec<u8> {
        unsafe { CStr::from_ptr((*self.pool()).log_ctx.cast()).to_bytes().to_vec() }
    }

    /// The offset that is kept with the zone; 0 at first.
    pub(crate) fn root(self) -> usize {
        unsafe { (*self.pool()).data.addr() }
    }

    pub(crate) fn set_root(self, at: usize) {
        unsafe { (*self.pool()).data = core::ptr::without_provenance_mut(at) };
    }
}

// SAFETY (every block of this impl): the lock is an aligned word at the start of the zone.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Slab {
    #[inline(always)]
    fn lock_word(&self) -> &AtomicUsize {
        const { assert!(core::mem::offset_of!(ngx_slab_pool_t, lock) == 0) };
        unsafe { AtomicUsize::from_ptr(self.base.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(crate) fn lock(self) {
        if !self.take_from(0) {
            self.wait();
        }
    }

    #[inline(always)]
    pub(crate) fn unlock(self) {
        self.lock_word().store(0, Release);
    }

    #[inline(always)]
    fn take_from(self, owner: usize) -> bool {
        let own = unsafe { sys::ngx_pid } as usize;
        self.lock_word().compare_exchange(owner, own, Acquire, Relaxed).is_ok()
    }

    /// Spins, lets others run twice, then sleeps: where many processes want the processor, whoever yields
    /// waits for all of them, and whoever has slept comes first. A holder that was killed is noticed by the master,
    /// which frees the lock; and, if there is no master any more, here.
    #[cold]
    fn wait(self) {
        const SPINS: u32 = 11;
        const YIELDS: u32 = SPINS + 2;
        // After a few milliseconds.
        const ASK: u32 = 64;
        let one_cpu = unsafe { sys::ngx_ncpu } <= 1;
        for round in 0_u32.. {
            if round < SPINS && !one_cpu {
                for _ in 0..1 << round.min(8) {
                    core::hint::spin_loop();
                }
            } else if round < YIELDS {
                unsafe { libc::sched_yield() };
            } else {
                let nap = libc::timespec { tv_sec: 0, tv_nsec: 50_000 };
                unsafe { libc::nanosleep(&raw const nap, core::ptr::null_mut()) };
            }
            let owner = self.lock_word().load(Relaxed);
            if owner == 0 && self.take_from(0) {
                return;
            }
            if round > ASK && owner != 0 && is_dead(owner) && self.take_from(owner) {
                return;
            }
        }
    }
}

/// Whether there is no process of that number.
fn is_dead(pid: usize) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return true };
    // SAFETY: signal 0 only asks.
    unsafe { libc::kill(pid, 0) == -1 && *libc::__errno_location() == libc::ESRCH }
}
