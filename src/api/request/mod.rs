//! `ngx.req`: what came in, and what later phases are to take for it.
pub(crate) mod body;
mod ffi;
mod lua;

pub(crate) use lua::DOMAIN;

/// How many headers are read unless the caller says.
pub(crate) const MAX_HEADERS: core::ffi::c_int = 100;
