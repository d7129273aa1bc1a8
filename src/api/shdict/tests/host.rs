//! A zone in memory that is shared with forked processes.
use super::super::store::{Room, Store};
use crate::nginx::slab::Slab;
use core::mem::MaybeUninit;

#[link(name = "nginx_test_host", kind = "static")]
unsafe extern "C" {
    fn test_host_init_zone(base: *mut u8, size: usize);
}

/// nginx's allocator has globals: one thread at a time may initialise zones.
static INITIALISING: std::sync::Mutex<()> = std::sync::Mutex::new(());

pub(super) fn zone(size: usize) -> Slab {
    let _one = INITIALISING.lock();
    // SAFETY: fresh memory, which stays for the life of the test.
    unsafe {
        let base = libc::mmap(
            core::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(base, libc::MAP_FAILED);
        test_host_init_zone(base.cast(), size);
        Slab::from_raw(base.cast(), size).unwrap()
    }
}

pub(super) fn store(size: usize) -> Store {
    Store::create(zone(size), 7, b" in a test").unwrap()
}

/// Strings in a buffer of ours.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Room for Bytes {
    fn of(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.0.clear();
        self.0.resize(len, 0);
        // SAFETY: initialised bytes may be written as if they were not.
        Some(unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), len) })
    }
}

/// A generator of numbers that look random: the same ones for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    /// A number of fewer than `bits` bits, the short ones as often as the long ones.
    pub(super) fn roll_bits(&mut self, bits: u64) -> u64 {
        let bits = self.roll(bits);
        self.roll(1 << bits)
    }

    /// Low numbers more often than high ones.
    pub(super) fn roll_low(&mut self, sides: u64) -> u64 {
        let sides = 1 + self.roll(sides);
        let sides = 1 + self.roll(sides);
        self.roll(sides)
    }
}
