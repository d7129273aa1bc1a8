//! nginx's thread pools: work for another thread, and what the event loop does when it is done.
//!
//! The other thread sees the work and nothing else: a task's local part, and everything around it, is
//! the main thread's ([single-thread]).
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::mem;

use super::log::Log;
use super::sys;

/// A `thread_pool` of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct ThreadPool(*mut sys::ngx_thread_pool_t);

#[repr(C)]
struct Task<W, L> {
    raw: sys::ngx_thread_task_s,
    run: fn(&mut W),
    done: fn(W, L),
    work: W,
    local: L,
}

impl ThreadPool {
    pub(crate) fn find(name: &[u8]) -> Option<Self> {
        let mut name = sys::str_of(name);
        // SAFETY: [single-thread]; nginx only reads the name.
        let pool = unsafe { sys::ngx_thread_pool_get(sys::ngx_cycle, &raw mut name) };
        (!pool.is_null()).then_some(Self(pool))
    }

    /// Has a thread `run` the work, and the event loop call `done` afterwards. `Err`: the pool's queue is
    /// full, which nginx has logged.
    pub(crate) fn post<W: Send, L>(
        self,
        work: W,
        local: L,
        run: fn(&mut W),
        done: fn(W, L),
    ) -> Result<(), W> {
        // SAFETY: an all-zero task is nginx's own initial state. nginx has the task until `on_done` gets it
        // back.
        unsafe {
            let raw = mem::zeroed();
            let task = Box::into_raw(Box::new(Task { raw, run, done, work, local }));
            (*task).raw.ctx = task.cast();
            (*task).raw.handler = Some(on_run::<W, L>);
            (*task).raw.event.handler = Some(on_done::<W, L>);
            (*task).raw.event.data = task.cast();
            (*task).raw.event.log = Log::cycle().as_ptr();
            if sys::ngx_thread_task_post(self.0, &raw mut (*task).raw) == sys::OK {
                return Ok(());
            }
            Err(Box::from_raw(task).work)
        }
    }
}

/// In another thread.
unsafe extern "C" fn on_run<W: Send, L>(task: *mut c_void, _: *mut sys::ngx_log_t) {
    let task: *mut Task<W, L> = task.cast();
    // SAFETY: [other-thread]; `run` does not change.
    let (run, work) = unsafe { ((*task).run, &mut (*task).work) };
    super::guard((), || run(work));
}

unsafe extern "C" fn on_done<W, L>(event: *mut sys::ngx_event_t) {
    // SAFETY: posted by `post`, and done once; the thread has let go of it.
    let task = unsafe { Box::from_raw((*event).data.cast::<Task<W, L>>()) };
    super::guard((), || (task.done)(task.work, task.local));
}
