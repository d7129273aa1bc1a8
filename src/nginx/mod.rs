//! The nginx floor: handles over nginx objects. Knows nothing of Lua.
//!
//! Handles are `Copy` and never turn into Rust references to memory that nginx also writes. Who holds
//! one keeps to the guarantees of SAFETY.md ([request-alive], [pool-outlives-request]).
pub(crate) mod config;
pub(crate) mod detached;
pub(crate) mod digest;
pub(crate) mod event;
pub(crate) mod headers;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod phase;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod request;
pub(crate) mod slot;
pub(crate) mod sys;
pub(crate) mod time;
pub(crate) mod variable;

pub(crate) use event::{Msec, Timer};
pub(crate) use log::{Level, Log, debug, trace};
pub(crate) use output::Output;
pub(crate) use phase::{Outcome, Phase, Phases};
pub(crate) use request::Request;

/// Runs `body` on behalf of nginx: a panic (a bug) is logged at [alert] and becomes `otherwise`.
pub(crate) fn guard<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_else(|| "unknown panic".into());
            Log::cycle().print(Level::Alert, format_args!("lua: a bug of the module: {text}"));
            otherwise
        }
    }
}
