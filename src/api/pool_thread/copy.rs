//! Copies of Lua values from one VM to another: plain values, and tables of them.
use core::ffi::c_int;

use crate::vm::{Kind, Stack};

/// Tables within tables within …
const MAX_DEPTH: u32 = 100;

/// What cannot be copied, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) &'static str);

/// Pushes a copy of the value at `index` of `from`, which may be nil. After an error both stacks hold more than
/// before. stack of from: [-0, +0, -]; of to: [-0, +1, m]
pub(super) fn value(from: Stack, index: c_int, to: Stack) -> Result<(), Unsupported> {
    if from.kind(index) == Kind::Nil {
        to.push_nil();
        return Ok(());
    }
    nested(from, index, to, 1)
}

fn nested(from: Stack, index: c_int, to: Stack, depth: u32) -> Result<(), Unsupported> {
    match from.kind(index) {
        Kind::Boolean => to.push_boolean(from.truth(index)),
        Kind::LightUserdata => to.push_pointer(from.pointer(index)),
        Kind::Number => to.push_number(from.number(index).unwrap_or_default()),
        Kind::String => to.push_bytes(from.bytes(index).unwrap_or_default()),
        Kind::Table => return table(from, index, to, depth),
        kind => {
            return Err(Unsupported(match kind {
                Kind::Nil => "unsupported Lua type: LUA_TNIL",
                Kind::Function => "unsupported Lua type: LUA_TFUNCTION",
                Kind::Userdata => "unsupported Lua type: LUA_TUSERDATA",
                Kind::Thread => "unsupported Lua type: LUA_TTHREAD",
                _ => "unsupported Lua type",
            }));
        }
    }
    Ok(())
}

fn table(from: Stack, index: c_int, to: Stack, depth: u32) -> Result<(), Unsupported> {
    if depth >= MAX_DEPTH {
        return Err(Unsupported(
            "suspicious circular references, table depth exceed max depth: 100",
        ));
    }
    if !from.reserve(3) || !to.reserve(4) {
        return Err(Unsupported("stack overflow"));
    }
    let table = if index < 0 { from.top() + index + 1 } else { index };
    to.new_table(0, 0);
    from.push_nil();
    while from.next(table) {
        nested(from, -2, to, depth + 1)?;
        nested(from, -1, to, depth + 1)?;
        to.raw_set(-3);
        from.pop(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Vm;

    /// Copies what `code` returns to another VM, as its global `copy`, and evaluates `check` there.
    fn copied(code: &[u8], check: &[u8]) -> Result<bool, Unsupported> {
        let (one, other) = (Vm::new().unwrap(), Vm::new().unwrap());
        one.compile_plain(one.stack(), code, c"=code").unwrap();
        assert!(one.stack().call(0, 1, 0));
        let (from, to) = (one.stack(), other.stack());
        let copied = value(from, 1, to).map(|()| {
            assert_eq!((from.top(), to.top()), (1, 1));
            to.set_global(c"copy");
            other.compile_plain(to, check, c"=check").unwrap();
            to.call(0, 1, 0) && to.truth(-1)
        });
        one.close();
        other.close();
        copied
    }

    #[test]
    fn plain_values_and_tables_are_copied() {
        for (code, check) in [
            ("return nil", "return copy == nil"),
            ("return 1.5", "return copy == 1.5"),
            ("return false", "return copy == false"),
            ("return 'a\\0b'", "return copy == 'a\\0b'"),
            (
                "return { 1, 2, x = { y = { '1' } }, [true] = 1, ['1'] = 3 }",
                "return copy[2] == 2 and copy.x.y[1] == '1' and copy[true] == 1 and copy['1'] == 3",
            ),
        ] {
            assert_eq!(copied(code.as_bytes(), check.as_bytes()), Ok(true), "{code}");
        }
    }

    #[test]
    fn what_belongs_to_a_vm_is_refused() {
        for (code, kind) in [
            ("return print", "unsupported Lua type: LUA_TFUNCTION"),
            ("return { { print } }", "unsupported Lua type: LUA_TFUNCTION"),
            ("return { [coroutine.create(print)] = 1 }", "unsupported Lua type: LUA_TTHREAD"),
            ("return newproxy()", "unsupported Lua type: LUA_TUSERDATA"),
            ("return 1LL", "unsupported Lua type"),
        ] {
            assert_eq!(copied(code.as_bytes(), b""), Err(Unsupported(kind)), "{code}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |n: u32| format!("local t = {{}} for i = 2, {n} do t = {{ t }} end return t");
        assert_eq!(copied(nested(99).as_bytes(), b"return true"), Ok(true));
        assert!(copied(nested(100).as_bytes(), b"").is_err());
        assert!(copied(b"local t = {} t.t = t return t", b"").is_err());
    }
}
