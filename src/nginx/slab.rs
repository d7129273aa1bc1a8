//! A zone of shared memory: nginx's slab allocator, its lock, and access to the bytes by offset.
//!
//! Offsets count from the start of the zone and are checked: what lies outside reads as zero and is not
//! written, so that no content, however wrong, leads out of the zone. Fields are read and written as
//! relaxed atomics, because other processes do so at the same time; what orders them is up to the
//! caller. The lock is that of the slab pool itself, which nginx's master frees when the process that
//! holds it dies.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

use super::sys::{self, ngx_slab_pool_t};

/// A handle to a zone that nginx has made a slab pool of. The memory lives as long as the process: nginx
/// unmaps a zone only when a new configuration has none of its name, and no request is left by then.
#[derive(Clone, Copy)]
pub(crate) struct Slab {
    base: NonNull<u8>,
    size: usize,
}

macro_rules! fields {
    ($($load:ident $store:ident $atomic:ident $int:ty;)*) => {$(
        #[inline(always)]
        pub(crate) fn $load(self, at: usize) -> $int {
            if !self.contains(at, size_of::<$int>()) {
                return 0;
            }
            // SAFETY: [zone-bytes]; within the zone, and aligned as every field of ours is.
            unsafe { $atomic::from_ptr(self.base.as_ptr().add(at).cast()).load(Relaxed) }
        }

        #[inline(always)]
        pub(crate) fn $store(self, at: usize, value: $int) {
            if self.contains(at, size_of::<$int>()) {
                // SAFETY: as for reading.
                unsafe { $atomic::from_ptr(self.base.as_ptr().add(at).cast()).store(value, Relaxed) }
            }
        }
    )*};
}

impl Slab {
    /// # Safety
    /// `base` is the start of a zone of `size` bytes that nginx has initialised and that stays mapped.
    pub(crate) unsafe fn from_raw(base: *mut u8, size: usize) -> Option<Self> {
        NonNull::new(base).map(|base| Self { base, size })
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    #[inline(always)]
    fn contains(self, at: usize, len: usize) -> bool {
        at <= self.size && len <= self.size - at
    }

    fields! {
        u8_at set_u8 AtomicU8 u8;
        u16_at set_u16 AtomicU16 u16;
        u32_at set_u32 AtomicU32 u32;
        u64_at set_u64 AtomicU64 u64;
    }

    /// Eight bytes that need not be aligned, read at once.
    #[inline(always)]
    pub(crate) fn word_at(self, at: usize) -> [u8; 8] {
        if !self.contains(at, 8) {
            return [0; 8];
        }
        // SAFETY: [zone-bytes]; within the zone.
        unsafe { self.base.as_ptr().add(at).cast::<[u8; 8]>().read_volatile() }
    }

    /// Eight bytes that need not be aligned, written by one instruction: a process that is killed has
    /// written all of them or none.
    #[inline(always)]
    pub(crate) fn set_word(self, at: usize, word: [u8; 8]) {
        if self.contains(at, 8) {
            // SAFETY: [zone-bytes]; within the zone.
            unsafe {
                let place = self.base.as_ptr().add(at).cast::<u64>();
                place.write_unaligned(u64::from_ne_bytes(word));
            }
        }
    }

    /// Copies bytes out of the zone. Another process may be writing them: whether they are of one piece
    /// is for the caller to find out.
    #[inline]
    pub(crate) fn copy_out(self, at: usize, to: &mut [MaybeUninit<u8>]) -> bool {
        if !self.contains(at, to.len()) {
            return false;
        }
        // SAFETY: [zone-bytes]; within the zone, which no Rust reference leads into.
        unsafe {
            let from = self.base.as_ptr().add(at);
            from.copy_to_nonoverlapping(to.as_mut_ptr().cast(), to.len());
        }
        true
    }

    /// Appends `len` bytes of the zone to `to`.
    pub(crate) fn append_to(self, at: usize, len: usize, to: &mut Vec<u8>) -> bool {
        if !self.contains(at, len) || to.try_reserve(len).is_err() {
            return false;
        }
        // SAFETY: `copy_out` has written what the length then includes.
        unsafe {
            let ok = self.copy_out(at, &mut to.spare_capacity_mut()[..len]);
            to.set_len(to.len() + if ok { len } else { 0 });
            ok
        }
    }

    #[inline]
    pub(crate) fn copy_in(self, at: usize, from: &[u8]) {
        if self.contains(at, from.len()) {
            // SAFETY: [zone-bytes]; within the zone, which no Rust reference leads into.
            unsafe {
                self.base.as_ptr().add(at).copy_from_nonoverlapping(from.as_ptr(), from.len());
            }
        }
    }

    #[inline]
    pub(crate) fn equals(self, at: usize, bytes: &[u8]) -> bool {
        // SAFETY: [zone-bytes]; within the zone.
        self.contains(at, bytes.len())
            && unsafe {
                libc::memcmp(
                    self.base.as_ptr().add(at).cast::<c_void>(),
                    bytes.as_ptr().cast(),
                    bytes.len(),
                ) == 0
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
