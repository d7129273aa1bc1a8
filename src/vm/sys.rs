//! LuaJIT's C API, from the installed headers, and the extensions that only some LuaJITs have.
//!
//! OpenResty's LuaJIT keeps two pointers in every `lua_State` (`exdata`, `exdata2`) and can reset a coroutine for
//! reuse. Stock LuaJIT cannot. Which one is loaded is found at run time, so these
//! functions are never linked directly.
#![allow(unsafe_code, missing_docs, unreachable_pub, dead_code)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all)]

use core::ffi::{CStr, c_void};
use std::sync::Once;

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

/// The extensions of the loaded LuaJIT, as [`find_extensions`] found them; none before.
#[inline]
pub fn extensions() -> &'static Extensions {
    // SAFETY: written once, before the first VM is made, and only read afterwards.
    unsafe { &*(&raw const EXTENSIONS) }
}

static mut EXTENSIONS: Extensions = Extensions {
    set_exdata: None,
    get_exdata: None,
    set_exdata2: None,
    get_exdata2: None,
    reset_thread: None,
};

/// Looks for the extensions; called before a VM is made.
pub fn find_extensions() {
    static FOUND: Once = Once::new();
    // SAFETY: each symbol, where it exists, has the type lua.h gives it.
    FOUND.call_once(|| unsafe {
        EXTENSIONS = Extensions {
            set_exdata: core::mem::transmute(symbol(c"lua_setexdata")),
            get_exdata: core::mem::transmute(symbol(c"lua_getexdata")),
            set_exdata2: core::mem::transmute(symbol(c"lua_setexdata2")),
            get_exdata2: core::mem::transmute(symbol(c"lua_getexdata2")),
            reset_thread: core::mem::transmute(symbol(c"lua_resetthread")),
        };
    });
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
