//! The directives about TLS, which an nginx without it does not have.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_void};
use core::mem::offset_of;
use core::ptr;

use crate::conf::{LocConf, TlsConf};
use crate::module::directives::{HTTP, LOC, LOCATION, SRV, TAKE1, name_of, number, row};
use crate::nginx::sys::{self, ngx_command_t, ngx_uint_t};
use crate::nginx::tls;

const LEVELS: u32 = HTTP | SRV | LOC;

/// Where nginx's setters write what `lua_ssl_*` says.
macro_rules! tls {
    ($field:ident) => {
        offset_of!(LocConf, tls) + offset_of!(TlsConf, settings) + offset_of!(tls::Settings, $field)
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[ngx_command_t] = &[
row(c"lua_ssl_protocols", LEVELS | sys::NGX_CONF_1MORE, LOCATION, sys::ngx_conf_set_bitmask_slot, tls!(protocols), PROTOCOLS.as_post()),
text(c"lua_ssl_ciphers", LEVELS, LOCATION, tls!(ciphers)),
number(c"lua_ssl_verify_depth", LEVELS, LOCATION, tls!(verify_depth)),
text(c"lua_ssl_trusted_certificate", LEVELS, LOCATION, tls!(trusted_certificate)),
text(c"lua_ssl_crl", LEVELS, LOCATION, tls!(crl)),
row(c"lua_ssl_certificate", LEVELS | TAKE1, LOCATION, sys::ngx_conf_set_str_array_slot, tls!(certificates), ptr::null_mut()),
row(c"lua_ssl_certificate_key", LEVELS | TAKE1, LOCATION, sys::ngx_conf_set_str_array_slot, tls!(certificate_keys), ptr::null_mut()),
row(c"lua_ssl_conf_command", LEVELS | sys::NGX_CONF_TAKE2, LOCATION, sys::ngx_conf_set_keyval_slot, tls!(commands), ptr::null_mut()),
text(c"lua_ssl_key_log", LEVELS, LOCATION, tls!(key_log)),
];

const fn text(name: &'static CStr, contexts: u32, level: usize, offset: usize) -> ngx_command_t {
    row(name, contexts | TAKE1, level, sys::ngx_conf_set_str_slot, offset, ptr::null_mut())
}

/// The names of `lua_ssl_protocols`, with nginx's bits.
static PROTOCOLS: Protocols = Protocols([
    protocol(c"SSLv2", sys::NGX_SSL_SSLv2),
    protocol(c"SSLv3", sys::NGX_SSL_SSLv3),
    protocol(c"TLSv1", sys::NGX_SSL_TLSv1),
    protocol(c"TLSv1.1", sys::NGX_SSL_TLSv1_1),
    protocol(c"TLSv1.2", sys::NGX_SSL_TLSv1_2),
    protocol(c"TLSv1.3", sys::NGX_SSL_TLSv1_3),
    protocol(c"", 0),
]);

struct Protocols([sys::ngx_conf_bitmask_t; 7]);
// SAFETY: written at compile time.
unsafe impl Sync for Protocols {}

impl Protocols {
    const fn as_post(&self) -> *mut c_void {
        self.0.as_ptr().cast_mut().cast()
    }
}

const fn protocol(name: &'static CStr, mask: u32) -> sys::ngx_conf_bitmask_t {
    sys::ngx_conf_bitmask_t { name: name_of(name), mask: mask as ngx_uint_t }
}
