//! `ngx.socket`: connections that Lua uses as if they blocked.
mod buffer;
pub(crate) mod tcp;
