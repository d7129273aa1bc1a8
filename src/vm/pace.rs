//! The pace of a VM's collector.
//!
//! LuaJIT collects again when the heap has doubled since it last did. Where little lives that is soon, and each time all
//! of that is marked: so here more garbage may gather first, as with Go's least heap. Lua code that sets a pause
//! of its own (`collectgarbage "setpause"`) keeps it.
//!
//! Reference: leaves the pace to LuaJIT.
//!
//! A userdata that nobody refers to is finalized in each collection, just before LuaJIT works out where the next one
//! begins. What it leaves is another one.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::function::{Call, Result, lua_fn};
use super::held;
use super::stack::Stack;

/// LuaJIT's pause: the next collection begins at so many percent of what lives.
const PAUSE: c_int = 200;
/// So much garbage gathers at least, in kilobytes.
const LEAST_GARBAGE: c_int = 2048;

/// Sets the pace of the VM of `stack`. stack: [-0, +0, m]
pub(super) fn keep(stack: Stack) {
    stack.new_table(0, 1);
    stack.push_function(lua_fn!(on_collection), 0);
    stack.set_raw_field(-2, b"__gc");
    leave(stack, PAUSE);
    stack.pop(1);
}

/// Makes a userdata for the next collection, which knows the pause that is not Lua code's. Its metatable is on top.
/// stack: [-0, +0, m]
fn leave(stack: Stack, pause: c_int) {
    let place = stack.new_userdata(size_of::<c_int>()).cast::<c_int>();
    // SAFETY: fresh memory of that size.
    unsafe { place.write(pause) };
    stack.push_value(-2);
    stack.set_metatable(-2);
    stack.pop(1);
}

/// `__gc` of that userdata.
fn on_collection(call: &Call<'_>) -> Result<()> {
    let stack = call.stack();
    // SAFETY: the userdata is one of `leave`: nothing else has the metatable, which no Lua code can reach.
    let set = unsafe { stack.pointer(1).cast::<c_int>().read() };
    let live = (held::memory(stack) / 1024) as c_int;
    // What stays if there is no memory for the userdata.
    let before = held::set_pause(stack, PAUSE);
    let is_ours = before == set;
    let pause = if is_ours { pause_for(live) } else { before };
    stack.push_metatable_of(1);
    // Lua code that has set another pause may put back the one that it found.
    leave(stack, if is_ours { pause } else { set });
    held::set_pause(stack, pause);
    Ok(())
}

/// The pause with which so many kilobytes that live let enough garbage gather.
const fn pause_for(live: c_int) -> c_int {
    let live = if live < 1 { 1 } else { live };
    let least = 100 + LEAST_GARBAGE * 100 / live;
    if least > PAUSE { least } else { PAUSE }
}

#[cfg(test)]
mod tests {
    use super::super::state::Vm;

    fn number(vm: Vm, code: &str) -> f64 {
        let stack = vm.stack();
        assert!(vm.compile_plain(stack, code.as_bytes(), c"=test").is_ok());
        assert!(stack.call(0, 1, 0), "{code}");
        let number = stack.number(-1).unwrap();
        stack.pop(1);
        number
    }

    /// The pause as Lua sees it, which stays what it is.
    const PAUSE_NOW: &str =
        "local p = collectgarbage('setpause', 0) collectgarbage('setpause', p) return p";

    #[test]
    fn little_that_lives_lets_more_garbage_gather() {
        let vm = Vm::new().unwrap();
        vm.collect();
        let live = number(vm, "return collectgarbage('count')");
        let pause = number(vm, PAUSE_NOW);
        assert!((live * pause / 100.0 - live - 2048.0).abs() < 100.0, "{live} {pause}");
        let most = number(
            vm,
            "local most = 0
             for i = 1, 3e5 do
                 local t = ('x'):rep(100) .. i
                 most = math.max(most, collectgarbage 'count')
             end
             return most",
        );
        assert!((2048.0..4096.0).contains(&most), "{most}");
        vm.close();
    }

    #[test]
    fn much_that_lives_is_left_to_luajit() {
        let vm = Vm::new().unwrap();
        number(vm, "held = {} for i = 1, 2e5 do held[i] = { i } end return 0");
        vm.collect();
        assert_eq!(number(vm, PAUSE_NOW), 200.0);
        number(vm, "held = nil return 0");
        vm.collect();
        vm.collect();
        assert!(number(vm, PAUSE_NOW) > 300.0);
        vm.close();
    }

    #[test]
    fn a_pause_that_lua_code_sets_stays() {
        let vm = Vm::new().unwrap();
        vm.collect();
        number(vm, "return collectgarbage('setpause', 150)");
        vm.collect();
        vm.collect();
        assert_eq!(number(vm, PAUSE_NOW), 150.0);
        vm.close();
    }

    #[test]
    fn a_pause_that_lua_code_puts_back_is_not_its_own() {
        let vm = Vm::new().unwrap();
        vm.collect();
        number(vm, "found = collectgarbage('setpause', 150) return 0");
        vm.collect();
        number(vm, "held = {} for i = 1, 2e5 do held[i] = { i } end return 0");
        assert!(number(vm, "collectgarbage('setpause', found) return found") > 300.0);
        vm.collect();
        assert_eq!(number(vm, PAUSE_NOW), 200.0);
        vm.close();
    }
}
