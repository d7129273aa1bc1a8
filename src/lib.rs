//! lua-nginx-module in Rust.
