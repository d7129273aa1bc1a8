//! `ngx.status`, `ngx.header`, `ngx.headers_sent`.
mod ffi;
