//! `Request`: a copyable handle over `ngx_http_request_t`.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr::NonNull;

use super::log::Log;
use super::pool::Pool;
use super::sys::{self, ngx_http_request_t};

/// Handle to a request owned by nginx; never turned into a Rust reference, because nginx mutates the
/// struct behind our back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request(NonNull<ngx_http_request_t>);

/// Memory for nginx's note of a cleanup.
pub(crate) struct CleanupPlace(UnsafeCell<sys::ngx_http_cleanup_t>);

impl CleanupPlace {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(sys::ngx_http_cleanup_t {
            handler: None,
            data: core::ptr::null_mut(),
            next: core::ptr::null_mut(),
        }))
    }
}

/// What becomes of a request's body on its way from the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InTransit {
    /// Nobody has begun to read it.
    Unread,
    /// It is thrown away as it comes.
    Discarded,
    /// It is read, or has been; or it is not this request's.
    Read,
}

// SAFETY (every block of this impl): [request-alive]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Request {
    /// # Safety
    /// `r` is null or a request that stays alive while the handle is used ([request-alive]).
    pub(crate) unsafe fn from_raw(r: *mut ngx_http_request_t) -> Option<Self> {
        NonNull::new(r).map(Self)
    }

    #[inline]
    pub(crate) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    pub(crate) fn connection(self) -> *mut sys::ngx_connection_t {
        unsafe { (*self.as_ptr()).connection }
    }

    pub(crate) fn log(self) -> Log {
        unsafe { Log::from_raw((*self.connection()).log).unwrap_unchecked() }
    }

    pub(crate) fn pool(self) -> Pool {
        unsafe { Pool::from_raw((*self.as_ptr()).pool).unwrap_unchecked() }
    }

    pub(crate) fn main(self) -> Self {
        unsafe { Self(NonNull::new_unchecked((*self.as_ptr()).main)) }
    }

    pub(crate) fn is_main(self) -> bool {
        self.main() == self
    }

    /// Whether there is no client behind the request: it only carries Lua outside of one.
    #[inline]
    pub(crate) fn is_detached(self) -> bool {
        unsafe { (*self.connection()).fd == -1 }
    }

    /// How many users keep the main request alive.
    pub(crate) fn count(self) -> u16 {
        unsafe { *self.main().count_ptr() }
    }

    /// Keeps the main request alive until it is finalized once more.
    pub(crate) fn hold(self) {
        unsafe { *self.main().count_ptr() += 1 }
    }

    /// Gives up a hold where somebody else keeps the request alive.
    pub(crate) fn release(self) {
        unsafe { *self.main().count_ptr() -= 1 }
    }

    /// `count:16` is the first field of its unit: read as the plain u16 it is, because the generated
    /// accessor walks it bit by bit.
    fn count_ptr(self) -> *mut u16 {
        unsafe { (&raw mut (*self.as_ptr())._bitfield_1).cast() }
    }

    pub(crate) fn uri(self) -> &'static [u8] {
        unsafe { sys::str_bytes((*self.as_ptr()).uri) }
    }

    pub(crate) fn args(self) -> &'static [u8] {
        unsafe { sys::str_bytes((*self.as_ptr()).args) }
    }

    pub(crate) fn uri_changed(self) -> bool {
        unsafe { ngx_http_request_t::uri_changed_raw(self.as_ptr()) != 0 }
    }

    pub(crate) fn header_sent(self) -> bool {
        unsafe { ngx_http_request_t::header_sent_raw(self.as_ptr()) != 0 }
    }

    pub(crate) fn header_only(self) -> bool {
        unsafe { ngx_http_request_t::header_only_raw(self.as_ptr()) != 0 }
    }

    pub(crate) fn set_header_only(self) {
        unsafe { ngx_http_request_t::set_header_only_raw(self.as_ptr(), 1) }
    }

    pub(crate) fn is_head(self) -> bool {
        unsafe { (*self.as_ptr()).method & sys::NGX_HTTP_HEAD as usize != 0 }
    }

    /// How often nginx may still send the request elsewhere, itself included.
    pub(crate) fn redirects_left(self) -> u32 {
        unsafe { ngx_http_request_t::uri_changes_raw(self.as_ptr()) }
    }

    pub(crate) fn is_internal(self) -> bool {
        unsafe { ngx_http_request_t::internal_raw(self.as_ptr()) != 0 }
    }

    pub(crate) fn filter_finalize(self) -> bool {
        unsafe { ngx_http_request_t::filter_finalize_raw(self.as_ptr()) != 0 }
    }

    /// Whether the client announced a body that nobody has begun to read.
    #[inline]
    fn has_unread_body(self) -> bool {
        unsafe {
            let r = self.as_ptr();
            let head = &raw const (*r).headers_in;
            (*r).request_body.is_null()
                && self.is_main()
                && ((*head).content_length_n > 0
                    || (*head).chunked() != 0
                    || !(*head).expect.is_null())
        }
    }

    /// nginx's number of the protocol: 9, 1000, 1001, 2000, 3000.
    pub(crate) fn http_version(self) -> usize {
        unsafe { (*self.as_ptr()).http_version }
    }

    /// Whether its protocol has headers at all: HTTP/0.9 has none.
    pub(crate) fn has_headers(self) -> bool {
        self.http_version() >= sys::NGX_HTTP_VERSION_10 as usize
    }

    /// The status of the response; 0 while there is none.
    pub(crate) fn status(self) -> usize {
        unsafe { (*self.as_ptr()).headers_out.status }
    }

    pub(crate) fn set_status(self, status: usize) {
        unsafe { (*self.as_ptr()).headers_out.status = status }
    }

    /// The status nginx itself put in the response's place; 0 if it did not.
    pub(crate) fn error_status(self) -> usize {
        unsafe { (*self.as_ptr()).err_status }
    }

    /// Sets the status, takes away nginx's own, and the reason phrase with it.
    pub(crate) fn replace_status(self, status: usize) {
        unsafe {
            let r = self.as_ptr();
            (*r).headers_out.status = status;
            (*r).err_status = 0;
            (*r).headers_out.status_line = match status {
                // nginx has no words of its own for it.
                101 => sys::str_of(b"101 Switching Protocols"),
                _ => sys::str_of(b""),
            };
        }
    }

    /// Runs the phase engine again from where the request stopped.
    pub(crate) fn run_phases(self) {
        unsafe { sys::ngx_http_core_run_phases(self.as_ptr()) }
    }

    /// Ends the request, or one user of it; it may be gone afterwards.
    pub(crate) fn finalize(self, code: isize) {
        unsafe { sys::ngx_http_finalize_request(self.as_ptr(), code) }
    }

    /// Lets the client send no more than nginx needs to keep the connection.
    pub(crate) fn discard_body(self) -> isize {
        unsafe { sys::ngx_http_discard_request_body(self.as_ptr()) }
    }

    /// Has nginx throw away a body that nobody has begun to read: what comes behind it is the next request, and it is
    /// none itself. Once the headers are out, a client that asks whether to send it has its answer.
    #[inline]
    pub(crate) fn discard_unread_body(self) -> Result<(), NotDiscarded> {
        if !self.has_unread_body() {
            return Ok(());
        }
        if self.header_sent() {
            unsafe { ngx_http_request_t::set_expect_tested_raw(self.as_ptr(), 1) };
        }
        if self.discard_body() == sys::OK { Ok(()) } else { Err(NotDiscarded) }
    }

    /// What nginx does with the body that the client sends.
    pub(crate) fn body_in_transit(self) -> InTransit {
        // SAFETY: see above.
        unsafe {
            let r = self.as_ptr();
            if !self.is_main() {
                InTransit::Read
            } else if ngx_http_request_t::discard_body_raw(r) != 0 {
                InTransit::Discarded
            } else if (*r).request_body.is_null() {
                InTransit::Unread
            } else {
                InTransit::Read
            }
        }
    }

    /// The connection carries no other request.
    pub(crate) fn close_afterwards(self) {
        unsafe { ngx_http_request_t::set_keepalive_raw(self.as_ptr(), 0) }
    }

    /// Has nginx call `handler` when the client's connection can be written to, or it is the request's turn to do so.
    pub(crate) fn on_write(self, handler: unsafe extern "C" fn(*mut ngx_http_request_t)) {
        unsafe { (*self.as_ptr()).write_event_handler = Some(handler) }
    }

    pub(crate) fn run_phases_on_write(self) {
        self.on_write(sys::ngx_http_core_run_phases);
    }

    /// The client's and the server's address, for log lines; empty where they are not known.
    pub(crate) fn addresses(self) -> (&'static [u8], &'static [u8]) {
        unsafe {
            let c = self.connection();
            let server = (*c).listening.as_ref().map_or(sys::str_of(b""), |l| l.addr_text);
            (sys::str_bytes((*c).addr_text), sys::str_bytes(server))
        }
    }

    /// Whether nginx has finalized the request, though something still holds it.
    pub(crate) fn is_done(self) -> bool {
        unsafe { ngx_http_request_t::done_raw(self.as_ptr()) != 0 }
    }

    /// Nothing more is to be written to the client.
    pub(crate) fn mark_client_gone(self) {
        unsafe { (*self.connection()).set_error(1) }
    }

    pub(crate) fn ignore_reads(self) {
        unsafe { (*self.as_ptr()).read_event_handler = Some(sys::ngx_http_block_reading) }
    }

    pub(crate) fn client_state(self) -> ClientState {
        unsafe {
            let c = self.connection();
            if (*c).timedout() != 0 {
                ClientState::TimedOut
            } else if (*c).error() != 0 {
                ClientState::Gone
            } else {
                ClientState::There
            }
        }
    }

    /// The connection's marks of data that waits to be written, for debug lines.
    pub(crate) fn buffered(self) -> u32 {
        unsafe { (*self.connection()).buffered() }
    }

    /// Makes `self` the request that log lines of its connection speak of.
    pub(crate) fn enter_log(self) {
        unsafe {
            let data = (*(*self.connection()).log).data.cast::<sys::ngx_http_log_ctx_t>();
            if !data.is_null() && !self.is_detached() {
                (*data).current_request = self.as_ptr();
            }
        }
    }

    /// Calls `action(data)` when the request ends, before it is logged. `place` is where nginx keeps
    /// the note of it: it lives as long as the request's pool, and is used for one note at a time.
    pub(crate) fn on_cleanup(
        self,
        place: &CleanupPlace,
        action: unsafe extern "C" fn(*mut c_void),
        data: *const c_void,
    ) {
        unsafe {
            let main = self.main().as_ptr();
            let place = place.0.get();
            (*place).handler = Some(action);
            (*place).data = data.cast_mut();
            (*place).next = (*main).cleanup;
            (*main).cleanup = place;
        }
    }

    /// What was registered for the end of the request, or of those with which it ends, to be done by `action`; the
    /// newest first.
    pub(crate) fn registered(
        self,
        action: unsafe extern "C" fn(*mut c_void),
    ) -> impl Iterator<Item = *mut c_void> {
        // SAFETY: nginx's list, whose notes lie in pools of living requests.
        let first = unsafe { (*self.main().as_ptr()).cleanup.as_ref() };
        core::iter::successors(first, |note| unsafe { note.next.as_ref() })
            .filter(move |note| {
                note.handler.is_some_and(|handler| core::ptr::fn_addr_eq(handler, action))
            })
            .map(|note| note.data)
    }

    /// Whether nginx keeps output of the request until that of others, included ones, has been sent.
    #[inline]
    pub(crate) fn is_postponed(self) -> bool {
        unsafe {
            let r = self.as_ptr();
            if !(*r).postponed.is_null() {
                return true;
            }
            (*(*r).connection).data != r.cast() && self.waits_for_turn()
        }
    }

    /// Whether it is a request that is not the connection's active one, but will be.
    #[cold]
    fn waits_for_turn(self) -> bool {
        unsafe {
            let r = self.as_ptr();
            let Some(parent) = (*r).parent.as_ref() else { return true };
            let mut next = parent.postponed;
            while let Some(postponed) = next.as_ref() {
                if postponed.request == r {
                    return true;
                }
                next = postponed.next;
            }
            // One that nginx does not know of: its output is captured.
            false
        }
    }

    /// Whether it is the active one, and nginx keeps output of it from the time before.
    #[inline]
    pub(crate) fn has_turn(self) -> bool {
        unsafe {
            let r = self.as_ptr();
            !(*r).postponed.is_null() && (*(*r).connection).data == r.cast()
        }
    }

    /// `tcp_nodelay` of the location.
    pub(crate) fn wants_nodelay(self) -> bool {
        unsafe { (*self.core_loc_conf()).tcp_nodelay != 0 }
    }

    pub(crate) fn core_loc_conf(self) -> *mut sys::ngx_http_core_loc_conf_t {
        unsafe {
            let index = sys::ngx_http_core_module.ctx_index;
            (*(*self.as_ptr()).loc_conf.add(index)).cast()
        }
    }

    pub(crate) fn core_main_conf(self) -> *mut sys::ngx_http_core_main_conf_t {
        unsafe {
            let index = sys::ngx_http_core_module.ctx_index;
            (*(*self.as_ptr()).main_conf.add(index)).cast()
        }
    }
}

/// `status`, or 500 if it has more than the three digits that a status has: nginx writes beyond its buffer with one of
/// those over HTTP/2.
///
/// Reference: takes any number.
pub(crate) const fn sendable(status: i32) -> i32 {
    if status < 0 || status > 999 { 500 } else { status }
}

/// The body is malformed, or the connection broken.
pub(crate) struct NotDiscarded;

/// Whether the client is still there to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientState {
    There,
    TimedOut,
    Gone,
}

/// Runs what has been posted for other requests of a connection: the last thing an event handler does.
/// `c` is the connection that the handler was called for; nginx keeps the struct when it closes it.
pub(crate) fn run_posted(c: *mut sys::ngx_connection_t) {
    // SAFETY: nginx looks at `destroyed` first.
    unsafe { sys::ngx_http_run_posted_requests(c) }
}
