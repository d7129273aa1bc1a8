//! A tap on nginx's error logs: a copy of every line that some log of a configuration takes goes to a
//! ring as well.
//!
//! nginx hands a line to a chain of logs, each with a level of its own and a file or a `writer`. The tap
//! is a link of our own behind the head of each chain, with a `writer` and the greatest level, so that
//! it sees what the head takes and hides nothing from those behind it. Connections copy the head of
//! their location's chain and share the rest, and with it the tap. Nothing is hooked, and nothing costs
//! anything, without `lua_capture_error_log` (docs/decisions/0010).
#![allow(unsafe_code)]
use core::cell::RefCell;
use core::ptr;

use super::log::Log;
use super::log_ring::Ring;
use super::pool::Pool;
use super::sys::{self, ngx_log_t};
use super::{guard, time};

pub(crate) struct Tap {
    ring: RefCell<Ring>,
    /// Where the links come from: what outlives the tap still walks through them.
    pool: Pool,
    /// The logs of the configuration that is being read.
    logs: RefCell<Vec<*mut ngx_log_t>>,
    links: RefCell<Vec<Link>>,
}

// SAFETY (every block of this impl): [conf-callback]: the logs belong to the cycle whose pool owns the tap, and
// links come from that pool; no line is being logged while links are put in and taken out.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Tap {
    /// A tap with a ring of `size` bytes, for the cycle that owns `pool`.
    pub(crate) fn new(pool: Pool, size: usize) -> Box<Self> {
        Box::new(Self {
            ring: RefCell::new(Ring::new(size)),
            pool,
            logs: RefCell::new(Vec::new()),
            links: RefCell::new(Vec::new()),
        })
    }

    pub(crate) fn ring(&self) -> &RefCell<Ring> {
        &self.ring
    }

    /// Notes a log of the configuration, whose chain is not complete before all of it has been read.
    pub(crate) fn note(&self, log: *mut ngx_log_t) {
        let mut logs = self.logs.borrow_mut();
        // Locations inherit: the same log comes many times in a row.
        if !log.is_null() && !logs.contains(&log) {
            logs.push(log);
        }
    }

    /// Runs `body` with the tap on the log that `init_by_lua*` writes to.
    pub(crate) fn during<T>(&self, log: Log, body: impl FnOnce() -> T) -> T {
        let link = self.link(log.as_ptr());
        let result = body();
        if let Some(link) = link {
            link.unhook();
        }
        result
    }

    /// Puts the tap on every log that was noted, on the cycle's own, and on those of its listening sockets, which
    /// copied theirs already.
    pub(crate) fn open(&self, cycle: *mut sys::ngx_cycle_t) {
        unsafe {
            self.note((*cycle).log);
            let mut links = self.links.borrow_mut();
            links.extend(self.logs.take().into_iter().filter_map(|log| self.link(log)));
            let sockets = &raw const (*cycle).listening;
            let first = (*sockets).elts.cast::<sys::ngx_listening_t>();
            for i in 0..(*sockets).nelts {
                let socket = first.add(i);
                let shared = links.iter().find(|link| link.head == (*socket).logp);
                if let Some(&Link { link, .. }) = shared {
                    let head = &raw mut (*socket).log;
                    (*head).next = link;
                    links.push(Link { head, link });
                }
            }
        }
    }

    fn link(&self, head: *mut ngx_log_t) -> Option<Link> {
        unsafe {
            let link = sys::ngx_pcalloc(self.pool.as_ptr(), size_of::<ngx_log_t>());
            let link = link.cast::<ngx_log_t>().as_mut()?;
            link.log_level = sys::NGX_LOG_DEBUG_ALL as usize;
            link.writer = Some(on_line);
            link.wdata = ptr::from_ref(self).cast_mut().cast();
            link.next = (*head).next;
            let link = ptr::from_mut(link);
            (*head).next = link;
            Some(Link { head, link })
        }
    }
}

/// A link of ours, and the log behind which it stands.
#[derive(Clone, Copy)]
struct Link {
    head: *mut ngx_log_t,
    link: *mut ngx_log_t,
}

impl Link {
    fn unhook(self) {
        // SAFETY: [conf-callback]: logs and links live until the memory of the cycle's pool goes.
        unsafe {
            if (*self.head).next == self.link {
                (*self.head).next = (*self.link).next;
            }
            // A copy of the head that somebody still has ends here.
            (*self.link).log_level = 0;
        }
    }
}

/// nginx logs while it destroys the cycle's pool, also when it has unloaded the module.
impl Drop for Tap {
    fn drop(&mut self) {
        self.links.get_mut().iter().for_each(|link| link.unhook());
    }
}

/// nginx has made a line, with a line feed at its end.
unsafe extern "C" fn on_line(log: *mut ngx_log_t, level: usize, line: *mut u8, len: usize) {
    // SAFETY: nginx passes the link and the line; the tap unhooks its links before it goes.
    let (tap, line) =
        unsafe { (&*(*log).wdata.cast::<Tap>(), core::slice::from_raw_parts(line, len)) };
    guard((), || {
        // A line that is logged while the ring is in use (no memory) is left out.
        if let Ok(mut ring) = tap.ring.try_borrow_mut() {
            ring.push(level, time::now(), line.strip_suffix(b"\n").unwrap_or(line));
        }
    });
}
