//! `ngx.encode_args` as a function in Lua, which LuaJIT compiles together with the code that calls it.
//!
//! Going through a table from outside takes LuaJIT several calls a pair; compiled code has the pair in registers
//! and makes one (docs/decisions/0043). What is no table of arguments goes to the function in Rust that this one takes
//! the place of, and that raises the errors.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_int;

use super::args::Query;
use crate::api::ffi::{self, Slot};

/// The chunk; it runs when lua-resty-core has been loaded.
pub(crate) const CODE: &[u8] = br##"
local ffi = require "ffi"
local encode_args = ngx.encode_args
if not jit.status() or debug.getinfo(encode_args, "S").what ~= "C" then return end

ffi.cdef[[
    void *ngx_http_lua_ffi_args_query(void);
    void ngx_http_lua_ffi_args_add(void *query, int before, const char *key, size_t key_len, const char *value, size_t value_len);
    int ngx_http_lua_ffi_args_add_number(void *query, int before, const char *key, size_t key_len, double value);
    void ngx_http_lua_ffi_args_add_key(void *query, int before, const char *key, size_t key_len);
    const char *ngx_http_lua_ffi_args_text(void *query, size_t *len);
]]
local C, to_string = ffi.C, ffi.string
local next, select, tostring, type = next, select, tostring, type
local query, length = C.ngx_http_lua_ffi_args_query(), ffi.new("size_t[1]")

-- Adds an argument to as many before it, the first one to an empty query string. Returns how many there are now;
-- nothing if it is none.
local function add(before, key, value)
    local kind = type(value)
    if kind == "string" then
        C.ngx_http_lua_ffi_args_add(query, before, key, #key, value, #value)
    elseif kind == "number" then
        if C.ngx_http_lua_ffi_args_add_number(query, before, key, #key, value) == 0 then
            local text = tostring(value)
            C.ngx_http_lua_ffi_args_add(query, before, key, #key, text, #text)
        end
    elseif value == true then
        C.ngx_http_lua_ffi_args_add_key(query, before, key, #key)
    elseif value == false then
        return before
    else
        return nil
    end
    return before + 1
end

function ngx.encode_args(...)
    local args = ...
    if type(args) ~= "table" or select("#", ...) ~= 1 then
        return encode_args(...)
    end
    local count = 0
    for key, value in next, args do
        if type(key) ~= "string" then
            return encode_args(args)
        end
        local now = add(count, key, value)
        if now then
            count = now
        elseif type(value) == "table" then
            for _, inner in next, value do
                count = add(count, key, inner)
                if not count then
                    return encode_args(args)
                end
            end
        else
            return encode_args(args)
        end
    end
    if count == 0 then
        return ""
    end
    local text = C.ngx_http_lua_ffi_args_text(query, length)
    text = to_string(text, length[0])
    return text
end
"##;

thread_local! {
    /// The query string in the making. No Lua code but the chunk's runs while there is one.
    static QUERY: UnsafeCell<Query> = const { UnsafeCell::new(Query::new()) };
}

/// More is not kept for the next query string.
const KEPT: usize = 64 * 1024;

/// What the other functions take.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_args_query() -> *mut Query {
    QUERY.with(UnsafeCell::get)
}

/// # Safety
/// `query` comes from [`ngx_http_lua_ffi_args_query`] in this thread, and the texts have these lengths.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add(
    query: *mut Query,
    before: c_int,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let query = begun(query, before);
        query.put(ffi::bytes(key, key_len), Some(ffi::bytes(value, value_len)));
    }
}

/// Returns 0, and adds nothing, if the number is none that digits and a sign are enough for.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add_number(
    query: *mut Query,
    before: c_int,
    key: *const u8,
    key_len: usize,
    value: f64,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { begun(query, before).put_whole(ffi::bytes(key, key_len), value).into() }
}

/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add_key(
    query: *mut Query,
    before: c_int,
    key: *const u8,
    key_len: usize,
) {
    // SAFETY: the caller's contract.
    unsafe { begun(query, before).put(ffi::bytes(key, key_len), None) };
}

/// The query string of all that was added, until more is.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_text(query: *mut Query, len: Slot<usize>) -> *const u8 {
    // SAFETY: the caller's contract.
    let text = unsafe { (*query).finish() };
    len.set(text.len());
    text.as_ptr()
}

/// The query string with as many arguments: what an error may have left of another one is forgotten.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[inline(always)]
unsafe fn begun<'a>(query: *mut Query, before: c_int) -> &'a mut Query {
    // SAFETY: the caller's contract; no other reference lives longer than one of these functions.
    let query = unsafe { &mut *query };
    if before == 0 {
        query.clear(KEPT);
    }
    query
}
