//! What has been received and not taken yet: one run of bytes, so that a line or a block that is whole can be
//! handed to Lua from where it lies.
//!
//! The memory is borrowed from the worker's spare buffers at the first read and given back when nothing is
//! left, so that idle connections hold none.
#![allow(unsafe_code)]
use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;

use crate::nginx::{Log, debug};

/// Buffers beyond this size are not kept for others.
const LARGEST_SPARE: usize = 16 * 1024;
/// How many are.
const SPARES: usize = 64;

struct Spares(RefCell<Vec<Vec<u8>>>);

static SPARE: Spares = Spares(RefCell::new(Vec::new()));

// SAFETY: [single-thread]
unsafe impl Sync for Spares {}

/// The bytes between `start` and `end` of a block of memory. Shared by the read that runs and those that
/// look at it, hence `Cell`s: a slice from `bytes` holds until the buffer is changed.
pub(crate) struct Buffer {
    memory: Cell<*mut u8>,
    capacity: Cell<usize>,
    start: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY (every block of this impl): `memory` is a vector's of `capacity` bytes, or null with a capacity of
// 0; `start <= end <= capacity`, and the bytes below `end` are initialised.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Buffer {
    pub(crate) const fn new() -> Self {
        Self {
            memory: Cell::new(core::ptr::null_mut()),
            capacity: Cell::new(0),
            start: Cell::new(0),
            end: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.get() - self.start.get()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is there; valid until the next call of `room`, `take`, `squeeze` or `release`.
    #[inline]
    pub(crate) fn bytes<'a>(&self) -> &'a [u8] {
        let memory = self.memory.get();
        if memory.is_null() {
            return &[];
        }
        unsafe { core::slice::from_raw_parts(memory.add(self.start.get()), self.len()) }
    }

    /// Room for at least one more byte and, where memory has to be got or moved for it, for `wanted`.
    /// The first memory is `size` bytes.
    #[inline]
    pub(crate) fn room(&self, wanted: usize, size: usize) -> (*mut u8, usize) {
        if self.start.get() == self.end.get() {
            self.start.set(0);
            self.end.set(0);
        }
        let free = self.capacity.get() - self.end.get();
        if free == 0 || free < wanted.min(size) {
            self.make_room(wanted, size);
        }
        let end = self.end.get();
        (unsafe { self.memory.get().add(end) }, self.capacity.get() - end)
    }

    #[cold]
    fn make_room(&self, wanted: usize, size: usize) {
        let len = self.len();
        let needed = len + wanted.max(1);
        if needed > self.capacity.get() {
            let larger = if self.capacity.get() == 0 {
                needed.max(size)
            } else {
                needed.max(self.capacity.get().saturating_mul(2))
            };
            let mut vec = spare(larger);
            vec.extend_from_slice(self.bytes());
            self.release();
            self.own(vec);
        } else {
            let memory = self.memory.get();
            unsafe { memory.copy_from(memory.add(self.start.get()), len) };
            self.start.set(0);
            self.end.set(len);
        }
    }

    fn own(&self, vec: Vec<u8>) {
        let mut vec = ManuallyDrop::new(vec);
        self.memory.set(vec.as_mut_ptr());
        self.capacity.set(vec.capacity());
        self.start.set(0);
        self.end.set(vec.len());
    }

    /// `n` bytes have been written to where `room` said.
    ///
    /// # Safety
    /// They have.
    #[inline]
    pub(crate) unsafe fn filled(&self, n: usize) {
        self.end.set(self.end.get() + n);
    }

    /// Adds bytes that come from elsewhere.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let (to, free) = self.room(bytes.len(), bytes.len());
        debug_assert!(free >= bytes.len());
        unsafe {
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.filled(bytes.len());
        }
    }

    /// Forgets the first `n` bytes.
    #[inline]
    pub(crate) fn take(&self, n: usize) {
        self.start.set(self.start.get() + n);
    }

    /// Takes every `byte` out of the first `len` bytes, which become fewer: what is left of them is
    /// returned, and what comes after them is as it was.
    pub(crate) fn squeeze<'a>(&self, len: usize, byte: u8) -> &'a [u8] {
        let start = unsafe { self.memory.get().add(self.start.get()) };
        let mut kept = 0;
        for i in 0..len {
            unsafe {
                let b = *start.add(i);
                *start.add(kept) = b;
                kept += usize::from(b != byte);
            }
        }
        unsafe { core::slice::from_raw_parts(start, kept) }
    }

    /// Gives the memory back, and forgets what is there.
    pub(crate) fn release(&self) {
        let memory = self.memory.replace(core::ptr::null_mut());
        self.start.set(0);
        self.end.set(0);
        let capacity = self.capacity.replace(0);
        if !memory.is_null() {
            keep(unsafe { Vec::from_raw_parts(memory, 0, capacity) });
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

/// An empty vector with room for so many bytes: one of the spare ones, if it may.
pub(super) fn spare(capacity: usize) -> Vec<u8> {
    if capacity <= LARGEST_SPARE
        && let Some(mut vec) = SPARE.0.borrow_mut().pop()
    {
        let room = vec.capacity();
        if room < capacity {
            vec.reserve_exact(capacity);
        } else {
            debug!(
                Log::cycle(),
                "lua reuse free buf memory {room} >= {capacity}, p:{:p}",
                vec.as_ptr()
            );
        }
        return vec;
    }
    Vec::with_capacity(capacity)
}

/// Keeps a vector that is not needed any more for others.
pub(super) fn keep(mut vec: Vec<u8>) {
    vec.clear();
    let mut spares = SPARE.0.borrow_mut();
    if (1..=LARGEST_SPARE).contains(&vec.capacity()) && spares.len() < SPARES {
        spares.push(vec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_together_while_the_memory_grows_and_moves() {
        let buffer = Buffer::new();
        assert!(buffer.is_empty() && buffer.bytes().is_empty());
        let mut expected = Vec::new();
        for round in 0..100u8 {
            let piece = vec![round; usize::from(round) + 1];
            buffer.append(&piece);
            expected.extend_from_slice(&piece);
            let gone = expected.len() / 3;
            buffer.take(gone);
            expected.drain(..gone);
            assert_eq!(buffer.bytes(), expected);
        }
        buffer.release();
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_byte_is_squeezed_out_of_the_front_only() {
        let buffer = Buffer::new();
        buffer.append(b"\ra\rb\rrest\r");
        assert_eq!(buffer.squeeze(5, b'\r'), b"ab");
        buffer.take(5);
        assert_eq!(buffer.bytes(), b"rest\r");
    }
}
