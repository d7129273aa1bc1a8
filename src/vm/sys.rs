//! LuaJIT's C API, from the installed headers, and the extensions that only some LuaJITs have.
//!
//! What is not listed here is not reachable: of the functions that may run the collector, and so finalizers, only the
//! versions of `held` are, which do not.
//!
//! OpenResty's LuaJIT keeps two pointers in every `lua_State` (`exdata`, `exdata2`) and can reset a coroutine for
//! reuse. Stock LuaJIT cannot. Which one is loaded is found at run time, so these
//! functions are never linked directly.
#![allow(unsafe_code, missing_docs, unreachable_pub, dead_code)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all)]

use core::ffi::{CStr, c_void};
use std::sync::Once;

/// Everything that the headers declare.
mod raw {
    include!(concat!(env!("OUT_DIR"), "/luajit.rs"));
}

pub(crate) use super::held::{
    lua_concat, lua_createtable, lua_newthread, lua_newuserdata, lua_pushcclosure, lua_pushlstring,
    lua_tolstring, luaL_argerror, luaL_loadbuffer, luaL_openlibs, luaL_traceback, luaL_typerror,
    luaL_where,
};
// None of these begins a step of the collector.
pub use raw::{
    lua_Alloc, lua_CFunction, lua_Debug, lua_State, lua_atpanic, lua_checkstack, lua_close,
    lua_error, lua_getallocf, lua_getfenv, lua_gethook, lua_getinfo, lua_getmetatable,
    lua_getstack, lua_gettop, lua_getupvalue, lua_insert, lua_iscfunction, lua_isnumber,
    lua_isyieldable, lua_newstate, lua_next, lua_objlen, lua_pushboolean, lua_pushinteger,
    lua_pushlightuserdata, lua_pushnil, lua_pushnumber, lua_pushthread, lua_pushvalue, lua_rawget,
    lua_rawgeti, lua_rawset, lua_rawseti, lua_remove, lua_replace, lua_setallocf, lua_setfenv,
    lua_sethook, lua_setmetatable, lua_settop, lua_status, lua_toboolean, lua_tointeger,
    lua_tonumber, lua_topointer, lua_tothread, lua_touserdata, lua_type, lua_xmove, lua_yield,
    luaL_getmetafield, luaL_newstate, luaL_ref, luaL_unref,
};
// These run Lua code, so nothing may be borrowed over them.
pub use raw::{
    LUA_ERRERR, LUA_ERRMEM, LUA_ERRRUN, LUA_ERRSYNTAX, LUA_GLOBALSINDEX, LUA_MASKCOUNT,
    LUA_MULTRET, LUA_NOREF, LUA_OK, LUA_REFNIL, LUA_REGISTRYINDEX, LUA_TBOOLEAN, LUA_TFUNCTION,
    LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNONE, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_TTHREAD,
    LUA_TUSERDATA, LUA_YIELD,
};
pub use raw::{lua_call, lua_cpcall, lua_gettable, lua_pcall, lua_resume, luaopen_ffi};

/// The bytes of a value that is a string, which `lua_tolstring` does not convert: it does not collect then.
pub(crate) unsafe fn string_bytes(
    l: *mut lua_State,
    index: core::ffi::c_int,
    len: *mut usize,
) -> *const core::ffi::c_char {
    // SAFETY: the caller's contract.
    unsafe { raw::lua_tolstring(l, index, len) }
}

/// For `held` alone: what may begin a step of the collector, and what controls it.
pub(super) mod collecting {
    pub use super::raw::{
        LUA_GCCOLLECT, LUA_GCCOUNT, LUA_GCCOUNTB, LUA_GCISRUNNING, LUA_GCRESTART, LUA_GCSETPAUSE,
        LUA_GCSTOP, lua_concat, lua_createtable, lua_gc, lua_newthread, lua_newuserdata,
        lua_pushcclosure, lua_pushlstring, lua_tolstring, luaL_argerror, luaL_loadbuffer,
        luaL_openlibs, luaL_traceback, luaL_where,
    };

    unsafe extern "C-unwind" {
        /// LuaJIT exports it, but its headers do not declare it.
        pub fn luaL_typerror(
            l: *mut super::lua_State,
            arg: core::ffi::c_int,
            name: *const core::ffi::c_char,
        ) -> core::ffi::c_int;
    }
}

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
