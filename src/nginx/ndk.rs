//! Directives that other modules define through the Nginx Development Kit, called as functions.
//!
//! The kit is itself a module, loaded or not; nothing here needs it to be there.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::mem::zeroed;

use super::sys::{self, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t};
use super::{Request, process, variable};

/// How such a directive computes its value from one argument.
pub(crate) type SetValue = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_str_t,
    *mut ngx_http_variable_value_t,
) -> ngx_int_t;

/// What the kit's setter finds at a directive's `post`: `ndk_set_var_t`.
#[repr(C)]
struct SetVar {
    kind: usize,
    function: *mut c_void,
    size: usize,
    data: *mut c_void,
}

/// The kind whose function is a [`SetValue`]: `NDK_SET_VAR_VALUE`.
const VALUE: usize = 2;

/// The kit's setter for directives of that kind; null without the kit.
fn setter() -> *mut c_void {
    // SAFETY: a C string; the search covers the modules nginx has loaded.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"ndk_set_var_value".as_ptr()) }
}

pub(crate) fn is_loaded() -> bool {
    !setter().is_null()
}

/// The function behind the directive `name`.
pub(crate) fn find(name: &[u8]) -> Option<SetValue> {
    let setter = setter();
    if setter.is_null() {
        return None;
    }
    process::http_directives().find_map(|directive| {
        // SAFETY: the directives of loaded modules live as long as the process.
        unsafe {
            let matches = sys::str_bytes((*directive).name) == name
                && (*directive).set.is_some_and(|set| set as *mut c_void == setter);
            let set = (*directive).post.cast::<SetVar>().as_ref().filter(|_| matches)?;
            (set.kind == VALUE && !set.function.is_null())
                .then(|| core::mem::transmute::<*mut c_void, SetValue>(set.function))
        }
    })
}

/// The directive's value for `argument`, or nginx's code of what went wrong.
///
/// # Safety
/// `function` comes from [`find`].
pub(crate) unsafe fn call(
    r: Request,
    function: SetValue,
    argument: &[u8],
) -> Result<ngx_str_t, ngx_int_t> {
    let mut result = sys::str_of(b"");
    // SAFETY: [request-alive]; all-zero is a valid value of the struct.
    let code = unsafe {
        let mut value: ngx_http_variable_value_t = zeroed();
        variable::set_text(&raw mut value, sys::str_of(argument)).ok_or(sys::ERROR)?;
        function(r.as_ptr(), &raw mut result, &raw mut value)
    };
    if code == sys::OK { Ok(result) } else { Err(code) }
}
