//! What Lua code sees: one entry a domain. A domain is a core without Lua or C types, and thin faces:
//! `lua` for functions that Lua calls, `ffi` for those that lua-resty-core calls through LuaJIT's FFI.
pub(crate) mod abort;
pub(crate) mod absent;
pub(crate) mod arg;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod coroutine;
pub(crate) mod ctx;
pub(crate) mod ffi;
mod given;
pub(crate) mod location;
pub(crate) mod log;
mod module_api;
pub(crate) mod ndk;
pub(crate) mod output;
pub(crate) mod pipe;
#[cfg(ngx_feature = "threads")]
pub(crate) mod pool_thread;
pub(crate) mod regex;
pub(crate) mod request;
pub(crate) mod require;
pub(crate) mod response;
pub(crate) mod resty_core;
mod semaphore;
pub(crate) mod shdict;
pub(crate) mod sleep;
pub(crate) mod socket;
pub(crate) mod text;
pub(crate) mod thread;
pub(crate) mod time;
pub(crate) mod timer;
#[cfg(ngx_feature = "http_ssl")]
pub(crate) mod tls;
pub(crate) mod var;
pub(crate) mod worker;

use crate::conf::MainConf;
use crate::vm::{Function, Stack};

/// What a domain contributes to the `ngx` table of a new VM.
pub(crate) struct Domain {
    /// Functions: the table below `ngx` (empty: `ngx` itself), the name, the function.
    pub(crate) functions:
        &'static [(&'static core::ffi::CStr, &'static core::ffi::CStr, Function)],
    /// What is more than a function; the `ngx` table is on top of the stack.
    pub(crate) setup: Option<fn(Stack, &resty_core::Found)>,
}

const DOMAINS: &[&Domain] = &[
    &config::DOMAIN,
    &output::DOMAIN,
    &log::DOMAIN,
    &sleep::DOMAIN,
    &thread::DOMAIN,
    &timer::DOMAIN,
    #[cfg(ngx_feature = "threads")]
    &pool_thread::DOMAIN,
    &coroutine::DOMAIN,
    &request::DOMAIN,
    &request::body::DOMAIN,
    &arg::DOMAIN,
    &response::DOMAIN,
    &control::DOMAIN,
    &ndk::DOMAIN,
    &text::DOMAIN,
    &abort::DOMAIN,
    &location::DOMAIN,
    &socket::udp::DOMAIN,
    &socket::tcp::DOMAIN,
    &absent::DOMAIN,
];

/// What works without a request, in any thread.
#[cfg(ngx_feature = "threads")]
const DOMAINS_FOR_THREADS: &[&Domain] = &[&config::DOMAIN, &text::DOMAIN];

/// Makes the global `ngx`. stack: [-0, +0, m]
pub(crate) fn install(stack: Stack, found: &resty_core::Found, conf: &MainConf) {
    install_domains(stack, found, conf, DOMAINS);
}

/// Makes the global `ngx` of a VM for other threads. stack: [-0, +0, m]
#[cfg(ngx_feature = "threads")]
pub(crate) fn install_for_threads(stack: Stack, found: &resty_core::Found, conf: &MainConf) {
    install_domains(stack, found, conf, DOMAINS_FOR_THREADS);
}

fn install_domains(stack: Stack, found: &resty_core::Found, conf: &MainConf, domains: &[&Domain]) {
    stack.new_table(0, 115);
    for domain in domains {
        for (table, name, function) in domain.functions {
            push_table(stack, table.to_bytes());
            stack.push_function(*function, 0);
            stack.set_raw_field(-2, name.to_bytes());
            stack.pop(1);
        }
        if let Some(setup) = domain.setup {
            setup(stack, found);
        }
    }
    shdict::install(stack, conf);
    stack.global(c"package");
    stack.raw_field(-1, b"loaded");
    stack.push_value(-3);
    stack.set_raw_field(-2, b"ngx");
    stack.pop(2);
    stack.set_global(c"ngx");
}

/// Pushes the table `name` of the table on top, a new one if there is none yet; the empty name is the
/// table itself. stack: [-0, +1, m]
fn push_table(stack: Stack, name: &[u8]) {
    if name.is_empty() {
        stack.push_value(-1);
        return;
    }
    stack.raw_field(-1, name);
    if stack.kind(-1) == crate::vm::Kind::Nil {
        stack.pop(1);
        stack.new_table(0, 8);
        stack.push_value(-1);
        stack.set_raw_field(-3, name);
    }
}
