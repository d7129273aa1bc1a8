//! The C face of `ngx.shared.DICT`, called by `resty.core.shdict`.
//!
//! It has no border for panics around what a call computes anew each time: the store indexes nothing
//! unchecked, and a panic under its lock would be repaired by the next holder.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::mem::MaybeUninit;

use super::layout::{BOOLEAN, NUMBER, STRING};
use super::store::{Answer, Found, Room, Stale, Store, StoreError, Unusual, Value};
use super::write::{Item, Shortage, When};
use super::zone::Dict;
use crate::api::ffi::{self, ErrOut, FfiError, Rc, Slot};
use crate::nginx::{Log, debug, log, time};

impl From<StoreError> for FfiError {
    #[cold]
    #[inline(never)]
    fn from(error: StoreError) -> Self {
        let (rc, message) = match error {
            StoreError::NotFound => (Rc::Declined, c"not found"),
            StoreError::Exists => (Rc::Declined, c"exists"),
            StoreError::NoMemory => (Rc::Error, c"no memory"),
            StoreError::NotANumber => (Rc::Error, c"not a number"),
            StoreError::NotAList => (Rc::Error, c"value not a list"),
            StoreError::IsAList => (Rc::Error, c"value is a list"),
        };
        Self { rc, message: Some(message) }
    }
}

const NOT_READY: &CStr = c"the shared dictionary is not ready yet";
const BAD_ZONE: &CStr = c"bad \"zone\" argument";

/// The store of a zone, which may be any pointer.
#[inline(always)]
fn store<'a>(zone: *const c_void) -> Result<&'a Store, FfiError> {
    let store = Dict::of(zone).and_then(Dict::store);
    store.ok_or_else(|| FfiError::message(no_store(zone)))
}

/// Why there is none.
#[cold]
fn no_store(zone: *const c_void) -> &'static CStr {
    if zone.is_null() || Dict::of(zone).is_none() { BAD_ZONE } else { NOT_READY }
}

/// The buffer that lua-resty-core offers, or one from the heap, which it frees.
struct Buffer {
    data: *mut u8,
    len: usize,
    on_heap: bool,
}

impl Room for Buffer {
    fn of(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        if len > self.len {
            self.free();
            // SAFETY: nothing but memory.
            let data = unsafe { libc::malloc(len) }.cast::<u8>();
            if data.is_null() {
                return None;
            }
            *self = Self { data, len, on_heap: true };
        }
        self.room().get_mut(..len)
    }
}

impl Buffer {
    #[inline(always)]
    fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: [ffi-out]; the buffer has the room that `len` says.
        unsafe { core::slice::from_raw_parts_mut(self.data.cast(), self.len) }
    }

    fn free(&mut self) {
        if self.on_heap {
            // SAFETY: ours, from `malloc`.
            unsafe { libc::free(self.data.cast()) };
            *self = Self { data: core::ptr::null_mut(), len: 0, on_heap: false };
        }
    }
}

/// Where the results of `get` go.
struct Results {
    value_type: Slot<c_int>,
    str_value_buf: Slot<*mut u8>,
    str_value_len: Slot<usize>,
    num_value: Slot<f64>,
    user_flags: Slot<c_int>,
    is_stale: Slot<c_int>,
}

impl Results {
    /// The bytes of a string are where they should be.
    #[inline(always)]
    fn set(&self, found: Answer) -> Rc {
        self.user_flags.set(found.flags.cast_signed());
        // Nobody looks at it who has not asked for it.
        self.is_stale.set(found.stale.into());
        match found.value {
            Found::String(len) => {
                self.value_type.set(STRING.into());
                self.str_value_len.set(len);
            }
            Found::Number(number) => {
                self.value_type.set(NUMBER.into());
                self.str_value_len.set(8);
                self.num_value.set(number);
            }
            Found::Boolean(truth) => {
                self.value_type.set(BOOLEAN.into());
                if self.str_value_len.get() == 0 {
                    return Rc::Error;
                }
                // SAFETY: [ffi-out]
                unsafe { *self.str_value_buf.get() = truth.into() };
            }
        }
        Rc::Ok
    }

    /// The buffer that lua-resty-core offers.
    #[inline(always)]
    fn buffer(&self) -> Buffer {
        let (data, len) = (self.str_value_buf.get(), self.str_value_len.get());
        Buffer { data, len, on_heap: false }
    }
}

/// When something expires that lives `ttl` milliseconds; 0 and less: never.
fn expires(ttl: c_long, now: u64) -> u64 {
    if ttl > 0 { now.saturating_add(ttl.unsigned_abs()) } else { 0 }
}

/// `dict:get(key)`, `dict:get_stale(key)`
///
/// # Safety
/// `key` holds `key_len` bytes; `*str_value_buf` has the room that `*str_value_len` says; see [`Slot`] for the rest.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_get(
    zone: *const c_void,
    key: *const u8,
    key_len: usize,
    value_type: Slot<c_int>,
    str_value_buf: Slot<*mut u8>,
    str_value_len: Slot<usize>,
    num_value: Slot<f64>,
    user_flags: Slot<c_int>,
    get_stale: c_int,
    is_stale: Slot<c_int>,
    err: Slot<*const c_char>,
) -> c_int {
    // SAFETY: the caller's contract.
    let key = unsafe { core::slice::from_raw_parts(key, key_len) };
    let stale = if get_stale != 0 { Stale::Accept } else { Stale::Refuse };
    let results =
        Results { value_type, str_value_buf, str_value_len, num_value, user_flags, is_stale };
    // Nothing of this panics, so it needs no border; what is unusual has one.
    // SAFETY: [ffi-out]; the buffer has the room that its length says.
    let room = || unsafe {
        let data = results.str_value_buf.get().cast();
        core::slice::from_raw_parts_mut(data, results.str_value_len.get())
    };
    // The one that was used last needs no debug line.
    let found = match Dict::latest_if(zone).and_then(Dict::store) {
        Some(store) => store.get_at_once(key, stale, time::now_msec, room),
        None => Err(Unusual),
    };
    match found {
        Ok(Some(found)) => {
            let rc = results.set(found);
            if rc != Rc::Ok {
                err.set(core::ptr::null());
            }
            rc.into()
        }
        Ok(None) => {
            results.value_type.set(0);
            Rc::Ok.into()
        }
        Err(Unusual) => get_at_last(zone, key, stale, results, err),
    }
}

#[cold]
#[inline(never)]
fn get_at_last(
    zone: *const c_void,
    key: &[u8],
    stale: Stale,
    results: Results,
    err: Slot<*const c_char>,
) -> c_int {
    err.set(core::ptr::null());
    let found = || {
        let store = store(zone)?;
        debug!(
            Log::cycle(),
            "fetching key \"{}\" in shared dict \"{}\"",
            log::Text(key),
            log::Text(Dict::of(zone).map_or(b"", Dict::name))
        );
        let mut buffer = results.buffer();
        match store.get(key, stale, time::now_msec(), &mut buffer) {
            Ok(Some(found)) if matches!(found.value, Found::String(_)) => {
                results.str_value_buf.set(buffer.data);
                Ok(results.set(found))
            }
            found => {
                buffer.free();
                let Some(found) = found? else {
                    results.value_type.set(0);
                    return Ok(Rc::Ok);
                };
                Ok(results.set(found))
            }
        }
    };
    ffi::call(Some(&err.into()), found)
}

/// `op` of `ngx_http_lua_ffi_shdict_store`.
const ADD: c_int = 1;
const REPLACE: c_int = 2;
const SAFE: c_int = 4;

/// `dict:set(key, value, ttl?, flags?)`, `add`, `replace`, `delete`, and their safe kin.
///
/// # Safety
/// As for `get`; a string value has `str_value_len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_store(
    zone: *const c_void,
    op: c_int,
    key: *const u8,
    key_len: usize,
    value_type: c_int,
    str_value_buf: *const u8,
    str_value_len: usize,
    num_value: f64,
    exptime: c_long,
    user_flags: c_int,
    errmsg: ErrOut,
    forcible: Slot<c_int>,
) -> c_int {
    ffi::call(Some(&errmsg), || {
        forcible.set(0);
        let store = store(zone)?;
        // SAFETY: the caller's contract.
        let key = unsafe { core::slice::from_raw_parts(key, key_len) };
        let now = time::now_msec();
        let value = match value_type {
            // SAFETY: the caller's contract.
            4 => Value::String(unsafe { ffi::bytes(str_value_buf, str_value_len) }),
            3 => Value::Number(num_value),
            1 => Value::Boolean(num_value != 0.0),
            0 if op & (ADD | REPLACE) != 0 => {
                return Err(FfiError::message(c"attempt to add or replace nil values"));
            }
            0 => {
                store.delete(key, now);
                return Ok(Rc::Ok);
            }
            _ => return Err(FfiError::message(c"unsupported value type")),
        };
        let when = match op {
            op if op & REPLACE != 0 => When::IfPresent,
            op if op & ADD != 0 => When::IfAbsent,
            _ => When::Always,
        };
        let shortage = if op & SAFE != 0 { Shortage::Fail } else { Shortage::Evict };
        let flags = user_flags.cast_unsigned();
        let item = Item { key, value, flags, expires: expires(exptime, now) };
        let stored = store.set(item, when, shortage, now);
        if stored.forcible {
            forcible.set(1);
        }
        stored.result.map(|()| Rc::Ok).map_err(FfiError::from)
    })
}

/// `dict:incr(key, value, init?, init_ttl?)`; `value` carries the step in and the sum out.
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_incr(
    zone: *const c_void,
    key: *const u8,
    key_len: usize,
    value: Slot<f64>,
    err: ErrOut,
    has_init: c_int,
    init: f64,
    init_ttl: c_long,
    forcible: Slot<c_int>,
) -> c_int {
    ffi::call(Some(&err), || {
        forcible.set(0);
        let store = store(zone)?;
        // SAFETY: the caller's contract.
        let key = unsafe { core::slice::from_raw_parts(key, key_len) };
        let now = time::now_msec();
        let init = (has_init != 0).then(|| (init, expires(init_ttl, now)));
        let stored = store.incr(key, value.get(), init, now);
        if stored.forcible {
            forcible.set(1);
        }
        value.set(stored.result?);
        Ok(Rc::Ok)
    })
}

/// `dict:flush_all()`
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_flush_all(zone: *const c_void) -> c_int {
    ffi::call(None, || {
        store(zone)?.flush_all(time::now_msec());
        Ok(Rc::Ok)
    })
}

/// `dict:ttl(key)` in milliseconds: 0 for a key that never expires, negative if its time is over.
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_get_ttl(
    zone: *const c_void,
    key: *const u8,
    key_len: usize,
) -> c_long {
    // SAFETY: the caller's contract.
    let key = unsafe { ffi::bytes(key, key_len) };
    let not_found = c_long::from(c_int::from(Rc::Declined));
    match store(zone).ok().and_then(|store| store.expires(key)) {
        None => not_found,
        Some(0) => 0,
        Some(expires) => match expires.wrapping_sub(time::now_msec()).cast_signed() {
            // Reference: in the millisecond a key expires in, it is one that never does.
            0 => -1,
            // Reference: five milliseconds after its time a key is "not found".
            ttl if ttl == not_found => ttl - 1,
            ttl => ttl,
        },
    }
}

/// `dict:expire(key, ttl)`
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_set_expire(
    zone: *const c_void,
    key: *const u8,
    key_len: usize,
    exptime: c_long,
) -> c_int {
    ffi::call(None, || {
        let store = store(zone)?;
        // SAFETY: the caller's contract.
        let key = unsafe { ffi::bytes(key, key_len) };
        let found = store.set_expires(key, expires(exptime, time::now_msec()));
        Ok(if found { Rc::Ok } else { Rc::Declined })
    })
}

/// `dict:capacity()`
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_capacity(zone: *const c_void) -> usize {
    store(zone).map_or(0, |store| store.slab.size())
}

/// `dict:free_space()`
///
/// # Safety
/// As for `get`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_free_space(zone: *const c_void) -> usize {
    store(zone).map_or(0, Store::free_space)
}

/// The zone behind the userdata in a dictionary's table; null, for which lua-resty-core has a message, for any other
/// userdata.
///
/// # Safety
/// `userdata` is null or the value of some userdata or cdata.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_shdict_udata_to_zone(
    userdata: *const c_void,
) -> *const c_void {
    // SAFETY: the caller's contract.
    unsafe { Dict::zone_of_userdata(userdata) }
}
