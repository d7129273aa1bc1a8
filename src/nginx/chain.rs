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
}

impl Tag {
    pub(super) fn as_ptr(self) -> sys::ngx_buf_tag_t {
        let tags = &slot::BUFFER_TAGS;
        ptr::from_ref(&tags[self as usize]).cast_mut().cast()
    }
}

/// A link with an empty buffer of at least `size` bytes, from `free` if there is one; `None` when there
/// is no memory. A buffer of no size carries nothing but marks.
pub(super) fn take(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    size: usize,
    tag: Tag,
) -> Option<*mut ngx_chain_t> {
    // SAFETY: [request-alive]; links and buffers come from the request's pool ([pool-outlives-request]).
    unsafe {
        let link = match take_free(free, size) {
            Some(link) => {
                let b = (*link).buf;
                let room = (*b).end.offset_from((*b).start);
                debug!(
                    r.log(),
                    "lua reuse free buf memory {room} >= {size}, cl:{link:p}, p:{:p}",
                    (*b).start
                );
                link
            }
            None => new(r, size)?,
        };
        let b = (*link).buf;
        let (start, end) = ((*b).start, (*b).end);
        b.write_bytes(0, 1);
        (*b).start = start;
        (*b).pos = start;
        (*b).last = start;
        (*b).end = end;
        (*b).tag = tag.as_ptr();
        (*b).set_temporary(u32::from(size > 0));
        (*link).next = ptr::null_mut();
        Some(link)
    }
}

/// # Safety
/// `free` is a list of links with buffers.
unsafe fn take_free(free: &Cell<*mut ngx_chain_t>, size: usize) -> Option<*mut ngx_chain_t> {
    // SAFETY: the caller's contract.
    unsafe {
        let mut from = free.as_ptr();
        while !(*from).is_null() {
            let link = *from;
            let b = (*link).buf;
            if (*b).end.addr() - (*b).start.addr() >= size {
                *from = (*link).next;
                return Some(link);
            }
            from = &raw mut (*link).next;
        }
    }
    None
}

fn new(r: Request, size: usize) -> Option<*mut ngx_chain_t> {
    let pool = r.pool().as_ptr();
    // SAFETY: [request-alive]
    unsafe {
        let link = sys::ngx_alloc_chain_link(pool);
        let b: *mut ngx_buf_t = if size == 0 {
            sys::ngx_pcalloc(pool, size_of::<ngx_buf_t>()).cast()
        } else {
            sys::ngx_create_temp_buf(pool, size)
        };
        if link.is_null() || b.is_null() {
            return None;
        }
        debug!(r.log(), "lua allocate new chainlink and new buf of size {size}, cl:{link:p}");
        (*link).buf = b;
        Some(link)
    }
}

/// Sorts `sent`, and what was `busy` before, into what the client has still to take and what is `free`.
pub(super) fn sort(
    r: Request,
    free: &Cell<*mut ngx_chain_t>,
    busy: &Cell<*mut ngx_chain_t>,
    sent: *mut ngx_chain_t,
    tag: Tag,
) {
    let mut sent = sent;
    // SAFETY: [request-alive]; the lists hold links of the request's pool.
    unsafe {
        let (pool, tag) = (r.pool().as_ptr(), tag.as_ptr());
        sys::ngx_chain_update_chains(pool, free.as_ptr(), busy.as_ptr(), &raw mut sent, tag);
    }
}
