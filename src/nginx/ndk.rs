//! The Nginx Development Kit, if it is loaded: directives of other modules that compute a variable's
//! value from one argument.
//!
//! It is looked for at run time, so that this module works with and without it.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::ptr;

use super::Request;
use super::sys::{self, ngx_command_t, ngx_int_t, ngx_str_t, ngx_variable_value_t};

/// `ndk_set_var_t`, as far as it is needed: what a directive's row points to.
#[repr(C)]
struct Filter {
    kind: usize,
    compute: Option<SetVar>,
}

/// Computes a value from an argument; nginx's codes.
pub(crate) type SetVar = unsafe extern "C" fn(
    *mut sys::ngx_http_request_t,
    *mut ngx_str_t,
    *mut ngx_variable_value_t,
) -> ngx_int_t;

/// The NDK's setter of such directives, by which their rows are known; null if it is not loaded.
fn setter() -> *mut c_void {
    // SAFETY: a C string; RTLD_DEFAULT searches what the process has loaded.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"ndk_set_var_value".as_ptr()) }
}

pub(crate) fn is_loaded() -> bool {
    !setter().is_null()
}

/// What the directive `name` computes its value with.
pub(crate) fn find(name: &[u8]) -> Option<SetVar> {
    let setter = setter();
    if setter.is_null() {
        return None;
    }
    // SAFETY: [single-thread]; the cycle's list of modules ends in a null pointer, and a module's list
    // of directives in one without a name.
    unsafe {
        let mut module = (*sys::ngx_cycle).modules;
        while let Some(m) = (*module).as_ref() {
            module = module.add(1);
            if m.type_ == sys::NGX_HTTP_MODULE as usize
                && let Some(row) = row(m.commands, setter, name)
            {
                return (*row).post.cast::<Filter>().as_ref().and_then(|filter| filter.compute);
            }
        }
    }
    None
}

/// # Safety
/// `rows` is null or ends in a row without a name.
unsafe fn row(
    rows: *const ngx_command_t,
    setter: *mut c_void,
    name: &[u8],
) -> Option<*const ngx_command_t> {
    let mut row = rows;
    // SAFETY: the caller's contract.
    while let Some(r) = unsafe { row.as_ref() }.filter(|r| r.name.len != 0) {
        // SAFETY: nginx's names are valid strings.
        let is_it = r.set.is_some_and(|set| ptr::eq(set as *const c_void, setter))
            && !r.post.is_null()
            && unsafe { sys::str_bytes(r.name) } == name;
        if is_it {
            return Some(row);
        }
        // SAFETY: this was not the last row.
        row = unsafe { row.add(1) };
    }
    None
}

/// The value that `compute` makes of `argument`, or its code; it lives as long as the request.
///
/// # Safety
/// `compute` comes from [`find`].
pub(crate) unsafe fn compute(
    r: Request,
    compute: SetVar,
    argument: &[u8],
) -> Result<&'static [u8], ngx_int_t> {
    let mut value = sys::str_of(&[]);
    // SAFETY: all-zero is a valid value of this struct; [request-alive].
    unsafe {
        let mut v: ngx_variable_value_t = core::mem::zeroed();
        v.set_valid(1);
        v.set_len(argument.len() as u32);
        v.data = argument.as_ptr().cast_mut();
        match compute(r.as_ptr(), &raw mut value, &raw mut v) {
            sys::OK => Ok(sys::str_bytes(value)),
            code => Err(code),
        }
    }
}
