//! Coroutines of a request: who runs, who waits, and for what.
//!
//! The scheduler never learns which API suspended a coroutine: the coroutine owns a [`Suspension`],
//! and dropping that cancels the wait. No borrow is held while Lua runs.
pub(crate) mod context;
pub(crate) mod ending;
mod family;
pub(crate) mod foreign;
pub(crate) mod lease;
pub(crate) mod loads;
mod nest;
mod records;
pub(crate) mod recycle;
mod room;
pub(crate) mod scheduler;
pub(crate) mod suspension;
pub(crate) mod task;

pub(crate) use context::{
    BodyWait, Leave, RequestCtx, current, current_or, disabled, in_phase, request_of,
};
pub(crate) use ending::Ending;
pub(crate) use foreign::Foreign;
pub(crate) use nest::Nested;
pub(crate) use scheduler::Run;
pub(crate) use suspension::{Suspension, Waker};
pub(crate) use task::{Co, Resumer, Role, Status};
