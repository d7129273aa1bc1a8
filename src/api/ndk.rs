//! `ndk.set_var`: directives that other modules define through the Nginx Development Kit, as functions.
//! The global `ndk` is there if the kit is; lua-resty-core completes it.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{self, Out, Rc, Str};
use super::resty_core::Found;
use crate::nginx::ndk::{self, SetValue};
use crate::nginx::sys::ngx_http_request_t;
use crate::vm::Stack;

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

fn setup(stack: Stack, _: &Found) {
    if !ndk::is_loaded() {
        return;
    }
    stack.new_table(0, 1);
    stack.global(c"package");
    stack.raw_field(-1, b"loaded");
    stack.push_value(-3);
    stack.set_raw_field(-2, b"ndk");
    stack.pop(2);
    stack.set_global(c"ndk");
}

/// The function of the directive `name`.
///
/// # Safety
/// `name` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_ndk_lookup_directive(
    name: *const u8,
    len: usize,
    function: Out<Option<SetValue>>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let found = ndk::find(unsafe { ffi::bytes(name, len) });
        function.set(found);
        found.map(|_| Rc::Ok).ok_or(Rc::Error.into())
    })
}

/// Calls the function of a directive.
///
/// # Safety
/// `r` as in [`ffi::request`]; `function` comes from `…_lookup_directive`; `argument` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_ndk_set_var_get(
    r: *mut ngx_http_request_t,
    function: Option<SetValue>,
    argument: *const u8,
    len: usize,
    value: Out<Str>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let result = unsafe {
            let r = ffi::request(r)?;
            ndk::call(r, function.ok_or(Rc::Error)?, ffi::bytes(argument, len))
        };
        Ok(match result {
            Ok(text) => {
                value.set(Str { len: text.len as c_int, data: text.data });
                Rc::Ok as c_int
            }
            Err(code) => code as c_int,
        })
    })
}
