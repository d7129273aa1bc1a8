//! The client of a request: noticing that it has gone while nobody reads from it.
#![allow(unsafe_code)]
use super::log::{Level, Text, debug};
use super::request::Request;
use super::sys;

/// nginx's own status for a client that has closed the connection.
pub(crate) const CLOSED_REQUEST: isize = 499;

/// Calls `handler` when the client sends something or goes; `false` if the event cannot be added.
pub(crate) fn watch(
    r: Request,
    handler: unsafe extern "C" fn(*mut sys::ngx_http_request_t),
) -> bool {
    // SAFETY: [request-alive]; the connection's events live as long as it does.
    unsafe {
        (*r.as_ptr()).read_event_handler = Some(handler);
        let read = (*r.connection()).read;
        if is_multiplexed(r) || (*read).active() != 0 {
            return true;
        }
        let add = sys::ngx_event_actions.add;
        let event = sys::NGX_LUA_READ_EVENT as isize;
        add.is_some_and(|add| add(read, event, 0) == sys::OK)
    }
}

/// Whether the connection carries other requests as well, and says itself when one ends (HTTP/2).
fn is_multiplexed(r: Request) -> bool {
    // SAFETY: [request-alive]
    cfg!(ngx_feature = "http_v2") && unsafe { !(*r.as_ptr()).stream.is_null() }
}

/// Stops the read events of a client that has sent more than anybody reads.
pub(crate) fn stop_watching(r: Request) -> bool {
    // SAFETY: as above.
    unsafe {
        let read = (*r.connection()).read;
        let level = sys::ngx_event_flags & sys::NGX_USE_LEVEL_EVENT as usize != 0;
        if !level || (*read).active() == 0 {
            return true;
        }
        let del = sys::ngx_event_actions.del;
        let event = sys::NGX_LUA_READ_EVENT as isize;
        del.is_some_and(|del| del(read, event, 0) == sys::OK)
    }
}

/// Looks whether the client is still there; the code to end the request with if it is not.
pub(crate) fn check(r: Request) -> Result<(), isize> {
    debug!(r.log(), "http lua check client, write event:0, \"{}\"", Text(r.uri()));
    // SAFETY: as above; one byte is looked at, and left where it is.
    unsafe {
        let c = r.connection();
        if (*c).error() != 0 {
            return Err(if stop_watching(r) { CLOSED_REQUEST } else { 500 });
        }
        if is_multiplexed(r) {
            return Ok(());
        }
        let mut byte = 0u8;
        let n = libc::recv((*c).fd, (&raw mut byte).cast(), 1, libc::MSG_PEEK);
        let error = std::io::Error::last_os_error();
        debug!(r.log(), "http lua recv(): {n}");
        if !stop_watching(r) {
            return Err(500);
        }
        let read = (*c).read;
        match n {
            // A TLS client says good-bye before it goes.
            1.. if (*c).ssl.is_null() || (*read).pending_eof() == 0 => return Ok(()),
            0.. => {}
            _ if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            _ => (*read).set_error(1),
        }
        (*read).set_eof(1);
        r.log().write(Level::Info, b"client prematurely closed connection");
        Err(CLOSED_REQUEST)
    }
}
