//! The C stack, which LuaJIT does not look after: Lua code that calls itself through C functions, or that resumes one
//! coroutine within another, takes it without limit.
//!
//! LuaJIT bounds the Lua stack of a coroutine, and so the calls on it; most C functions that call Lua take so little of
//! the C stack that this is enough. `string.gsub` takes eight kilobytes a call, and each coroutine has a Lua stack of its
//! own. Those two ask here first.
//!
//! Reference: nobody asks.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::c_void;
use core::mem::MaybeUninit;

use super::function::{Call, Error, Result, lua_fn};
use super::state::Vm;

/// What must be left where `string.gsub` calls Lua code: enough for all else that the Lua stack of one coroutine lets be
/// called.
const RESERVE: usize = 2 << 20;
/// How much of it coroutines within one another may take: thousands of them. An error goes through all of them, and
/// LuaJIT adds to its message in each.
const COROUTINES: usize = 512 << 10;

/// What is said of it, in Lua's words.
pub(crate) const OVERFLOW: &str = "C stack overflow";

/// The addresses beyond which there is no room.
#[derive(Clone, Copy)]
struct Ends {
    calls: usize,
    coroutines: usize,
}

thread_local! {
    static ENDS: Cell<Option<Ends>> = const { Cell::new(None) };
}

fn ends() -> Ends {
    ENDS.get().unwrap_or_else(find_ends)
}

#[cold]
fn find_ends() -> Ends {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut size) = (core::ptr::null_mut::<c_void>(), 0);
    // SAFETY: the attributes are made, read and freed here.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 {
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
    }
    // Of a small stack, half is left.
    let (lowest, highest) = (lowest.addr(), lowest.addr() + size);
    let calls = lowest + RESERVE.min(size / 2);
    let found = Ends { calls, coroutines: calls.max(highest.saturating_sub(COROUTINES)) };
    ENDS.set(Some(found));
    found
}

fn here() -> usize {
    let mark = 0_u8;
    core::hint::black_box(&raw const mark).addr()
}

/// Whether another coroutine may be resumed within those that are on the stack.
pub(crate) fn has_room_for_coroutine() -> bool {
    here() > ends().coroutines
}

const INSTALL: &[u8] = br#"
local source, check = ...
local make = loadstring(string.dump(loadstring(source), true), "=[C]")
string.gsub = make(string.gsub, check)
"#;

const SOURCE: &[u8] = br#"
local gsub, check = ...
local type = type

return function(subject, pattern, replacement, ...)
    if replacement == nil then return gsub(subject, pattern) end
    if type(replacement) ~= "string" then check() end
    return gsub(subject, pattern, replacement, ...)
end
"#;

/// Guards `string.gsub` in a new VM. stack: [-0, +0, e]
pub(crate) fn guard(vm: Vm) -> core::result::Result<(), Vec<u8>> {
    let stack = vm.stack();
    vm.compile_plain(stack, INSTALL, c"=gsub").map_err(|error| error.message().to_vec())?;
    stack.push_bytes(SOURCE);
    stack.push_function(lua_fn!(check), 0);
    if stack.call(2, 0, 0) {
        return Ok(());
    }
    let message = stack.error_message().to_vec();
    stack.pop(1);
    Err(message)
}

fn check(_: &Call<'_>) -> Result<()> {
    if here() > ends().calls { Ok(()) } else { Err(Error::raise(OVERFLOW)) }
}
