//! A request without a client, for Lua that runs outside of any: worker start and end.
//!
//! The connection is no connection of the event loop: it only carries a log and `fd == -1`, by which
//! every part of the module knows that nobody is there.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ptr;
use std::ffi::CString;
use std::rc::Rc;

use super::log::Log;
use super::request::Request;
use super::sys;

/// A detached request with its connection and pool; dropping it runs the request's cleanups.
pub(crate) struct Detached {
    pool: *mut sys::ngx_pool_t,
    request: Request,
}

/// The configuration a detached request runs under.
#[derive(Clone, Copy)]
pub(crate) struct Confs {
    pub(crate) main: *mut *mut core::ffi::c_void,
    pub(crate) server: *mut *mut core::ffi::c_void,
    pub(crate) location: *mut *mut core::ffi::c_void,
}

impl Confs {
    /// Those of another request.
    pub(crate) fn of(r: Request) -> Self {
        // SAFETY: [request-alive]
        unsafe {
            let r = r.as_ptr();
            Self { main: (*r).main_conf, server: (*r).srv_conf, location: (*r).loc_conf }
        }
    }

    /// The `http {}` level of a cycle.
    pub(crate) fn of_http(cycle: *mut sys::ngx_cycle_t) -> Option<Self> {
        // SAFETY: [conf-callback]
        unsafe {
            let http = *(*cycle).conf_ctx.add(sys::ngx_http_module.index);
            let ctx = http.cast::<sys::ngx_http_conf_ctx_t>().as_ref()?;
            Some(Self { main: ctx.main_conf, server: ctx.srv_conf, location: ctx.loc_conf })
        }
    }
}

/// All that a detached request is made of, in one piece of its pool; the slots of the modules follow.
#[repr(C)]
struct Parts {
    log: sys::ngx_log_t,
    request: sys::ngx_http_request_t,
    connection: sys::ngx_connection_t,
    /// For reading and for writing.
    events: [sys::ngx_event_t; 2],
}

impl Detached {
    /// A detached request whose log lines end in `, context: <context>`.
    pub(crate) fn new(confs: &Confs, context: Option<Context>) -> Option<Self> {
        // SAFETY: everything lies in a pool of its own, and is zeroed, the state nginx itself starts from;
        // `ctx` has a slot for every module.
        unsafe {
            let cycle_log = Log::cycle().as_ptr();
            let pool = SPARE.take(cycle_log);
            if pool.is_null() {
                return None;
            }
            let size = size_of::<Parts>() + sys::ngx_http_max_module * size_of::<usize>();
            let parts: *mut Parts = sys::ngx_palloc(pool, size).cast();
            if parts.is_null() {
                SPARE.give(pool);
                return None;
            }
            let (r, c, log) =
                (&raw mut (*parts).request, &raw mut (*parts).connection, &raw mut (*parts).log);
            r.write_bytes(0, 1);
            let rest = c.cast::<u8>();
            rest.write_bytes(0, size - rest.offset_from_unsigned(parts.cast()));
            (*r).ctx = parts.add(1).cast();
            *log = *location_log(confs).unwrap_or(cycle_log);
            (*log).connection = 0;
            (*log).action = ptr::null_mut();
            if let Some(context) = context {
                (*log).handler = Some(log_context);
                (*log).data = Rc::into_raw(context).cast_mut().cast();
            }
            (*c).fd = -1;
            (*c).pool = pool;
            (*c).log = log;
            (*c).read = (&raw mut (*parts).events).cast();
            (*c).write = (*c).read.add(1);
            (*c).data = r.cast();
            (*c).set_error(1);
            (*r).signature = sys::NGX_HTTP_MODULE;
            (*r).connection = c;
            (*r).pool = pool;
            (*r).main = r;
            (*r).set_count(1);
            (*r).main_conf = confs.main;
            (*r).srv_conf = confs.server;
            (*r).loc_conf = confs.location;
            let request = Request::from_raw(r)?;
            Some(Self { pool, request })
        }
    }

    pub(crate) fn request(&self) -> Request {
        self.request
    }

    /// Leaves the request to live until [`Detached::reclaim`] is called for it.
    pub(crate) fn release(self) -> Request {
        core::mem::ManuallyDrop::new(self).request
    }

    /// The owner of a request that `release` left alone; dropping it ends the request.
    pub(crate) fn reclaim(request: Request) -> Self {
        // SAFETY: [request-alive]
        Self { pool: unsafe { (*request.as_ptr()).pool }, request }
    }
}

/// What log lines of a detached request end in: requests made for one another share it.
pub(crate) type Context = Rc<CString>;

/// What the log lines of a detached request end in.
pub(crate) fn context(r: Request) -> Option<Context> {
    // SAFETY: [request-alive]
    unsafe {
        let context = context_in((*r.connection()).log)?;
        Rc::increment_strong_count(context);
        Some(Rc::from_raw(context))
    }
}

/// What `new` has put into a log, if the log is one of a detached request with a context.
///
/// # Safety
/// `log` is alive.
unsafe fn context_in(log: *const sys::ngx_log_t) -> Option<*const CString> {
    // SAFETY: the caller's contract.
    let (handler, data) = unsafe { ((*log).handler?, (*log).data) };
    let ours: unsafe extern "C" fn(_, _, _) -> _ = log_context;
    ptr::fn_addr_eq(handler, ours).then_some(data.cast_const().cast())
}

/// Where the location's errors are logged.
fn location_log(confs: &Confs) -> Option<*mut sys::ngx_log_t> {
    // SAFETY: [conf-callback]; the arrays have a slot for every module.
    unsafe {
        let core = sys::ngx_http_core_module.ctx_index;
        let conf = (*confs.location.add(core)).cast::<sys::ngx_http_core_loc_conf_t>();
        let log = conf.as_ref()?.error_log;
        (!log.is_null()).then_some(log)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // SAFETY: the request is ours; its cleanups run once, before its memory goes.
        unsafe {
            let r = self.request.as_ptr();
            let mut cleanup = (*r).cleanup;
            (*r).cleanup = ptr::null_mut();
            while let Some(step) = cleanup.as_ref() {
                if let Some(handler) = step.handler {
                    handler(step.data);
                }
                cleanup = step.next;
            }
            let log = (*(*r).connection).log;
            let context = context_in(log).map(|context| Rc::from_raw(context));
            SPARE.give(self.pool);
            drop(context);
        }
    }
}

/// Pools of detached requests that have ended: making one costs as much as all else of a timer.
struct Spare {
    pools: [Cell<*mut sys::ngx_pool_t>; Self::MOST],
    count: Cell<usize>,
}

static SPARE: Spare =
    Spare { pools: [const { Cell::new(ptr::null_mut()) }; Spare::MOST], count: Cell::new(0) };

// SAFETY: [single-thread]
unsafe impl Sync for Spare {}

impl Spare {
    const MOST: usize = 16;

    #[inline]
    fn pop(&self) -> Option<*mut sys::ngx_pool_t> {
        let count = self.count.get().checked_sub(1)?;
        self.count.set(count);
        self.pools.get(count).map(Cell::get)
    }

    /// `false` if there are enough.
    #[inline]
    fn push(&self, pool: *mut sys::ngx_pool_t) -> bool {
        let Some(place) = self.pools.get(self.count.get()) else { return false };
        place.set(pool);
        self.count.set(self.count.get() + 1);
        true
    }

    unsafe fn take(&self, log: *mut sys::ngx_log_t) -> *mut sys::ngx_pool_t {
        // SAFETY: pools here are as good as new.
        unsafe {
            match self.pop() {
                Some(pool) => {
                    (*pool).log = log;
                    pool
                }
                None => sys::ngx_create_pool(4096, log),
            }
        }
    }

    /// Does what destroying a pool would, and keeps the memory if it is one block.
    unsafe fn give(&self, pool: *mut sys::ngx_pool_t) {
        // SAFETY: nobody uses what lies in the pool any more; each cleanup runs once.
        unsafe {
            let mut cleanup = (*pool).cleanup;
            (*pool).cleanup = ptr::null_mut();
            while let Some(step) = cleanup.as_ref() {
                if let Some(handler) = step.handler {
                    handler(step.data);
                }
                cleanup = step.next;
            }
            if (*pool).d.next.is_null() && self.push(pool) {
                sys::ngx_reset_pool(pool);
            } else {
                sys::ngx_destroy_pool(pool);
            }
        }
    }
}

unsafe extern "C" fn log_context(log: *mut sys::ngx_log_t, buf: *mut u8, len: usize) -> *mut u8 {
    // SAFETY: `data` is the context of `new`; at most `len` bytes are written.
    unsafe {
        let context = &*(*log).data.cast::<CString>();
        let text = [b", context: ", context.to_bytes()].concat();
        let n = text.len().min(len);
        buf.copy_from_nonoverlapping(text.as_ptr(), n);
        buf.add(n)
    }
}
