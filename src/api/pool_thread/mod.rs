//! `ngx.run_worker_thread`: a function of a Lua module runs in a thread of nginx's, in a VM of its own.
//!
//! A VM is used by one thread at a time: the main thread makes it, loads the module and copies the arguments
//! into it; the other thread calls the function; the main thread takes the results. What happens in the other
//! thread is in `run`, and nowhere else.
mod copy;
mod lua;
mod run;
mod vms;

pub(crate) use lua::DOMAIN;
pub(crate) use run::is_foreign;
pub(crate) use vms::close_idle;
