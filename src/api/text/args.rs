//! Query strings: `a=1&b&c=%20` as pairs, and Lua tables as query strings.
//!
//! Serves `ngx.encode_args` and `ngx.decode_args`, and every other place where arguments come as a
//! string or a table: request and POST arguments, `ngx.exec`, `ngx.redirect`, subrequests. The parser
//! walks the string once and decodes only parts in which something is escaped.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::escape::{self, Component};
use super::scan::{self, Positions, Set};
use crate::vm::{Error, Kind, Result, Stack};

/// How many arguments are read unless the caller says.
pub(crate) const MAX_ARGS: c_int = 100;

/// A key or a value as it stands in the query string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Part<'a> {
    /// The decoded bytes: the part itself, or what `scratch` holds afterwards.
    #[inline]
    pub(crate) fn decoded<'b>(self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        scratch.clear();
        escape::append_unescaped(scratch, self.raw);
        scratch
    }

    /// As [`Part::decoded`], for decoded bytes that must live on: they are written to `room`, which
    /// moves on. A query string's length is room enough for all its parts.
    ///
    /// # Safety
    /// `room` has room for the part as it stands, and what it holds lives as long as `'a`.
    #[inline]
    pub(crate) unsafe fn decoded_in(self, room: &mut *mut u8) -> &'a [u8] {
        if !self.escaped {
            return self.raw;
        }
        let start = *room;
        // SAFETY: the caller's contract.
        unsafe {
            let len = escape::unescape(self.raw, start);
            *room = start.add(len);
            core::slice::from_raw_parts(start, len)
        }
    }
}

/// The pairs of a query string in order; a key without `=` has no value (Lua sees `true`). Pairs
/// without a key are passed over.
pub(crate) struct Pairs<'a> {
    query: &'a [u8],
    special: Positions<'a, Special>,
    /// Where the next pair begins; `None` behind the last one.
    start: Option<usize>,
    /// How many `&` may still come; 0 at the start: any number.
    limit: usize,
    truncated: bool,
}

/// What is more than itself in a query string.
struct Special;

impl Set for Special {
    const RANGES: &'static [(u8, u8)] = &[(b'%', b'&'), (b'+', b'+'), (b'=', b'=')];
}

impl<'a> Pairs<'a> {
    /// At most `max` pairs, those without a key included; 0: all of them.
    #[inline]
    pub(crate) fn of(query: &'a [u8], max: usize) -> Self {
        Self { query, special: Positions::of(query), start: Some(0), limit: max, truncated: false }
    }

    /// Whether the limit ended the iteration. Reference: also if nothing follows the last `&`.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// Where the pair from `start` on ends: of its first `=`, and of the pair; and what is escaped.
    #[inline(always)]
    fn delimit(&mut self) -> (Option<usize>, Option<usize>, [bool; 2]) {
        let (mut equals, mut escaped) = (None, [false; 2]);
        for at in self.special.by_ref() {
            match self.query[at] {
                b'&' => return (equals, Some(at), escaped),
                b'=' => equals = equals.or(Some(at)),
                _ => escaped[usize::from(equals.is_some())] = true,
            }
        }
        (equals, None, escaped)
    }

    /// Counts the `&` at the end of a pair.
    #[inline(always)]
    fn count_separator(&mut self, at: usize) {
        self.start = Some(at + 1);
        if self.limit > 0 {
            self.limit -= 1;
            if self.limit == 0 {
                self.truncated = true;
                self.start = None;
            }
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Part<'a>, Option<Part<'a>>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while let Some(start) = self.start.take() {
            let (equals, separator, [key_escaped, value_escaped]) = self.delimit();
            let end = separator.unwrap_or(self.query.len());
            if let Some(at) = separator {
                self.count_separator(at);
            }
            let key = &self.query[start..equals.unwrap_or(end)];
            if key.is_empty() {
                continue;
            }
            let value =
                equals.map(|at| Part { raw: &self.query[at + 1..end], escaped: value_escaped });
            return Some((Part { raw: key, escaped: key_escaped }, value));
        }
        None
    }
}

struct Separator;

impl Set for Separator {
    const RANGES: &'static [(u8, u8)] = &[(b'&', b'&')];
}

/// How many `&` there are.
#[inline]
pub(crate) fn separators(query: &[u8]) -> usize {
    scan::count::<Separator>(query)
}

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
    let mut pairs = Pairs::of(query, max);
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
        if stack.kind(-1) == Kind::Table {
            let inner = stack.top();
            stack.push_nil();
            while stack.next(inner) {
                query.add(key, stack)?;
                stack.pop(1);
            }
        } else {
            query.add(key, stack)?;
        }
        stack.pop(1);
    }
    // Behind the last pair.
    query.0.pop();
    Ok(query.0)
}

/// Pairs, each with an `&` behind it.
struct Query(Vec<u8>);

impl Query {
    /// Adds `key` with the value on top of the stack. stack: [-0, +0, m]
    #[inline]
    fn add(&mut self, key: &[u8], stack: Stack) -> Result<()> {
        let value = match stack.kind(-1) {
            Kind::String | Kind::Number => stack.bytes(-1),
            Kind::Boolean if stack.truth(-1) => None,
            Kind::Boolean => return Ok(()),
            kind => {
                let message = format!("attempt to use {} as query arg value", kind.name());
                return Err(Error::Raise(message.into()));
            }
        };
        escape::append::<Component>(&mut self.0, key);
        if let Some(value) = value {
            self.0.push(b'=');
            escape::append::<Component>(&mut self.0, value);
        }
        self.0.push(b'&');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    fn parsed(query: &str, max: usize) -> (String, bool) {
        let mut pairs = Pairs::of(query.as_bytes(), max);
        let mut scratch = Vec::new();
        let mut text = Vec::new();
        for (key, value) in pairs.by_ref() {
            let mut part =
                |part: Part<'_>| String::from_utf8_lossy(part.decoded(&mut scratch)).into_owned();
            text.push(format!("{}:{}", part(key), value.map_or("true".into(), part)));
        }
        (text.join(" "), pairs.truncated())
    }

    #[test]
    fn queries_as_pairs() {
        for (query, pairs) in [
            ("", ""),
            ("a", "a:true"),
            ("a=", "a:"),
            ("a=1&b=2", "a:1 b:2"),
            ("a=b=c", "a:b=c"),
            ("&&a&&=x&=&b&", "a:true b:true"),
            ("a%20b+c=%3D%26&+%=%zz", "a b c:=&  %:%zz"),
            ("%=%2", "%:%2"),
            (
                "aaaaaaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbb&c%41=d",
                "aaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbbbbbb cA:d",
            ),
        ] {
            assert_eq!(parsed(query, 0), (pairs.to_owned(), false), "{query}");
        }
    }

    #[test]
    fn the_limit_counts_separators() {
        for (query, max, pairs, truncated) in [
            ("a=1&b=2", 2, "a:1 b:2", false),
            ("a=1&b=2&", 2, "a:1 b:2", true),
            ("a=1&b=2&c=3", 2, "a:1 b:2", true),
            ("&&c", 2, "", true),
            ("&&c", 3, "c:true", false),
        ] {
            assert_eq!(parsed(query, max), (pairs.to_owned(), truncated), "{query}");
        }
    }

    /// Runs Lua code whose argument is the table of `query`.
    fn in_lua(query: &str, code: &str) -> String {
        let vm = Vm::new().unwrap();
        let stack = vm.stack();
        vm.compile_plain(vm.stack(), code.as_bytes(), c"=t").unwrap();
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
        vm.compile_plain(vm.stack(), format!("return {code}").as_bytes(), c"=t").unwrap();
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
