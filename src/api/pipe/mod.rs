//! `ngx.pipe`: child processes and their standard streams, on stock nginx.
//!
//! `input` knows what readers want; `stream` one stream and who waits for it; `process` a child, how it
//! ends, and all of them; `ffi` is what lua-resty-core calls. A process is shared by its Lua object, the table
//! of those that run, the request that made it, and the coroutines that wait for something of it.
mod ffi;
mod input;
mod process;
mod stream;

pub(crate) use process::close_all;
