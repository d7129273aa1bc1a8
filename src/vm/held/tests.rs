//! Finalizers that count and raise, against calls that take memory.
use core::cell::{Cell, RefCell};

use super::super::function::{Call, Result, lua_fn};
use super::super::state::Vm;
use super::*;

thread_local! {
    /// Whether the threshold counts as not found in this thread.
    pub(super) static IS_BLIND: Cell<bool> = const { Cell::new(false) };
    pub(super) static REPORTED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static FINALIZED: Cell<u32> = const { Cell::new(0) };
}

fn finalized(_: &Call<'_>) -> Result<()> {
    FINALIZED.set(FINALIZED.get() + 1);
    Ok(())
}

fn nothing(_: &Call<'_>) -> Result<()> {
    Ok(())
}

fn run(vm: Vm, code: &str) {
    assert!(vm.compile_plain(vm.stack(), code.as_bytes(), c"=test").is_ok());
    assert!(vm.stack().call(0, 0, 0), "{:?}", vm.stack().error_message());
}

/// A VM with objects that have finalizers, which nothing refers to, and a collector that is as eager as it gets.
fn vm_with_garbage(count: u32, finalizer: &str) -> Vm {
    let vm = Vm::new().unwrap();
    let stack = vm.stack();
    for (name, function) in [(c"finalized", lua_fn!(finalized)), (c"nothing", lua_fn!(nothing))] {
        stack.push_function(function, 0);
        stack.set_global(name);
    }
    vm.collect();
    FINALIZED.set(0);
    REPORTED.take();
    run(
        vm,
        &format!(
            "collectgarbage('stop')
             for i = 1, {count} do getmetatable(newproxy(true)).__gc = {finalizer} end
             collectgarbage('setstepmul', 1e6)
             collectgarbage('restart')"
        ),
    );
    vm
}

fn in_both_ways(test: impl Fn()) {
    for is_blind in [false, true] {
        IS_BLIND.set(is_blind);
        test();
        IS_BLIND.set(false);
    }
}

#[test]
fn the_places_are_found() {
    let vm = Vm::new().unwrap();
    let l = vm.stack().as_ptr();
    let gauge = gauge(l).unwrap();
    // SAFETY: two numbers.
    unsafe {
        assert_eq!((*gauge)[0], memory(vm.stack()));
        raw::lua_gc(l, raw::LUA_GCRESTART, 0);
        assert_eq!((*gauge)[1], (*gauge)[0]);
        vm.collect();
        assert!((*gauge)[1] > (*gauge)[0]);
        assert!(!is_due(l));
    }
    vm.close();
}

/// Every function that `held` makes, and the rest of what `sys` offers that could allocate.
#[test]
fn allocating_runs_no_finalizer() {
    in_both_ways(|| {
        let vm = vm_with_garbage(100, "finalized");
        let stack = vm.stack();
        let other = stack.new_thread();
        let long = vec![b'x'; 10_000];
        for i in 0..3000 {
            let top = stack.top();
            stack.push_bytes(&long);
            stack.push_bytes(&[b"y", i.to_string().as_bytes()].concat());
            stack.push_function(lua_fn!(nothing), 1);
            stack.new_table(10, 10);
            stack.push_bytes(b"key");
            stack.push_integer(i);
            assert_eq!(stack.bytes(-1), Some(i.to_string().as_bytes()));
            stack.raw_set(-3);
            stack.push_boolean(true);
            let reference = stack.reference(-2);
            stack.unreference(-1, reference);
            stack.new_userdata(1000);
            stack.new_thread();
            stack.move_to(other, 1);
            other.pop(1);
            let code = format!("local a = {i} return a .. 'constant {i}', {{}}, function() end");
            vm.compile_plain(stack, code.as_bytes(), c"=loaded").unwrap();
            // SAFETY: [lua-frame]
            unsafe {
                luaL_traceback(stack.as_ptr(), stack.as_ptr(), c"message".as_ptr(), 0);
                luaL_where(stack.as_ptr(), 0);
                lua_concat(stack.as_ptr(), 2);
            }
            assert!(stack.bytes(-1).is_some_and(|text| text.starts_with(b"message")));
            stack.set_top(top);
        }
        assert_eq!(FINALIZED.get(), 0);
        assert!(is_due(stack.as_ptr()));
        vm.collect();
        assert_eq!(FINALIZED.get(), 100);
        vm.close();
    });
}

#[test]
fn a_call_makes_up_for_it() {
    in_both_ways(|| {
        let vm = vm_with_garbage(100, "finalized");
        let stack = vm.stack();
        // Where the collector begins by itself is some way off.
        for i in 0..100 {
            stack.push_bytes(&[b'x'; 100_000][..99_000 + i]);
            stack.pop(1);
        }
        // LuaJIT compiles the loop, which allocates nothing of its own.
        run(vm, "for i = 1, 3000 do nothing() end");
        assert_eq!(FINALIZED.get(), 100);
        assert_eq!(REPORTED.take(), [b""; 0]);
        vm.close();
    });
}

#[test]
fn memory_stays_bounded_where_only_rust_allocates() {
    fn make(call: &Call<'_>) -> Result<()> {
        let stack = call.stack();
        for i in 0..20_u8 {
            stack.push_bytes(&[i; 5000]);
            stack.pop(1);
        }
        Ok(())
    }
    in_both_ways(|| {
        let vm = vm_with_garbage(0, "finalized");
        let stack = vm.stack();
        run(vm, "collectgarbage('setstepmul', 200)");
        stack.push_function(lua_fn!(make), 0);
        stack.set_global(c"make");
        run(
            vm,
            "for i = 1, 5000 do make() most = math.max(most or 0, collectgarbage('count')) end",
        );
        stack.global(c"most");
        let most = stack.number(-1).unwrap();
        assert!(most < 10_000.0, "{most}");
        vm.close();
    });
}

#[test]
fn a_finalizer_that_raises_is_reported_and_harms_nobody() {
    in_both_ways(|| {
        let vm = vm_with_garbage(40, "function() error('oops', 0) end");
        let stack = vm.stack();
        for _ in 0..100 {
            stack.push_bytes(&[b'x'; 100_000]);
            stack.pop(1);
        }
        assert_eq!(REPORTED.with_borrow(Vec::len), 0);
        run(vm, "for i = 1, 200 do nothing() end");
        assert_eq!(REPORTED.take(), [b"oops"; 40]);
        vm.close();

        let vm = vm_with_garbage(10, "function() error('oops', 0) end");
        vm.collect();
        assert_eq!(REPORTED.take(), [b"oops"; 10]);
        vm.close();
    });
}

#[test]
fn a_collector_that_lua_code_has_stopped_stays_stopped() {
    in_both_ways(|| {
        let vm = vm_with_garbage(100, "finalized");
        run(vm, "collectgarbage('stop')");
        for _ in 0..100 {
            vm.stack().push_bytes(&[b'x'; 100_000]);
            vm.stack().pop(1);
        }
        run(vm, "for i = 1, 100 do nothing() end assert(not collectgarbage('isrunning'))");
        assert_eq!(FINALIZED.get(), 0);
        vm.close();
    });
}

/// What raises for want of memory leaves the collector as it was.
#[test]
fn an_error_of_memory_lets_the_collector_go_on() {
    in_both_ways(|| {
        let vm = vm_with_garbage(100, "finalized");
        let failed = protect(vm.stack(), |stack| {
            // SAFETY: [lua-frame]; nobody has that much.
            unsafe { lua_newuserdata(stack.as_ptr(), 1 << 30) };
        });
        let all = protect(vm.stack(), |stack| {
            // SAFETY: as above.
            held(stack.as_ptr(), || unsafe { raw::lua_newuserdata(stack.as_ptr(), 1 << 46) });
        });
        assert!(failed.is_ok() || all.is_err());
        run(vm, "assert(collectgarbage('isrunning') ~= false)");
        run(vm, "for i = 1, 1e5 do local s = 'x' .. i end");
        assert_eq!(FINALIZED.get(), 100);
        vm.close();
    });
}

/// Where there are several VMs, each has its own gauge.
#[test]
fn several_vms_do_not_look_at_each_other() {
    let vm = vm_with_garbage(100, "finalized");
    let other = Vm::new().unwrap();
    for _ in 0..100 {
        vm.stack().push_bytes(&[b'x'; 100_000]);
        vm.stack().pop(1);
    }
    assert_eq!(FINALIZED.get(), 0);
    other.stack().push_function(lua_fn!(nothing), 0);
    other.stack().set_global(c"nothing");
    run(other, "for i = 1, 100 do nothing() end");
    assert_eq!(FINALIZED.get(), 0);
    other.close();
    run(vm, "for i = 1, 3000 do nothing() end");
    assert_eq!(FINALIZED.get(), 100);
    vm.close();
}

#[test]
fn a_hook_does_not_run_within_a_call() {
    fn fill(call: &Call<'_>) -> Result<super::super::function::Top> {
        let stack = call.stack();
        stack.push_appender();
        stack.push_table_of(1, 40, (0..40).map(|_| b"x".as_slice()));
        Ok(super::super::function::Top(1))
    }
    let vm = Vm::new().unwrap();
    vm.stack().push_function(lua_fn!(fill), 0);
    vm.stack().set_global(c"fill");
    let code = "debug.sethook(function(event, line)
            if debug.getinfo(2, 'S').source == '=append' then error('hooked') end
        end, '', 1)
        local filled = fill()
        debug.sethook()
        assert(#filled == 40 and filled[40] == 'x')";
    run(vm, code);
    vm.close();
}
