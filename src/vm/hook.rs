//! Whether LuaJIT runs a hook or a finalizer.
//!
//! Meanwhile `lua_yield` takes the coroutine for one that yields from a hook, and leaves a frame on its stack that it
//! cannot go on from. That is a coroutine which has been resumed within the hook or finalizer: by LuaJIT's own `resume`, or
//! by an error page whose response Lua code there has led to. No function of LuaJIT's API tells, so the place of the mark is found by trying, as
//! those of `held` are. Where it is not found, nothing is known to be active.
#![allow(unsafe_code)]
use core::cell::RefCell;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Once;

use super::held;
use super::stack::Stack;
use super::sys::{self, lua_Debug, lua_State};

/// How much of LuaJIT's global state is looked at, which is less than there is.
const START: usize = 512;
/// LuaJIT's bits: there is a hook that counts instructions, and a hook or finalizer runs.
const COUNTS: u8 = sys::LUA_MASKCOUNT as u8;
const ACTIVE: u8 = 0x10;

/// Where in the global state the bits are; 0 if that is not known.
static MASK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The beginning of the global state, as a hook found it.
    static SEEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Whether a hook or a finalizer runs. stack: [-0, +0, -]
#[inline]
pub(super) fn is_active(l: *mut lua_State) -> bool {
    let place = MASK.load(Relaxed);
    // SAFETY: [lua-frame]; `find` has made sure of the place.
    place > 0
        && held::global(l).is_some_and(|global| unsafe { global.add(place).read() } & ACTIVE != 0)
}

/// Finds the place by a new VM, on which no Lua code has run. stack: [-0, +0, m]
pub(super) fn find(stack: Stack) {
    static SOUGHT: Once = Once::new();
    SOUGHT.call_once(|| {
        let l = stack.as_ptr();
        let (code, name) = (b"local a = 1 local b = 2", c"=hook");
        // SAFETY: [lua-frame]; the hook is taken away again.
        let before = unsafe {
            if sys::luaL_loadbuffer(l, code.as_ptr().cast(), code.len(), name.as_ptr())
                != sys::LUA_OK
            {
                stack.pop(1);
                return;
            }
            sys::lua_sethook(l, Some(on_count), sys::LUA_MASKCOUNT, 1);
            let before = beginning(l);
            if !stack.call(0, 0, 0) {
                stack.pop(1);
            }
            sys::lua_sethook(l, None, 0, 0);
            before
        };
        let seen = SEEN.take();
        let mut places = before
            .iter()
            .zip(&seen)
            .enumerate()
            .filter(|(_, (before, seen))| **before == COUNTS && **seen == COUNTS | ACTIVE);
        if let (Some((place, _)), None) = (places.next(), places.next()) {
            MASK.store(place, Relaxed);
        }
    });
}

fn beginning(l: *mut lua_State) -> Vec<u8> {
    // SAFETY: [lua-frame]; within the global state.
    held::global(l)
        .map(|global| unsafe { core::slice::from_raw_parts(global, START) }.to_vec())
        .unwrap_or_default()
}

unsafe extern "C-unwind" fn on_count(l: *mut lua_State, _: *mut lua_Debug) {
    SEEN.with_borrow_mut(|seen| {
        if seen.is_empty() {
            *seen = beginning(l);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::function::{Call, Result, lua_fn};
    use super::super::state::Vm;
    use super::*;

    fn active(call: &Call<'_>) -> Result<bool> {
        Ok(is_active(call.stack().as_ptr()))
    }

    #[test]
    fn hooks_and_finalizers_are_told_from_other_code() {
        let vm = Vm::new().unwrap();
        assert!(MASK.load(Relaxed) > 0);
        vm.stack().push_function(lua_fn!(active), 0);
        vm.stack().set_global(c"active");
        let code = b"assert(not active())
            local seen
            debug.sethook(function() seen = active() end, '', 1)
            local x = 1
            debug.sethook()
            assert(seen and not active())
            seen = nil
            getmetatable(newproxy(true)).__gc = function()
                seen = coroutine.wrap(function() return active() end)()
            end
            collectgarbage()
            assert(seen and not active())";
        vm.compile_plain(vm.stack(), code, c"=test").unwrap();
        assert!(vm.stack().call(0, 0, 0), "{:?}", vm.stack().error_text());
        vm.close();
    }
}
