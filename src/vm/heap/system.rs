//! What the heap has its memory from.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::ptr::{self, NonNull};

use super::{PAGE, Page, SEGMENT};

pub(super) fn malloc(size: usize) -> *mut c_void {
    #[cfg(test)]
    if super::tests::refuses() {
        return ptr::null_mut();
    }
    // SAFETY: any size will do.
    unsafe { libc::malloc(size) }
}

/// # Safety
/// The block is one of `malloc`.
pub(super) unsafe fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    #[cfg(test)]
    if super::tests::refuses() {
        return ptr::null_mut();
    }
    // SAFETY: the caller's contract.
    unsafe { libc::realloc(block, size) }
}

pub(super) fn map(size: usize) -> *mut c_void {
    #[cfg(test)]
    if super::tests::refuses() || super::tests::NO_PAGES.get() {
        return libc::MAP_FAILED;
    }
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, which nobody has asked for.
    unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) }
}

/// Memory from the system for `SEGMENT` pages.
pub(super) struct Segment(NonNull<c_void>);

impl Segment {
    /// Room to let pages begin where they must.
    const SIZE: usize = (SEGMENT + 1) * PAGE;

    pub(super) fn new() -> Option<Self> {
        let memory = map(Self::SIZE);
        if memory == libc::MAP_FAILED { None } else { NonNull::new(memory).map(Self) }
    }

    pub(super) fn page(&self, i: usize) -> *mut Page {
        let first = self.0.as_ptr().map_addr(|address| address.next_multiple_of(PAGE));
        first.wrapping_byte_add(i * PAGE).cast()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; the VM that used it is closed.
        unsafe { libc::munmap(self.0.as_ptr(), Self::SIZE) };
    }
}
