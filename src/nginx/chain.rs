//! Chains of buffers: links from the request's pool, used again once the client has what they held.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr;

use super::log::debug;
use super::sys::{self, ngx_buf_t, ngx_chain_t};
use super::{Request, slot};

/// What marks our buffers among those of other modules, and tells which of our lists they belong to.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    /// What Lua wrote.
    Output,
    /// What a Lua body filter put in the place of a body.
    BodyFilter,
    /// A request's body that Lua set.
    RequestBody,
}

impl Tag {
    pub(super) fn as_ptr(self) -> sys::ngx_buf_tag_t {
        let tags = &slot::BUFFER_TAGS;
        ptr::from_ref(&tags[self as usize]).cast_mut().cast()
    }
}

/// A link with an empty buffer of at least `size` bytes, from `free` if there is one; `None` when there
/// is no memory. A buffer of no size carries nothing but marks.
#[inline]
pub(super) fn take(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    size: usize,
    tag: Tag,
) -> Option<*mut ngx_chain_t> {
    let used = if free.get().is_null() { None } else { take_free(r, free, size, tag) };
    used.or_else(|| new(r, size, tag))
}

#[inline(never)]
fn take_free(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    size: usize,
    tag: Tag,
) -> Option<*mut ngx_chain_t> {
    // SAFETY: [request-alive]; links and buffers come from the request's pool ([pool-outlives-request]).
    unsafe {
        let mut from = free.as_ptr();
        while !(*from).is_null() {
            let link = *from;
            let b = (*link).buf;
            let (start, end) = ((*b).start, (*b).end);
            let room = end.addr() - start.addr();
            if room >= size {
                *from = (*link).next;
                (*link).next = ptr::null_mut();
                prepare(b, start, end, tag, size > 0);
                debug!(
                    r.log(),
                    "lua reuse free buf memory {room} >= {size}, cl:{link:p}, p:{start:p}"
                );
                return Some(link);
            }
            from = &raw mut (*link).next;
        }
    }
    None
}

/// A link with a buffer, and the buffer's memory, in one allocation.
fn new(r: Request, size: usize, tag: Tag) -> Option<*mut ngx_chain_t> {
    #[repr(C)]
    struct Buffer {
        link: ngx_chain_t,
        buf: ngx_buf_t,
    }
    // SAFETY: [pool-outlives-request]
    unsafe {
        let place = sys::ngx_palloc(r.pool().as_ptr(), size_of::<Buffer>() + size);
        let place = place.cast::<Buffer>();
        if place.is_null() {
            return None;
        }
        let memory = place.add(1).cast::<u8>();
        let b = &raw mut (*place).buf;
        prepare(b, memory, memory.add(size), tag, size > 0);
        let link = &raw mut (*place).link;
        link.write(ngx_chain_t { buf: b, next: ptr::null_mut() });
        debug!(r.log(), "lua allocate new chainlink and new buf of size {size}, cl:{link:p}");
        Some(link)
    }
}

/// Makes `b` an empty buffer over the memory from `start` to `end`.
///
/// # Safety
/// `b` is valid for writes.
unsafe fn prepare(b: *mut ngx_buf_t, start: *mut u8, end: *mut u8, tag: Tag, holds_data: bool) {
    // SAFETY: the caller's contract; an all-zero buffer is nginx's own initial state.
    unsafe {
        b.write_bytes(0, 1);
        (*b).start = start;
        (*b).pos = start;
        (*b).last = start;
        (*b).end = end;
        (*b).tag = tag.as_ptr();
        (*b).set_temporary(holds_data.into());
    }
}

/// Sorts `sent`, and what was `busy` before, into what the client has still to take and what is `free`. Links with
/// buffers of others go back to the request's pool.
pub(super) fn sort(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    busy: &Cell<*mut ngx_chain_t>,
    sent: *mut ngx_chain_t,
    tag: Tag,
) {
    let mut end = busy.as_ptr();
    // SAFETY: [request-alive]; the lists hold links of the request's pool.
    unsafe {
        while !(*end).is_null() {
            end = &raw mut (**end).next;
        }
        *end = sent;
        if r.is_postponed() {
            // nginx sends it later: a buffer that carries nothing but marks only looks taken.
            return;
        }
        let mut rest = busy.get();
        while !rest.is_null() && is_taken((*rest).buf) {
            let link = rest;
            rest = (*link).next;
            put_away(r, free, link, tag);
        }
        busy.set(rest);
    }
}

/// Makes a link free that nobody uses any more.
///
/// # Safety
/// It came from the request's pool.
pub(super) unsafe fn put_away(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    link: *mut ngx_chain_t,
    tag: Tag,
) {
    // SAFETY: the caller's contract.
    unsafe {
        if (*(*link).buf).tag == tag.as_ptr() {
            (*link).next = free.replace(link);
        } else {
            free_link(r, link);
        }
    }
}

/// Gives a link back to the request's pool.
///
/// # Safety
/// It came from there, and nobody uses it any more.
pub(super) unsafe fn free_link(r: Request, link: *mut ngx_chain_t) {
    // SAFETY: the caller's contract; as nginx's macro `ngx_free_chain` does.
    unsafe {
        let pool = r.pool().as_ptr();
        (*link).next = (*pool).chain;
        (*pool).chain = link;
    }
}

/// Whether the client has taken all of a buffer.
///
/// # Safety
/// `b` is a buffer.
pub(super) unsafe fn is_taken(b: *mut ngx_buf_t) -> bool {
    // SAFETY: the caller's contract.
    unsafe { if in_memory(b) { (*b).pos == (*b).last } else { (*b).file_pos == (*b).file_last } }
}

/// Whether what a buffer holds lies in memory.
///
/// # Safety
/// `b` is a buffer.
pub(super) unsafe fn in_memory(b: *mut ngx_buf_t) -> bool {
    // SAFETY: the caller's contract.
    unsafe { (*b).temporary() != 0 || (*b).memory() != 0 || (*b).mmap() != 0 }
}
