//! The store against a model of it, in zones of nginx's own allocator.
#![allow(unsafe_code, clippy::unwrap_used)]
mod crash;
mod host;
mod model;
mod pages;
mod property;
mod reference;
mod room;
mod store;
