//! The memory of a VM: small blocks come from pages with blocks of one size, big ones from the C library.
//!
//! LuaJIT tells how big a block is when it gives it back, so blocks need no headers, and the page of a small one is
//! where its address says. Taking one or giving it back is a few instructions. Pages of which no block is in use serve
//! other sizes when those need some, and go back to the system if there are many.
//!
//! LuaJIT takes it for granted that a block can become smaller. A block of the C library that becomes a small one while
//! there is no memory for a page stays where it is, and is a stray: its size does not tell any more whose it is. As
//! long as there are any, LuaJIT calls another function, which asks the addresses of small blocks.
//!
//! A VM belongs to one thread at a time, and so does its heap.
#![allow(unsafe_code)]
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::sync::OnceLock;

use super::function::protect;
use super::stack::Stack;
use super::{held, sys};
use system::Segment;

mod system;
#[cfg(test)]
mod tests;

/// Sizes are multiples of it, and so are addresses, as in LuaJIT's own allocator.
const GRAIN: usize = 8;
/// Blocks up to that size are small; buffers of 4 KB that Lua code makes are.
const SMALL: usize = 4096 + 128;
const PLACES: usize = SMALL / GRAIN;
/// The size of a page, and what its address is a multiple of.
const PAGE: usize = 32 * 1024;
/// Memory comes from the system in segments of so many pages.
const SEGMENT: usize = 32;
/// So many bytes of blocks that have never been in use become free at a time.
const FRESH: usize = 4096;
/// So many pages without blocks in use, and one more for each with some, are kept before others go back to the system.
const KEPT: usize = 128;

/// A free block, which holds the link to the next one of its page.
struct Free(*mut Free);

/// What a page begins with; its blocks follow.
#[repr(C, align(64))]
struct Page {
    free: *mut Free,
    /// So many blocks are given back until the page changes its state: those in use for one with room; one more for the
    /// current one, which stays; 1 for a full one.
    count: usize,
    /// The size of its blocks.
    size: usize,
    state: State,
    /// Blocks from here on have never been in use.
    fresh: *mut u8,
    /// Its neighbours among the pages with room for blocks of that size.
    previous: *mut Page,
    next: *mut Page,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Blocks of its size are taken from it.
    Current,
    Full,
    HasRoom,
}

/// In the place of a page that there is not.
struct NoPage(Page);

// SAFETY: nobody writes to it: it has no free block to be taken, and no block to be given back.
unsafe impl Sync for NoPage {}

static NO_PAGE: NoPage = NoPage(Page {
    free: ptr::null_mut(),
    count: 0,
    size: 0,
    state: State::Full,
    fresh: ptr::null_mut(),
    previous: ptr::null_mut(),
    next: ptr::null_mut(),
});

const fn no_page() -> *mut Page {
    (&raw const NO_PAGE.0).cast_mut()
}

struct Heap {
    /// The page from which blocks are taken, by the place of their size.
    current: [*mut Page; PLACES],
    /// The first page with room, by the place of the size of its blocks.
    with_room: [*mut Page; PLACES],
    /// Pages for any size: those whose memory is there, and those whose memory the system has.
    spare: Vec<*mut Page>,
    released: Vec<*mut Page>,
    /// By their addresses.
    segments: Vec<Segment>,
    /// How many blocks of the C library have become small ones.
    strays: usize,
    /// The VM that uses the heap; null in its beginnings.
    state: *mut sys::lua_State,
    /// How many pages are for blocks of some size, and how many of these have none in use.
    pages: usize,
    empty: usize,
}

/// The place of a size among those of small blocks; beyond them for others, and for nothing.
const fn place(size: usize) -> usize {
    size.wrapping_sub(1) / GRAIN
}

/// The size of the blocks that serve sizes of that place: the same up to 512 bytes, and then one of eight up to the
/// double.
const fn block_size(place: usize) -> usize {
    let size = (place + 1) * GRAIN;
    if size <= 512 {
        return size;
    }
    let step = (size - 1).next_power_of_two() / 16;
    let rounded = size.next_multiple_of(step);
    if rounded < SMALL { rounded } else { SMALL }
}

// SAFETY (every block of this impl): pages lie in segments, which last as long as the heap, and links between them are
// only changed here. Blocks on a page's list are nobody else's; callers give back what they took, with its size, as
// LuaJIT does. `NO_PAGE` is only read.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Heap {
    const fn new() -> Self {
        Self {
            current: [no_page(); PLACES],
            with_room: [ptr::null_mut(); PLACES],
            spare: Vec::new(),
            released: Vec::new(),
            segments: Vec::new(),
            strays: 0,
            state: ptr::null_mut(),
            pages: 0,
            empty: 0,
        }
    }

    #[inline]
    fn take(&mut self, size: usize) -> *mut c_void {
        let Some(&page) = self.current.get(place(size)) else {
            return system::malloc(size);
        };
        unsafe {
            let block = (*page).free;
            if block.is_null() {
                return self.take_from_next(place(size));
            }
            (*page).free = (*block).0;
            (*page).count += 1;
            block.cast()
        }
    }

    #[inline]
    unsafe fn give(&mut self, block: NonNull<c_void>, size: usize) {
        let block = block.as_ptr();
        if size > SMALL {
            return unsafe { libc::free(block) };
        }
        let page = page_of(block);
        let block = block.cast::<Free>();
        unsafe {
            block.write(Free((*page).free));
            (*page).free = block;
            (*page).count -= 1;
            if (*page).count == 0 {
                self.settle(page);
            }
        }
    }

    #[inline(never)]
    unsafe fn resize(&mut self, block: NonNull<c_void>, from: usize, to: usize) -> *mut c_void {
        let is_ours = from <= SMALL && (self.strays == 0 || self.has(block));
        if !is_ours {
            return unsafe { self.resize_foreign(block, from, to) };
        }
        let stays =
            to <= SMALL && unsafe { (*page_of(block.as_ptr())).size } == block_size(place(to));
        if stays {
            return block.as_ptr();
        }
        let new = self.take(to);
        if new.is_null() {
            // The page knows how big it is.
            return if to < from { block.as_ptr() } else { new };
        }
        unsafe {
            new.cast::<u8>().copy_from_nonoverlapping(block.as_ptr().cast(), from.min(to));
            self.give(block, from);
        }
        new
    }

    /// The same for a block of the C library.
    unsafe fn resize_foreign(
        &mut self,
        block: NonNull<c_void>,
        from: usize,
        to: usize,
    ) -> *mut c_void {
        let block = block.as_ptr();
        let was_stray = from <= SMALL;
        if to <= SMALL {
            let new = self.take(to);
            if !new.is_null() {
                unsafe {
                    new.cast::<u8>().copy_from_nonoverlapping(block.cast(), from.min(to));
                    libc::free(block);
                }
                self.count_strays(was_stray, false);
                return new;
            }
        }
        let mut new = unsafe { system::realloc(block, to) };
        if new.is_null() && to < from {
            new = block;
        }
        if !new.is_null() {
            self.count_strays(was_stray, to <= SMALL);
        }
        new
    }

    /// Whether a block lies in a page.
    #[cold]
    fn has(&self, block: NonNull<c_void>) -> bool {
        let after =
            self.segments.partition_point(|segment| segment.page(0) <= page_of(block.as_ptr()));
        after
            .checked_sub(1)
            .is_some_and(|i| page_of(block.as_ptr()) <= self.segments[i].page(SEGMENT - 1))
    }

    /// Gives back a block that may be a stray.
    #[cold]
    unsafe fn give_any(&mut self, block: NonNull<c_void>, size: usize) {
        if size > SMALL || self.has(block) {
            return unsafe { self.give(block, size) };
        }
        unsafe { libc::free(block.as_ptr()) };
        self.count_strays(true, false);
    }

    /// A block of the C library was a stray, or not, and is one now, or not.
    fn count_strays(&mut self, was: bool, is: bool) {
        if was == is {
            return;
        }
        self.strays = if is { self.strays + 1 } else { self.strays - 1 };
        if self.strays == usize::from(is) {
            self.choose_allocator();
        }
    }

    /// Lets LuaJIT call the function that the blocks there are need.
    fn choose_allocator(&self) {
        if self.state.is_null() {
            return;
        }
        let function: sys::lua_Alloc =
            if self.strays == 0 { Some(allocate) } else { Some(allocate_beside_strays) };
        unsafe {
            let mut heap = ptr::null_mut();
            sys::lua_getallocf(self.state, &raw mut heap);
            sys::lua_setallocf(self.state, function, heap);
        }
    }

    /// Takes a block where the current page has no free one; null when there is no memory.
    #[inline(never)]
    fn take_from_next(&mut self, place: usize) -> *mut c_void {
        let size = block_size(place);
        unsafe {
            let mut page = self.current[place];
            if page == no_page() || !add_fresh(page) {
                if page != no_page() {
                    (*page).state = State::Full;
                    (*page).count = 1;
                }
                page = self.next_page(size);
                self.set_current(size, page);
                if page == no_page() {
                    return ptr::null_mut();
                }
            }
            let block = (*page).free;
            (*page).free = (*block).0;
            (*page).count += 1;
            block.cast()
        }
    }

    /// Another page with a free block of that size, to be the current one; `NO_PAGE` when there is no memory.
    fn next_page(&mut self, size: usize) -> *mut Page {
        let mut page = self.with_room[place(size)];
        unsafe {
            if page.is_null() {
                page = self.new_page();
                if page == no_page() {
                    return page;
                }
                self.pages += 1;
                page.write(Page {
                    free: ptr::null_mut(),
                    count: 0,
                    size,
                    state: State::Current,
                    fresh: page.add(1).cast(),
                    previous: ptr::null_mut(),
                    next: ptr::null_mut(),
                });
            } else {
                self.unlink(page);
                self.empty -= usize::from((*page).count == 0);
            }
            (*page).state = State::Current;
            (*page).count += 1;
            if (*page).free.is_null() {
                add_fresh(page);
            }
        }
        page
    }

    /// Lets blocks of that size be taken from `page`.
    fn set_current(&mut self, size: usize, page: *mut Page) {
        let last = place(size);
        let same = self.current[..=last].iter_mut().enumerate().rev();
        for (_, current) in same.take_while(|(place, _)| block_size(*place) == size) {
            *current = page;
        }
    }

    /// A page that was full has a free block, or one with room has no block in use any more.
    #[cold]
    unsafe fn settle(&mut self, page: *mut Page) {
        unsafe {
            if (*page).state == State::Full {
                (*page).state = State::HasRoom;
                (*page).count = blocks_of((*page).size) - 1;
                self.link(page);
                return;
            }
        }
        self.empty += 1;
        if 2 * self.empty > KEPT + self.pages {
            self.gather();
        }
    }

    /// Lets pages without blocks in use serve any size.
    fn gather(&mut self) {
        for place in 0..PLACES {
            let mut page = self.with_room[place];
            while let Some(this) = unsafe { page.as_ref() } {
                let next = this.next;
                if this.count == 0 {
                    unsafe { self.unlink(page) };
                    self.retire(page);
                }
                page = next;
            }
        }
    }

    fn retire(&mut self, page: *mut Page) {
        self.pages -= 1;
        self.empty -= 1;
        if self.spare.len() < KEPT {
            self.spare.push(page);
        } else {
            unsafe { libc::madvise(page.cast(), PAGE, libc::MADV_DONTNEED) };
            self.released.push(page);
        }
    }

    unsafe fn link(&mut self, page: *mut Page) {
        unsafe {
            let first = &mut self.with_room[place((*page).size)];
            (*page).previous = ptr::null_mut();
            (*page).next = *first;
            if let Some(next) = first.as_mut() {
                next.previous = page;
            }
            *first = page;
        }
    }

    unsafe fn unlink(&mut self, page: *mut Page) {
        unsafe {
            let (previous, next) = ((*page).previous, (*page).next);
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => self.with_room[place((*page).size)] = next,
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
        }
    }

    /// Memory for a page; `NO_PAGE` if there is none.
    fn new_page(&mut self) -> *mut Page {
        if self.spare.is_empty() && self.released.is_empty() {
            // To look for a few costs too much.
            let is_added = self.empty < SEGMENT / 4 && self.add_segment().is_some();
            if !is_added {
                self.gather();
            }
        }
        self.spare.pop().or_else(|| self.released.pop()).unwrap_or(no_page())
    }
}

impl Heap {
    /// More pages; `None` if there is no memory for them, or for the lists of all pages, which need none later.
    fn add_segment(&mut self) -> Option<()> {
        let count = SEGMENT * (self.segments.len() + 1);
        self.segments.try_reserve(1).ok()?;
        self.spare.try_reserve(KEPT - self.spare.len()).ok()?;
        self.released.try_reserve(count - self.released.len()).ok()?;
        let segment = Segment::new()?;
        // The first of them last.
        self.released.extend((0..SEGMENT).rev().map(|i| segment.page(i)));
        let at = self.segments.partition_point(|other| other.page(0) < segment.page(0));
        self.segments.insert(at, segment);
        Some(())
    }
}

/// The page in which a small block lies.
#[inline]
fn page_of(block: *mut c_void) -> *mut Page {
    block.map_addr(|address| address & !(PAGE - 1)).cast()
}

/// How many blocks of that size a page has.
const fn blocks_of(size: usize) -> usize {
    (PAGE - size_of::<Page>()) / size
}

/// Makes blocks of a page that have never been in use free ones; `false` if there are none.
unsafe fn add_fresh(page: *mut Page) -> bool {
    // SAFETY: the caller's page; what is written lies in it, and is nobody's yet.
    unsafe {
        let Page { size, fresh, .. } = *page;
        let left = (PAGE - fresh.addr() % PAGE) % PAGE / size;
        let count = left.min((FRESH / size).max(1));
        let mut next = (*page).free;
        for i in (0..count).rev() {
            let block = fresh.add(i * size).cast::<Free>();
            block.write(Free(next));
            next = block;
        }
        (*page).free = next;
        (*page).fresh = fresh.add(count * size);
        count > 0
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

/// What it calls while there are strays.
unsafe extern "C-unwind" fn allocate_beside_strays(
    heap: *mut c_void,
    block: *mut c_void,
    old_size: usize,
    new_size: usize,
) -> *mut c_void {
    // SAFETY: as above.
    unsafe {
        match (NonNull::new(block), new_size) {
            (Some(block), 0) => {
                (*heap.cast::<Heap>()).give_any(block, old_size);
                ptr::null_mut()
            }
            _ => allocate(heap, block, old_size, new_size),
        }
    }
}

/// A VM with a heap of its own; null when there is no memory.
pub(super) fn new_state() -> *mut sys::lua_State {
    let state = make_state();
    if !state.is_null() {
        held::begin(state);
    }
    state
}

fn make_state() -> *mut sys::lua_State {
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
        } else {
            (*heap).state = state;
            (*heap).choose_allocator();
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
        held::end(state, || sys::lua_close(state));
        let ours: [unsafe extern "C-unwind" fn(_, _, _, _) -> _; 2] =
            [allocate, allocate_beside_strays];
        if function.is_some_and(|one| ours.iter().any(|other| ptr::fn_addr_eq(one, *other))) {
            drop(Box::from_raw(heap.cast::<Heap>()));
        }
    }
}
