//! Text as other programs want it: percent-escapes, query strings, base64, digests, SQL strings.
//!
//! No state and no request: everything here works on bytes, in any phase and in any thread.
pub(crate) mod args;
mod base64;
pub(crate) mod escape;
mod ffi;
pub(crate) mod front;
#[cfg(test)]
mod fuzz;
pub(crate) mod lua;
mod query;
mod rewrite;
mod sql;

pub(crate) use lua::DOMAIN;
