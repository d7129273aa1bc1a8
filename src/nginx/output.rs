//! The response a request's Lua code writes.
//!
//! Output is collected in buffers of the request's pool and handed to nginx's filters once, when the
//! run of Lua code yields, flushes or ends, or when enough has come together; the end of the response
//! rides on the last buffer. Reference: it makes one pass through the filters for each `ngx.say`;
//! only the framing of chunks differs.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr;

use super::chain::{self, Tag};
use super::lent::{Loan, Loans};
use super::log::debug;
use super::request::NotDiscarded;
use super::sys::{self, ngx_chain_t, ngx_int_t};
use super::{Request, slot};

/// The first buffer of a response, and the size that later ones grow to.
const FIRST_BUFFER: usize = 256;
const MAX_BUFFER: usize = 16 * 1024;

/// Collected output is handed to the filters at the latest when it has this size, unless the location
/// asks for less.
pub(crate) const SEND_AT: usize = 64 * 1024;

/// nginx's own `postpone_output`.
const POSTPONED: usize = 1460;

/// How much is collected where `postpone_output` is what the configuration says: whoever asks nginx for
/// more packets than it would send by itself wants each of them at once.
pub(crate) const fn send_at(postpone_output: usize) -> usize {
    if postpone_output < POSTPONED { postpone_output } else { SEND_AT }
}

/// So many buffers of a Lua body filter are held back at most.
const MAX_HELD: usize = 32;

/// The connection's marks of data that the client has not taken.
pub(super) const BUFFERED: u32 = sys::NGX_HTTP_LOWLEVEL_BUFFERED | sys::NGX_LOWLEVEL_BUFFERED;

/// What the location's configuration says about responses.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) http10_buffering: bool,
    pub(crate) use_default_type: bool,
    /// A Lua body filter looks on: it sees each write by itself.
    pub(crate) sends_each_write: bool,
    /// Collected output is sent when it has this size.
    pub(crate) send_at: usize,
}

impl Options {
    /// Where the configuration has not been read to its end.
    pub(crate) const UNSET: Self = Self {
        http10_buffering: false,
        use_default_type: false,
        sends_each_write: false,
        send_at: SEND_AT,
    };
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    RawSocket,
    HeaderOnly,
    SeenEof,
    Buffering,
    NothingToFlush,
    FilterError,
    NoMemory,
}

impl Refused {
    /// The reference's words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::RawSocket => "raw request socket acquired",
            Self::HeaderOnly => "header only",
            Self::SeenEof => "seen eof",
            Self::Buffering => "buffering",
            Self::NothingToFlush => "nothing to flush",
            Self::FilterError => "nginx output filter error",
            Self::NoMemory => "no memory",
        }
    }
}

/// A code of nginx that ends the attempt: an error, or a special response that took the place.
pub(crate) struct Stopped(pub(crate) isize);

/// The state of the response; one for each request context.
pub(crate) struct Output {
    options: Cell<Options>,
    header_sent: Cell<bool>,
    /// An HTTP/1.0 client without keep-alive by chunks: the whole body is kept for its length.
    buffering: Cell<bool>,
    eof: Cell<bool>,
    seen_body: Cell<bool>,
    mime_set: Cell<bool>,
    headers_set: Cell<bool>,
    raw_socket: Cell<bool>,
    /// The status of a response for which none is set.
    status: Cell<u16>,
    /// How often a header filter of Lua's has put another response in the place of this one.
    replaced: Cell<u8>,
    redirected: Cell<bool>,
    /// The headers failed in nginx's filters: without them nothing can follow.
    broken: Cell<bool>,
    /// What Lua wrote and the filters have not seen yet.
    first: Cell<*mut ngx_chain_t>,
    last: Cell<*mut ngx_chain_t>,
    pending: Cell<usize>,
    next_size: Cell<usize>,
    free: Cell<*mut ngx_chain_t>,
    busy: Cell<*mut ngx_chain_t>,
    /// A Lua body filter sees a write, and more may follow before the run ends.
    corked: Cell<bool>,
    /// What the body filter handed on meanwhile.
    held: Cell<*mut ngx_chain_t>,
    loans: Loans,
}

/// Where output was before a call started to write, to take back what a failed call wrote.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    link: *mut ngx_chain_t,
    end: *mut u8,
    pending: usize,
}

// SAFETY (every block of this impl): [request-alive]; chains and buffers are the request's own and come from its
// pool ([pool-outlives-request]).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Output {
    pub(crate) const fn new(options: Options) -> Self {
        Self {
            options: Cell::new(options),
            header_sent: Cell::new(false),
            buffering: Cell::new(false),
            eof: Cell::new(false),
            seen_body: Cell::new(false),
            mime_set: Cell::new(false),
            headers_set: Cell::new(false),
            raw_socket: Cell::new(false),
            status: Cell::new(sys::NGX_HTTP_OK as u16),
            replaced: Cell::new(0),
            redirected: Cell::new(false),
            broken: Cell::new(false),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
            pending: Cell::new(0),
            next_size: Cell::new(FIRST_BUFFER),
            free: Cell::new(ptr::null_mut()),
            busy: Cell::new(ptr::null_mut()),
            corked: Cell::new(false),
            held: Cell::new(ptr::null_mut()),
            loans: Loans::new(),
        }
    }

    /// The request is in another location now.
    pub(crate) fn configure(&self, options: Options) {
        self.options.set(options);
    }

    pub(crate) fn headers_sent(&self, r: Request) -> bool {
        r.header_sent() || self.header_sent.get()
    }

    /// From now on nothing is written here: a raw socket has the connection. `false` if it has it
    /// already.
    pub(crate) fn give_to_raw_socket(&self) -> bool {
        self.header_sent.set(true);
        !self.raw_socket.replace(true)
    }

    /// Whether a raw socket has the connection.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw_socket.get()
    }

    pub(crate) fn is_buffering(&self) -> bool {
        self.buffering.get()
    }

    pub(crate) fn seen_eof(&self) -> bool {
        self.eof.get()
    }

    /// Lua set the content type: nginx's default stays out.
    pub(crate) fn mime_is_set(&self) {
        self.mime_set.set(true);
    }

    /// Lua touched response headers: nginx's Content-Length and Accept-Ranges are left alone.
    pub(crate) fn headers_are_set(&self) {
        self.headers_set.set(true);
    }

    /// Lua touched the headers of a subrequest that has ended: nginx's default content type joins them.
    /// `None` if Lua did not.
    pub(crate) fn complete_headers(&self, r: Request) -> Option<Result<(), Stopped>> {
        let set = || self.set_content_type(r).then_some(()).ok_or(Stopped(sys::ERROR));
        self.headers_set.get().then(set)
    }

    /// Whether Lua may still write a body.
    pub(crate) fn check_writable(&self, r: Request) -> Result<(), Refused> {
        if self.raw_socket.get() {
            return Err(Refused::RawSocket);
        }
        if r.header_only() {
            return Err(Refused::HeaderOnly);
        }
        if self.eof.get() {
            return Err(Refused::SeenEof);
        }
        Ok(())
    }

    /// Sends the headers unless they are out, or kept back for an HTTP/1.0 client.
    pub(crate) fn send_headers(&self, r: Request) -> Result<(), Stopped> {
        if self.headers_sent(r) { Ok(()) } else { self.complete_and_send(r) }
    }

    fn complete_and_send(&self, r: Request) -> Result<(), Stopped> {
        if r.status() == 0 {
            r.set_status(self.status.get().into());
        }
        if !self.mime_set.get() && !self.set_content_type(r) {
            return Err(Stopped(sys::ERROR));
        }
        if !self.headers_set.get() {
            unsafe {
                clear_content_length(r);
                clear_accept_ranges(r);
            }
        }
        if self.buffering.get() {
            return Ok(());
        }
        check(self.filter_headers(r), 1)
    }

    /// Sets the status of a response for which none is set; it is 200 otherwise.
    pub(crate) fn set_default_status(&self, status: u16) {
        self.status.set(status);
    }

    /// Notes that another response takes the place of this one; `false` if that has been so too often.
    pub(crate) fn replace(&self) -> bool {
        /// As often as nginx sends a request elsewhere.
        const MOST: u8 = 10;
        let times = self.replaced.get();
        self.replaced.set((times + 1).min(MOST));
        times < MOST
    }

    /// Notes that this response has sent the request elsewhere, which ends it there.
    pub(crate) fn set_redirected(&self) {
        self.redirected.set(true);
    }

    pub(crate) fn is_redirected(&self) -> bool {
        self.redirected.get()
    }

    /// Header filters may still change the headers, or refuse them.
    fn filter_headers(&self, r: Request) -> ngx_int_t {
        let code = unsafe { sys::ngx_http_send_header(r.as_ptr()) };
        self.header_sent.set(true);
        self.broken.set(code == sys::ERROR && !r.header_sent());
        code
    }

    fn set_content_type(&self, r: Request) -> bool {
        self.mime_set.set(true);
        !self.options.get().use_default_type
            || r.status() == sys::NGX_HTTP_NOT_MODIFIED as usize
            || unsafe { sys::ngx_http_set_content_type(r.as_ptr()) } == sys::OK
    }

    /// Prepares for body data: headers out (or kept), HEAD answered. `false`: no body is wanted.
    #[inline(always)]
    pub(crate) fn begin_body(&self, r: Request) -> Result<bool, Stopped> {
        if r.is_head() {
            r.set_header_only();
        }
        if !self.headers_sent(r) {
            self.begin_headers(r)?;
        }
        if r.header_only() { self.end_headers(r) } else { Ok(true) }
    }

    #[inline(never)]
    fn begin_headers(&self, r: Request) -> Result<(), Stopped> {
        if self.options.get().http10_buffering
            && !self.buffering.get()
            && r.http_version() < sys::NGX_HTTP_VERSION_11 as usize
            && unsafe { (*r.as_ptr()).headers_out.content_length_n } < 0
        {
            self.buffering.set(true);
        }
        self.complete_and_send(r)
    }

    /// The headers are all of the response.
    #[cold]
    fn end_headers(&self, r: Request) -> Result<bool, Stopped> {
        self.eof.set(true);
        if self.buffering.get() {
            self.send_http10_headers(r)?;
        }
        Ok(false)
    }

    pub(crate) fn mark(&self) -> Mark {
        let link = self.last.get();
        let end = if link.is_null() { ptr::null_mut() } else { unsafe { (*(*link).buf).last } };
        Mark { link, end, pending: self.pending.get() }
    }

    /// Whether something was written since `mark`.
    pub(crate) fn has_grown_since(&self, mark: &Mark) -> bool {
        self.pending.get() != mark.pending
    }

    /// Takes back what was written since `mark`.
    pub(crate) fn take_back(&self, mark: Mark) {
        unsafe {
            if mark.link.is_null() {
                self.first.set(ptr::null_mut());
            } else {
                (*mark.link).next = ptr::null_mut();
                (*(*mark.link).buf).last = mark.end;
            }
        }
        self.last.set(mark.link);
        self.pending.set(mark.pending);
    }

    /// Appends body data; `None` when there is no memory.
    #[inline(always)]
    pub(crate) fn append(&self, r: Request, data: &[u8]) -> Option<()> {
        if data.is_empty() {
            return Some(());
        }
        unsafe {
            let mut end = self.tail_room(data.len());
            if end.is_null() {
                end = self.add_buffer(r, data.len())?;
            }
            end.copy_from_nonoverlapping(data.as_ptr(), data.len());
            let b = (*self.last.get()).buf;
            (*b).last = end.add(data.len());
        }
        self.pending.set(self.pending.get() + data.len());
        Some(())
    }

    /// Where `len` bytes fit into the last buffer; null if they do not.
    #[inline]
    unsafe fn tail_room(&self, len: usize) -> *mut u8 {
        let link = self.last.get();
        if link.is_null() {
            return ptr::null_mut();
        }
        unsafe {
            let b = (*link).buf;
            if (*b).end.offset_from_unsigned((*b).last) >= len {
                (*b).last
            } else {
                ptr::null_mut()
            }
        }
    }

    #[inline(never)]
    fn add_buffer(&self, r: Request, len: usize) -> Option<*mut u8> {
        let size = self.next_size.get().max(len);
        self.next_size.set((self.next_size.get() * 4).min(MAX_BUFFER));
        let link = self.buffer(r, size)?;
        self.add_link(link);
        unsafe { Some((*(*link).buf).last) }
    }

    #[inline(always)]
    fn add_link(&self, link: *mut ngx_chain_t) {
        let last = self.last.replace(link);
        if last.is_null() {
            self.first.set(link);
        } else {
            unsafe { (*last).next = link };
        }
    }

    /// Appends body data that stays where it is until it is given back, at the latest by
    /// [`Output::give_back_all`]; `None`, and the loan is the caller's, when there is no memory.
    pub(crate) fn append_lent(&self, r: Request, data: &[u8], loan: Loan) -> Option<()> {
        let link = self.loans.take(r, data, loan)?;
        self.add_link(link);
        self.pending.set(self.pending.get() + data.len());
        Some(())
    }

    /// Gives back what was lent: the request ends.
    pub(crate) fn give_back_all(&self) {
        self.loans.give_back_all();
    }

    fn buffer(&self, r: Request, size: usize) -> Option<*mut ngx_chain_t> {
        chain::take(r, &self.free, size, Tag::Output)
    }

    /// Called after a successful write: remembers that there is a body, and keeps memory bounded.
    #[inline(always)]
    pub(crate) fn wrote(&self, r: Request) -> Result<(), Stopped> {
        self.seen_body.set(true);
        if self.pending.get() >= self.options.get().send_at {
            return self.send(r);
        }
        if self.options.get().sends_each_write { self.show(r) } else { Ok(()) }
    }

    /// Lets the location's Lua body filter see a write by itself; what it hands on waits for the end of
    /// the run, as writes do where no body filter is.
    #[inline(never)]
    fn show(&self, r: Request) -> Result<(), Stopped> {
        if self.first.get().is_null() || self.buffering.get() {
            return Ok(());
        }
        let size = self.pending.get();
        let chain = self.take_pending();
        // It counts until it is sent.
        self.pending.set(size);
        self.corked.set(true);
        let result = self.filter(r, chain);
        self.corked.set(false);
        result
    }

    /// Whether what the body filter sees is a write that more may follow before the run ends.
    pub(crate) fn is_corked(&self) -> bool {
        self.corked.get()
    }

    /// Holds back what the body filter makes of such a write, on links of its own; `false` if enough is held.
    pub(crate) fn hold(&self, chain: *mut ngx_chain_t) -> bool {
        let mut end = self.held.as_ptr();
        unsafe {
            for _ in 0..MAX_HELD {
                if (*end).is_null() {
                    *end = chain;
                    return true;
                }
                end = &raw mut (**end).next;
            }
        }
        false
    }

    /// What was held back, with `chain` behind it.
    pub(crate) fn release(&self, chain: *mut ngx_chain_t) -> *mut ngx_chain_t {
        let held = self.held.replace(ptr::null_mut());
        if held.is_null() {
            return chain;
        }
        unsafe {
            let mut last = held;
            while !(*last).next.is_null() {
                last = (*last).next;
            }
            (*last).next = chain;
        }
        held
    }

    /// Whether the client has still to take some of what was sent.
    pub(crate) fn has_busy(&self) -> bool {
        !self.busy.get().is_null()
    }

    /// Hands what is collected to the filters.
    #[inline(never)]
    pub(crate) fn send(&self, r: Request) -> Result<(), Stopped> {
        if (self.first.get().is_null() && self.held.get().is_null()) || self.buffering.get() {
            return Ok(());
        }
        let chain = self.take_pending();
        self.filter(r, chain)
    }

    fn take_pending(&self) -> *mut ngx_chain_t {
        self.last.set(ptr::null_mut());
        self.pending.set(0);
        self.first.replace(ptr::null_mut())
    }

    /// Sends what is collected with a request to pass it on to the client.
    pub(crate) fn flush(&self, r: Request, wait: bool) -> Result<(), Refused> {
        self.check_writable(r)?;
        if self.buffering.get() {
            debug!(r.log(), "lua http 1.0 buffering makes ngx.flush() a no-op");
            return Err(Refused::Buffering);
        }
        if !self.headers_sent(r) || (!self.seen_body.get() && !wait) {
            return Err(Refused::NothingToFlush);
        }
        unsafe {
            let link = self.buffer(r, 0).ok_or(Refused::NoMemory)?;
            let b = (*link).buf;
            (*b).set_flush(1);
            let chain = match self.last.get() {
                last if last.is_null() => link,
                last => {
                    (*last).next = link;
                    self.take_pending()
                }
            };
            self.filter(r, chain).map_err(|_| Refused::FilterError)
        }
    }

    /// Whether data is on its way that the client has not taken.
    pub(crate) fn is_blocked(r: Request) -> bool {
        unsafe {
            let c = r.connection();
            (*c).buffered() & BUFFERED != 0 || (*(*c).write).delayed() != 0
        }
    }

    /// Whether `limit_rate` makes the connection wait.
    pub(crate) fn is_delayed(r: Request) -> bool {
        unsafe { (*(*r.connection()).write).delayed() != 0 }
    }

    /// Tries once more to write what the client has not taken.
    pub(crate) fn write_blocked(&self, r: Request) -> Result<(), Stopped> {
        if !self.busy.get().is_null() {
            return self.filter(r, ptr::null_mut());
        }
        unsafe {
            let Some(link) = self.buffer(r, 0) else { return Err(Stopped(sys::ERROR)) };
            (*(*link).buf).set_flush(1);
            self.filter(r, link)
        }
    }

    /// Ends the response: headers if they are not out, what is collected, the end mark.
    pub(crate) fn finish(&self, r: Request) -> Result<(), Stopped> {
        if self.broken.get() {
            return Err(Stopped(sys::ERROR));
        }
        if self.raw_socket.get() || self.eof.get() {
            return self.send(r);
        }
        if (!self.header_sent.get() || r.header_only()) && !self.begin_body(r)? {
            return Ok(());
        }
        r.discard_unread_body().map_err(|NotDiscarded| Stopped(sys::ERROR))?;
        if self.buffering.get() {
            self.send_http10_headers(r)?;
            self.buffering.set(false);
            // Only nginx's header filters know of some responses that they have no body.
            if r.header_only() {
                self.eof.set(true);
                self.take_pending();
                return Ok(());
            }
        }
        self.eof.set(true);
        if self.options.get().sends_each_write {
            self.show(r)?;
        }
        debug!(r.log(), "lua sending last buf of the response body");
        if self.first.get().is_null() {
            let link = self.buffer(r, 0).ok_or(Stopped(sys::ERROR))?;
            self.add_link(link);
        }
        unsafe {
            let b = (*self.last.get()).buf;
            if r.is_main() && (*r.as_ptr()).post_action() == 0 {
                (*b).set_last_buf(1);
            } else {
                (*b).set_sync(1);
                (*b).set_last_in_chain(1);
            }
        }
        // The buffers are not needed again.
        let chain = self.take_pending();
        check(unsafe { sys::ngx_http_output_filter(r.as_ptr(), chain) }, 300)
    }

    /// It may be the request's turn to send what nginx keeps for it: see [`Request::is_postponed`].
    #[inline]
    pub(crate) fn go_on(&self, r: Request) {
        if r.has_turn() {
            // An error comes back at the next write, or at the end.
            let _ = self.filter(r, ptr::null_mut());
        }
    }

    fn send_http10_headers(&self, r: Request) -> Result<(), Stopped> {
        if self.headers_sent(r) {
            return Ok(());
        }
        debug!(r.log(), "lua sending HTTP 1.0 response headers");
        unsafe {
            let out = &raw mut (*r.as_ptr()).headers_out;
            if !r.header_only() && (*out).content_length.is_null() {
                (*out).content_length_n = self.pending.get() as sys::off_t;
            }
        }
        check(self.filter_headers(r), 300)
    }

    fn filter(&self, r: Request, chain: *mut ngx_chain_t) -> Result<(), Stopped> {
        if self.broken.get() {
            return Err(Stopped(sys::ERROR));
        }
        let code = unsafe { sys::ngx_http_output_filter(r.as_ptr(), chain) };
        if code == sys::ERROR {
            return Err(Stopped(code));
        }
        // A filter may have replaced the request's contexts by a special response: the buffers are
        // nobody's then.
        if !slot::ctx(r).is_null() {
            chain::sort(r, &self.free, &self.busy, chain, Tag::Output);
            self.loans.give_back_free(r, &self.free);
        }
        check(code, 300)
    }
}

/// Errors, and codes from `special` on, stop the response.
fn check(code: ngx_int_t, special: ngx_int_t) -> Result<(), Stopped> {
    if code == sys::ERROR || code >= special { Err(Stopped(code)) } else { Ok(()) }
}

/// # Safety
/// [request-alive]
unsafe fn clear_content_length(r: Request) {
    // SAFETY: the caller's contract; header elements live in the request's pool.
    unsafe {
        let out = &raw mut (*r.as_ptr()).headers_out;
        (*out).content_length_n = -1;
        if let Some(header) = (*out).content_length.as_mut() {
            header.hash = 0;
            (*out).content_length = ptr::null_mut();
        }
    }
}

/// # Safety
/// [request-alive]
unsafe fn clear_accept_ranges(r: Request) {
    // SAFETY: as above.
    unsafe {
        sys::ngx_http_request_t::set_allow_ranges_raw(r.as_ptr(), 0);
        let out = &raw mut (*r.as_ptr()).headers_out;
        if let Some(header) = (*out).accept_ranges.as_mut() {
            header.hash = 0;
            (*out).accept_ranges = ptr::null_mut();
        }
    }
}
