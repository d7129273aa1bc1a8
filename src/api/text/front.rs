//! Query strings as tables and back, in Lua that LuaJIT compiles together with the code that calls it.
//!
//! Going through a table from outside, or filling one, takes LuaJIT several calls a pair; compiled code has the pair in
//! registers (docs/decisions/0043). What a query string is remains in Rust: functions here read a whole one, and write
//! one pair. Whatever is out of the ordinary goes to the functions in Rust that these take the place of, and that raise
//! the errors.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_int;

use super::args::{self, Query};
use super::query::{Padding, Pairs};
use crate::api::ffi::{self, Pair, Slot, Str};
use crate::nginx::{Log, debug};

/// The chunk; it runs when lua-resty-core has been loaded.
pub(crate) const CODE: &[u8] = br##"
local ffi, base = require "ffi", require "resty.core.base"
local new_tab = require "table.new"
local encode_args, decode_args, get_post_args = ngx.encode_args, ngx.decode_args, ngx.req.get_post_args
local function is_ours(f) return debug.getinfo(f, "S").what == "C" end
if not jit.status() then return end

ffi.cdef[[
    typedef struct {
        int                   key_len;
        const unsigned char  *key;
        int                   value_len;
        const unsigned char  *value;
    } ngx_http_lua_ffi_arg_t;
    typedef struct {
        ngx_http_lua_ffi_arg_t  *pairs;
        int                      truncated;
    } ngx_http_lua_ffi_args_t;

    int ngx_http_lua_ffi_args_of_text(const char *text, size_t len, int max, ngx_http_lua_ffi_args_t *args);
    int ngx_http_lua_ffi_args_of_body(void *r, int max, ngx_http_lua_ffi_args_t *args);

    void *ngx_http_lua_ffi_args_query(void);
    void ngx_http_lua_ffi_args_clear(void *query);
    void ngx_http_lua_ffi_args_add(void *query, const char *key, size_t key_len, const char *value, size_t value_len);
    int ngx_http_lua_ffi_args_add_number(void *query, const char *key, size_t key_len, double value);
    void ngx_http_lua_ffi_args_add_key(void *query, const char *key, size_t key_len);
    const char *ngx_http_lua_ffi_args_text(void *query, size_t *len);
]]
local C, to_string = ffi.C, ffi.string
local next, select, tostring, type = next, select, tostring, type
local get_request = base.get_request
local query, length = C.ngx_http_lua_ffi_args_query(), ffi.new("size_t[1]")
local parsed = ffi.new("ngx_http_lua_ffi_args_t")

-- Whether what the functions of ours keep is in use: a finalizer that runs meanwhile goes the other way. An error halfway,
-- of a debug hook or for want of stack, leaves it so: right, and slower.
local busy = false

-- Returns whether `value` is one that an argument can have.
local function add(key, value)
    local kind = type(value)
    if kind == "string" then
        C.ngx_http_lua_ffi_args_add(query, key, #key, value, #value)
    elseif kind == "number" then
        if C.ngx_http_lua_ffi_args_add_number(query, key, #key, value) == 0 then
            local text = tostring(value)
            C.ngx_http_lua_ffi_args_add(query, key, #key, text, #text)
        end
    elseif value == true then
        C.ngx_http_lua_ffi_args_add_key(query, key, #key)
    else
        return value == false
    end
    return true
end

local function encode(args)
    for key, value in next, args do
        if type(key) ~= "string" then return nil end
        if not add(key, value) then
            if type(value) ~= "table" then return nil end
            for _, inner in next, value do
                if not add(key, inner) then return nil end
            end
        end
    end
    local text = C.ngx_http_lua_ffi_args_text(query, length)
    text = to_string(text, length[0])
    C.ngx_http_lua_ffi_args_clear(query)
    return text
end

-- Beyond this, a table grows by the keys that come: there may be one, many times.
local ROOM = 128

local function decode(count)
    local pairs, args = parsed.pairs, new_tab(0, count < ROOM and count or ROOM)
    for i = 0, count - 1 do
        local pair = pairs[i]
        local key, value, len = to_string(pair.key, pair.key_len), true, pair.value_len
        if len >= 0 then value = to_string(pair.value, len) end
        local before = args[key]
        if before == nil then
            args[key] = value
        elseif type(before) == "table" then
            before[#before + 1] = value
        else
            args[key] = { before, value }
        end
    end
    return args, parsed.truncated
end

local function decode_text(text, max)
    return decode(C.ngx_http_lua_ffi_args_of_text(text, #text, max, parsed))
end

local function decode_body(r, max)
    local count = C.ngx_http_lua_ffi_args_of_body(r, max, parsed)
    if count < 0 then return nil end
    return decode(count)
end

-- What a function takes for the most arguments that are read: nothing, or a number.
local function is_max(count, max)
    return count == 0 or count == 1 and type(max) == "number" and max >= 0 and max < 0x80000000
end

if is_ours(encode_args) then
    function ngx.encode_args(...)
        local args = ...
        if busy or type(args) ~= "table" or select("#", ...) ~= 1 then
            return encode_args(...)
        end
        busy = true
        local text = encode(args)
        busy = false
        if not text then
            C.ngx_http_lua_ffi_args_clear(query)
            return encode_args(args)
        end
        return text
    end
end

if is_ours(decode_args) then
    function ngx.decode_args(...)
        local text, max = ...
        if busy or type(text) ~= "string" or not is_max(select("#", ...) - 1, max) then
            return decode_args(...)
        end
        busy = true
        local args, truncated = decode_text(text, max or 100)
        busy = false
        if truncated ~= 0 then return args, "truncated" end
        return args
    end
end

if is_ours(get_post_args) and get_request then
    function ngx.req.get_post_args(...)
        local max, r = ..., get_request()
        if busy or not r or not is_max(select("#", ...), max) then
            return get_post_args(...)
        end
        busy = true
        local args, truncated = decode_body(r, max or 100)
        busy = false
        if not args then return get_post_args(...) end
        if truncated ~= 0 then return args, "truncated" end
        return args
    end
end
"##;

thread_local! {
    /// The query string in the making.
    static QUERY: UnsafeCell<Query> = const { UnsafeCell::new(Query::new()) };
    static PARSED: UnsafeCell<Parsed> = const { UnsafeCell::new(Parsed { pairs: Vec::new(), decoded: Vec::new() }) };
}

/// More memory is not kept for the next query string.
const KEPT: usize = 64 * 1024;

/// What was read last: Lua copies it before it has anything else read.
struct Parsed {
    pairs: Vec<Pair>,
    decoded: Vec<u8>,
}

/// `ngx_http_lua_ffi_args_t`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Arguments {
    pairs: *const Pair,
    truncated: c_int,
}

/// The pairs of `text`, which lives until Lua has copied them; `max` as for [`args::push_table`]. Returns how many there
/// are.
pub(crate) fn parse(text: &[u8], max: c_int, out: &Slot<Arguments>) -> c_int {
    let max = usize::try_from(max).unwrap_or(0);
    PARSED.with(|parsed| {
        // SAFETY: nothing refers to it but this function, which calls none of Lua's.
        let Parsed { pairs, decoded } = unsafe { &mut *parsed.get() };
        pairs.clear();
        decoded.clear();
        if decoded.capacity() > KEPT || pairs.capacity() > KEPT / size_of::<Pair>() {
            (*pairs, *decoded) = (Vec::new(), Vec::new());
        }
        decoded.reserve(text.len() + args::MARGIN);
        let mut room = decoded.as_mut_ptr();
        let mut padding = Padding::default();
        let mut found = Pairs::of(text, max, &mut padding);
        for (key, value) in found.by_ref() {
            // SAFETY: there is room for the whole text.
            unsafe {
                let key = Str::of(key.decoded_in(&mut room));
                let value = value.map_or(Str::TRUE, |value| Str::of(value.decoded_in(&mut room)));
                pairs.push(Pair { key, value });
            }
        }
        let truncated = found.truncated();
        if truncated {
            debug!(Log::cycle(), "lua hit query args limit {max}");
        }
        out.set(Arguments { pairs: pairs.as_ptr(), truncated: truncated.into() });
        pairs.len() as c_int
    })
}

/// Returns the number of pairs.
///
/// # Safety
/// `text` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_of_text(
    text: *const u8,
    len: usize,
    max: c_int,
    out: Slot<Arguments>,
) -> c_int {
    // SAFETY: the caller's contract.
    parse(unsafe { ffi::bytes(text, len) }, max, &out)
}

/// What the functions below take.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_args_query() -> *mut Query {
    QUERY.with(UnsafeCell::get)
}

/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_clear(query: *mut Query) {
    // SAFETY: the caller's contract; no reference lives longer than one of these functions.
    unsafe { (*query).clear(KEPT) };
}

/// # Safety
/// `query` comes from [`ngx_http_lua_ffi_args_query`] in this thread, and the texts have these lengths.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add(
    query: *mut Query,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) {
    // SAFETY: the caller's contract.
    unsafe { (*query).put(ffi::bytes(key, key_len), Some(ffi::bytes(value, value_len))) };
}

/// Returns 0, and adds nothing, if the number is none that digits and a sign are enough for.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add_number(
    query: *mut Query,
    key: *const u8,
    key_len: usize,
    value: f64,
) -> c_int {
    // SAFETY: the caller's contract.
    unsafe { (*query).put_whole(ffi::bytes(key, key_len), value).into() }
}

/// # Safety
/// As for [`ngx_http_lua_ffi_args_add`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_args_add_key(
    query: *mut Query,
    key: *const u8,
    key_len: usize,
) {
    // SAFETY: the caller's contract.
    unsafe { (*query).put(ffi::bytes(key, key_len), None) };
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
