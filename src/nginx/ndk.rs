//! The Nginx Development Kit, if it is loaded: directives of other modules that compute a variable's
//! value from one argument.
//!
//! It is looked for at run time, so that this module works with and without it.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::ptr;

use super::sys::{self, ngx_int_t, ngx_str_t, ngx_variable_value_t};
use super::{Request, process, variable};

/// `ndk_set_var_t`, as far as it is needed: what a directive's row points to.
#[repr(C)]
struct Filter {
    kind: usize,
    compute: Option<SetVar>,
}

/// The kind that computes its value from one argument, and nothing else.
const VALUE: usize = 2;

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
    // SAFETY: [single-thread]; the directives of loaded modules live as long as the process.
    unsafe {
        process::modules(sys::ngx_cycle)
            .filter(|module| (**module).type_ == sys::NGX_HTTP_MODULE as usize)
            .flat_map(process::directives)
            .filter(|row| sys::str_bytes((**row).name) == name)
            .filter(|row| (**row).set.is_some_and(|set| ptr::eq(set as *const c_void, setter)))
            .find_map(|row| (*row).post.cast::<Filter>().as_ref())
            // Reference: it calls the others as well, without the data they need.
            .filter(|filter| filter.kind == VALUE)?
            .compute
    }
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
        variable::set_text(&raw mut v, sys::str_of(argument)).ok_or(sys::ERROR)?;
        match compute(r.as_ptr(), &raw mut value, &raw mut v) {
            sys::OK => Ok(sys::str_bytes(value)),
            code => Err(code),
        }
    }
}
