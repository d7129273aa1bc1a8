//! Connections to other servers: made, read, written, timed and closed through nginx's event loop.
//!
//! A [`Connection`] is a `Copy` handle: whoever got it from [`connect`] closes it, once. It always goes
//! through the connection's own `recv` and `send`, so that TLS is no concern of the callers. nothing here
//! knows what is said on a connection, or keeps data.
#![allow(unsafe_code)]
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::address::Address;
use super::log::Log;
use super::sys::{self, ngx_connection_t, ngx_event_t};
use super::{Msec, Request, guard};

/// A handle to a connection of the event loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection(NonNull<ngx_connection_t>);

/// Who is told of a connection's events.
pub(crate) trait Watcher {
    /// Something can be read, or the read timer has fired. `this` may be freed in the course of it.
    ///
    /// # Safety
    /// `this` is what [`Connection::attach`] got, and is alive.
    unsafe fn on_read(this: NonNull<Self>);

    /// Something can be written, or the write timer has fired.
    ///
    /// # Safety
    /// As for `on_read`.
    unsafe fn on_write(this: NonNull<Self>);
}

/// How far a connection has come at once.
pub(crate) enum Connected {
    Already(Connection),
    /// A write event tells how it went on: see [`Connection::test`].
    Soon(Connection),
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotConnected {
    /// The system's number of the error; 0 if it gave none.
    System(i32),
    Busy,
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(usize),
    /// The peer has closed its side.
    End,
    Nothing,
    Failed(i32),
}

/// What writing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Bytes(usize),
    /// The system has no room at present.
    Nothing,
    Failed(i32),
}

/// Begins to connect to `address`, which log lines call `name`.
pub(crate) fn connect(
    address: &Address,
    name: &[u8],
    local: Option<&Address>,
    log: Log,
) -> Result<Connected, NotConnected> {
    let (sockaddr, socklen) = address.as_sockaddr();
    let mut name = sys::str_of(name);
    let local_name = local.map_or(String::new(), Address::host);
    let mut bound = local.map(|local| {
        let (sockaddr, socklen) = local.as_sockaddr();
        let name = sys::str_of(local_name.as_bytes());
        sys::ngx_addr_t { sockaddr: sockaddr.cast_mut(), socklen, name }
    });
    // SAFETY: an all-zero peer connection is nginx's own initial state; what it points to lives until the
    // call returns, which keeps none of it.
    unsafe {
        let mut peer: sys::ngx_peer_connection_t = MaybeUninit::zeroed().assume_init();
        peer.sockaddr = sockaddr.cast_mut();
        peer.socklen = socklen;
        peer.name = &raw mut name;
        peer.get = Some(sys::ngx_event_get_peer);
        peer.local = bound.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        peer.log = log.as_ptr();
        peer.set_log_error(sys::ngx_connection_log_error_e_NGX_ERROR_ERR);
        let code = sys::ngx_event_connect_peer(&raw mut peer);
        let errno = last_error();
        let connection = NonNull::new(peer.connection).map(Connection);
        match (code, connection) {
            (sys::OK, Some(connection)) => Ok(Connected::Already(connection)),
            (sys::AGAIN, Some(connection)) => Ok(Connected::Soon(connection)),
            (sys::BUSY, _) => Err(NotConnected::Busy),
            (_, left) => {
                if let Some(connection) = left {
                    connection.close();
                }
                Err(NotConnected::System(errno))
            }
        }
    }
}

pub(super) fn last_error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

/// What the system says of an error number, in lower case as LuaSocket does.
pub(crate) fn error_text(errno: i32) -> Vec<u8> {
    let mut text = [0u8; 128];
    // SAFETY: it writes at most so many bytes, and returns the end.
    let len = unsafe {
        let end = sys::ngx_strerror(errno, text.as_mut_ptr(), text.len());
        end.offset_from(text.as_ptr()).unsigned_abs()
    };
    text[..len].to_ascii_lowercase()
}

unsafe extern "C" fn on_read<T: Watcher>(ev: *mut ngx_event_t) {
    // SAFETY: `attach` put the watcher there; it is detached or the connection closed before it goes.
    guard((), || unsafe { T::on_read(watcher(ev)) });
}

unsafe extern "C" fn on_write<T: Watcher>(ev: *mut ngx_event_t) {
    // SAFETY: as above.
    guard((), || unsafe { T::on_write(watcher(ev)) });
}

/// # Safety
/// An event of a connection that `attach` was called for.
unsafe fn watcher<T>(ev: *mut ngx_event_t) -> NonNull<T> {
    // SAFETY: the caller's contract.
    unsafe {
        let c = (*ev).data.cast::<ngx_connection_t>();
        NonNull::new_unchecked((*c).data.cast())
    }
}

// SAFETY (every block of this impl): a connection lives until it is closed, which its owner does once; the
// client's, as long as its request ([request-alive]).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Connection {
    /// The client's connection, which is nginx's to close.
    pub(crate) fn of_client(r: Request) -> Self {
        Self(unsafe { NonNull::new_unchecked(r.connection()) })
    }

    /// A connection that nothing else closes.
    pub(super) fn from_raw(c: NonNull<ngx_connection_t>) -> Self {
        Self(c)
    }

    #[inline]
    pub(crate) fn as_ptr(self) -> *mut ngx_connection_t {
        self.0.as_ptr()
    }

    #[inline]
    fn read(self) -> *mut ngx_event_t {
        unsafe { (*self.as_ptr()).read }
    }

    #[inline]
    fn write(self) -> *mut ngx_event_t {
        unsafe { (*self.as_ptr()).write }
    }

    pub(crate) fn fd(self) -> i32 {
        unsafe { (*self.as_ptr()).fd }
    }

    /// Changes the descriptor under the connection: for tests of what goes wrong then.
    pub(crate) fn set_fd(self, fd: i32) {
        unsafe { (*self.as_ptr()).fd = fd }
    }

    /// Has `watcher` told of the events from now on, and errors logged to `log`.
    pub(crate) fn attach<T: Watcher>(self, watcher: NonNull<T>, log: Log) {
        unsafe {
            let c = self.as_ptr();
            (*c).data = watcher.as_ptr().cast();
            (*(*c).read).handler = Some(on_read::<T>);
            (*(*c).write).handler = Some(on_write::<T>);
            self.set_log(log);
        }
    }

    fn set_log(self, log: Log) {
        unsafe {
            let c = self.as_ptr();
            (*c).log = log.as_ptr();
            (*(*c).read).log = log.as_ptr();
            (*(*c).write).log = log.as_ptr();
            if let Some(pool) = (*c).pool.as_mut() {
                pool.log = log.as_ptr();
            }
        }
    }

    /// Marks the connection as one that nobody uses: nginx may close it when the worker exits.
    pub(crate) fn set_idle(self, idle: bool) {
        unsafe { (*self.as_ptr()).set_idle(idle.into()) }
    }

    /// Closes it, with what TLS keeps of it.
    pub(crate) fn close(self) {
        unsafe {
            let c = self.as_ptr();
            #[cfg(ngx_feature = "http_ssl")]
            if let Some(ssl) = (*c).ssl.as_mut() {
                ssl.set_no_wait_shutdown(1);
                ssl.set_no_send_shutdown(1);
                sys::ngx_ssl_shutdown(c);
            }
            let pool = ptr::replace(&raw mut (*c).pool, ptr::null_mut());
            if !pool.is_null() {
                sys::ngx_destroy_pool(pool);
            }
            sys::ngx_close_connection(c);
        }
    }

    /// How connecting ended: `Err` with the system's number.
    pub(crate) fn test(self) -> Result<(), i32> {
        let mut error: i32 = 0;
        let mut len = size_of::<i32>() as libc::socklen_t;
        let code = unsafe {
            let value = (&raw mut error).cast();
            libc::getsockopt(self.fd(), libc::SOL_SOCKET, libc::SO_ERROR, value, &raw mut len)
        };
        match if code == -1 { last_error() } else { error } {
            0 => Ok(()),
            error => Err(error),
        }
    }

    /// Logs an error at the level that nginx gives it.
    pub(crate) fn log_error(self, errno: i32, text: &core::ffi::CStr) {
        unsafe { sys::ngx_connection_error(self.as_ptr(), errno, text.as_ptr().cast_mut()) };
    }

    /// Reads into the `len` bytes at `to`.
    ///
    /// # Safety
    /// There is that much room.
    #[inline]
    pub(crate) unsafe fn receive(self, to: *mut u8, len: usize) -> Received {
        unsafe {
            let c = self.as_ptr();
            let Some(receive) = (*c).recv else { return Received::Failed(libc::ENOTCONN) };
            match receive(c, to, len) {
                0 => Received::End,
                n if n > 0 => Received::Bytes(n.unsigned_abs()),
                sys::AGAIN => Received::Nothing,
                _ => Received::Failed(last_error()),
            }
        }
    }

    #[inline]
    pub(crate) fn send(self, data: &[u8]) -> Sent {
        unsafe {
            let c = self.as_ptr();
            let Some(send) = (*c).send else { return Sent::Failed(libc::ENOTCONN) };
            match send(c, data.as_ptr().cast_mut(), data.len()) {
                n if n >= 0 => Sent::Bytes(n.unsigned_abs()),
                sys::AGAIN => Sent::Nothing,
                _ => {
                    let errno = last_error();
                    (*c).set_error(1);
                    Sent::Failed(errno)
                }
            }
        }
    }

    /// Whether the peer has closed its side, or said something that nobody has asked for: with one
    /// look at the socket.
    pub(crate) fn has_news(self) -> bool {
        let mut byte = 0u8;
        let n = unsafe { libc::recv(self.fd(), (&raw mut byte).cast(), 1, libc::MSG_PEEK) };
        !(n == -1 && last_error() == libc::EAGAIN)
    }

    /// nginx wants it closed: the worker is to end.
    pub(crate) fn is_to_close(self) -> bool {
        unsafe { ngx_connection_t::close_raw(self.as_ptr()) != 0 }
    }

    pub(crate) fn has_error(self) -> bool {
        unsafe { ngx_connection_t::error_raw(self.as_ptr()) != 0 }
    }

    #[inline]
    pub(crate) fn is_read_ready(self) -> bool {
        unsafe { ngx_event_t::ready_raw(self.read()) != 0 }
    }

    /// Whether an event will tell when there is something to read.
    #[inline]
    pub(crate) fn is_read_active(self) -> bool {
        unsafe { ngx_event_t::active_raw(self.read()) != 0 }
    }

    /// The peer's side is known to be closed.
    pub(crate) fn has_ended(self) -> bool {
        unsafe {
            let read = self.read();
            ngx_event_t::eof_raw(read) != 0 || ngx_event_t::pending_eof_raw(read) != 0
        }
    }

    /// Something went wrong in either direction.
    pub(crate) fn is_broken(self) -> bool {
        let broken = |ev: *mut ngx_event_t| unsafe {
            ngx_event_t::error_raw(ev) != 0 || ngx_event_t::timedout_raw(ev) != 0
        };
        broken(self.read()) || broken(self.write())
    }

    /// Lets an event tell of what can be read; `false` if the system refuses.
    #[inline]
    pub(crate) fn expect_read(self) -> bool {
        (self.is_read_active() && are_events_edges())
            || unsafe { sys::ngx_handle_read_event(self.read(), 0) == sys::OK }
    }

    /// Nothing can be read, an event will tell when something can, and that is all there is to know.
    #[inline]
    pub(crate) fn is_quiet(self) -> bool {
        self.is_read_active()
            && !self.is_read_ready()
            && !self.has_ended()
            && !self.is_to_close()
            && are_events_edges()
    }

    /// The same for room to write `lowat` bytes.
    #[inline]
    pub(crate) fn expect_write(self, lowat: usize) -> bool {
        let expected = lowat == 0 && unsafe { ngx_event_t::active_raw(self.write()) != 0 };
        (expected && are_events_edges())
            || unsafe { sys::ngx_handle_write_event(self.write(), lowat) == sys::OK }
    }

    /// Makes the read timer fire after `delay`, or before: whoever is told asks [`Connection::left_until`]. A
    /// timer that is set is left where it is as long as it fires early enough, which is cheaper than moving
    /// it for each of many short waits. The result is the time that counts.
    pub(crate) fn set_read_deadline(self, Msec(delay): Msec) -> usize {
        unsafe {
            let read = self.read();
            let deadline = sys::ngx_current_msec.wrapping_add(delay);
            let is_late = (*read).timer.key.wrapping_sub(deadline).cast_signed() > 0;
            if ngx_event_t::timer_set_raw(read) == 0 || is_late {
                sys::ngx_add_timer(read, delay);
            }
            deadline
        }
    }

    /// How long it is until the time `deadline`; `None` if that has come.
    pub(crate) fn left_until(self, deadline: usize) -> Option<Msec> {
        let left = unsafe { deadline.wrapping_sub(sys::ngx_current_msec) };
        (left.cast_signed() > 0).then_some(Msec(left))
    }

    pub(crate) fn set_read_timer(self, Msec(delay): Msec) {
        unsafe { sys::ngx_add_timer(self.read(), delay) }
    }

    /// Whether the read timer is armed, and for no later than `when` by nginx's clock.
    #[inline]
    pub(crate) fn fires_before(self, when: usize) -> bool {
        unsafe {
            let read = self.read();
            let left = (*read).timer.key.wrapping_sub(when).cast_signed();
            ngx_event_t::timer_set_raw(read) != 0 && left <= 0
        }
    }

    pub(crate) fn set_write_timer(self, Msec(delay): Msec) {
        unsafe { sys::ngx_add_timer(self.write(), delay) }
    }

    #[inline]
    pub(crate) fn clear_read_timer(self) {
        clear_timer(self.read());
    }

    #[inline]
    pub(crate) fn clear_write_timer(self) {
        clear_timer(self.write());
    }

    /// Whether the read timer has fired; it is as if it had not from here on.
    #[inline]
    pub(crate) fn take_read_timeout(self) -> bool {
        take_timeout(self.read())
    }

    #[inline]
    pub(crate) fn take_write_timeout(self) -> bool {
        take_timeout(self.write())
    }

    /// Nothing is read any more: no event, no timer.
    pub(crate) fn end_reads(self) {
        end(self.read(), sys::NGX_LUA_READ_EVENT as isize);
    }

    /// Nothing is written any more.
    pub(crate) fn end_writes(self) {
        end(self.write(), sys::NGX_LUA_WRITE_EVENT as isize);
    }

    /// Marks what is written as lost.
    pub(crate) fn fail_writes(self) {
        unsafe { (*self.write()).set_error(1) }
    }

    /// Whether nginx's own filters hold data that waits to be written.
    pub(crate) fn is_writing(self) -> bool {
        let lowlevel = sys::NGX_HTTP_LOWLEVEL_BUFFERED;
        unsafe { (*self.as_ptr()).buffered() & lowlevel != 0 }
    }

    /// Whether small packets are still held back, which `tcp_nodelay` is to end.
    #[inline]
    pub(crate) fn delays(self) -> bool {
        let unset = sys::ngx_connection_tcp_nodelay_e_NGX_TCP_NODELAY_UNSET;
        unsafe { (*self.as_ptr()).tcp_nodelay() == unset }
    }

    /// Sends small packets at once; `Err` with the system's number.
    pub(crate) fn set_nodelay(self) -> Result<(), i32> {
        self.set_option(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
        let set = sys::ngx_connection_tcp_nodelay_e_NGX_TCP_NODELAY_SET;
        unsafe { (*self.as_ptr()).set_tcp_nodelay(set) };
        Ok(())
    }

    pub(crate) fn set_option(self, level: i32, option: i32, value: i32) -> Result<(), i32> {
        let len = size_of::<i32>() as libc::socklen_t;
        let code =
            unsafe { libc::setsockopt(self.fd(), level, option, (&raw const value).cast(), len) };
        if code == -1 { Err(last_error()) } else { Ok(()) }
    }

    pub(crate) fn option(self, level: i32, option: i32) -> Result<i32, i32> {
        let mut value = 0;
        let mut len = size_of::<i32>() as libc::socklen_t;
        let code = unsafe {
            libc::getsockopt(self.fd(), level, option, (&raw mut value).cast(), &raw mut len)
        };
        if code == -1 { Err(last_error()) } else { Ok(value) }
    }
}

/// Whether events tell of changes, as epoll's do here: one that is active stays so, and nginx has nothing to do.
#[inline]
fn are_events_edges() -> bool {
    // SAFETY: [single-thread]; set when the worker started.
    unsafe { sys::ngx_event_flags & sys::NGX_USE_CLEAR_EVENT as usize != 0 }
}

fn clear_timer(ev: *mut ngx_event_t) {
    // SAFETY: an event of a connection that is not closed.
    unsafe {
        if ngx_event_t::timer_set_raw(ev) != 0 {
            sys::ngx_del_timer(ev);
        }
    }
}

fn take_timeout(ev: *mut ngx_event_t) -> bool {
    // SAFETY: as above.
    unsafe {
        if ngx_event_t::timedout_raw(ev) == 0 {
            return false;
        }
        (*ev).set_timedout(0);
        true
    }
}

fn end(ev: *mut ngx_event_t, kind: isize) {
    clear_timer(ev);
    // SAFETY: as above.
    unsafe {
        if (*ev).active() != 0 || (*ev).disabled() != 0 {
            let del = sys::ngx_event_actions.del;
            del.map(|del| del(ev, kind, sys::NGX_CLOSE_EVENT as usize));
        }
        if (*ev).posted() != 0 {
            sys::ngx_delete_posted_event(ev);
        }
        (*ev).set_closed(1);
    }
}
