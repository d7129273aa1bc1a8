//! The body of a response as a Lua body filter sees and changes it, part by part.
//!
//! A part is what one call of the filter brings: a chain of buffers that belong to whoever made them.
//! Lua never writes into those: new data lies in buffers of our own, the old ones are marked consumed.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr;

use super::Request;
use super::chain::{self, Tag};
use super::output::BUFFERED;
use super::sys::{self, ngx_buf_t, ngx_chain_t};

/// The state of a body filter; one for each request context.
pub(crate) struct FilteredBody {
    /// What came in and Lua has not seen.
    waiting: Cell<*mut ngx_chain_t>,
    /// What came in and Lua looks at.
    incoming: Cell<*mut ngx_chain_t>,
    /// The part as Lua left it so far: what came in, or what was put in its place.
    part: Cell<*mut ngx_chain_t>,
    free: Cell<*mut ngx_chain_t>,
    busy: Cell<*mut ngx_chain_t>,
    eof: Cell<bool>,
}

/// The data of a part.
pub(crate) enum Data<'a> {
    Whole(&'a [u8]),
    /// It is spread over several buffers, and has this length.
    Spread(usize),
}

/// There is no memory.
#[derive(Debug)]
pub(crate) struct NoMemory;

// SAFETY (every block of this impl): [request-alive]; chains and buffers live at least as long as the filter's
// call, our own as long as the request's pool ([pool-outlives-request]).
#[allow(clippy::undocumented_unsafe_blocks)]
impl FilteredBody {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: Cell::new(ptr::null_mut()),
            incoming: Cell::new(ptr::null_mut()),
            part: Cell::new(ptr::null_mut()),
            free: Cell::new(ptr::null_mut()),
            busy: Cell::new(ptr::null_mut()),
            eof: Cell::new(false),
        }
    }

    /// Takes what the filter was called with. Behind the end of the body nothing counts any more.
    pub(crate) fn take_in(&self, r: Request, chain: *mut ngx_chain_t) -> Result<(), NoMemory> {
        if self.eof.get() {
            buffers(chain).for_each(consume);
            return Ok(());
        }
        if chain.is_null() {
            return Ok(());
        }
        // The links of `chain` are its maker's, who uses them again.
        match unsafe { sys::ngx_chain_add_copy(r.pool().as_ptr(), self.waiting.as_ptr(), chain) } {
            sys::OK => Ok(()),
            _ => Err(NoMemory),
        }
    }

    /// Whether the client has to take earlier data before there is room for more.
    pub(crate) fn is_blocked(&self, r: Request) -> bool {
        !self.busy.get().is_null() && r.buffered() & BUFFERED != 0
    }

    /// Notes what the filters behind ours were given.
    pub(crate) fn sent(&self, r: Request, chain: *mut ngx_chain_t) {
        chain::sort(r, &self.free, &self.busy, chain, Tag::BodyFilter);
    }

    /// Lays out what came in as the part that Lua sees; `false` if there is none.
    pub(crate) fn begin(&self) -> bool {
        let chain = self.waiting.replace(ptr::null_mut());
        self.incoming.set(chain);
        self.part.set(chain);
        !chain.is_null()
    }

    /// The part as Lua left it; null if nothing of it is to be handed on.
    pub(crate) fn end(&self, r: Request) -> *mut ngx_chain_t {
        let incoming = self.incoming.replace(ptr::null_mut());
        let part = self.part.replace(ptr::null_mut());
        if part != incoming {
            unsafe { free_links(r, incoming) };
        }
        part
    }

    /// Whether the body ends with this part.
    pub(crate) fn is_last(&self) -> bool {
        buffers(self.part.get()).any(ends_body)
    }

    pub(crate) fn data<'a>(&self) -> Data<'a> {
        unsafe {
            let chain = self.part.get();
            if chain.is_null() {
                return Data::Whole(&[]);
            }
            if (*chain).next.is_null() {
                return Data::Whole(bytes((*chain).buf));
            }
        }
        Data::Spread(self.pieces().map(<[u8]>::len).sum())
    }

    /// The data of the part's buffers, up to the one that ends the body.
    pub(crate) fn pieces<'a>(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut ended = false;
        buffers(self.part.get())
            .take_while(move |b| !core::mem::replace(&mut ended, ends_body(*b)))
            .map(|b| unsafe { bytes(b) })
    }

    /// Puts `data` in the place of the part's; its marks of flush and end stay.
    pub(crate) fn replace(&self, r: Request, data: &[u8]) -> Result<(), NoMemory> {
        let (mut flush, mut last) = (false, false);
        for b in buffers(self.part.get()) {
            flush |= unsafe { (*b).flush() } != 0;
            last |= ends_body(b);
            consume(b);
        }
        if data.is_empty() && !flush && !last {
            self.put(ptr::null_mut());
            return Ok(());
        }
        let link = chain::take(r, &self.free, data.len(), Tag::BodyFilter).ok_or(NoMemory)?;
        unsafe {
            let b = (*link).buf;
            (*b).last.copy_from_nonoverlapping(data.as_ptr(), data.len());
            (*b).last = (*b).last.add(data.len());
            (*b).set_flush(flush.into());
            if last {
                self.eof.set(true);
                end_body(r, b);
            }
        }
        self.put(link);
        Ok(())
    }

    /// Makes `link` the part; what Lua had put there before is used again.
    fn put(&self, link: *mut ngx_chain_t) {
        let old = self.part.replace(link);
        if !old.is_null() && old != self.incoming.get() {
            unsafe { (*old).next = self.free.replace(old) };
        }
    }

    /// Ends the body with this part, or lets it go on behind it.
    pub(crate) fn set_last(&self, r: Request, last: bool) -> Result<(), NoMemory> {
        self.eof.set(last);
        if !last {
            for b in buffers(self.part.get()).filter(|b| ends_body(*b)) {
                unsafe {
                    (*b).set_last_buf(0);
                    (*b).set_last_in_chain(0);
                    if (*b).last == (*b).pos && !in_memory(b) {
                        // Without a mark and data it would be refused as a bug.
                        (*b).set_sync(1);
                    }
                }
            }
            return Ok(());
        }
        let end = match buffers(self.part.get()).last() {
            Some(b) => b,
            // Reference: it forgets the end of a body whose last part was dropped before.
            None => unsafe {
                let link = chain::take(r, &self.free, 0, Tag::BodyFilter).ok_or(NoMemory)?;
                self.put(link);
                (*link).buf
            },
        };
        unsafe { end_body(r, end) };
        Ok(())
    }
}

fn buffers(chain: *mut ngx_chain_t) -> impl Iterator<Item = *mut ngx_buf_t> {
    let mut next = chain;
    core::iter::from_fn(move || {
        // SAFETY: a chain is null or a valid link with a buffer.
        let link = unsafe { next.as_ref() }?;
        next = link.next;
        Some(link.buf)
    })
}

// SAFETY (of the functions below): buffers come from `buffers`.

fn ends_body(b: *mut ngx_buf_t) -> bool {
    // SAFETY: see above.
    unsafe { (*b).last_buf() != 0 || (*b).last_in_chain() != 0 }
}

/// # Safety
/// `b` is a buffer of a response to `r`.
unsafe fn end_body(r: Request, b: *mut ngx_buf_t) {
    // SAFETY: the caller's contract.
    unsafe { if r.is_main() { (*b).set_last_buf(1) } else { (*b).set_last_in_chain(1) } }
}

fn in_memory(b: *mut ngx_buf_t) -> bool {
    // SAFETY: see above.
    unsafe { (*b).temporary() != 0 || (*b).memory() != 0 || (*b).mmap() != 0 }
}

fn consume(b: *mut ngx_buf_t) {
    // SAFETY: see above.
    unsafe {
        (*b).pos = (*b).last;
        (*b).file_pos = (*b).file_last;
    }
}

/// # Safety
/// `b` is a buffer; the bytes are used while it lives.
unsafe fn bytes<'a>(b: *mut ngx_buf_t) -> &'a [u8] {
    // SAFETY: the caller's contract; `pos` and `last` lie in one piece of memory or are both null.
    unsafe {
        let len = (*b).last.addr().saturating_sub((*b).pos.addr());
        if len == 0 { &[] } else { core::slice::from_raw_parts((*b).pos, len) }
    }
}

/// Gives the links of `chain` back to the request's pool.
///
/// # Safety
/// Nobody uses them any more.
unsafe fn free_links(r: Request, chain: *mut ngx_chain_t) {
    let mut link = chain;
    // SAFETY: the caller's contract; as nginx's macro `ngx_free_chain` does.
    unsafe {
        let pool = r.pool().as_ptr();
        while !link.is_null() {
            let next = (*link).next;
            (*link).next = (*pool).chain;
            (*pool).chain = link;
            link = next;
        }
    }
}
