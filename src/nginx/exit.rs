//! Noticing that the worker is about to exit gracefully.
//!
//! nginx then closes idle connections, by calling their read handlers: a connection that is nobody's,
//! but idle, hears of it.
#![allow(unsafe_code)]
use core::ptr;

use super::log::Log;
use super::sys;

/// A descriptor that is none, and not the -1 by which nginx knows unused connections.
const NO_DESCRIPTOR: i32 = -2;

/// Calls `handler` once, when the worker begins to exit. `None`: nginx has no connection left.
pub(crate) fn on_exit(handler: fn()) -> Option<()> {
    // SAFETY: [single-thread]; the connection is ours until `on_close` gives it back.
    unsafe {
        let c = sys::ngx_get_connection(0, Log::cycle().as_ptr());
        if c.is_null() {
            return None;
        }
        (*c).fd = NO_DESCRIPTOR;
        (*c).set_idle(1);
        (*c).data = handler as *mut core::ffi::c_void;
        (*(*c).read).handler = Some(on_close);
    }
    Some(())
}

unsafe extern "C" fn on_close(ev: *mut sys::ngx_event_t) {
    // SAFETY: the connection of `on_exit`, whose data is the handler.
    let handler = unsafe {
        let c = (*ev).data.cast::<sys::ngx_connection_t>();
        if (*c).close() == 0 {
            return;
        }
        let handler = core::mem::transmute::<*mut core::ffi::c_void, fn()>((*c).data);
        (*(*c).read).set_closed(1);
        (*(*c).write).set_closed(1);
        (*c).data = ptr::null_mut();
        (*c).set_idle(0);
        // A descriptor that nginx may look up; none is closed here.
        (*c).fd = 0;
        sys::ngx_free_connection(c);
        (*c).fd = -1;
        handler
    };
    super::guard((), handler);
}
