//! nginx's own PCRE2, its JIT compiler included: patterns, and what matching them needs.
//!
//! Options and error codes are PCRE2's; what they mean to a caller is the caller's business. No subject, however
//! broken its UTF-8 and whatever the pattern, makes PCRE2 read outside of it: texts that a pattern wants
//! to be UTF-8 are checked here, before PCRE2, which trusts them, sees them.
//!
//! There is one [`Matcher`] a configuration. Its match data serves every match; what PCRE2 takes from the
//! heap for an expensive one is given back after it.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use super::sys;

// Unit tests have no nginx around them that brings the library.
#[cfg(test)]
#[link(name = "pcre2-8")]
unsafe extern "C" {}

/// Memory of the match data that stays after a match.
const KEPT: usize = 256 * 1024;

/// Kibibytes that the interpreter may take from the heap for one match: some 500,000 levels of
/// backtracking. PCRE2's own limit would be a worker of 20 GB.
///
/// Reference: PCRE1 backtracks on the stack, and overruns it at some 20,000 levels.
const HEAP_LIMIT: u32 = 64 * 1024;

/// Integers of working space of a DFA match, beyond which it fails.
const DFA_WORKSPACE: usize = 100;

/// The least stack of JIT-compiled code: what it uses of the C stack without one of its own.
pub(crate) const LEAST_JIT_STACK: usize = 32 * 1024;

/// Why a pattern was refused.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct CompileError {
    /// PCRE2's number; a negative one is about the pattern's UTF-8.
    pub(crate) code: c_int,
    /// The byte of the pattern where it was found.
    pub(crate) offset: usize,
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Code {
    raw: NonNull<sys::pcre2_code_8>,
    captures: usize,
    /// Whether machine code of it may be called without PCRE2's preparations.
    direct: bool,
    /// Whether nothing has to be done before that either.
    at_once: bool,
    /// Whether it trusts its subjects to be UTF-8.
    trusts_utf: bool,
    /// Whether it may begin with items such as `(*UTF)`.
    has_start_items: bool,
}

/// The names of a pattern's groups, as PCRE2 keeps them: entries of one size, each the group's number
/// in two bytes and the name with a NUL behind it.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) table: *const u8,
    pub(crate) count: u32,
    pub(crate) entry_size: u32,
}

impl Code {
    /// `extra` are options that PCRE2 takes in a context of their own.
    pub(crate) fn compile(pattern: &[u8], options: u32, extra: u32) -> Result<Self, CompileError> {
        let (mut code, mut offset) = (0, 0);
        // SAFETY: the pattern is valid for its length, even an empty one; the context lives until PCRE2
        // returns.
        let raw = unsafe {
            let context = if extra == 0 {
                ptr::null_mut()
            } else {
                sys::pcre2_compile_context_create_8(ptr::null_mut())
            };
            if !context.is_null() {
                sys::pcre2_set_compile_extra_options_8(context, extra);
            }
            let raw = sys::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &raw mut code,
                &raw mut offset,
                context,
            );
            sys::pcre2_compile_context_free_8(context);
            raw
        };
        let raw = NonNull::new(raw).ok_or(CompileError { code, offset })?;
        let mut this = Self {
            raw,
            captures: 0,
            direct: false,
            at_once: false,
            trusts_utf: false,
            has_start_items: false,
        };
        this.has_start_items = pattern.starts_with(b"(*");
        this.captures = this.number(sys::PCRE2_INFO_CAPTURECOUNT) as usize;
        // The pattern itself may have asked for UTF-8.
        let options = this.number(sys::PCRE2_INFO_ALLOPTIONS);
        this.trusts_utf =
            options & sys::PCRE2_UTF != 0 && options & sys::PCRE2_MATCH_INVALID_UTF == 0;
        Ok(this)
    }

    /// Makes machine code of it, if that can be done. Without, it is interpreted.
    pub(crate) fn compile_jit(&mut self) {
        // SAFETY: the pattern is alive.
        unsafe { sys::pcre2_jit_compile_8(self.raw.as_ptr(), sys::PCRE2_JIT_COMPLETE) };
        // What a pattern asks for in front of itself, as `(*NOTEMPTY)`, is among the preparations.
        self.direct = self.has_jit() && !self.has_start_items;
        self.at_once = self.direct && !self.trusts_utf;
    }

    pub(crate) fn has_jit(&self) -> bool {
        let mut size = 0_usize;
        // SAFETY: what is asked for is a `size_t`.
        unsafe { self.info(sys::PCRE2_INFO_JITSIZE, (&raw mut size).cast()) };
        size > 0
    }

    /// The number of capturing groups.
    pub(crate) fn captures(&self) -> usize {
        self.captures
    }

    pub(crate) fn names(&self) -> Names {
        let mut table: *const u8 = ptr::null();
        // SAFETY: what is asked for is a pointer, into the pattern.
        unsafe { self.info(sys::PCRE2_INFO_NAMETABLE, (&raw mut table).cast()) };
        Names {
            table,
            count: self.number(sys::PCRE2_INFO_NAMECOUNT),
            entry_size: self.number(sys::PCRE2_INFO_NAMEENTRYSIZE),
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.raw.as_ptr().cast()
    }

    fn number(&self, what: u32) -> u32 {
        let mut value = 0_u32;
        // SAFETY: callers ask for what is a `uint32_t`.
        unsafe { self.info(what, (&raw mut value).cast()) };
        value
    }

    /// # Safety
    /// `place` has the type of what is asked for.
    unsafe fn info(&self, what: u32, place: *mut c_void) -> bool {
        // SAFETY: the pattern is alive; the caller's contract.
        unsafe { sys::pcre2_pattern_info_8(self.raw.as_ptr(), what, place) == 0 }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: made by `compile`, freed once.
        unsafe { sys::pcre2_code_free_8(self.raw.as_ptr()) };
    }
}

/// Whether all groups of a match are wanted, which the interpreter and JIT-compiled code find, or the longest
/// match, which the other algorithm finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Algorithm {
    Backtracking,
    Dfa,
}

/// Limits of one match.
struct Context(NonNull<sys::pcre2_match_context_8>);

impl Context {
    /// A limit of 0 is PCRE2's own, ten million.
    fn new(match_limit: u32) -> Option<Self> {
        // SAFETY: made here, and not null where it is used.
        unsafe {
            let context = NonNull::new(sys::pcre2_match_context_create_8(ptr::null_mut()))?;
            sys::pcre2_set_heap_limit_8(context.as_ptr(), HEAP_LIMIT);
            if match_limit > 0 {
                sys::pcre2_set_match_limit_8(context.as_ptr(), match_limit);
            }
            Some(Self(context))
        }
    }

    fn as_ptr(&self) -> *mut sys::pcre2_match_context_8 {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once.
        unsafe { sys::pcre2_match_context_free_8(self.as_ptr()) };
    }
}

/// The limits of backtracking, for each way of matching.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) machine_code: u32,
    pub(crate) interpreter: u32,
}

/// What matching needs, whatever the pattern.
pub(crate) struct Matcher {
    for_machine_code: Context,
    for_interpreter: Context,
    /// Without a limit of backtracking, which is none of the DFA algorithm's.
    for_dfa: Context,
    stack: Cell<*mut sys::pcre2_jit_stack_8>,
    data: Cell<*mut sys::pcre2_match_data_8>,
    /// The offsets of the last match, inside of `data`.
    offsets: Cell<*mut usize>,
    /// The groups that `data` has room for, the whole match included.
    room: Cell<usize>,
    memory: Box<Memory>,
}

// SAFETY (every block of this impl): stack and data are made here, are not null where they are used, and are
// freed once, when nothing of PCRE2's points to them any more.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Matcher {
    pub(crate) fn new(limits: Limits) -> Option<Self> {
        Some(Self {
            for_machine_code: Context::new(limits.machine_code)?,
            for_interpreter: Context::new(limits.interpreter)?,
            for_dfa: Context::new(0)?,
            stack: Cell::new(ptr::null_mut()),
            data: Cell::new(ptr::null_mut()),
            offsets: Cell::new(ptr::null_mut()),
            room: Cell::new(0),
            memory: Box::default(),
        })
    }

    /// Gives JIT-compiled code a stack that grows up to `most` bytes; whether there was memory for it.
    pub(crate) fn set_jit_stack(&self, most: usize) -> bool {
        let most = most.max(LEAST_JIT_STACK);
        let stack =
            unsafe { sys::pcre2_jit_stack_create_8(LEAST_JIT_STACK, most, ptr::null_mut()) };
        if stack.is_null() {
            return false;
        }
        unsafe {
            sys::pcre2_jit_stack_assign_8(self.for_machine_code.as_ptr(), None, stack.cast());
            sys::pcre2_jit_stack_free_8(self.stack.replace(stack));
        }
        true
    }

    /// Makes room for the groups of `code`; whether there was memory for it.
    pub(crate) fn make_room(&self, code: &Code) -> bool {
        code.captures < self.room.get() || self.renew(code.captures + 1)
    }

    /// Takes new match data, and with it the least memory.
    fn renew(&self, groups: usize) -> bool {
        let Ok(wanted) = u32::try_from(groups) else { return false };
        unsafe {
            let memory = self.memory.as_ref() as *const Memory;
            let general = sys::pcre2_general_context_create_8(
                Some(allocate),
                Some(release),
                memory.cast_mut().cast(),
            );
            if general.is_null() {
                return false;
            }
            let data = sys::pcre2_match_data_create_8(wanted, general);
            sys::pcre2_general_context_free_8(general);
            if data.is_null() {
                return false;
            }
            sys::pcre2_match_data_free_8(self.data.replace(data));
            self.offsets.set(sys::pcre2_get_ovector_pointer_8(data));
        }
        self.room.set(groups);
        true
    }

    /// Looks for a match from byte `at` on, writes as many offsets as `found` has places for, -1 for those of a
    /// group without a match, and returns the number of groups up to the last one with a match, or
    /// PCRE2's code.
    ///
    /// A match begins where the search began or later, and ends where it begins or later, even if the
    /// pattern moves its beginning.
    #[inline]
    pub(crate) fn run(
        &self,
        code: &Code,
        algorithm: Algorithm,
        subject: &[u8],
        at: usize,
        found: &mut [c_int],
    ) -> c_int {
        let has_room = code.captures < self.room.get();
        if algorithm == Algorithm::Dfa || !code.at_once || !has_room || at > subject.len() {
            return self.run_with_care(code, algorithm, subject, at, found);
        }
        let rc = self.run_machine_code(code, subject, at);
        if rc >= 0 {
            self.tell(at, found);
        }
        rc
    }

    #[inline(never)]
    fn run_with_care(
        &self,
        code: &Code,
        algorithm: Algorithm,
        subject: &[u8],
        at: usize,
        found: &mut [c_int],
    ) -> c_int {
        if at > subject.len() {
            return sys::PCRE2_ERROR_BADOFFSET;
        }
        if !self.make_room(code) {
            return sys::PCRE2_ERROR_NOMEMORY;
        }
        if code.trusts_utf
            && let Some(error) = check_utf(subject, at)
        {
            return error;
        }
        let rc = match algorithm {
            Algorithm::Dfa => self.run_dfa(code, subject, at),
            Algorithm::Backtracking if code.direct => self.run_machine_code(code, subject, at),
            Algorithm::Backtracking => self.run_prepared(code, subject, at),
        };
        if rc >= 0 {
            self.tell(at, found);
        }
        if self.memory.held.get() > KEPT {
            // A failure changes nothing: there is another chance after the next match.
            let _ = self.renew(self.room.get());
        }
        rc
    }

    /// Writes the offsets of the last match, of a search from `at` on.
    #[inline]
    fn tell(&self, at: usize, found: &mut [c_int]) {
        let (places, _) = found.as_chunks_mut::<2>();
        let pairs = self.offsets.get().cast::<[usize; 2]>();
        let pairs = unsafe { core::slice::from_raw_parts(pairs, self.room.get()) };
        // PCRE2 says usize::MAX where we say -1.
        let told = |pair: &[usize; 2]| pair.map(|offset| offset as c_int);
        let ([first, places @ ..], [pair, pairs @ ..]) = (places, pairs) else { return };
        let [from, to] = told(pair);
        *first = [from.max(at as c_int).min(to), to];
        // One after the other: there are few.
        let (mut places, mut pairs) = (places, pairs);
        while let ([place, rest @ ..], [pair, others @ ..]) = (places, pairs) {
            *place = told(pair);
            (places, pairs) = (rest, others);
        }
    }

    #[inline]
    fn run_machine_code(&self, code: &Code, subject: &[u8], at: usize) -> c_int {
        unsafe {
            sys::pcre2_jit_match_8(
                code.raw.as_ptr(),
                subject.as_ptr(),
                subject.len(),
                at,
                0,
                self.data.get(),
                self.for_machine_code.as_ptr(),
            )
        }
    }

    /// With PCRE2's preparations, by machine code or the interpreter.
    fn run_prepared(&self, code: &Code, subject: &[u8], at: usize) -> c_int {
        let options = if code.trusts_utf { sys::PCRE2_NO_UTF_CHECK } else { 0 };
        let context = if code.has_jit() { &self.for_machine_code } else { &self.for_interpreter };
        unsafe {
            sys::pcre2_match_8(
                code.raw.as_ptr(),
                subject.as_ptr(),
                subject.len(),
                at,
                options,
                self.data.get(),
                context.as_ptr(),
            )
        }
    }

    fn run_dfa(&self, code: &Code, subject: &[u8], at: usize) -> c_int {
        let options = if code.trusts_utf { sys::PCRE2_NO_UTF_CHECK } else { 0 };
        let mut workspace = [0; DFA_WORKSPACE];
        unsafe {
            sys::pcre2_dfa_match_8(
                code.raw.as_ptr(),
                subject.as_ptr(),
                subject.len(),
                at,
                options,
                self.data.get(),
                self.for_dfa.as_ptr(),
                workspace.as_mut_ptr(),
                DFA_WORKSPACE,
            )
        }
    }

    /// The bytes of match data.
    #[cfg(test)]
    pub(crate) fn memory_held(&self) -> usize {
        self.memory.held.get()
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        // SAFETY: made by this type's functions, freed once; null is as good.
        unsafe {
            sys::pcre2_match_data_free_8(self.data.get());
            sys::pcre2_jit_stack_free_8(self.stack.get());
        }
    }
}

/// What is wrong with a subject that has to be UTF-8 throughout.
fn check_utf(subject: &[u8], at: usize) -> Option<c_int> {
    match core::str::from_utf8(subject) {
        Ok(text) if text.is_char_boundary(at) => None,
        Ok(_) => Some(sys::PCRE2_ERROR_BADUTFOFFSET),
        Err(_) => Some(sys::PCRE2_ERROR_UTF8_ERR1),
    }
}

/// What match data holds of the heap.
#[derive(Default)]
struct Memory {
    held: Cell<usize>,
}

/// # Safety
/// `memory` is a live [`Memory`].
unsafe extern "C" fn allocate(size: usize, memory: *mut c_void) -> *mut c_void {
    // SAFETY: the caller's contract.
    unsafe {
        let place = libc::malloc(size);
        let held = &(*memory.cast::<Memory>()).held;
        held.set(held.get() + libc::malloc_usable_size(place));
        place
    }
}

/// # Safety
/// `place` comes from [`allocate`] or is null, `memory` is a live [`Memory`].
unsafe extern "C" fn release(place: *mut c_void, memory: *mut c_void) {
    // SAFETY: the caller's contract.
    unsafe {
        let held = &(*memory.cast::<Memory>()).held;
        held.set(held.get() - libc::malloc_usable_size(place));
        libc::free(place);
    }
}

/// PCRE2's text for one of its codes.
pub(crate) fn message(code: c_int) -> String {
    let mut text = [0_u8; 256];
    // SAFETY: the buffer has the room it is said to have.
    let length = unsafe { sys::pcre2_get_error_message_8(code, text.as_mut_ptr(), text.len()) };
    let length = usize::try_from(length).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[..length]).into_owned()
}

/// PCRE2's version and its date, as `10.42 2022-12-11`.
pub(crate) fn version() -> String {
    let mut text = [0_u8; 64];
    // SAFETY: PCRE2 says that 24 bytes are enough.
    unsafe { sys::pcre2_config_8(sys::PCRE2_CONFIG_VERSION, text.as_mut_ptr().cast()) };
    let length = text.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&text[..length]).into_owned()
}
