//! The userdata by which Lua holds what is ours: a socket, in element 1 of its table, or what `receiveuntil` has made.
//!
//! lua-resty-core hands the address of a socket's to C functions, so it stays where it is, and others read what the
//! reference has in it (`shown`). A mark tells a userdata of somebody else's apart.
#![allow(unsafe_code)]
use core::ptr::NonNull;
use std::rc::Rc;

use super::Socket;
use super::lua_receive::Reader;
use super::shown::Window;
use crate::api::socket::udp;
use crate::vm::{Call, Function, Result, Stack};

/// A share of a `T`. That of a socket is lua-resty-core's `ngx_http_lua_socket_tcp_upstream_t`.
#[repr(C)]
pub(crate) struct Handle<T: Held> {
    mark: usize,
    /// Taken when the userdata is collected.
    shared: Option<Rc<T>>,
    window: T::Window,
}

/// What has handles, each with a mark of its own.
pub(crate) trait Held: Sized {
    /// What others than us read there.
    type Window: Default;

    fn mark() -> usize;

    /// The userdata at `place` has a share of it now.
    fn shown_at(&self, _place: NonNull<Handle<Self>>) {}

    /// The userdata with this share is collected.
    fn give_up(share: Rc<Self>) {
        drop(share);
    }
}

static MARKS: [u8; 3] = [0; 3];

impl Held for Socket {
    type Window = Window;

    fn shown_at(&self, place: NonNull<Handle<Self>>) {
        // SAFETY: it begins with the mark and the share, and the window follows.
        unsafe { self.connection.show_in(place.cast()) };
    }

    fn mark() -> usize {
        (&raw const MARKS[0]).addr()
    }

    fn give_up(share: Rc<Self>) {
        share.connection.hide();
        Socket::give_up(share);
    }
}

impl Held for udp::Socket {
    type Window = ();

    fn mark() -> usize {
        (&raw const MARKS[2]).addr()
    }
}

impl Held for Reader {
    type Window = ();

    fn mark() -> usize {
        (&raw const MARKS[1]).addr()
    }
}

/// The element of a socket's table that holds its handle.
pub(crate) const PLACE: i32 = 1;

impl<T: Held> Handle<T> {
    /// Pushes a userdata with a share of `shared`, and the metatable at `metatable`. stack: [-0, +1, m]
    pub(crate) fn push(stack: Stack, shared: Rc<T>, metatable: i32) {
        let place: *mut Self = stack.new_userdata(size_of::<Self>()).cast();
        let this = Rc::as_ptr(&shared);
        let handle = Self { mark: T::mark(), shared: Some(shared), window: T::Window::default() };
        // SAFETY: fresh memory of that size; LuaJIT aligns userdata to 8 bytes at least. The handle has a share.
        unsafe {
            place.write(handle);
            (*this).shown_at(NonNull::new_unchecked(place));
        }
        stack.push_value(metatable);
        stack.set_metatable(-2);
    }

    /// What the userdata at `index` holds. It lives while the userdata does: who runs Lua, or waits, clones
    /// it before.
    #[inline]
    pub(crate) fn at<'a>(stack: Stack, index: i32) -> Option<&'a Rc<T>>
    where
        T: 'a,
    {
        if stack.raw_len(index) != size_of::<Self>() {
            return None;
        }
        // SAFETY: null, which is what is no userdata, or one of that size; whose it is, the mark tells.
        unsafe { stack.pointer(index).cast::<Self>().as_ref()?.shared() }
    }

    /// What it holds, if this is a handle of a `T`.
    #[inline]
    pub(crate) fn shared(&self) -> Option<&Rc<T>> {
        if self.mark == T::mark() { self.shared.as_ref() } else { None }
    }
}

/// The metatable of handles, with `collect` as `__gc`. stack: [-0, +1, m]
pub(crate) fn push_metatable(stack: Stack, collect: Function) {
    stack.new_table(0, 1);
    stack.push_function(collect, 0);
    stack.set_raw_field(-2, b"__gc");
}

/// `__gc` of the handles of `T`.
pub(crate) fn collect<T: Held>(call: &Call<'_>) -> Result<()> {
    let stack = call.stack();
    if Handle::<T>::at(stack, 1).is_some() {
        // SAFETY: `at` has looked. Nobody refers to a userdata that is collected; Lua code that calls this
        // by hand gives up its share.
        let shared = unsafe { (*stack.pointer(1).cast::<Handle<T>>()).shared.take() };
        if let Some(shared) = shared {
            T::give_up(shared);
        }
    }
    Ok(())
}
