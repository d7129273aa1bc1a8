//! `Vm`: one LuaJIT state with the tables the module keeps in its registry.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{CStr, c_int, c_void};
use core::ptr::NonNull;

use super::anchor::{Anchor, Anchors};
use super::function::{Function, protect};
use super::stack::{NUMBER_OF_ENTRIES, Stack};
use super::{heap, held, hook, pace, sys, traceback};

/// A LuaJIT VM; the handle is its main coroutine.
#[derive(Clone, Copy, Eq)]
pub(crate) struct Vm {
    main: Stack,
    chunks: ChunkKind,
    lasting: bool,
    /// The registry's reference of the message handler of protected calls.
    handler: c_int,
    /// A box that `close` frees.
    kept: NonNull<Kept>,
}

/// What is kept beside a VM.
struct Kept {
    /// What keeps coroutines that serve one run after another.
    long: Anchors,
    /// What keeps coroutines until they end.
    short: Anchors,
    /// The globals of a new coroutine.
    globals: *const c_void,
}

thread_local! {
    /// How many VMs this thread has closed.
    static CLOSED: Cell<u64> = const { Cell::new(0) };
    static CLOSING: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Whether a VM is being closed, and how many have been before. Finalizers run in an order that nobody knows then: one may
/// use an object whose own finalizer has run.
pub(crate) fn closing() -> Option<u64> {
    CLOSING.get()
}

/// How long a coroutine is to be kept from the collector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Term {
    /// It serves one run after another.
    Long,
    /// Until it ends.
    Short,
}

impl PartialEq for Vm {
    /// The handle tells VMs apart; what else is known of one follows from it.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.main == other.main
    }
}

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
        pub(crate) static $name: u8 = 0;
    )*};
}
registry_keys!(
    ngx_http_lua_code_cache_key,
    ngx_http_lua_socket_pool_key,
    ngx_http_lua_coroutines_key,
    ngx_http_lua_headers_metatable_key
);

/// The key of lua-resty-core's table of `ngx.ctx` tables, which it keeps under a name as well.
static CTX_TABLES_KEY: u8 = 0;

/// LuaJIT's lightuserdata hold 47 bits.
fn registry_key(name: &'static u8) -> *mut c_void {
    core::ptr::from_ref(name).map_addr(|a| a & ((1 << 47) - 1)).cast_mut().cast()
}

/// Makes room for references in the array of the registry, where LuaJIT finds them without hashing: it moves
/// integers there only when many come at once.
fn reserve_references(stack: Stack) {
    let references: [c_int; 64] = core::array::from_fn(|_| {
        stack.push_boolean(true);
        stack.reference(sys::LUA_REGISTRYINDEX)
    });
    for reference in references.into_iter().rev() {
        stack.unreference(sys::LUA_REGISTRYINDEX, reference);
    }
}

impl Vm {
    /// A VM with the standard libraries and the registry tables.
    pub(crate) fn new() -> Option<Self> {
        sys::find_extensions();
        let kind = match sys::extensions().set_exdata {
            Some(_) => ChunkKind::Shared,
            None => ChunkKind::Factory,
        };
        Self::with_chunks(kind)
    }

    pub(crate) fn with_chunks(chunks: ChunkKind) -> Option<Self> {
        let main = heap::new_state();
        if main.is_null() {
            return None;
        }
        let main = Stack::from_raw(main);
        let (long, short) = (Anchors::new(), Anchors::new());
        let kept = Box::new(Kept { long, short, globals: main.globals() });
        let kept = NonNull::from(Box::leak(kept));
        let mut vm = Self { main, chunks, lasting: true, handler: sys::LUA_NOREF, kept };
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
            reserve_references(stack);
            stack.set_number_of_record(NUMBER_OF_ENTRIES);
            hook::find(stack);
            pace::keep(stack);
            held::report_event(stack);
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
        let outer = CLOSING.replace(Some(CLOSED.get()));
        // SAFETY: the caller owns the VM.
        unsafe {
            heap::close_state(self.main.as_ptr());
            drop(Box::from_raw(self.kept.as_ptr()));
        }
        CLOSED.set(CLOSED.get() + 1);
        CLOSING.set(outer);
    }

    /// Calls `handler` with the error on top of the stack before the process ends for an error that nothing catches.
    pub(crate) fn on_panic(self, handler: Function) {
        // SAFETY: [lua-frame]
        unsafe { sys::lua_atpanic(self.main.as_ptr(), Some(handler)) };
    }

    pub(crate) const fn stack(self) -> Stack {
        self.main
    }

    pub(crate) const fn chunks(self) -> ChunkKind {
        self.chunks
    }

    /// The message handler of protected calls: adds a traceback to an error that is text.
    /// stack: [-0, +1, -]
    #[inline]
    pub(crate) fn push_message_handler(self) {
        self.main.raw_geti(sys::LUA_REGISTRYINDEX, self.handler);
    }

    /// Keeps a coroutine from the collector. stack: [-0, +0, m]
    #[inline]
    pub(super) fn keep(self, coroutine: Stack, term: Term) -> Anchor {
        let push_coroutines = |main| push_registry(main, &ngx_http_lua_coroutines_key);
        // SAFETY: the VM has not been closed.
        let kept = unsafe { self.kept.as_ref() };
        let anchors = match term {
            Term::Long => &kept.long,
            Term::Short => &kept.short,
        };
        anchors.keep(coroutine, self.main, push_coroutines)
    }

    /// Whether the coroutine has the globals of a new one of this VM. stack: [-0, +0, -]
    #[inline]
    pub(super) fn gives_globals_of(self, coroutine: Stack) -> bool {
        // SAFETY: the VM has not been closed.
        coroutine.globals() == unsafe { self.kept.as_ref() }.globals
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_code_cache(self, on: Stack) {
        push_registry(on, &ngx_http_lua_code_cache_key);
    }

    /// Makes the table that the registry keeps as `name` the one of `ngx.ctx` tables.
    /// stack: [-0, +0, m]
    pub(crate) fn adopt_ctx_tables(self, name: &[u8]) {
        self.main.push_pointer(registry_key(&CTX_TABLES_KEY));
        self.main.raw_field(sys::LUA_REGISTRYINDEX, name);
        self.main.raw_set(sys::LUA_REGISTRYINDEX);
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_ctx_tables(self) {
        push_registry(self.main, &CTX_TABLES_KEY);
    }

    /// Looks for modules where the VM of the coroutine `from` does. stack of from: [-0, +0, m]
    pub(crate) fn copy_package_paths(self, from: Stack) {
        from.global(c"package");
        for field in [b"path".as_slice(), b"cpath"] {
            from.raw_field(-1, field);
            let path = from.bytes(-1).unwrap_or_default();
            let _ = protect(self.main, |stack| {
                stack.global(c"package");
                stack.push_bytes(path);
                stack.set_raw_field(-2, field);
            });
            from.pop(1);
        }
        from.pop(1);
    }

    /// Whether the VM outlives requests, so that places in it are worth remembering.
    pub(crate) const fn is_lasting(self) -> bool {
        self.lasting
    }

    /// The VM as one that lives for one request only.
    pub(crate) const fn for_one_request(self) -> Self {
        Self { lasting: false, ..self }
    }

    /// Lets `require(package)` call `loader`; `false` when there is no memory. stack: [-0, +0, -]
    pub(crate) fn preload(self, package: &CStr, loader: Function) -> bool {
        protect(self.main, |stack| {
            stack.global(c"package");
            stack.raw_field(-1, b"preload");
            stack.push_function(loader, 0);
            stack.set_raw_field(-2, package.to_bytes());
        })
        .is_ok()
    }

    /// Takes the mark of a module that is being loaded out of `package.loaded`. stack: [-0, +0, -]
    pub(crate) fn forget_loading(self, name: &[u8]) {
        // Without memory the mark stays, and the module counts as one that failed.
        let _ = protect(self.main, |stack| {
            stack.raw_field(sys::LUA_REGISTRYINDEX, b"_LOADED");
            stack.push_nil();
            stack.set_raw_field(-2, name);
        });
    }

    /// Runs a full collection, and so finalizers. stack: [-0, +0, -]
    pub(crate) fn collect(self) {
        held::collect(self.main);
    }

    /// Runs full collections until one frees nothing more: LuaJIT halves its buffers in each. Lua code that counts
    /// memory then counts its own.
    pub(crate) fn collect_all(self) {
        const MOST: u32 = 16;
        let mut before = usize::MAX;
        for _ in 0..MOST {
            self.collect();
            let after = self.memory();
            if after >= before {
                break;
            }
            before = after;
        }
    }

    /// Bytes in use by Lua values.
    pub(crate) fn memory(self) -> usize {
        held::memory(self.main)
    }
}

/// The metatable of header tables. stack: [-0, +1, -]
pub(crate) fn push_headers_metatable(on: Stack) {
    push_registry(on, &ngx_http_lua_headers_metatable_key);
}

/// Keeps the table on top as the metatable of header tables. stack: [-1, +0, m]
pub(crate) fn set_headers_metatable(on: Stack) {
    on.push_pointer(registry_key(&ngx_http_lua_headers_metatable_key));
    on.insert(-2);
    on.raw_set(sys::LUA_REGISTRYINDEX);
}

fn push_registry(on: Stack, key: &'static u8) {
    on.push_pointer(registry_key(key));
    on.raw_get(sys::LUA_REGISTRYINDEX);
}
