//! A tap on nginx's error logs: a copy of every line that some log of a configuration takes goes to a
//! ring as well.
//!
//! nginx hands a line to a chain of logs, each with a level of its own and a file or a `writer`. The tap
//! is a link of our own behind the head of each chain, with a `writer` and the greatest level, so that
//! it sees what the head takes and hides nothing from those behind it. Connections copy the head of
//! their location's chain and share the rest, and with it the tap. Nothing is hooked, and nothing costs
//! anything, without `lua_capture_error_log` (docs/decisions/0010).
//!
//! Threads of nginx's pools log as well: nginx itself does when it runs a task. So the ring has a lock, of its own kind:
//! a signal handler may log while its thread holds it, and a process may be forked while another thread does.
#![allow(unsafe_code)]
use core::cell::{RefCell, UnsafeCell};
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::log::{Level, Log};
pub(crate) use super::log_ring::Line;
use super::log_ring::Ring;
use super::pool::Pool;
use super::sys::{self, ngx_log_t};
use super::{guard, time};

/// The ring, and the thread that has it; 0 for none.
struct Guarded {
    holder: AtomicUsize,
    ring: UnsafeCell<Ring>,
}

/// Lets go of the ring, also when `body` panics.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(0, Release);
    }
}

impl Guarded {
    /// Runs `body` with the ring. `None` if this thread has it already, or another one does not let go of it.
    fn with<T>(&self, body: impl FnOnce(&mut Ring) -> T) -> Option<T> {
        // A thread that has it is done in less than a microsecond, unless it does not run.
        const TRIES: u32 = 10_000;
        // SAFETY: it only asks.
        let own = unsafe { libc::pthread_self() } as usize;
        for _ in 0..TRIES {
            match self.holder.compare_exchange(0, own, Acquire, Relaxed) {
                Ok(_) => {
                    let _held = Held(&self.holder);
                    // SAFETY: whoever is the holder is the only one who uses it.
                    return Some(body(unsafe { &mut *self.ring.get() }));
                }
                Err(holder) if holder == own => return None,
                // SAFETY: it only waits.
                Err(_) => unsafe { libc::sched_yield() },
            };
        }
        None
    }
}

pub(crate) struct Tap {
    ring: Guarded,
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
            ring: Guarded { holder: AtomicUsize::new(0), ring: UnsafeCell::new(Ring::new(size)) },
            pool,
            logs: RefCell::new(Vec::new()),
            links: RefCell::new(Vec::new()),
        })
    }

    /// Lines of lesser severity are not kept from now on.
    pub(crate) fn set_filter_level(&self, level: Level) {
        self.ring.with(|ring| ring.set_filter_level(level));
    }

    /// Takes the oldest line out; `body` sees it before any other is logged.
    pub(crate) fn take<T>(&self, body: impl FnOnce(Line<'_>) -> T) -> Option<T> {
        self.ring.with(|ring| ring.pop().map(body))?
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
        // A line that cannot be kept is left out.
        tap.ring.with(|ring| {
            ring.push(level, time::now(), line.strip_suffix(b"\n").unwrap_or(line));
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(size: usize) -> Guarded {
        Guarded { holder: AtomicUsize::new(0), ring: UnsafeCell::new(Ring::new(size)) }
    }

    struct Shared(Guarded);

    // SAFETY: that is what the lock is for.
    unsafe impl Sync for Shared {}

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn lines_of_several_threads_stay_whole() {
        let shared = Shared(guarded(8192));
        let shared = &shared;
        std::thread::scope(|scope| {
            for thread in b'a'..b'e' {
                scope.spawn(move || {
                    for i in 0..5000 {
                        let text = vec![thread; i % 100];
                        shared.0.with(|ring| ring.push(4, 0.0, &text)).unwrap();
                    }
                });
            }
            for _ in 0..20_000 {
                let line = shared.0.with(|ring| ring.pop().map(|line| line.text.to_vec()));
                let line = line.unwrap().unwrap_or_default();
                assert!(line.iter().all(|byte| *byte == line[0]));
            }
        });
    }

    #[test]
    fn a_signal_that_logs_does_not_wait_for_its_own_thread() {
        let ring = guarded(1024);
        let inner = ring.with(|_| ring.with(|ring| ring.push(4, 0.0, b"x")));
        assert_eq!(inner, Some(None));
        assert!(ring.with(|ring| ring.pop().is_none()).unwrap());
        ring.holder.store(1, Relaxed);
        assert!(ring.with(|_| ()).is_none(), "the holder was left behind by a fork");
    }
}
