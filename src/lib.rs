//! lua-nginx-module in Rust: Lua in every request phase of stock nginx.
//!
//! Calls go down this list, never up (`tests/tidy.rs` checks it):
//!
//! - [`module`]: what nginx sees: statics, life cycle, the table of directives;
//! - [`phase`]: one engine for all phases, and what differs between them;
//! - [`api`]: what Lua sees, a domain each;
//! - [`coroutine`]: who runs, who waits, for what;
//! - [`conf`]: what the directives leave behind;
//! - [`vm`] and [`nginx`]: LuaJIT and nginx, which do not know each other.
//!
//! All may use [`scan`], which looks for bytes.
// Unit tests link neither nginx nor the statics it finds, so most of the module is unused there.
#![cfg_attr(test, allow(dead_code))]

pub(crate) mod api;
pub(crate) mod conf;
pub(crate) mod coroutine;
#[cfg(test)]
mod fuzz;
pub(crate) mod module;
pub(crate) mod nginx;
pub(crate) mod phase;
pub(crate) mod scan;
pub(crate) mod vm;
