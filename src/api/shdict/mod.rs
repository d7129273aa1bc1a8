//! `ngx.shared.DICT`: dictionaries that all workers share.
//!
//! `layout` says where things lie in a zone, `store` reads without the lock, `lock`, `write`, `list`, `walk`
//! `evict` and `memory` change things under it, `repair` makes whole what a dying process has left. Faces: `lua`, `ffi`
//! and `module_api` (what other nginx modules call). docs/decisions/0024 has the reasons.
mod evict;
mod ffi;
mod layout;
mod list;
mod lock;
mod lua;
mod memory;
mod module_api;
mod repair;
mod store;
#[cfg(all(test, test_host))]
mod tests;
mod walk;
mod write;
mod zone;

pub(crate) use lua::install;
pub(crate) use zone::set_shared_dict;
