//! The body of a response as a Lua body filter sees and changes it, part by part.
//!
//! A part is what one call of the filter brings: a chain of buffers that belong to whoever made them, as do its
//! links. Lua never writes into those buffers: new data lies in buffers of our own, the old ones are marked
//! consumed. What has to wait beyond the call waits on links of our own.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr;

use super::Request;
use super::chain::{self, Tag};
use super::output::BUFFERED;
use super::sys::{self, ngx_buf_t, ngx_chain_t};

/// The state of a body filter; one for each request context.
pub(crate) struct FilteredBody {
    /// What came in and Lua has not seen, because the client was to take earlier data first.
    waiting: Cell<*mut ngx_chain_t>,
    /// What came in and Lua looks at.
    incoming: Cell<*mut ngx_chain_t>,
    /// Its links are not ours: they are used during the filter's call only.
    is_lent: Cell<bool>,
    /// The part as Lua left it so far: what came in, or what was put in its place.
    part: Cell<*mut ngx_chain_t>,
    free: Cell<*mut ngx_chain_t>,
    busy: Cell<*mut ngx_chain_t>,
    eof: Cell<bool>,
    /// Lua ended the body before its end had come in.
    cut: Cell<bool>,
}

/// The data of a part.
pub(crate) enum Data<'a> {
    Whole(&'a [u8]),
    /// It is spread over several buffers, and has this length.
    Spread(usize),
}

/// A chain to be handed on.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) chain: *mut ngx_chain_t,
    /// Where the links begin that are not ours, up to its end; null if all of them are.
    lent: *mut ngx_chain_t,
}

impl Part {
    pub(crate) const NONE: Self = Self::of(ptr::null_mut());

    /// A chain of links that are ours.
    pub(crate) const fn of(chain: *mut ngx_chain_t) -> Self {
        Self { chain, lent: ptr::null_mut() }
    }
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
            is_lent: Cell::new(false),
            part: Cell::new(ptr::null_mut()),
            free: Cell::new(ptr::null_mut()),
            busy: Cell::new(ptr::null_mut()),
            eof: Cell::new(false),
            cut: Cell::new(false),
        }
    }

    /// A filter behind ours sends the end once more: it took the mark from the body that has ended here, to put something
    /// behind it (`add_after_body`).
    pub(crate) fn is_second_end(&self, chain: *mut ngx_chain_t) -> bool {
        self.eof.get()
            && !self.cut.get()
            && buffers(chain).any(ends_body)
            && buffers(chain).all(|b| unsafe { bytes(b) }.is_empty())
    }

    /// Whether the end of the body has come in.
    fn has_come_to_end(&self) -> bool {
        buffers(self.incoming.get()).any(ends_body)
    }

    /// Behind the end of the body nothing that comes in counts any more.
    pub(crate) fn admit(&self, chain: *mut ngx_chain_t) -> *mut ngx_chain_t {
        if !self.eof.get() {
            return chain;
        }
        buffers(chain).for_each(consume);
        ptr::null_mut()
    }

    /// Keeps what came in for a later call of the filter.
    pub(crate) fn put_off(&self, r: Request, chain: *mut ngx_chain_t) -> Result<(), NoMemory> {
        unsafe { add_copy(r, self.waiting.as_ptr(), chain) }
    }

    /// Whether the client has to take earlier data before there is room for more.
    pub(crate) fn is_blocked(&self, r: Request) -> bool {
        !self.busy.get().is_null() && r.buffered() & BUFFERED != 0 && !r.is_postponed()
    }

    /// Lays out what came in as the part that Lua sees, behind what has waited; `false` if there is none.
    pub(crate) fn begin(&self, r: Request, chain: *mut ngx_chain_t) -> Result<bool, NoMemory> {
        let mut incoming = chain;
        if !self.waiting.get().is_null() {
            self.put_off(r, chain)?;
            incoming = self.waiting.replace(ptr::null_mut());
        }
        self.is_lent.set(incoming == chain);
        self.incoming.set(incoming);
        self.part.set(incoming);
        Ok(!incoming.is_null())
    }

    /// The part as Lua left it.
    pub(crate) fn end(&self, r: Request) -> Part {
        let incoming = self.incoming.replace(ptr::null_mut());
        let chain = self.part.replace(ptr::null_mut());
        if chain == incoming {
            return Part { chain, lent: if self.is_lent.get() { chain } else { ptr::null_mut() } };
        }
        if !self.is_lent.get() {
            unsafe { free_links(r, incoming) };
        }
        Part::of(chain)
    }

    /// The chain of `part` on links of our own.
    pub(crate) fn keep(&self, r: Request, part: Part) -> Result<*mut ngx_chain_t, NoMemory> {
        let Part { mut chain, lent } = part;
        if lent.is_null() {
            return Ok(chain);
        }
        let mut end = &raw mut chain;
        unsafe {
            while *end != lent {
                end = &raw mut (**end).next;
            }
            *end = ptr::null_mut();
            add_copy(r, end, lent)?;
        }
        Ok(chain)
    }

    /// Notes that the filters behind ours were given `part`.
    pub(crate) fn sent(&self, r: Request, mut part: Part) -> Result<(), NoMemory> {
        if self.busy.get().is_null() && !r.is_postponed() {
            unsafe { self.drop_taken(r, &mut part) };
            if part.chain.is_null() {
                return Ok(());
            }
        }
        chain::sort(r, &self.free, &self.busy, self.keep(r, part)?, Tag::BodyFilter);
        Ok(())
    }

    /// Frees what the client has taken of `part`, up to the first buffer that it has not.
    unsafe fn drop_taken(&self, r: Request, part: &mut Part) {
        unsafe {
            while part.chain != part.lent && chain::is_taken((*part.chain).buf) {
                let link = part.chain;
                part.chain = (*link).next;
                chain::put_away(r, &self.free, link, Tag::BodyFilter);
            }
            if part.chain != part.lent {
                return;
            }
            while !part.lent.is_null() && chain::is_taken((*part.lent).buf) {
                part.lent = (*part.lent).next;
            }
            part.chain = part.lent;
        }
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
                self.cut.set(!self.has_come_to_end());
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
        self.cut.set(last && !self.has_come_to_end());
        if !last {
            for b in buffers(self.part.get()).filter(|b| ends_body(*b)) {
                unsafe {
                    (*b).set_last_buf(0);
                    (*b).set_last_in_chain(0);
                    if (*b).last == (*b).pos && !chain::in_memory(b) {
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
    unsafe {
        if r.is_main() {
            (*b).set_last_buf(1);
            return;
        }
        (*b).set_last_in_chain(1);
        if !chain::in_memory(b) && (*b).file_last == (*b).file_pos {
            // This mark alone does not excuse a buffer without data.
            (*b).set_sync(1);
        }
    }
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

/// Adds links of our own to the end of `to`, with the buffers of `chain`.
///
/// # Safety
/// Both are chains of a response to `r`.
unsafe fn add_copy(
    r: Request,
    to: *mut *mut ngx_chain_t,
    chain: *mut ngx_chain_t,
) -> Result<(), NoMemory> {
    // SAFETY: the caller's contract.
    match unsafe { sys::ngx_chain_add_copy(r.pool().as_ptr(), to, chain) } {
        sys::OK => Ok(()),
        _ => Err(NoMemory),
    }
}

/// Gives the links of `chain` back to the request's pool.
///
/// # Safety
/// As [`chain::free_link`].
unsafe fn free_links(r: Request, chain: *mut ngx_chain_t) {
    let mut rest = chain;
    // SAFETY: the caller's contract.
    unsafe {
        while !rest.is_null() {
            let link = rest;
            rest = (*link).next;
            chain::free_link(r, link);
        }
    }
}
