//! Memory of somebody else's in a chain of buffers: it is sent from where it lies, and given back when
//! nginx has no more use for it.
//!
//! When that is, is known as for any buffer of ours: nginx sorts it to those that are free. What is still in use
//! when the request ends is given back then.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr;

use super::Request;
use super::chain::{self, Tag};
use super::sys::{self, ngx_buf_t, ngx_chain_t};

/// By what the owner of lent memory knows it.
#[derive(Clone, Copy)]
pub(crate) struct Loan {
    pub(crate) owner: *mut c_void,
    pub(crate) number: c_int,
    /// # Safety
    /// Called once for each loan, with its owner and number.
    pub(crate) give_back: unsafe fn(*mut c_void, c_int),
}

/// A buffer over lent memory, and whose it is. It lies in the request's pool, and is used again.
#[repr(C)]
struct Entry {
    /// Of all buffers of the output only these are `memory`.
    buf: ngx_buf_t,
    loan: Option<Loan>,
    next: *mut Entry,
}

/// The loans of one request's output.
pub(super) struct Loans(Cell<*mut Entry>);

// SAFETY (every block of this impl): entries come from the request's pool ([pool-outlives-request]).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Loans {
    pub(super) const fn new() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }

    /// A link with a buffer over `data`, or nothing when there is no memory.
    pub(super) fn take(&self, r: Request, data: &[u8], loan: Loan) -> Option<*mut ngx_chain_t> {
        let entry = self.unused().or_else(|| self.new_entry(r))?;
        unsafe {
            let link = sys::ngx_alloc_chain_link(r.pool().as_ptr());
            if link.is_null() {
                return None;
            }
            let b = &raw mut (*entry).buf;
            b.write_bytes(0, 1);
            (*b).start = data.as_ptr().cast_mut();
            (*b).pos = (*b).start;
            (*b).last = (*b).start.add(data.len());
            (*b).end = (*b).last;
            (*b).tag = Tag::Output.as_ptr();
            (*b).set_memory(1);
            (*entry).loan = Some(loan);
            link.write(ngx_chain_t { buf: b, next: ptr::null_mut() });
            Some(link)
        }
    }

    fn unused(&self) -> Option<*mut Entry> {
        self.entries().find(|entry| unsafe { (**entry).loan.is_none() })
    }

    fn new_entry(&self, r: Request) -> Option<*mut Entry> {
        unsafe {
            let entry = sys::ngx_palloc(r.pool().as_ptr(), size_of::<Entry>()).cast::<Entry>();
            if entry.is_null() {
                return None;
            }
            (&raw mut (*entry).loan).write(None);
            (&raw mut (*entry).next).write(self.0.replace(entry));
            Some(entry)
        }
    }

    fn entries(&self) -> impl Iterator<Item = *mut Entry> {
        let mut next = self.0.get();
        core::iter::from_fn(move || {
            let entry = next;
            next = unsafe { entry.as_ref() }?.next;
            Some(entry)
        })
    }

    /// Gives back what nginx has sorted to the buffers that are free, and takes it out of them.
    #[inline]
    pub(super) fn give_back_free(&self, r: Request, free: &Cell<*mut ngx_chain_t>) {
        if !self.0.get().is_null() {
            self.take_out(r, free);
        }
    }

    fn take_out(&self, r: Request, free: &Cell<*mut ngx_chain_t>) {
        let mut place = free.as_ptr();
        unsafe {
            while !(*place).is_null() {
                let link = *place;
                if (*(*link).buf).memory() == 0 {
                    place = &raw mut (*link).next;
                    continue;
                }
                *place = (*link).next;
                chain::free_link(r, link);
                Self::give_back((*link).buf.cast());
            }
        }
    }

    /// Gives back everything: the request ends.
    pub(super) fn give_back_all(&self) {
        for entry in self.entries() {
            unsafe { Self::give_back(entry) };
        }
    }

    /// # Safety
    /// `entry` is one of these.
    unsafe fn give_back(entry: *mut Entry) {
        if let Some(Loan { owner, number, give_back }) = unsafe { (*entry).loan.take() } {
            unsafe { give_back(owner, number) };
        }
    }
}
