//! The memory of a VM: small blocks come from lists of free ones of their size, big ones from the C library.
//!
//! LuaJIT tells how big a block is when it gives it back, so blocks need no headers, and taking one or giving
//! it back is a few instructions. What a VM has once used for small blocks stays with it until it is closed.
//!
//! A VM belongs to one thread at a time, and so does its heap.
#![allow(unsafe_code)]
use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::alloc;
use std::sync::OnceLock;

use super::function::protect;
use super::stack::Stack;
use super::sys;

/// Sizes are multiples of it, and so are addresses, as in LuaJIT's own allocator.
const GRAIN: usize = 8;
/// Blocks up to that size are small; buffers of 4 KB that Lua code makes are.
const SMALL: usize = 4096 + 128;
/// Small blocks are cut from pieces of that size.
const PIECE: Layout = match Layout::from_size_align(32 * 1024, GRAIN) {
    Ok(layout) => layout,
    Err(_) => panic!("a piece has a layout"),
};

/// A free block, which holds the link to the next one of its size.
struct Free(Option<NonNull<Free>>);

struct Heap {
    /// Free blocks, by their size in grains.
    free: [Option<NonNull<Free>>; SMALL / GRAIN + 1],
    /// What is left of the newest piece.
    rest: *mut u8,
    rest_len: usize,
    pieces: Vec<NonNull<u8>>,
}

const fn grains(size: usize) -> usize {
    size.div_ceil(GRAIN)
}

// SAFETY (every block of this impl): blocks in the lists are nobody else's; callers give back what they took,
// with its size, as LuaJIT does.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Heap {
    const fn new() -> Self {
        Self {
            free: [None; SMALL / GRAIN + 1],
            rest: ptr::null_mut(),
            rest_len: 0,
            pieces: Vec::new(),
        }
    }

    #[inline]
    fn take(&mut self, size: usize) -> *mut c_void {
        if let Some(list) = self.free.get_mut(grains(size))
            && let Some(block) = *list
        {
            *list = unsafe { block.as_ref() }.0;
            return block.as_ptr().cast();
        }
        self.take_new(size)
    }

    #[inline(never)]
    fn take_new(&mut self, size: usize) -> *mut c_void {
        if size > SMALL { unsafe { libc::malloc(size) } } else { self.cut(grains(size) * GRAIN) }
    }

    #[inline]
    unsafe fn give(&mut self, block: NonNull<c_void>, size: usize) {
        let Some(list) = self.free.get_mut(grains(size)) else {
            unsafe { libc::free(block.as_ptr()) };
            return;
        };
        let block = block.cast::<Free>();
        unsafe { block.write(Free(*list)) };
        *list = Some(block);
    }

    #[inline(never)]
    unsafe fn resize(&mut self, block: NonNull<c_void>, from: usize, to: usize) -> *mut c_void {
        if from > SMALL && to > SMALL {
            return unsafe { libc::realloc(block.as_ptr(), to) };
        }
        if from <= SMALL && grains(from) == grains(to) {
            return block.as_ptr();
        }
        let new = self.take(to);
        if new.is_null() {
            // Lua takes it for granted that a block can become smaller.
            return if to < from { block.as_ptr() } else { new };
        }
        unsafe {
            new.cast::<u8>().copy_from_nonoverlapping(block.as_ptr().cast(), from.min(to));
            self.give(block, from);
        }
        new
    }

    /// A new small block; null when there is no memory.
    fn cut(&mut self, size: usize) -> *mut c_void {
        if self.rest_len < size {
            // Zeroed, because LuaJIT reads a little beyond what it has written.
            let Some(piece) = NonNull::new(unsafe { alloc::alloc_zeroed(PIECE) }) else {
                return ptr::null_mut();
            };
            if let Some(rest) = NonNull::new(self.rest).filter(|_| self.rest_len > 0) {
                unsafe { self.give(rest.cast(), self.rest_len) };
            }
            self.pieces.push(piece);
            (self.rest, self.rest_len) = (piece.as_ptr(), PIECE.size());
        }
        let block = self.rest;
        self.rest = unsafe { block.add(size) };
        self.rest_len -= size;
        block.cast()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        for piece in &self.pieces {
            // SAFETY: made by `cut`; the VM that used it is closed.
            unsafe { alloc::dealloc(piece.as_ptr(), PIECE) };
        }
    }
}

/// What LuaJIT calls for all its memory.
unsafe extern "C-unwind" fn allocate(
    heap: *mut c_void,
    block: *mut c_void,
    old_size: usize,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: made by `new_state`, and used by its VM alone; LuaJIT tells sizes as they are.
    unsafe {
        let heap = &mut *heap.cast::<Heap>();
        match (NonNull::new(block), new_size) {
            (Some(block), 0) => {
                heap.give(block, old_size);
                ptr::null_mut()
            }
            (None, 0) => ptr::null_mut(),
            (None, size) => heap.take(size),
            (Some(block), size) => heap.resize(block, old_size, size),
        }
    }
}

/// A VM with a heap of its own; null when there is no memory.
pub(super) fn new_state() -> *mut sys::lua_State {
    static TAKES_ANY_ADDRESS: OnceLock<bool> = OnceLock::new();
    // SAFETY: the states are private to this function until it returns one.
    unsafe {
        if !TAKES_ANY_ADDRESS.get_or_init(takes_any_address) {
            return sys::luaL_newstate();
        }
        let heap = Box::into_raw(Box::new(Heap::new()));
        let state = sys::lua_newstate(Some(allocate), heap.cast());
        if state.is_null() {
            drop(Box::from_raw(heap));
        }
        state
    }
}

/// Whether LuaJIT can use memory wherever the C library finds it. It cannot on systems with more than 47 bits of
/// addresses, nor where it was built for 32 bits of them.
fn takes_any_address() -> bool {
    if !cfg!(target_arch = "x86_64") {
        return false;
    }
    // SAFETY: the state is private to this function.
    let state = unsafe { sys::luaL_newstate() };
    if state.is_null() {
        return false;
    }
    let mut answer = false;
    let asked = protect(Stack::from_raw(state), |stack| {
        // SAFETY: what the library's function leaves is its table.
        unsafe {
            sys::lua_pushcclosure(stack.as_ptr(), Some(sys::luaopen_ffi), 0);
            sys::lua_call(stack.as_ptr(), 0, 1);
        }
        stack.raw_field(-1, b"abi");
        stack.push_bytes(b"gc64");
        answer = stack.call(1, 1, 0) && stack.truth(-1);
    });
    // SAFETY: as above.
    unsafe { sys::lua_close(state) };
    asked.is_ok() && answer
}

/// Closes a VM and gives up its heap.
///
/// # Safety
/// `state` came from [`new_state`]; nothing uses it any more.
pub(super) unsafe fn close_state(state: *mut sys::lua_State) {
    // SAFETY: the caller's contract; the heap is ours where the function is.
    unsafe {
        let mut heap = ptr::null_mut();
        let function = sys::lua_getallocf(state, &raw mut heap);
        sys::lua_close(state);
        let ours: sys::lua_Alloc = Some(allocate);
        if function.zip(ours).is_some_and(|(one, other)| ptr::fn_addr_eq(one, other)) {
            drop(Box::from_raw(heap.cast::<Heap>()));
        }
    }
}

#[cfg(test)]
// SAFETY (every block of this module): blocks are given back once, with their size.
#[allow(clippy::undocumented_unsafe_blocks)]
mod tests {
    use super::*;

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
        for to in [30, 33, SMALL, SMALL + 1, 100_000, 5000, 1000, 24] {
            block = NonNull::new(unsafe { heap.resize(block, size, to) }).unwrap();
            size = to;
            assert_eq!(unsafe { block.cast::<[u8; 24]>().read() }, *b"nothing gets lost at all");
        }
        assert_eq!(block.addr().get() % GRAIN, 0);
    }

    #[test]
    fn blocks_do_not_overlap() {
        let mut heap = Heap::new();
        let sizes = (1..=SMALL).cycle().step_by(37).take(1000);
        let mut blocks: Vec<_> =
            sizes.map(|size| (take(&mut heap, size).addr().get(), grains(size) * GRAIN)).collect();
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert!(heap.pieces.len() > 10);
    }
}
