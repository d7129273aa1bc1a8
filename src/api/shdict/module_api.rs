//! What other nginx modules call: the part of the reference's C API that is about zones.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::layout::{BOOLEAN, NUMBER, STRING};
use super::store::{Found, Room, Stale, StoreError};
use super::zone::Dict;
use crate::api::ffi;
use crate::conf::MainConf;
use crate::nginx::config::Config;
use crate::nginx::sys::{self, ngx_conf_t, ngx_int_t, ngx_shm_zone_t, ngx_str_t};
use crate::nginx::{Level, Log, guard, shm, time};

/// `ngx_http_lua_value_t`
#[repr(C)]
struct CValue {
    kind: u8,
    value: CUnion,
}

#[repr(C)]
union CUnion {
    boolean: core::ffi::c_int,
    number: f64,
    string: ngx_str_t,
}

/// The caller's buffer: a longer string is cut.
struct Cut<'a> {
    buffer: &'a mut [MaybeUninit<u8>],
    wanted: usize,
}

impl Room for Cut<'_> {
    fn of(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.wanted = len;
        self.buffer.get_mut(..len.min(self.buffer.len()))
    }
}

/// The zone of that name, if it is a dictionary or was added by `ngx_http_lua_shared_memory_add`.
///
/// # Safety
/// `name` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_find_zone(name: *const u8, len: usize) -> *mut ngx_shm_zone_t {
    // SAFETY: the caller's contract.
    let name = unsafe { ffi::bytes(name, len) };
    shm::find(name).map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Reads a dictionary: NGX_OK, NGX_DECLINED (no such key), NGX_DONE (its time is over), NGX_ERROR.
///
/// # Safety
/// `zone` comes from `ngx_http_lua_find_zone`, `key` holds `key_len` bytes, `value` is valid, and its
/// string, for a key that has one, is a buffer.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_shared_dict_get(
    zone: *mut ngx_shm_zone_t,
    key: *const u8,
    key_len: usize,
    value: *mut c_void,
) -> ngx_int_t {
    guard(sys::ERROR, || {
        let Some(store) = Dict::of(zone.cast()).and_then(Dict::store) else { return sys::ERROR };
        // SAFETY: the caller's contract.
        let (key, value) = unsafe { (ffi::bytes(key, key_len), &mut *value.cast::<CValue>()) };
        // SAFETY: the caller's contract; what is no buffer is not written to.
        let buffer = unsafe {
            let string = value.value.string;
            let data = if string.len == 0 { NonNull::dangling().as_ptr() } else { string.data };
            let len = if data.is_null() { 0 } else { string.len };
            let data = if data.is_null() { NonNull::dangling().as_ptr() } else { data };
            core::slice::from_raw_parts_mut(data.cast::<MaybeUninit<u8>>(), len)
        };
        let mut room = Cut { wanted: 0, buffer };
        let answer = match store.get(key, Stale::Accept, time::now_msec(), &mut room) {
            Ok(None) => return sys::DECLINED,
            Ok(Some(answer)) if answer.stale => return sys::DONE,
            Ok(Some(answer)) => answer.value,
            Err(error) => return refuse(error, key),
        };
        match answer {
            Found::Boolean(truth) => {
                value.kind = BOOLEAN;
                value.value.boolean = truth.into();
            }
            Found::Number(number) => {
                value.kind = NUMBER;
                value.value.number = number;
            }
            Found::String(_) => {
                let (wanted, len) = (room.wanted, room.buffer.len());
                value.kind = STRING;
                if len == 0 {
                    Log::cycle().write(Level::Error, b"no string buffer initialized");
                    return sys::ERROR;
                }
                value.value.string.len = wanted.min(len);
            }
        }
        sys::OK
    })
}

fn refuse(error: StoreError, key: &[u8]) -> ngx_int_t {
    let key = String::from_utf8_lossy(key);
    if error == StoreError::IsAList {
        let kind = super::layout::LIST;
        Log::cycle()
            .print(Level::Error, format_args!("bad lua value type found for key {key}: {kind}"));
    }
    sys::ERROR
}

/// Adds a zone that `init_by_lua*` waits for; its caller sets `init` and `data` of the result.
///
/// # Safety
/// `cf` is what nginx passed to a directive inside of `http`, `name` is valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_shared_memory_add(
    cf: *mut ngx_conf_t,
    name: *mut ngx_str_t,
    size: usize,
    tag: *mut c_void,
) -> *mut ngx_shm_zone_t {
    guard(ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let (cf, name) = unsafe { (Config::from_raw(cf), sys::str_bytes(*name)) };
        let zones = &MainConf::being_read(cf).zones;
        zones.add(cf, name, size, tag).map_or(ptr::null_mut(), NonNull::as_ptr)
    })
}
