//! A buffer for bodies that the worker keeps, so that most captures allocate none.
use core::cell::Cell;

use crate::nginx::{Log, debug};

/// A buffer that has grown beyond this is not kept.
const MAX: usize = 64 * 1024;

struct Spare(Cell<Vec<u8>>);

static SPARE: Spare = Spare(Cell::new(Vec::new()));

#[allow(unsafe_code)]
// SAFETY: [single-thread]
unsafe impl Sync for Spare {}

/// An empty buffer for a body whose first piece has `len` bytes.
pub(super) fn take(log: Log, len: usize) -> Vec<u8> {
    let buffer = SPARE.0.take();
    let (start, room) = (buffer.as_ptr(), buffer.capacity());
    if room >= len && room > 0 {
        debug!(log, "lua reuse free buf memory {room} >= {len}, p:{start:p}");
    } else if room > 0 {
        debug!(
            log,
            "lua reuse free buf chain, but reallocate memory because {len} >= {room}, p:{start:p}"
        );
    }
    buffer
}

/// Takes back a buffer that is not needed any more.
pub(super) fn give(mut buffer: Vec<u8>) {
    if (1..=MAX).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.0.set(buffer);
    }
}
