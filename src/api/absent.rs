//! Names that lua-resty-core looks up but that this version does not serve yet.
//!
//! The C functions exist so that the library loads; the Lua functions over them are replaced by ones
//! that say so.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{ErrOut, Rc};
use super::resty_core::Found;
use crate::vm::{Stack, Vm};

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// The table that lua-resty-core adds to.
fn setup(stack: Stack, _: &Found) {
    super::push_table(stack, b"req");
    stack.pop(1);
}

/// What is served later, as paths below `ngx`.
const LUA_NAMES: &[u8] = br#"
local missing = {
}
for _, path in ipairs(missing) do
    local table, name = ngx, path
    local outer, inner = path:match("^(%w+)%.([%w_]+)$")
    if outer then
        name = inner
        table = rawget(ngx, outer)
        if not table then
            table = {}
            ngx[outer] = table
        end
    end
    rawset(table, name, function()
        error("ngx." .. path .. " is not available in this version of the module", 2)
    end)
end
"#;

/// Puts functions that fail with a clear message in the place of those not served yet.
pub(crate) fn hide(vm: Vm) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    vm.compile_plain(vm.stack(), LUA_NAMES, c"=absent").map_err(|e| text(e.message()))?;
    if vm.stack().call(0, 0, 0) {
        return Ok(());
    }
    let message = text(vm.stack().error_message());
    vm.stack().pop(1);
    Err(message)
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
