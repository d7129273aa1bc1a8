//! `ngx.status`, `ngx.header`, `ngx.headers_sent`, `ngx.resp`.
mod ffi;
mod lua;

pub(crate) use lua::DOMAIN;
