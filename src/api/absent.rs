//! Names that lua-resty-core looks up but that this version does not serve yet.
//!
//! These C functions exist so that its modules load, and say so when they are called.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{ErrOut, Rc};
use super::resty_core::Found;
use crate::vm::Stack;

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// The table that lua-resty-core adds to.
fn setup(stack: Stack, _: &Found) {
    super::push_table(stack, b"req");
    stack.pop(1);
}

macro_rules! absent_with_a_message {
    ($($name:ident($($parameter:ident)*))*) => {$(
        /// Looked up by `ngx.ssl` when it loads; says that it is absent.
        #[unsafe(no_mangle)]
        extern "C" fn $name($($parameter: usize,)* err: ErrOut) -> c_int {
            let _ = ($($parameter,)*);
            err.set(c"not available in this version of the module".as_ptr());
            Rc::Error.into()
        }
    )*};
}

// What `ngx.ssl` does with a client's connection.
absent_with_a_message! {
    ngx_http_lua_ffi_set_cert(r chain)
    ngx_http_lua_ffi_set_priv_key(r key)
    ngx_http_lua_ffi_ssl_clear_certs(r)
    ngx_http_lua_ffi_ssl_get_tls1_version(r)
    ngx_http_lua_ffi_ssl_raw_client_addr(r address len kind)
    ngx_http_lua_ffi_ssl_raw_server_addr(r address len kind)
    ngx_http_lua_ffi_ssl_server_name(r name len)
    ngx_http_lua_ffi_ssl_server_port(r port)
    ngx_http_lua_ffi_ssl_set_der_certificate(r data len)
    ngx_http_lua_ffi_ssl_set_der_private_key(r data len)
    ngx_http_lua_ffi_ssl_verify_client(r chain depth)
}
