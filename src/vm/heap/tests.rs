//! The heap against a system that has no memory at times.
// SAFETY (every block of this module): blocks are given back once, with their size.
#![allow(clippy::undocumented_unsafe_blocks)]
use core::cell::Cell;

use super::super::function::protect;
use super::super::state::Vm;
use super::*;

thread_local! {
    /// The system refuses every n-th request of this thread; 0 for none.
    static EVERY: Cell<usize> = const { Cell::new(0) };
    static REQUESTS: Cell<usize> = const { Cell::new(0) };
    /// It has no memory for pages, but for bigger blocks.
    pub(super) static NO_PAGES: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn refuses() -> bool {
    let every = EVERY.get();
    REQUESTS.set(REQUESTS.get() + 1);
    every != 0 && REQUESTS.get().is_multiple_of(every)
}

/// What LuaJIT does with its allocator.
struct Client {
    heap: Heap,
}

impl Client {
    fn call(&mut self, block: *mut c_void, from: usize, to: usize) -> *mut c_void {
        let function = if self.heap.strays == 0 { allocate } else { allocate_beside_strays };
        unsafe { function((&raw mut self.heap).cast(), block, from, to) }
    }
}

fn take(heap: &mut Heap, size: usize) -> NonNull<c_void> {
    NonNull::new(heap.take(size)).unwrap()
}

#[test]
fn what_is_given_back_is_taken_again() {
    let mut heap = Heap::new();
    let block = take(&mut heap, 100);
    let other = take(&mut heap, 100);
    assert_ne!(block, other);
    unsafe { heap.give(block, 100) };
    assert_ne!(take(&mut heap, 105), block, "of another size");
    assert_eq!(take(&mut heap, 104), block);
}

#[test]
fn blocks_keep_what_they_hold_when_they_grow_and_shrink() {
    let mut heap = Heap::new();
    let mut size = 24;
    let mut block = take(&mut heap, size);
    unsafe { block.cast::<[u8; 24]>().write(*b"nothing gets lost at all") };
    for to in [30, 33, 600, 640, SMALL, SMALL + 1, 100_000, 5000, 1000, 24] {
        block = NonNull::new(unsafe { heap.resize(block, size, to) }).unwrap();
        size = to;
        assert_eq!(unsafe { block.cast::<[u8; 24]>().read() }, *b"nothing gets lost at all");
    }
    assert_eq!(block.addr().get() % GRAIN, 0);
}

#[test]
fn block_sizes_waste_little() {
    for size in 1..=SMALL {
        let block = block_size(place(size));
        assert!(block >= size && block.is_multiple_of(GRAIN), "{size}: {block}");
        assert!(block - size < GRAIN.max(size / 8 + 1), "{size}: {block}");
        assert_eq!(block_size(place(block)), block);
        assert!(blocks_of(block) >= 7);
    }
}

/// Whether each byte of a block is as it was filled.
fn is_filled(block: NonNull<c_void>, size: usize, fill: u8) -> bool {
    unsafe { core::slice::from_raw_parts(block.as_ptr().cast::<u8>(), size) }
        .iter()
        .all(|byte| *byte == fill)
}

#[test]
fn blocks_do_not_overlap_however_they_come_and_go() {
    let mut heap = Heap::new();
    let mut state = 1u64;
    let mut random = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut blocks = Vec::new();
    for i in 0..60_000 {
        // Many come, and then many go.
        let comes = random(100) < if i % 20_000 < 12_000 { 70 } else { 20 };
        if comes || blocks.is_empty() {
            let size = 1 + if random(4) > 0 { random(200) } else { random(SMALL + 100) };
            let block = take(&mut heap, size);
            let fill = random(256) as u8;
            unsafe { block.cast::<u8>().write_bytes(fill, size) };
            blocks.push((block, size, fill));
        } else {
            let at = random(blocks.len());
            let (block, size, fill) = blocks.swap_remove(at);
            assert!(is_filled(block, size, fill));
            let to = 1 + random(SMALL);
            if random(3) == 0 {
                let block = NonNull::new(unsafe { heap.resize(block, size, to) }).unwrap();
                assert!(is_filled(block, size.min(to), fill));
                unsafe { block.cast::<u8>().write_bytes(fill, to) };
                blocks.push((block, to, fill));
            } else {
                unsafe { heap.give(block, size) };
            }
        }
    }
    for (block, size, fill) in blocks {
        assert!(is_filled(block, size, fill));
        unsafe { heap.give(block, size) };
    }
    // What is left are the current pages.
    let mut current = heap.current.to_vec();
    current.dedup();
    current.retain(|page| *page != no_page());
    assert_eq!(heap.pages - heap.empty, current.len());
    assert!(current.iter().all(|page| unsafe { (**page).count } == 1));
}

#[test]
fn memory_of_one_size_serves_another() {
    let mut heap = Heap::new();
    let mut segments = 0;
    for size in [32, 200, 40, 1000, 48, 4000] {
        let count = 20_000_000 / size;
        let blocks: Vec<_> = (0..count).map(|_| take(&mut heap, size)).collect();
        for block in blocks {
            unsafe { heap.give(block, size) };
        }
        assert!(heap.empty <= KEPT);
        segments = if segments == 0 { heap.segments.len() } else { segments };
    }
    assert!(heap.segments.len() <= segments + 4, "{segments} {}", heap.segments.len());
    assert!(heap.released.len() > 300, "{}", heap.released.len());
}

/// Blocks keep what they hold, and belong to whoever gave them, whatever the system refuses.
#[test]
fn refused_memory_leaves_blocks_as_they_are() {
    for every in [1, 2, 3, 5, 7, 20] {
        let mut client = Client { heap: Heap::new() };
        let mut state = every as u64;
        let mut random = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % bound
        };
        let size_of = |random: &mut dyn FnMut(usize) -> usize| match random(3) {
            0 => 1 + random(200),
            1 => 1 + random(SMALL),
            _ => SMALL - 100 + random(3000),
        };
        let mut blocks: Vec<(NonNull<c_void>, usize, u8)> = Vec::new();
        let (mut most, mut refused) = (0, 0);
        for i in 0..6_000 {
            // Refused only at times, or there would never be any blocks. Pages have run out then.
            EVERY.set(if i % 1000 < 500 { every } else { 0 });
            NO_PAGES.set(i % 1000 < 500);
            while i % 1000 == 0
                && let Some(block) = NonNull::new(client.call(ptr::null_mut(), 0, SMALL))
            {
                unsafe { block.cast::<u8>().write_bytes(1, SMALL) };
                blocks.push((block, SMALL, 1));
            }
            if blocks.is_empty() || random(100) < 45 {
                let size = size_of(&mut random);
                let block = client.call(ptr::null_mut(), 0, size);
                let Some(block) = NonNull::new(block) else {
                    refused += 1;
                    continue;
                };
                let fill = random(256) as u8;
                unsafe { block.cast::<u8>().write_bytes(fill, size) };
                blocks.push((block, size, fill));
            } else {
                let at = random(blocks.len());
                let (block, from, fill) = blocks.swap_remove(at);
                assert!(is_filled(block, from, fill));
                let to = if random(3) == 0 { 0 } else { size_of(&mut random) };
                let new = client.call(block.as_ptr(), from, to);
                match NonNull::new(new) {
                    None if to == 0 => (),
                    None => {
                        assert!(to > from, "{from} to {to}");
                        refused += 1;
                        blocks.push((block, from, fill));
                    }
                    Some(new) => {
                        assert!(is_filled(new, from.min(to), fill));
                        unsafe { new.cast::<u8>().write_bytes(fill, to) };
                        blocks.push((new, to, fill));
                    }
                }
            }
            most = most.max(client.heap.strays);
        }
        EVERY.set(0);
        NO_PAGES.set(false);
        assert!(refused > 0);
        assert!(most > 0, "{every}");
        let strays =
            blocks.iter().filter(|(block, size, _)| *size <= SMALL && !client.heap.has(*block));
        assert_eq!(strays.count(), client.heap.strays);
        for (block, size, fill) in blocks {
            assert!(is_filled(block, size, fill));
            client.call(block.as_ptr(), size, 0);
        }
        assert_eq!(client.heap.strays, 0);
        let mut current = client.heap.current.to_vec();
        current.dedup();
        current.retain(|page| *page != no_page());
        assert_eq!(client.heap.pages - client.heap.empty, current.len());
        assert!(current.iter().all(|page| unsafe { (**page).count } == 1));
    }
}

/// The same with LuaJIT as the client.
#[test]
fn a_vm_lives_on_when_memory_ends() {
    let vm = Vm::new().unwrap();
    let stack = vm.stack();
    let run = |code: &str| {
        assert!(vm.compile_plain(stack, code.as_bytes(), c"=test").is_ok());
        protect(stack, |_| ()).unwrap();
        let done = stack.call(0, 0, 0);
        if !done {
            stack.pop(1);
        }
        done
    };
    assert!(run("jit.off()
        local function deep(n) if n > 0 then return 1 + deep(n - 1) end coroutine.yield() return 0 end
        function wide(n) local co = coroutine.create(deep) coroutine.resume(co, n) return co end
        held = {}
        for i = 1, 300 do held[i] = wide(100 + i) end"));
    let heap = {
        let mut heap = ptr::null_mut();
        unsafe { sys::lua_getallocf(stack.as_ptr(), &raw mut heap) };
        heap.cast::<Heap>()
    };
    let mut most = 0;
    for round in 0..4 {
        // The stacks become mostly empty, then shrink where there is no memory.
        assert!(run("for i = 1, 300 do coroutine.resume(held[i]) end"));
        NO_PAGES.set(true);
        run("ballast = {}
            for size = 4000, 100, -50 do
                pcall(function() for i = 1, 1e5 do ballast[#ballast + 1] = ('x'):rep(size - #(i .. '')) .. i end end)
            end");
        for _ in 0..10 {
            run("collectgarbage()");
        }
        most = most.max(unsafe { (*heap).strays });
        EVERY.set(if round % 2 == 0 { 3 } else { 0 });
        run("for i = 1, 300 do held[i] = nil held[i] = wide(100 + i) end");
        EVERY.set(0);
        run("for i = 1, 300 do held[i] = nil held[i] = wide(100 + i) end");
        NO_PAGES.set(false);
        run("ballast = nil collectgarbage() collectgarbage()");
        assert!(run("for i = 1, 300 do held[i] = wide(100 + i) end"));
    }
    assert!(most > 0);
    assert!(run("held = nil collectgarbage() collectgarbage()"));
    assert!(run("for i = 1, 1e4 do local t = { ('x'):rep(i) } end"));
    assert_eq!(unsafe { (*heap).strays }, 0);
    vm.close();
}
