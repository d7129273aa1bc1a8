//! Lua values as the bytes that `ngx.print`, `ngx.log` and socket writes make of them.
use core::ffi::c_int;

use crate::vm::{Error, Kind, Result, Stack};

/// Where the bytes go; `None` when there is no memory.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Option<()>;

    /// A place to come back to with `rewind`.
    fn mark(&self) -> Self::Mark;
    fn rewind(&mut self, mark: Self::Mark);

    type Mark: Copy;
}

impl Sink for Vec<u8> {
    type Mark = usize;

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.extend_from_slice(bytes);
        Some(())
    }

    fn mark(&self) -> usize {
        self.len()
    }

    fn rewind(&mut self, mark: usize) {
        self.truncate(mark);
    }
}

const NO_MEMORY: Error = Error::raise("no memory");

/// What an array may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Elements {
    Any,
    /// Strings and numbers.
    Text,
}

/// Writes the value at `index` if it is of a plain type; `false` if it is not. stack: [-0, +0, -]
#[inline]
pub(crate) fn scalar(sink: &mut impl Sink, stack: Stack, index: c_int, kind: Kind) -> Result<bool> {
    let plain: &[u8] = match kind {
        Kind::String => stack.bytes(index).unwrap_or_default(),
        Kind::Number => {
            let n = stack.number(index).unwrap_or_default();
            return number(n, |text| sink.put(text)).map(|()| true).ok_or(NO_MEMORY);
        }
        Kind::Nil => b"nil",
        Kind::Boolean if stack.truth(index) => b"true",
        Kind::Boolean => b"false",
        Kind::LightUserdata if stack.pointer(index).is_null() => b"null",
        // Reference: other light userdata are passed over in silence.
        Kind::LightUserdata => b"",
        _ => return Ok(false),
    };
    sink.put(plain).map(|()| true).ok_or(NO_MEMORY)
}

/// Hands a number to `put` as Lua prints it.
#[inline]
pub(crate) fn number<T>(n: f64, put: impl FnOnce(&[u8]) -> T) -> T {
    let int = n as i32;
    if f64::from(int) == n {
        let mut digits = [0; 11];
        return put(decimal(&mut digits, int));
    }
    let mut text = [0u8; 32];
    #[allow(unsafe_code)]
    // SAFETY: 14 significant digits, sign, point and exponent fit into 32 bytes.
    let len = unsafe { libc::snprintf(text.as_mut_ptr().cast(), text.len(), c"%.14g".as_ptr(), n) };
    put(&text[..usize::try_from(len).unwrap_or_default()])
}

/// The decimal digits of `int`, at the end of `buf`.
pub(crate) fn decimal(buf: &mut [u8; 11], int: i32) -> &[u8] {
    let mut i = buf.len();
    let mut rest = int.unsigned_abs();
    loop {
        i -= 1;
        buf[i] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if int < 0 {
        i -= 1;
        buf[i] = b'-';
    }
    &buf[i..]
}

/// Writes the elements of an array, and of the arrays in it. `arg` is the argument to blame.
/// stack: [-0, +0, m]
pub(crate) fn array(sink: &mut impl Sink, stack: Stack, index: c_int, arg: c_int) -> Result<()> {
    walk(sink, stack, index, arg, Elements::Any)
}

/// As [`array`], but nil, booleans and `ngx.null` are refused.
pub(crate) fn strings(sink: &mut impl Sink, stack: Stack, index: c_int, arg: c_int) -> Result<()> {
    walk(sink, stack, index, arg, Elements::Text)
}

fn walk(
    sink: &mut impl Sink,
    stack: Stack,
    index: c_int,
    arg: c_int,
    allowed: Elements,
) -> Result<()> {
    if !stack.reserve(4) {
        return Err(Error::raise("stack overflow"));
    }
    let table = if index < 0 { stack.top() + index + 1 } else { index };
    let mark = sink.mark();
    let mut expected = 1.0;
    stack.push_nil();
    // Most arrays come in order and without gaps: one walk writes them.
    while stack.next(table) {
        let key = if stack.kind(-2) == Kind::Number { stack.number(-2) } else { None };
        if key != Some(expected) {
            stack.set_top(table.max(stack.top() - 2));
            sink.rewind(mark);
            return sparse_array(sink, stack, table, arg, allowed);
        }
        let written = element(sink, stack, arg, allowed);
        stack.pop(1);
        if written.is_err() {
            stack.pop(1);
            return written;
        }
        expected += 1.0;
    }
    Ok(())
}

/// So many gaps an array may have.
const MAX_GAPS: f64 = 1_000_000.0;

/// An array with gaps, which count as nil, or no array at all.
///
/// Reference: has no limit of gaps; `{[2^31] = 1}` keeps its worker busy until there is no memory.
fn sparse_array(
    sink: &mut impl Sink,
    stack: Stack,
    table: c_int,
    arg: c_int,
    allowed: Elements,
) -> Result<()> {
    let (mut max, mut count) = (0.0f64, 0.0);
    stack.push_nil();
    while stack.next(table) {
        count += 1.0;
        let key = if stack.kind(-2) == Kind::Number { stack.number(-2) } else { None };
        match key {
            Some(key) if key.floor() == key && key >= 1.0 => max = max.max(key),
            _ => {
                stack.pop(2);
                return Err(Error::arg(arg, "non-array table found"));
            }
        }
        stack.pop(1);
    }
    if max > count + MAX_GAPS {
        return Err(Error::arg(arg, "non-array table found"));
    }
    for i in 1..=max as c_int {
        stack.raw_geti(table, i);
        let written = element(sink, stack, arg, allowed);
        stack.pop(1);
        written?;
    }
    Ok(())
}

/// Writes the value on top of the stack as an element of an array. stack: [-0, +0, m]
fn element(sink: &mut impl Sink, stack: Stack, arg: c_int, allowed: Elements) -> Result<()> {
    let kind = stack.kind(-1);
    if kind == Kind::Table {
        return walk(sink, stack, -1, arg, allowed);
    }
    let fits = allowed == Elements::Any || matches!(kind, Kind::String | Kind::Number);
    if fits && scalar(sink, stack, -1, kind)? {
        return Ok(());
    }
    Err(Error::arg(arg, format!("bad data type {} found", kind.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    fn flat(code: &str) -> std::result::Result<String, Error> {
        let vm = Vm::new().unwrap();
        let stack = vm.stack();
        vm.compile_plain(stack, format!("return {code}").as_bytes(), c"=t").unwrap();
        assert!(stack.call(0, 1, 0));
        let mut out = Vec::new();
        let kind = stack.kind(1);
        let result = match kind {
            Kind::Table => array(&mut out, stack, 1, 1),
            _ => scalar(&mut out, stack, 1, kind).map(|_| ()),
        };
        assert_eq!(stack.top(), 1, "{code}");
        vm.close();
        result.map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_read_as_lua_prints_them() {
        for (code, text) in [
            ("12", "12"),
            ("-2147483648", "-2147483648"),
            ("3.14", "3.14"),
            ("1e15", "1e+15"),
            ("2^53", "9.007199254741e+15"),
            ("'a\\0b'", "a\0b"),
            ("nil", "nil"),
            ("true", "true"),
            ("{1, 'b', {2, {3}}, true}", "1b23true"),
            ("{[1] = 'a', [3] = 'c'}", "anilc"),
            ("{[3] = 'c', [1] = 'a', [2] = {}}", "ac"),
            ("{}", ""),
        ] {
            assert_eq!(flat(code).as_deref(), Ok(text), "{code}");
        }
    }

    #[test]
    fn bad_tables_are_refused() {
        for code in [
            "{a = 1}",
            "{1, 2, x = 3}",
            "{[1.5] = 1}",
            "{[0] = 1}",
            "{[2^31] = 1}",
            "{[1/0] = 1, 1}",
            "{1, {a = 1}}",
        ] {
            assert_eq!(flat(code), Err(Error::arg(1, "non-array table found")), "{code}");
        }
        assert_eq!(flat("{print}"), Err(Error::arg(1, "bad data type function found")));
    }
}
