//! LuaJIT's C API, from the installed headers, and the extensions that only some LuaJITs have.
//!
//! OpenResty's LuaJIT keeps two pointers in every `lua_State` (`exdata`, `exdata2`) and can reset a
//! coroutine for reuse. Stock LuaJIT cannot. Which one is loaded is found at run time, so these
//! functions are never linked directly.
#![allow(unsafe_code, missing_docs, unreachable_pub, dead_code)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all)]

use core::ffi::{CStr, c_void};
use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/luajit.rs"));

/// What only OpenResty's LuaJIT offers; `None` where the loaded one lacks it.
#[derive(Clone, Copy)]
pub struct Extensions {
    pub set_exdata: Option<unsafe extern "C-unwind" fn(*mut lua_State, *mut c_void)>,
    pub get_exdata: Option<unsafe extern "C-unwind" fn(*mut lua_State) -> *mut c_void>,
    pub set_exdata2: Option<unsafe extern "C-unwind" fn(*mut lua_State, *mut c_void)>,
    pub get_exdata2: Option<unsafe extern "C-unwind" fn(*mut lua_State) -> *mut c_void>,
    pub reset_thread: Option<unsafe extern "C-unwind" fn(*mut lua_State, *mut lua_State)>,
}

pub fn extensions() -> &'static Extensions {
    static FOUND: OnceLock<Extensions> = OnceLock::new();
    FOUND.get_or_init(|| {
        // SAFETY: each symbol, where it exists, has the type lua.h gives it.
        unsafe {
            Extensions {
                set_exdata: core::mem::transmute(symbol(c"lua_setexdata")),
                get_exdata: core::mem::transmute(symbol(c"lua_getexdata")),
                set_exdata2: core::mem::transmute(symbol(c"lua_setexdata2")),
                get_exdata2: core::mem::transmute(symbol(c"lua_getexdata2")),
                reset_thread: core::mem::transmute(symbol(c"lua_resetthread")),
            }
        }
    })
}

fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: `name` is a C string; RTLD_DEFAULT searches what the process has loaded.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

pub unsafe fn lua_pop(l: *mut lua_State, n: core::ffi::c_int) {
    // SAFETY: the caller's contract.
    unsafe { lua_settop(l, -n - 1) }
}

pub const fn lua_upvalueindex(i: core::ffi::c_int) -> core::ffi::c_int {
    LUA_GLOBALSINDEX - i
}
