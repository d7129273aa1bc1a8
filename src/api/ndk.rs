//! `ndk.set_var`: the directives that other modules make with the Nginx Development Kit, as functions.
//!
//! The global `ndk` exists where the NDK is loaded.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::Domain;
use super::ffi::{self, FfiError, Out, Rc, Str};
use super::resty_core::Found;
use crate::nginx::ndk::{self, SetVar};
use crate::nginx::sys::ngx_http_request_t;
use crate::vm::Stack;

pub(crate) const DOMAIN: Domain = Domain { functions: &[], setup: Some(setup) };

/// Makes the table that lua-resty-core fills.
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

/// Finds the function behind the directive `name`.
///
/// # Safety
/// `name` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_ndk_lookup_directive(
    name: *const u8,
    len: usize,
    function: Out<Option<SetVar>>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let found = ndk::find(unsafe { ffi::bytes(name, len) });
        function.set(found);
        found.map_or(Err(Rc::Error.into()), |_| Ok(Rc::Ok))
    })
}

/// Calls such a function. Its codes are returned as they are.
///
/// # Safety
/// `function` was found by [`ngx_http_lua_ffi_ndk_lookup_directive`]; `argument` holds `len` bytes; `r`
/// as in [`ffi::request`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_ndk_set_var_get(
    r: *mut ngx_http_request_t,
    function: Option<SetVar>,
    argument: *const u8,
    len: usize,
    value: Out<Str>,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let result = unsafe {
            let r = ffi::request(r)?;
            let function = function.ok_or(FfiError::from(Rc::Error))?;
            ndk::compute(r, function, ffi::bytes(argument, len))
        };
        Ok(match result {
            Ok(computed) => {
                value.set(Str::of(computed));
                Rc::Ok.into()
            }
            Err(code) => code as c_int,
        })
    })
}
