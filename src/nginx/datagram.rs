//! Datagram sockets as connections of the event loop: UDP, and unix sockets of that kind.
//!
//! They are read and written as other connections are; a datagram of no bytes reads as the end.
#![allow(unsafe_code)]
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::address::Address;
use super::connection::{Connection, last_error};
use super::log::{Level, Log, debug};
use super::sys;

/// A socket that talks to `peer` only, from `local` if that is given. The error is the system's number,
/// which has been logged.
pub(crate) fn open(peer: &Address, local: Option<&Address>, log: Log) -> Result<Connection, i32> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::socket(peer.family().into(), kind, 0) };
    if fd == -1 {
        return Err(failed(log, Level::Alert, "socket"));
    }
    // SAFETY: the descriptor is new; nginx keeps the log's address until the connection is closed.
    let Some(c) = NonNull::new(unsafe { sys::ngx_get_connection(fd, log.as_ptr()) }) else {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
        return Err(0);
    };
    let connection = Connection::from_raw(c);
    let ready = set_up(c, log).and_then(|()| tie(fd, peer, local, log)).and_then(|()| listen(c));
    match ready {
        Ok(()) => Ok(connection),
        Err(errno) => {
            connection.close();
            Err(errno)
        }
    }
}

fn failed(log: Log, level: Level, call: &str) -> i32 {
    let errno = last_error();
    log.print_error(level, errno, format_args!("{call}() failed"));
    errno
}

fn set_up(c: NonNull<sys::ngx_connection_t>, log: Log) -> Result<(), i32> {
    // SAFETY: a new connection is ours; nginx's counter is shared memory of all workers.
    unsafe {
        let c = c.as_ptr();
        (*(*c).read).log = log.as_ptr();
        (*(*c).write).log = log.as_ptr();
        let counter = AtomicUsize::from_ptr(sys::ngx_connection_counter.cast());
        (*c).number = counter.fetch_add(1, Relaxed) as sys::ngx_atomic_uint_t;
        (*c).recv = sys::ngx_io.udp_recv;
        (*c).send = sys::ngx_io.send;
        // There is always room to write.
        (*(*c).write).set_ready(1);
    }
    Ok(())
}

/// Binds and connects the descriptor.
fn tie(fd: i32, peer: &Address, local: Option<&Address>, log: Log) -> Result<(), i32> {
    let bound = match local {
        Some(local) => {
            let (address, len) = local.as_sockaddr();
            // SAFETY: an address of that length.
            unsafe { libc::bind(fd, address.cast(), len) }
        }
        // Without a name of its own a unix socket could not be answered: Linux makes one up.
        None if peer.is_unix() => {
            let len = size_of::<libc::sa_family_t>() as libc::socklen_t;
            // SAFETY: plain integers; an address without a path.
            unsafe {
                let mut address: libc::sockaddr_un = core::mem::zeroed();
                address.sun_family = libc::AF_UNIX as libc::sa_family_t;
                libc::bind(fd, (&raw const address).cast(), len)
            }
        }
        None => 0,
    };
    if bound != 0 {
        return Err(failed(log, Level::Crit, "bind"));
    }
    debug!(log, "connect to {peer}, fd:{fd}");
    let (address, len) = peer.as_sockaddr();
    // SAFETY: as above.
    if unsafe { libc::connect(fd, address.cast(), len) } == -1 {
        return Err(failed(log, Level::Crit, "connect"));
    }
    Ok(())
}

/// Adds the read event to nginx's.
fn listen(c: NonNull<sys::ngx_connection_t>) -> Result<(), i32> {
    // SAFETY: a connection that is ours.
    unsafe {
        let clear = sys::ngx_event_flags & sys::NGX_USE_CLEAR_EVENT as usize != 0;
        let flags = if clear { sys::NGX_LUA_CLEAR_EVENT } else { sys::NGX_LUA_LEVEL_EVENT };
        let read = (*c.as_ptr()).read;
        let kind = sys::NGX_LUA_READ_EVENT as isize;
        let added = sys::ngx_event_actions.add.map(|add| add(read, kind, flags as usize));
        if added == Some(sys::OK) { Ok(()) } else { Err(0) }
    }
}
