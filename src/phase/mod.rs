//! Where Lua runs in nginx's processing: one engine for every phase, and what differs between them.
pub(crate) mod boot;
pub(crate) mod content;
mod direct;
pub(crate) mod engine;
pub(crate) mod filter;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod postpone;
pub(crate) mod set;
pub(crate) mod worker;
