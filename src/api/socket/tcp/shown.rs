//! The connection of a socket, and where it is shown.
//!
//! Libraries (lua-resty-openssl's `ssl.from_socket`) take element 1 of a socket's table for the reference's
//! `ngx_http_lua_socket_tcp_upstream_t` and read `peer.connection` there, its word 9. So the userdata has that word, and
//! it is always what the socket's connection is: null when there is none.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::nginx::connection::Connection;
use crate::nginx::sys::ngx_connection_t;

/// What the userdata of a socket has behind its mark and its share.
#[repr(C)]
pub(crate) struct Window {
    /// Words 2 to 8.
    unused: [usize; 7],
    connection: *mut ngx_connection_t,
}

impl Default for Window {
    fn default() -> Self {
        Self { unused: [0; 7], connection: ptr::null_mut() }
    }
}

/// The words of a userdata by which it is known again.
type Head = [usize; 2];

#[derive(Clone, Copy)]
struct Place {
    userdata: NonNull<Head>,
    head: Head,
}

/// Where the window is.
const WINDOW: usize = size_of::<Head>();

/// A socket's connection.
pub(crate) struct Shown {
    connection: Cell<Option<Connection>>,
    place: Cell<Option<Place>>,
}

impl Shown {
    pub(super) const fn none() -> Self {
        Self { connection: Cell::new(None), place: Cell::new(None) }
    }

    #[inline]
    pub(super) fn get(&self) -> Option<Connection> {
        self.connection.get()
    }

    pub(super) fn set(&self, connection: Option<Connection>) {
        self.connection.set(connection);
        self.show();
    }

    pub(super) fn take(&self) -> Option<Connection> {
        let connection = self.connection.take();
        self.show();
        connection
    }

    /// Shows the connection in a userdata that has just been made.
    ///
    /// # Safety
    /// It begins with a [`Head`], and a [`Window`] follows.
    pub(super) unsafe fn show_in(&self, userdata: NonNull<Head>) {
        // SAFETY: the caller's contract.
        let head = unsafe { userdata.read() };
        self.place.set(Some(Place { userdata, head }));
        self.show();
    }

    /// The userdata is about to go.
    pub(super) fn hide(&self) {
        self.place.set(None);
    }

    fn show(&self) {
        let Some(Place { userdata, head }) = self.place.get() else { return };
        // SAFETY: the VM's memory stays mapped as long as there are requests, and with them sockets with connections.
        // Lua code can take a userdata's finalizer away (`debug.setmetatable`), so that nothing tells of its end: what
        // is no longer the same userdata is left alone.
        unsafe {
            if userdata.read() == head {
                let connection = self.connection.get().map_or(ptr::null_mut(), Connection::as_ptr);
                let window = userdata.byte_add(WINDOW).cast::<Window>();
                (*window.as_ptr()).connection = connection;
            }
        }
    }
}

const _: () = {
    assert!(WINDOW + core::mem::offset_of!(Window, connection) == 9 * size_of::<usize>());
};
