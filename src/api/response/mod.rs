//! `ngx.status`, `ngx.header`, `ngx.headers_sent`, `ngx.resp`.
mod ffi;
pub(crate) mod front;
mod lua;

pub(crate) use lua::DOMAIN;
