//! Compiling chunks, and the code cache in the registry.
//!
//! The cache is a table `{ [key] = ref, [ref] = function }`; chunks whose file name holds variables
//! are kept as `{ [key] = function }`. What the function is depends on the LuaJIT: see [`ChunkKind`].
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{CStr, c_int};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::stack::{Kind, Stack};
use super::state::{ChunkKind, Vm};
use super::sys;
use super::thread::Failure;

/// Where a chunk lies in the code cache of the worker's VM, once it has been found there.
pub(crate) struct CacheRef {
    /// The VM that the references belong to.
    vm: Cell<*mut sys::lua_State>,
    /// In the cache table.
    cached: Cell<c_int>,
    /// In the registry, where one call finds it.
    pinned: Cell<c_int>,
    by_key: bool,
}

impl CacheRef {
    /// The chunk has not been looked up yet.
    pub(crate) const fn unset() -> Self {
        Self::new(false)
    }

    /// The chunk is found by its key alone.
    pub(crate) const fn by_key() -> Self {
        Self::new(true)
    }

    const fn new(by_key: bool) -> Self {
        Self {
            vm: Cell::new(core::ptr::null_mut()),
            cached: Cell::new(sys::LUA_REFNIL),
            pinned: Cell::new(sys::LUA_NOREF),
            by_key,
        }
    }

    /// The reference in the cache table of `vm`, or one of Lua's for none.
    pub(crate) fn get(&self, vm: Vm) -> c_int {
        if self.by_key {
            sys::LUA_NOREF
        } else if self.vm.get() == vm.stack().as_ptr() {
            self.cached.get()
        } else {
            sys::LUA_REFNIL
        }
    }

    /// Remembers the function on top of `stack`, which lies at `reference` in the cache table.
    fn remember(&self, vm: Vm, stack: Stack, reference: c_int) {
        if !vm.is_lasting() || self.by_key {
            return;
        }
        stack.push_value(-1);
        self.vm.set(vm.stack().as_ptr());
        self.cached.set(reference);
        self.pinned.set(stack.reference(sys::LUA_REGISTRYINDEX));
    }
}

/// Why a chunk could not be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LoadError {
    /// The Lua code is at fault.
    Code(Vec<u8>),
    /// There is no such file.
    NotFound(Vec<u8>),
    /// There is, but it cannot be read.
    Unreadable(Vec<u8>),
}

impl LoadError {
    pub(crate) fn message(&self) -> &[u8] {
        match self {
            Self::Code(m) | Self::NotFound(m) | Self::Unreadable(m) => m,
        }
    }
}

const FACTORY_BEGIN: &[u8] = b"return function() ";
const FACTORY_END: &[u8] = b"\nend";
const BYTECODE: u8 = 0x1b;
const UNDUMP: &[u8] = b"local code, name, load = ...\n\
    return function() return assert(load(code, name)) end";

impl Vm {
    /// Pushes a chunk that this VM remembers; `false` (and nothing pushed) if it has to be looked up.
    /// stack: [-0, +(0|1), -]
    #[inline]
    pub(crate) fn push_remembered(self, stack: Stack, cache: &CacheRef) -> bool {
        let remembered =
            cache.vm.get() == self.stack().as_ptr() && self.chunks() == ChunkKind::Shared;
        if remembered {
            stack.raw_geti(sys::LUA_REGISTRYINDEX, cache.pinned.get());
        }
        remembered
    }

    /// Pushes the cached chunk on a stack of this VM, ready to run; `false` (and nothing pushed) if it is
    /// not cached. stack: [-0, +(0|1), m]
    pub(crate) fn push_cached(self, stack: Stack, key: &CStr, cache: &CacheRef) -> bool {
        if cache.vm.get() == self.stack().as_ptr() {
            stack.raw_geti(sys::LUA_REGISTRYINDEX, cache.pinned.get());
            return self.make_runnable(stack).is_ok();
        }
        self.push_code_cache(stack);
        stack.raw_field(-1, key.to_bytes());
        let mut reference = None;
        if !cache.by_key && stack.kind(-1) == Kind::Number {
            let number = stack.number(-1).unwrap_or_default() as c_int;
            reference = Some(number);
            stack.pop(1);
            stack.raw_geti(-1, number);
        }
        if stack.kind(-1) != Kind::Function {
            stack.pop(2);
            return false;
        }
        stack.remove(-2);
        if let Some(reference) = reference {
            cache.remember(self, stack, reference);
        }
        self.make_runnable(stack).is_ok()
    }

    /// Puts the compiled chunk on top into the cache, and leaves it there ready to run.
    /// stack: [-0, +0, m]
    pub(crate) fn store_cached(
        self,
        stack: Stack,
        key: &CStr,
        cache: &CacheRef,
    ) -> Result<(), LoadError> {
        self.push_code_cache(stack);
        stack.push_value(-2);
        if cache.by_key {
            stack.set_raw_field(-2, key.to_bytes());
            stack.pop(1);
        } else {
            let reference = stack.reference(-2);
            stack.push_integer(reference as isize);
            stack.set_raw_field(-2, key.to_bytes());
            stack.pop(1);
            cache.remember(self, stack, reference);
        }
        self.make_runnable(stack)
    }

    /// Turns what the cache keeps into a function to run. stack: [-1, +(0|1), e]
    fn make_runnable(self, stack: Stack) -> Result<(), LoadError> {
        if self.chunks() == ChunkKind::Shared || stack.call(0, 1, 0) {
            return Ok(());
        }
        let message = stack.error_message().to_vec();
        stack.pop(1);
        Err(LoadError::Code(message))
    }

    /// Compiles `source` for the cache. stack: [-0, +(0|1), -]
    pub(crate) fn compile(self, stack: Stack, source: &[u8], name: &CStr) -> Result<(), LoadError> {
        match self.chunks() {
            ChunkKind::Factory if source.first() == Some(&BYTECODE) => {
                // Bytecode cannot be wrapped in source: its factory undumps it each time.
                self.compile_plain(stack, UNDUMP, c"=factory")?;
                stack.push_bytes(source);
                stack.push_bytes(name.to_bytes());
                stack.global(c"loadstring");
                stack.call(3, 1, 0);
                Ok(())
            }
            ChunkKind::Factory => {
                self.compile_plain(stack, &[FACTORY_BEGIN, source, FACTORY_END].concat(), name)
            }
            ChunkKind::Shared => self.compile_plain(stack, source, name),
        }
    }

    /// Compiles `source` as it is. stack: [-0, +(0|1), -]
    pub(crate) fn compile_plain(
        self,
        stack: Stack,
        source: &[u8],
        name: &CStr,
    ) -> Result<(), LoadError> {
        // SAFETY: `source` and `name` outlive the call, which runs protected.
        let status = unsafe {
            let (data, len) = (source.as_ptr().cast(), source.len());
            sys::luaL_loadbuffer(stack.as_ptr(), data, len, name.as_ptr())
        };
        if status == sys::LUA_OK {
            return Ok(());
        }
        let message = match Failure::of(status) {
            Failure::Memory => b"memory allocation error".to_vec(),
            _ => stack.error_message().to_vec(),
        };
        stack.pop(1);
        Err(LoadError::Code(message))
    }

    /// Compiles the Lua file at `path` for the cache. stack: [-0, +(0|1), -]
    pub(crate) fn compile_file(self, stack: Stack, path: &CStr) -> Result<(), LoadError> {
        let (source, name) = read(path)?;
        self.compile(stack, &source, &name)
    }

    /// Compiles the Lua file at `path` as it is. stack: [-0, +(0|1), -]
    pub(crate) fn compile_file_plain(self, stack: Stack, path: &CStr) -> Result<(), LoadError> {
        let (source, name) = read(path)?;
        self.compile_plain(stack, &source, &name)
    }
}

/// The code in a file (a first line that starts with `#` is blanked), and its chunk name.
fn read(path: &CStr) -> Result<(Vec<u8>, CString), LoadError> {
    let file = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
    let mut source = std::fs::read(file).map_err(|error| {
        let what: &[u8] = if file.is_dir() { b"cannot read " } else { b"cannot open " };
        let reason = reason(&error);
        let message = [what, path.to_bytes(), b": ", reason.as_bytes()].concat();
        match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::NotFound(message),
            _ => LoadError::Unreadable(message),
        }
    })?;
    if source.first() == Some(&b'#') {
        let line = source.iter().position(|b| *b == b'\n').unwrap_or(source.len());
        if source.get(line + 1) == Some(&BYTECODE) {
            let message = [b"bad byte-code header in ", path.to_bytes()].concat();
            return Err(LoadError::Unreadable(message));
        }
        source.drain(..line);
    }
    let name = [b"@", path.to_bytes(), b"\0"].concat();
    // A C string with a prefix is a C string.
    let name = CString::from_vec_with_nul(name).unwrap_or_default();
    Ok((source, name))
}

/// The C library's words for an I/O error, without Rust's `(os error N)`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::thread::{Step, Thread};
    use super::*;

    fn run(vm: Vm) -> Step {
        let thread = Thread::new(vm);
        vm.stack().move_to(thread.stack(), 1);
        thread.resume(0)
    }

    fn cache_keeps_and_finds(kind: ChunkKind) {
        let vm = Vm::with_chunks(kind).unwrap();
        let main = vm.stack();
        let (key, cache) = (c"content_by_lua_nhli_0", CacheRef::unset());
        assert!(!vm.push_cached(main, key, &cache));
        vm.compile(main, b"n = (n or 0) + 1 -- no newline", c"=test").unwrap();
        vm.store_cached(main, key, &cache).unwrap();
        assert_eq!(run(vm), Step::FINISHED);
        for _ in 0..2 {
            assert!(vm.push_cached(main, key, &cache));
            assert_eq!(run(vm), Step::FINISHED);
        }
        vm.stack().global(c"n");
        assert_eq!(vm.stack().number(-1), Some(3.0));
        vm.stack().pop(1);
        // Another location with the same code finds the same chunk by its key.
        let other = CacheRef::unset();
        assert!(vm.push_cached(main, key, &other));
        assert_eq!(other.get(vm), cache.get(vm));
        vm.stack().pop(1);
        assert_eq!(vm.stack().top(), 0);
        vm.close();
    }

    #[test]
    fn shared_chunks_are_cached() {
        cache_keeps_and_finds(ChunkKind::Shared);
    }

    #[test]
    fn factories_are_cached() {
        cache_keeps_and_finds(ChunkKind::Factory);
    }

    #[test]
    fn bytecode_works_with_both_kinds() {
        for kind in [ChunkKind::Shared, ChunkKind::Factory] {
            let vm = Vm::with_chunks(kind).unwrap();
            vm.compile_plain(
                vm.stack(),
                b"code = string.dump(function() done = (done or 0) + 1 end)",
                c"=t",
            )
            .unwrap();
            assert!(vm.stack().call(0, 0, 0));
            vm.stack().global(c"code");
            let code = vm.stack().bytes(-1).unwrap().to_vec();
            vm.stack().pop(1);
            let cache = CacheRef::by_key();
            vm.compile(vm.stack(), &code, c"=t").unwrap();
            vm.store_cached(vm.stack(), c"k", &cache).unwrap();
            assert_eq!(run(vm), Step::FINISHED, "{kind:?}");
            assert!(vm.push_cached(vm.stack(), c"k", &cache));
            assert_eq!(run(vm), Step::FINISHED, "{kind:?}");
            vm.stack().global(c"done");
            assert_eq!(vm.stack().number(-1), Some(2.0), "{kind:?}");
            vm.close();
        }
    }

    #[test]
    fn errors_name_the_line_in_both_kinds() {
        for kind in [ChunkKind::Shared, ChunkKind::Factory] {
            let vm = Vm::with_chunks(kind).unwrap();
            let error = vm.compile(vm.stack(), b"local a\nlocal = 1", c"=code").unwrap_err();
            let text = String::from_utf8_lossy(error.message()).into_owned();
            assert!(text.starts_with("code:2: "), "{kind:?}: {text}");
            vm.close();
        }
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let vm = Vm::new().unwrap();
        let error = vm.compile_file(vm.stack(), c"/nonexistent/x.lua").unwrap_err();
        let message = b"cannot open /nonexistent/x.lua: No such file or directory".to_vec();
        assert_eq!(error, LoadError::NotFound(message));
        vm.close();
    }
}
