//! The nginx floor: handles over nginx objects. Knows nothing of Lua.
//!
//! Handles are `Copy` and never turn into Rust references to memory that nginx also writes. Who holds
//! one keeps to the guarantees of SAFETY.md ([request-alive], [pool-outlives-request]).
pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod browser;
pub(crate) mod capture;
mod chain;
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod client_socket;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod datagram;
pub(crate) mod detached;
pub(crate) mod digest;
pub(crate) mod event;
pub(crate) mod exit;
pub(crate) mod filter;
pub(crate) mod filtered;
pub(crate) mod grace;
pub(crate) mod headers;
pub(crate) mod lent;
pub(crate) mod log;
mod log_ring;
pub(crate) mod log_tap;
pub(crate) mod method;
pub(crate) mod ndk;
pub(crate) mod output;
pub(crate) mod pcre;
pub(crate) mod phase;
pub(crate) mod pipe_end;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod raw_header;
pub(crate) mod reaper;
pub(crate) mod request;
pub(crate) mod resolver;
pub(crate) mod script;
pub(crate) mod shm;
pub(crate) mod slab;
pub(crate) mod slot;
pub(crate) mod subrequest;
pub(crate) mod sys;
pub(crate) mod system_resolver;
#[cfg(ngx_feature = "threads")]
pub(crate) mod thread_pool;
pub(crate) mod time;
#[cfg(ngx_feature = "http_ssl")]
pub(crate) mod tls;
pub(crate) mod uri;
pub(crate) mod variable;

pub(crate) use event::{Msec, Timer};
pub(crate) use filtered::FilteredBody;
pub(crate) use log::{Level, Log, debug, trace};
pub(crate) use output::Output;
pub(crate) use phase::{Outcome, Phase, Phases};
pub(crate) use request::Request;

/// Runs `body` on behalf of nginx: a panic (a bug, which [`report_panics`] logs) becomes `otherwise`.
#[inline]
pub(crate) fn guard<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// A number that is random enough to spread load.
#[allow(unsafe_code)]
pub(crate) fn random() -> usize {
    // SAFETY: [single-thread]
    unsafe { libc::rand() }.unsigned_abs() as usize
}

/// Panics are logged at [alert], wherever they are caught: in a handler, a Lua call or an exported one.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        Log::cycle().print(Level::Alert, format_args!("lua: a bug of the module: {panic}"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_behind_the_guard() {
        assert_eq!(guard(500, || panic!("a bug")), 500);
        assert_eq!(guard(500, || 200), 200);
    }
}
