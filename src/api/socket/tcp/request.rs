//! The client's connection as a socket: `ngx.req.socket()` reads the request's body, `ngx.req.socket(true)` is
//! everything that is said from now on.
//!
//! The connection is nginx's: its events come through the request's handlers, and it is never closed from
//! here.
#![allow(unsafe_code)]
use std::rc::Rc;

use super::{Failure, Kind, Socket, Timeouts};
use crate::api::abort;
use crate::conf::LocConf;
use crate::coroutine::RequestCtx;
use crate::nginx::client_socket::{self, Taken};
use crate::nginx::connection::Connection;
use crate::nginx::sys::ngx_http_request_t;
use crate::nginx::{Request, client, debug, guard};

/// Why there is no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSocket {
    Taken(Taken),
    Buffering,
    Duplicate,
}

impl NoSocket {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Taken(taken) => taken.text(),
            Self::Buffering => "http 1.0 buffering",
            Self::Duplicate => "duplicate call",
        }
    }
}

/// The request's body as a socket.
pub(super) fn body(ctx: &RequestCtx) -> Result<Rc<Socket>, NoSocket> {
    client_socket::claim_body(ctx.request).map_err(NoSocket::Taken)?;
    Ok(make(ctx, Kind::Body))
}

/// The whole connection as a socket. nginx sends no response of its own any more.
pub(super) fn raw(ctx: &RequestCtx) -> Result<Rc<Socket>, NoSocket> {
    client_socket::claim_connection(ctx.request).map_err(NoSocket::Taken)?;
    if ctx.output.is_buffering() {
        return Err(NoSocket::Buffering);
    }
    let is_first = ctx.output.give_to_raw_socket();
    client_socket::keep_connection(ctx.request);
    if is_first { Ok(make(ctx, Kind::Raw)) } else { Err(NoSocket::Duplicate) }
}

fn make(ctx: &RequestCtx, kind: Kind) -> Rc<Socket> {
    let socket = Socket::new(kind);
    socket.adopt(ctx);
    socket.timeouts.set(Timeouts::of(LocConf::of(ctx.request)));
    socket.connection.set(Some(Connection::of_client(ctx.request)));
    socket
}

/// A read of the client's connection begins.
pub(super) fn listen(socket: &Socket) {
    if let Some(r) = socket.request() {
        client_socket::on_read(r, on_client_read);
    }
}

/// No read of the client's connection runs: whether it is still there is watched as before.
pub(super) fn stop_listening(ctx: &RequestCtx) {
    abort::watch(ctx.request);
}

/// A write to the client's connection waits.
pub(super) fn listen_to_room(socket: &Socket) {
    if let Some(r) = socket.request() {
        r.on_write(on_client_write);
    }
}

/// What nginx has of the data already.
pub(super) enum Preread {
    /// It is in the buffer now.
    Some,
    /// That was all of the body.
    End,
    /// The rest has to be received: at most so many bytes at once.
    Nothing { limit: usize },
}

pub(super) fn preread(socket: &Socket) -> Preread {
    let Some(r) = socket.request() else { return Preread::End };
    let is_body = socket.kind() == Kind::Body;
    let limit = if is_body { client_socket::body_rest(r) } else { usize::MAX };
    if limit == 0 {
        debug!(r.log(), "lua request body exhausted");
        return Preread::End;
    }
    let mut taken = 0;
    let any = client_socket::take_preread(r, limit.min(MOST_AT_ONCE), |bytes| {
        socket.buffer.append(bytes);
        taken = bytes.len();
    });
    if !any {
        return Preread::Nothing { limit };
    }
    if is_body {
        debug!(r.log(), "http client request body preread {taken}");
        client_socket::count_body(r, taken);
    }
    Preread::Some
}

const MOST_AT_ONCE: usize = 64 * 1024;

/// `n` bytes have been received.
pub(super) fn received(socket: &Socket, n: usize) {
    if socket.kind() == Kind::Body
        && let Some(r) = socket.request()
    {
        client_socket::count_body(r, n);
        if client_socket::body_rest(r) == 0 {
            socket.ended.set(true);
        }
    }
}

fn watches_client(r: Request) -> bool {
    LocConf::of(r).check_client_abort == 1
}

/// What it means that the client has closed its side, if it is more than the end of the data.
pub(super) fn client_end(socket: &Socket) -> Option<Failure> {
    let r = socket.request().filter(|_| socket.kind().is_client())?;
    let cut = socket.kind() == Kind::Body && client_socket::body_rest(r) > 0;
    (cut || watches_client(r)).then_some(Failure::ClientAborted)
}

/// When the body has been read to its end (`is_last`: nothing of it is left in the buffer): whether the
/// client is still there, where that is watched.
#[inline]
pub(super) fn check_client(socket: &Socket, is_last: bool) -> Option<Result<(), Failure>> {
    if socket.kind() != Kind::Body || !is_last {
        return None;
    }
    let r = socket.request()?;
    if client_socket::body_rest(r) > 0 || !watches_client(r) {
        return None;
    }
    Some(client::check(r).map_err(|code| match code {
        client::CLOSED_REQUEST => Failure::ClientAborted,
        _ => Failure::System(0),
    }))
}

/// nginx's read handler of a request whose connection is read from.
unsafe extern "C" fn on_client_read(r: *mut ngx_http_request_t) {
    // SAFETY: [request-alive]: nginx calls read handlers on live requests only.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        debug!(r.log(), "lua request socket read event handler");
        match RequestCtx::of(r) {
            Some(ctx) => ctx.wake_on_read(),
            None => r.ignore_reads(),
        }
    });
}

/// nginx's write handler of a request whose connection is written to.
unsafe extern "C" fn on_client_write(r: *mut ngx_http_request_t) {
    // SAFETY: as above.
    let Some(r) = (unsafe { Request::from_raw(r) }) else { return };
    guard((), || {
        if let Some(ctx) = RequestCtx::of(r) {
            ctx.wake_on_write();
        }
    });
}
