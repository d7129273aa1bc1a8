//! Query strings as Lua tables, and Lua tables as query strings.
//!
//! Serves `ngx.encode_args` and `ngx.decode_args`, and every other place where arguments come as a
//! string or a table: request and POST arguments, `ngx.exec`, `ngx.redirect`, subrequests.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::escape::{self, Component};
use super::query::Part;
pub(crate) use super::query::{MARGIN, Padding, Pairs, separators};
use super::rewrite;
use crate::api::output::flatten::decimal;
use crate::vm::{Error, Kind, Result, Stack};

/// How many arguments are read unless the caller says.
pub(crate) const MAX_ARGS: c_int = 100;

/// Tables are made with room for no more arguments than this; beyond, they grow.
const ROOM: usize = 128;

/// Pushes a table of the pairs of `query`: a key that comes again has an array of its values. Returns
/// whether `max` (0 or less: no limit) cut it short. stack: [-0, +1, m]
pub(crate) fn push_table(stack: Stack, query: &[u8], max: c_int) -> bool {
    let max = usize::try_from(max).unwrap_or(0);
    let wanted = separators(query) + 1;
    let room = if max > 0 { wanted.min(max) } else { wanted }.min(ROOM);
    stack.new_table(0, room as c_int);
    let table = stack.top();
    let mut scratch = Vec::new();
    let mut padding = Padding::default();
    let mut pairs = Pairs::of(query, max, &mut padding);
    for (key, value) in pairs.by_ref() {
        stack.push_bytes(key.decoded(&mut scratch));
        stack.push_value(-1);
        stack.raw_get(table);
        match stack.kind(-1) {
            Kind::Nil => {
                stack.pop(1);
                push_value(stack, value, &mut scratch);
                stack.raw_set(table);
            }
            Kind::Table => {
                push_value(stack, value, &mut scratch);
                stack.raw_seti(-2, stack.raw_len(-2) as c_int + 1);
                stack.pop(2);
            }
            _ => {
                stack.new_table(4, 0);
                stack.insert(-2);
                stack.raw_seti(-2, 1);
                push_value(stack, value, &mut scratch);
                stack.raw_seti(-2, 2);
                stack.raw_set(table);
            }
        }
    }
    pairs.truncated()
}

fn push_value(stack: Stack, value: Option<Part<'_>>, scratch: &mut Vec<u8>) {
    match value {
        Some(value) => stack.push_bytes(value.decoded(scratch)),
        None => stack.push_boolean(true),
    }
}

/// The table at `index` as a query string. stack: [-0, +0, m]
///
/// Keys must be strings. A value is a string, a number, `true` (the key alone), `false` (nothing at
/// all), or a table of such values.
///
/// Reference: raises "buffer error" if a key with something to escape has no value left.
pub(crate) fn encode_table(stack: Stack, index: c_int) -> Result<Vec<u8>> {
    let table = if index < 0 { stack.top() + index + 1 } else { index };
    let mut query = Query(Vec::with_capacity(256));
    stack.push_nil();
    while stack.next(table) {
        if stack.kind(-2) != Kind::String {
            return Err(Error::raise(
                "attempt to use a non-string key in the \"args\" option table",
            ));
        }
        let key = stack.bytes(-2).unwrap_or_default();
        let kind = stack.kind(-1);
        if kind == Kind::Table {
            let inner = stack.top();
            stack.push_nil();
            while stack.next(inner) {
                query.add(key, stack, stack.kind(-1))?;
                stack.pop(1);
            }
        } else {
            query.add(key, stack, kind)?;
        }
        stack.pop(1);
    }
    query.finish();
    Ok(query.0)
}

/// Pairs, each with an `&` behind it.
pub(super) struct Query(Vec<u8>);

impl Query {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Begins anew, with the memory there is if it is no more than `kept`.
    #[inline]
    pub(super) fn clear(&mut self, kept: usize) {
        self.0.clear();
        if self.0.capacity() > kept {
            self.0 = Vec::new();
        }
    }

    /// The whole, without the `&` behind the last pair.
    #[inline]
    pub(super) fn finish(&mut self) -> &[u8] {
        self.0.pop();
        &self.0
    }

    /// Adds `key` with the value on top of the stack, which is of that kind. stack: [-0, +0, m]
    #[inline]
    fn add(&mut self, key: &[u8], stack: Stack, kind: Kind) -> Result<()> {
        match kind {
            Kind::String => self.put(key, stack.bytes(-1)),
            Kind::Number => {
                if !self.put_whole(key, stack.number(-1).unwrap_or_default()) {
                    self.put(key, stack.bytes(-1));
                }
            }
            Kind::Boolean if stack.truth(-1) => self.put(key, None),
            Kind::Boolean => {}
            kind => {
                let message = format!("attempt to use {} as query arg value", kind.name());
                return Err(Error::Raise(message.into()));
            }
        }
        Ok(())
    }

    /// Whether `value` is a number that Lua writes with nothing but digits and a sign; adds it if so.
    #[inline]
    pub(super) fn put_whole(&mut self, key: &[u8], value: f64) -> bool {
        let mut digits = [0; 11];
        let whole = whole(value).map(|int| decimal(&mut digits, int));
        if whole.is_some() {
            self.put(key, whole);
        }
        whole.is_some()
    }

    #[inline]
    pub(super) fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        let out = &mut self.0;
        out.reserve(3 * (key.len() + value.map_or(0, <[u8]>::len)) + 2 + rewrite::MARGIN);
        // SAFETY: even if every byte is escaped there is room, for `=` and `&` as well.
        unsafe {
            let mut at = out.as_mut_ptr().add(out.len());
            at = at.add(escape::escape_roomy::<Component>(key, at));
            if let Some(value) = value {
                at.write(b'=');
                at = at.add(1);
                at = at.add(escape::escape_roomy::<Component>(value, at));
            }
            at.write(b'&');
            out.set_len(at.offset_from_unsigned(out.as_ptr()) + 1);
        }
    }
}

/// The integer that Lua would write `n` as; `None` for one that takes more than digits and a sign.
#[inline]
fn whole(n: f64) -> Option<i32> {
    let int = n as i32;
    let is_minus_zero = int == 0 && n.is_sign_negative();
    (f64::from(int) == n && !is_minus_zero).then_some(int)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    /// Runs Lua code whose argument is the table of `query`.
    fn in_lua(query: &str, code: &str) -> String {
        let vm = Vm::new().unwrap();
        let stack = vm.stack();
        vm.compile_plain(stack, code.as_bytes(), c"=t").unwrap();
        push_table(stack, query.as_bytes(), 0);
        assert!(stack.call(1, 1, 0));
        let text = String::from_utf8_lossy(stack.bytes(-1).unwrap()).into_owned();
        vm.close();
        text
    }

    #[test]
    fn repeated_keys_become_arrays() {
        let code = "local t = ... return tostring(t.a) .. ' ' .. tostring(t.b[1]) .. t.b[2] .. ' ' .. \
                    table.concat(t.c, ',')";
        assert_eq!(in_lua("a&b&c=1&b=x&c=2&c=3&c=4&c=5&c=6", code), "true truex 1,2,3,4,5,6");
    }

    fn encoded(code: &str) -> std::result::Result<String, Error> {
        let vm = Vm::new().unwrap();
        let stack = vm.stack();
        vm.compile_plain(stack, format!("return {code}").as_bytes(), c"=t").unwrap();
        assert!(stack.call(0, 1, 0));
        let result = encode_table(stack, -1);
        vm.close();
        result.map(|query| String::from_utf8(query).unwrap())
    }

    #[test]
    fn tables_as_queries() {
        for (code, query) in [
            ("{}", ""),
            ("{a = 1}", "a=1"),
            ("{['a b'] = '&=\\0'}", "a%20b=%26%3D%00"),
            ("{a = true}", "a"),
            ("{[''] = true}", ""),
            ("{a = false, ['b c'] = false, ['d e'] = {}}", ""),
            ("{a = {1, true, false, 'x y', 2.5}}", "a=1&a&a=x%20y&a=2.5"),
            ("{a = {-2147483648, 2^31, 1e15, -0.0}}", "a=-2147483648&a=2147483648&a=1e%2B15&a=-0"),
        ] {
            assert_eq!(encoded(code).as_deref(), Ok(query), "{code}");
        }
    }

    #[test]
    fn what_is_no_argument_is_refused() {
        let non_string = "attempt to use a non-string key in the \"args\" option table";
        for (code, message) in [
            ("{1}", non_string),
            ("{[true] = 1}", non_string),
            ("{a = print}", "attempt to use function as query arg value"),
            ("{a = {{}}}", "attempt to use table as query arg value"),
            ("{a = {coroutine.create(print)}}", "attempt to use thread as query arg value"),
        ] {
            assert_eq!(encoded(code), Err(Error::raise(message)), "{code}");
        }
    }
}
