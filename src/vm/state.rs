//! `Vm`: one LuaJIT state with the tables the module keeps in its registry.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::function::{Function, protect};
use super::stack::Stack;
use super::{sys, traceback};

/// A LuaJIT VM; the handle is its main coroutine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vm {
    main: Stack,
    chunks: ChunkKind,
    /// Tells it from another VM that gets the memory of a closed one.
    id: u32,
    /// The registry's reference of the message handler of protected calls.
    handler: c_int,
}

/// VMs made by this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// What the code cache keeps of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChunkKind {
    /// The chunk itself: requests share the VM's globals, and exdata tells them apart.
    Shared,
    /// A factory that makes a closure for each run, with globals of its own: without exdata the
    /// request is found through them.
    Factory,
}

/// The addresses of these are the registry keys of the module's tables, as in the reference.
macro_rules! registry_keys {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals, missing_docs)]
        pub static $name: u8 = 0;
    )*};
}
registry_keys!(
    ngx_http_lua_code_cache_key,
    ngx_http_lua_socket_pool_key,
    ngx_http_lua_coroutines_key,
    ngx_http_lua_headers_metatable_key
);

/// LuaJIT's lightuserdata hold 47 bits.
fn registry_key(name: &'static u8) -> *mut c_void {
    core::ptr::from_ref(name).map_addr(|a| a & ((1 << 47) - 1)).cast_mut().cast()
}

impl Vm {
    /// A VM with the standard libraries and the registry tables.
    pub(crate) fn new() -> Option<Self> {
        let kind = match sys::extensions().set_exdata {
            Some(_) => ChunkKind::Shared,
            None => ChunkKind::Factory,
        };
        Self::with_chunks(kind)
    }

    pub(crate) fn with_chunks(chunks: ChunkKind) -> Option<Self> {
        // SAFETY: the state is private to this function until it returns.
        let main = unsafe { sys::luaL_newstate() };
        if main.is_null() {
            return None;
        }
        let id = COUNT.fetch_add(1, Relaxed);
        let mut vm = Self { main: Stack::from_raw(main), chunks, id, handler: sys::LUA_NOREF };
        let ready = protect(vm.main, |stack| {
            // SAFETY: `stack` is the new state.
            unsafe { sys::luaL_openlibs(stack.as_ptr()) };
            for key in [
                &ngx_http_lua_coroutines_key,
                &ngx_http_lua_socket_pool_key,
                &ngx_http_lua_code_cache_key,
            ] {
                stack.push_pointer(registry_key(key));
                stack.new_table(0, 8);
                stack.raw_set(sys::LUA_REGISTRYINDEX);
            }
            stack.push_function(traceback::ADD, 0);
            vm.handler = stack.reference(sys::LUA_REGISTRYINDEX);
        });
        if ready.is_err() {
            vm.close();
            return None;
        }
        Some(vm)
    }

    /// Ends the VM; no handle to anything in it may be used after.
    pub(crate) fn close(self) {
        // SAFETY: the caller owns the VM.
        unsafe { sys::lua_close(self.main.as_ptr()) }
    }

    pub(crate) const fn stack(self) -> Stack {
        self.main
    }

    pub(crate) const fn chunks(self) -> ChunkKind {
        self.chunks
    }

    pub(super) const fn id(self) -> u32 {
        self.id
    }

    /// The message handler of protected calls: adds a traceback to an error that is text.
    /// stack: [-0, +1, -]
    #[inline]
    pub(crate) fn push_message_handler(self) {
        self.main.raw_geti(sys::LUA_REGISTRYINDEX, self.handler);
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_coroutines(self) {
        self.push_registry(&ngx_http_lua_coroutines_key);
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_code_cache(self) {
        self.push_registry(&ngx_http_lua_code_cache_key);
    }

    fn push_registry(self, key: &'static u8) {
        self.main.push_pointer(registry_key(key));
        self.main.raw_get(sys::LUA_REGISTRYINDEX);
    }

    /// Runs a full collection.
    pub(crate) fn collect(self) {
        // SAFETY: [lua-frame]; finalizers run protected.
        unsafe { sys::lua_gc(self.main.as_ptr(), sys::LUA_GCCOLLECT, 0) };
    }

    /// Bytes in use by Lua values.
    #[cfg(test)]
    pub(crate) fn memory(self) -> usize {
        // SAFETY: [lua-frame]
        let (kib, rest) = unsafe {
            let l = self.main.as_ptr();
            (sys::lua_gc(l, sys::LUA_GCCOUNT, 0), sys::lua_gc(l, sys::LUA_GCCOUNTB, 0))
        };
        kib as usize * 1024 + rest as usize
    }
}

/// Puts `functions` into the table on top. stack: [-0, +0, m]
pub(crate) fn set_functions(stack: Stack, functions: &[(&CStr, Function)]) {
    for (name, function) in functions {
        stack.push_function(*function, 0);
        stack.set_raw_field(-2, name.to_bytes());
    }
}
