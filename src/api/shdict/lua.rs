//! The Lua face of `ngx.shared.DICT`: the table, and what lua-resty-core leaves to the module.
use core::ptr::NonNull;

use super::list::{End, Popped, PushError};
use super::store::{Stats, Store, StoreError, Value};
use super::zone::Dict;
use crate::conf::MainConf;
use crate::nginx::slab::Strings;
use crate::nginx::sys::ngx_shm_zone_t;
use crate::nginx::time;
use crate::vm::{Call, Error, Function, IntoResults, Kind, Result, Stack, lua_fn};

/// What all dictionaries have; lua-resty-core adds the rest.
const METHODS: &[(&[u8], Function)] = &[
    (b"lpush", lua_fn!(lpush)),
    (b"rpush", lua_fn!(rpush)),
    (b"lpop", lua_fn!(lpop)),
    (b"rpop", lua_fn!(rpop)),
    (b"llen", lua_fn!(llen)),
    (b"flush_expired", lua_fn!(flush_expired)),
    (b"get_keys", lua_fn!(get_keys)),
];

/// The upvalue of functions that return keys.
const APPENDER: i32 = Stack::upvalue(1);

/// What the reference does not have. It stands one step further, because users' code counts the methods
/// of the reference.
const EXTENSIONS: &[(&[u8], Function)] = &[(b"scan", lua_fn!(scan)), (b"stats", lua_fn!(stats))];

/// Where a dictionary's table has its zone.
const ZONE: i32 = 1;

/// Makes `ngx.shared`; the `ngx` table is on top of the stack. stack: [-0, +0, m]
pub(crate) fn install(stack: Stack, conf: &MainConf) {
    let dicts = conf.dicts.borrow();
    stack.new_table(0, dicts.len() as i32);
    if !dicts.is_empty() {
        push_metatable(stack);
        for zone in dicts.iter() {
            stack.new_table(1, 0);
            push_zone(stack, *zone);
            stack.raw_seti(-2, ZONE);
            stack.push_value(-2);
            stack.set_metatable(-2);
            stack.set_raw_field(-3, Dict::name_of(*zone));
        }
        stack.pop(1);
    }
    stack.set_raw_field(-2, b"shared");
}

/// The userdata for a dictionary's table, where `udata_to_zone` can read it. stack: [-0, +1, m]
fn push_zone(stack: Stack, zone: NonNull<ngx_shm_zone_t>) {
    stack.push_userdata(zone.as_ptr().cast());
    while !Dict::can_be_read(stack.pointer(-1)) {
        // Not where the last one is.
        stack.push_userdata(zone.as_ptr().cast());
        stack.remove(-2);
    }
}

/// stack: [-0, +1, m]
fn push_metatable(stack: Stack) {
    stack.push_appender();
    let appender = stack.top();
    let fill = |functions: &[(&[u8], Function)]| {
        for (name, function) in functions {
            stack.push_value(appender);
            stack.push_function(*function, 1);
            stack.set_raw_field(-2, name);
        }
    };
    stack.new_table(0, 22);
    fill(METHODS);
    stack.push_value(-1);
    stack.set_raw_field(-2, b"__index");
    stack.new_table(0, 1);
    stack.new_table(0, EXTENSIONS.len() as i32);
    fill(EXTENSIONS);
    stack.set_raw_field(-2, b"__index");
    stack.set_metatable(-2);
    stack.remove(appender);
}

/// The dictionary that a method is called on. What it is found by stays on the stack.
#[inline(always)]
fn store<'a>(call: &Call<'a>, refused: &'static str) -> Result<&'a Store> {
    let stack = call.stack();
    if call.kind(1) != Kind::Table {
        return Err(Error::raise(refused));
    }
    stack.raw_geti(1, ZONE);
    // Reference: takes any userdata in this place for one of its own.
    Dict::on_top(stack).and_then(Dict::store).ok_or(Error::raise(refused))
}

const BAD_ZONE: &str = "bad \"zone\" argument";

/// The store and the key of a function on lists.
#[inline(always)]
fn list<'a>(call: &Call<'a>, args: i32) -> Result<(&'a Store, &'a [u8])> {
    let count = call.count();
    if count != args {
        let message = format!("expecting {args} arguments, but only seen {count}");
        return Err(Error::Raise(message.into()));
    }
    let store = store(call, BAD_ZONE)?;
    let Some(key) = call.stack().bytes(2) else {
        return Err(match call.kind(2) {
            Kind::Nil => Error::fail("nil key"),
            _ => Error::BadArg { index: 2, expected: c"string" },
        });
    };
    match key.len() {
        0 => Err(Error::fail("empty key")),
        1..=65535 => Ok((store, key)),
        _ => Err(Error::fail("key too long")),
    }
}

fn lpush(call: &Call<'_>) -> Result<core::result::Result<f64, Refused>> {
    push(call, End::Left)
}

fn rpush(call: &Call<'_>) -> Result<core::result::Result<f64, Refused>> {
    push(call, End::Right)
}

/// `false` and a message, where everything else returns nil.
struct Refused(&'static str);

impl IntoResults for Refused {
    fn push(self, stack: Stack) -> i32 {
        stack.push_boolean(false);
        1 + self.0.push(stack)
    }
}

#[inline(always)]
fn push(call: &Call<'_>, end: End) -> Result<core::result::Result<f64, Refused>> {
    let (store, key) = list(call, 3)?;
    let stack = call.stack();
    let value = match call.kind(3) {
        Kind::String => Value::String(stack.bytes(3).unwrap_or_default()),
        Kind::Number => Value::Number(stack.number(3).unwrap_or_default()),
        _ => return Err(Error::fail("bad value type")),
    };
    match store.push(key, value, end, time::now_msec()) {
        Ok(len) => Ok(Ok(len.into())),
        Err(PushError::NotAList) => Err(Error::fail("value not a list")),
        Err(PushError::NoMemoryForValue) => Err(Error::fail("no memory")),
        Err(PushError::NoMemoryForList) => Ok(Err(Refused("no memory"))),
    }
}

impl IntoResults for Popped {
    fn push(self, stack: Stack) -> i32 {
        match self {
            Self::Number(number) => number.push(stack),
            Self::String(text) => (&*text).push(stack),
        }
    }
}

/// nil, and nothing else.
struct Nil;

impl IntoResults for Nil {
    fn push(self, stack: Stack) -> i32 {
        stack.push_nil();
        1
    }
}

fn lpop(call: &Call<'_>) -> Result<core::result::Result<Popped, Nil>> {
    pop(call, End::Left)
}

fn rpop(call: &Call<'_>) -> Result<core::result::Result<Popped, Nil>> {
    pop(call, End::Right)
}

#[inline(always)]
fn pop(call: &Call<'_>, end: End) -> Result<core::result::Result<Popped, Nil>> {
    let (store, key) = list(call, 2)?;
    match store.pop(key, end, time::now_msec()) {
        Ok(value) => Ok(value.ok_or(Nil)),
        Err(StoreError::NoMemory) => Err(Error::fail("no memory")),
        Err(_) => Err(Error::fail("value not a list")),
    }
}

fn llen(call: &Call<'_>) -> Result<f64> {
    let (store, key) = list(call, 2)?;
    match store.list_len(key, time::now_msec()) {
        Ok(len) => Ok(len.into()),
        Err(_) => Err(Error::fail("value not a list")),
    }
}

/// The store, and the number behind it if there is one.
fn with_max<'a>(call: &Call<'a>, otherwise: i32) -> Result<(&'a Store, i32)> {
    let count = call.count();
    if count != 1 && count != 2 {
        let message = format!("expecting 1 or 2 argument(s), but saw {count}");
        return Err(Error::Raise(message.into()));
    }
    if call.kind(1) != Kind::Table {
        return Err(Error::BadArg { index: 1, expected: c"table" });
    }
    let store = store(call, "bad user data for the ngx_shm_zone_t pointer")?;
    Ok((store, if count == 2 { call.int(2)? } else { otherwise }))
}

/// A limit that is reached never, if it is negative: 0.
fn limit(max: i32) -> usize {
    usize::try_from(max).unwrap_or(0)
}

fn flush_expired(call: &Call<'_>) -> Result<f64> {
    let (store, max) = with_max(call, 0)?;
    Ok(store.flush_expired(limit(max), time::now_msec()) as f64)
}

impl IntoResults for Strings {
    fn push(self, stack: Stack) -> i32 {
        stack.push_table_of(APPENDER, self.len(), self.iter());
        1
    }
}

fn get_keys(call: &Call<'_>) -> Result<Strings> {
    let (store, max) = with_max(call, 1024)?;
    Ok(store.keys(limit(max), time::now_msec()))
}

/// A cursor and keys.
struct Scanned(u32, Strings);

impl IntoResults for Scanned {
    fn push(self, stack: Stack) -> i32 {
        f64::from(self.0).push(stack) + self.1.push(stack)
    }
}

fn scan(call: &Call<'_>) -> Result<Scanned> {
    let count = call.count();
    if !(1..=3).contains(&count) {
        let message = format!("expecting 1 to 3 arguments, but saw {count}");
        return Err(Error::Raise(message.into()));
    }
    let store = store(call, BAD_ZONE)?;
    let optional = |index, otherwise| {
        let is_given = index <= count && call.kind(index) != Kind::Nil;
        if is_given { call.number(index) } else { Ok(otherwise) }
    };
    let (cursor, count) = (optional(2, 0.0)?, optional(3, 100.0)?);
    if !(0.0..=f64::from(u32::MAX)).contains(&cursor) {
        return Err(Error::arg(2, "bad cursor"));
    }
    if !(1.0..=1e6).contains(&count) {
        return Err(Error::arg(3, "count must be from 1 to 1000000"));
    }
    let (next, keys) = store.scan(cursor as u32, count as usize, time::now_msec());
    Ok(Scanned(next, keys))
}

impl IntoResults for Stats {
    fn push(self, stack: Stack) -> i32 {
        let fields: [(&[u8], u64); 7] = [
            (b"entries", self.entries),
            (b"bytes", self.bytes),
            (b"evictions", self.evictions),
            (b"expired", self.expired),
            (b"hits", self.hits),
            (b"misses", self.misses),
            (b"repairs", self.repairs),
        ];
        stack.new_table(0, fields.len() as i32);
        for (name, value) in fields {
            stack.push_number(value as f64);
            stack.set_raw_field(-2, name);
        }
        1
    }
}

fn stats(call: &Call<'_>) -> Result<Stats> {
    if call.count() != 1 {
        return Err(Error::Raise(format!("expecting 1 argument, but saw {}", call.count()).into()));
    }
    Ok(store(call, BAD_ZONE)?.stats())
}
