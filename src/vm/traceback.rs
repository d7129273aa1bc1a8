//! Tracebacks as the reference logs them: of a protected call, or over a coroutine and the coroutines
//! that resumed it.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};
use std::fmt::Write as _;

use super::function::{Call, Function, Result, Top, lua_fn, protect};
use super::stack::Stack;
use super::sys;

/// The message handler of protected calls: adds a traceback to an error that is text.
pub(super) const ADD: Function = lua_fn!(add);

fn add(call: &Call<'_>) -> Result<Top> {
    let stack = call.stack();
    stack.set_top(1);
    if stack.bytes(1).is_some() {
        stack.global(c"debug");
        stack.raw_field(-1, b"traceback");
        stack.push_value(1);
        // Skips this function and the handler's caller.
        stack.push_integer(2);
        stack.call(2, 1, 0);
    }
    Ok(Top(1))
}

/// Frames shown of one coroutine, and coroutines shown.
const MAX_FRAMES: usize = 22;
const MAX_COROUTINES: usize = 5;

/// The traceback of `stacks`, from the coroutine that failed outwards. stack: [-0, +0, -]
pub(crate) fn of(stacks: impl Iterator<Item = Stack>) -> String {
    let mut text = String::from("stack traceback:");
    for (id, stack) in stacks.take(MAX_COROUTINES).enumerate() {
        let _ = write!(text, "\ncoroutine {id}:");
        for level in 0.. {
            // SAFETY: plain data; `lua_getstack` fills it before `lua_getinfo` reads it.
            let mut frame: sys::lua_Debug = unsafe { core::mem::zeroed() };
            // SAFETY: [lua-frame]; neither call raises.
            let found = unsafe { sys::lua_getstack(stack.as_ptr(), level, &raw mut frame) };
            if found == 0 {
                break;
            }
            if level as usize == MAX_FRAMES {
                text.push_str("\n\t...");
                break;
            }
            // SAFETY: as above; "Snl" reads `frame` only.
            unsafe { sys::lua_getinfo(stack.as_ptr(), c"Snl".as_ptr(), &raw mut frame) };
            describe(&mut text, &frame);
        }
    }
    text
}

fn describe(text: &mut String, frame: &sys::lua_Debug) {
    // SAFETY: LuaJIT fills these with C strings that live as long as the function.
    let (source, what, named, name) = unsafe {
        (
            CStr::from_ptr(frame.short_src.as_ptr()).to_string_lossy(),
            CStr::from_ptr(frame.what).to_bytes(),
            CStr::from_ptr(frame.namewhat).to_bytes(),
            (!frame.name.is_null()).then(|| CStr::from_ptr(frame.name).to_string_lossy()),
        )
    };
    let _ = write!(text, "\n\t{source}:");
    if frame.currentline > 0 {
        let _ = write!(text, "{}:", frame.currentline);
    }
    let _ = match (named, what.first(), name) {
        ([_, ..], _, Some(name)) => write!(text, " in function '{name}'"),
        (_, Some(b'm'), _) => write!(text, " in main chunk"),
        (_, Some(b'C' | b't'), _) => write!(text, " ?"),
        _ => write!(text, " in function <{source}:{}>", frame.linedefined),
    };
}

/// `message` with the traceback of the coroutine `failed`, in LuaJIT's words; made on the stack of `vm`.
/// stack of vm: [-0, +0, m]
pub(crate) fn append(vm: Stack, failed: Stack, message: &[u8]) -> Vec<u8> {
    let mut text = message.to_vec();
    let made = protect(vm, |stack| {
        // SAFETY: [lua-frame]; the frames of a coroutine that failed stay until it is reset.
        unsafe { sys::luaL_traceback(stack.as_ptr(), failed.as_ptr(), core::ptr::null(), 0) };
        text.push(b'\n');
        text.extend_from_slice(stack.bytes(-1).unwrap_or_default());
    });
    if made.is_err() {
        text.truncate(message.len());
    }
    text
}

/// Where the function at `index` was defined: the chunk's name as it was given, and the line.
/// stack: [-0, +0, -]
pub(crate) fn definition(stack: Stack, index: core::ffi::c_int) -> (String, i32) {
    stack.push_value(index);
    // SAFETY: plain data; ">S" takes the function on top and fills `frame`.
    unsafe {
        let mut frame: sys::lua_Debug = core::mem::zeroed();
        sys::lua_getinfo(stack.as_ptr(), c">S".as_ptr(), &raw mut frame);
        let source = CStr::from_ptr(frame.source).to_string_lossy().into_owned();
        (source, frame.linedefined)
    }
}

/// Where the function at `level` is, as messages have it in front; empty for one of C, and for one without lines.
pub(crate) fn place(stack: Stack, level: c_int) -> Vec<u8> {
    // SAFETY: as in `of`.
    unsafe {
        let mut frame: sys::lua_Debug = core::mem::zeroed();
        if sys::lua_getstack(stack.as_ptr(), level, &raw mut frame) == 0 {
            return Vec::new();
        }
        sys::lua_getinfo(stack.as_ptr(), c"Sl".as_ptr(), &raw mut frame);
        if frame.currentline <= 0 {
            return Vec::new();
        }
        let source = CStr::from_ptr(frame.short_src.as_ptr()).to_bytes();
        [source, format!(":{}: ", frame.currentline).as_bytes()].concat()
    }
}

/// A call on a coroutine's stack, which can be looked up as long as no call below it has ended.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// How many calls are below it.
    height: c_int,
    function: *const c_void,
}

impl Frame {
    /// The caller of the running C function. stack: [-0, +0, -]
    pub(crate) fn of_caller(stack: Stack) -> Self {
        Self { height: calls(stack) - 2, function: function_at(stack, 1) }
    }

    pub(crate) fn is_below(self, other: Self) -> bool {
        self.height < other.height
    }

    /// Whether the call is still there; another one of the same function may have taken its place.
    /// stack: [-0, +0, -]
    pub(crate) fn is_on(self, stack: Stack) -> bool {
        let level = calls(stack) - 1 - self.height;
        level >= 0 && function_at(stack, level) == self.function
    }
}

/// How many calls a stack holds.
fn calls(stack: Stack) -> c_int {
    let has = |level| {
        // SAFETY: [lua-frame]; plain data that the call fills.
        unsafe {
            let mut frame: sys::lua_Debug = core::mem::zeroed();
            sys::lua_getstack(stack.as_ptr(), level, &raw mut frame) != 0
        }
    };
    let mut beyond = 8;
    while has(beyond) {
        beyond *= 2;
    }
    let mut below = 0;
    while below < beyond {
        let middle = (below + beyond) / 2;
        if has(middle) { below = middle + 1 } else { beyond = middle }
    }
    below
}

/// The address of a level's function; null if there is none.
fn function_at(stack: Stack, level: c_int) -> *const c_void {
    // SAFETY: as above; "f" pushes the function, for which there is room.
    unsafe {
        let mut frame: sys::lua_Debug = core::mem::zeroed();
        let l = stack.as_ptr();
        if !stack.reserve(1) || sys::lua_getstack(l, level, &raw mut frame) == 0 {
            return core::ptr::null();
        }
        sys::lua_getinfo(l, c"f".as_ptr(), &raw mut frame);
        let function = sys::lua_topointer(l, -1);
        stack.pop(1);
        function
    }
}

/// Where the running function was called from, for log lines: the base name of its source, the
/// line, and the name it was called by if it has one.
pub(crate) struct Position {
    frame: sys::lua_Debug,
}

impl Position {
    /// The caller of the running C function. stack: [-0, +0, -]
    pub(crate) fn of_caller(stack: Stack) -> Option<Self> {
        // SAFETY: as in `of`.
        unsafe {
            let mut frame: sys::lua_Debug = core::mem::zeroed();
            if sys::lua_getstack(stack.as_ptr(), 1, &raw mut frame) == 0 {
                return None;
            }
            sys::lua_getinfo(stack.as_ptr(), c"Snl".as_ptr(), &raw mut frame);
            Some(Self { frame })
        }
    }

    pub(crate) fn file(&self) -> &[u8] {
        // SAFETY: filled by LuaJIT.
        let source = unsafe { CStr::from_ptr(self.frame.short_src.as_ptr()) }.to_bytes();
        let start = source.iter().rposition(|b| matches!(b, b'/' | b'\\')).map_or(0, |i| i + 1);
        &source[start..]
    }

    pub(crate) fn line(&self) -> i32 {
        if self.frame.currentline > 0 { self.frame.currentline } else { self.frame.linedefined }
    }

    /// The name of a Lua function that has one.
    pub(crate) fn function(&self) -> Option<&[u8]> {
        // SAFETY: as above; `name` is set where `namewhat` is not empty.
        unsafe {
            let is_lua = *self.frame.what == b'L' as core::ffi::c_char;
            (*self.frame.namewhat != 0 && is_lua && !self.frame.name.is_null())
                .then(|| CStr::from_ptr(self.frame.name).to_bytes())
        }
    }
}
