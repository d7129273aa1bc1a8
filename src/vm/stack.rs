//! A Lua stack: pushing, reading, tables. Each helper states what it does to the stack as
//! `stack: [-popped, +pushed, -|m|e]` (`m`: may raise for want of memory, `e`: may run Lua).
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};

use super::function::Function;
use super::{hook, sys};

/// A handle to a `lua_State`. Indices are Lua's: from 1 upwards, or from -1 downwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stack(*mut sys::lua_State);

/// The type of a Lua value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub(crate) enum Kind {
    None = sys::LUA_TNONE,
    Nil = sys::LUA_TNIL,
    Boolean = sys::LUA_TBOOLEAN,
    LightUserdata = sys::LUA_TLIGHTUSERDATA,
    Number = sys::LUA_TNUMBER,
    String = sys::LUA_TSTRING,
    Table = sys::LUA_TTABLE,
    Function = sys::LUA_TFUNCTION,
    Userdata = sys::LUA_TUSERDATA,
    Thread = sys::LUA_TTHREAD,
    /// LuaJIT's FFI object.
    Cdata = 10,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::None,
        Self::Nil,
        Self::Boolean,
        Self::LightUserdata,
        Self::Number,
        Self::String,
        Self::Table,
        Self::Function,
        Self::Userdata,
        Self::Thread,
        // 9 is LuaJIT's function prototype, which no Lua code ever sees.
        Self::Cdata,
        Self::Cdata,
    ];

    /// The name Lua's `type` would return.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "no value",
            Self::Nil => "nil",
            Self::Boolean => "boolean",
            Self::LightUserdata | Self::Userdata => "userdata",
            Self::Number => "number",
            Self::String => "string",
            Self::Table => "table",
            Self::Function => "function",
            Self::Thread => "thread",
            Self::Cdata => "cdata",
        }
    }
}

// SAFETY (every block of this impl): [lua-frame]; callers hold a live state and leave room for what
// they push (a C function starts with LUA_MINSTACK free slots, `reserve` makes more).
#[allow(clippy::undocumented_unsafe_blocks)]
impl Stack {
    pub(crate) const fn from_raw(l: *mut sys::lua_State) -> Self {
        Self(l)
    }

    pub(crate) const fn as_ptr(self) -> *mut sys::lua_State {
        self.0
    }

    /// stack: [-0, +0, -]
    #[inline]
    pub(crate) fn top(self) -> c_int {
        unsafe { sys::lua_gettop(self.0) }
    }

    /// stack: [-?, +?, -]
    pub(crate) fn set_top(self, index: c_int) {
        unsafe { sys::lua_settop(self.0, index) }
    }

    /// stack: [-n, +0, -]
    pub(crate) fn pop(self, n: c_int) {
        unsafe { sys::lua_pop(self.0, n) }
    }

    /// Room for `n` more values; `false` at Lua's limit. stack: [-0, +0, m]
    pub(crate) fn reserve(self, n: c_int) -> bool {
        unsafe { sys::lua_checkstack(self.0, n) != 0 }
    }

    /// stack: [-0, +0, -]
    #[inline]
    pub(crate) fn kind(self, index: c_int) -> Kind {
        let kind = unsafe { sys::lua_type(self.0, index) };
        Kind::ALL[(kind + 1).clamp(0, 11) as usize]
    }

    /// stack: [-0, +0, -]
    #[inline]
    pub(crate) fn is_table(self, index: c_int) -> bool {
        unsafe { sys::lua_type(self.0, index) == sys::LUA_TTABLE as c_int }
    }

    /// A string; a number is none. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn is_string(self, index: c_int) -> bool {
        unsafe { sys::lua_type(self.0, index) == sys::LUA_TSTRING as c_int }
    }

    /// A number, or a string that reads as one. stack: [-0, +0, -]
    pub(crate) fn number(self, index: c_int) -> Option<f64> {
        unsafe {
            let number = sys::lua_tonumber(self.0, index);
            (number != 0.0 || sys::lua_isnumber(self.0, index) != 0).then_some(number)
        }
    }

    /// A number cut to its integer part, 0 for what is none. stack: [-0, +0, -]
    pub(crate) fn integer(self, index: c_int) -> isize {
        unsafe { sys::lua_tointeger(self.0, index) }
    }

    /// Whether the value counts as true. stack: [-0, +0, -]
    pub(crate) fn truth(self, index: c_int) -> bool {
        unsafe { sys::lua_toboolean(self.0, index) != 0 }
    }

    /// The bytes of a string (a number is converted in place); valid while the value stays where it
    /// is. stack: [-0, +0, m]
    #[inline]
    pub(crate) fn bytes<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        unsafe {
            let data = sys::lua_tolstring(self.0, index, &raw mut len);
            (!data.is_null()).then(|| core::slice::from_raw_parts(data.cast(), len))
        }
    }

    /// The bytes of what is known to be a string. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn known_bytes<'a>(self, index: c_int) -> &'a [u8] {
        debug_assert!(self.is_string(index));
        let mut len = 0;
        unsafe {
            let data = sys::string_bytes(self.0, index, &raw mut len);
            if data.is_null() { b"" } else { core::slice::from_raw_parts(data.cast(), len) }
        }
    }

    /// The bytes of a string; a number is none. stack: [-0, +0, -]
    pub(crate) fn bytes_of_string<'a>(self, index: c_int) -> Option<&'a [u8]> {
        self.is_string(index).then(|| self.known_bytes(index))
    }

    /// stack: [-0, +0, -]
    pub(crate) fn pointer(self, index: c_int) -> *mut c_void {
        unsafe { sys::lua_touserdata(self.0, index) }
    }

    /// The coroutine at `index`. stack: [-0, +0, -]
    pub(crate) fn thread(self, index: c_int) -> Option<Self> {
        let thread = unsafe { sys::lua_tothread(self.0, index) };
        (!thread.is_null()).then_some(Self(thread))
    }

    /// Whether the value is a function written in C. stack: [-0, +0, -]
    pub(crate) fn is_c_function(self, index: c_int) -> bool {
        unsafe { sys::lua_iscfunction(self.0, index) != 0 }
    }

    /// The error value on top, if it is text. stack: [-0, +0, m]
    pub(crate) fn error_text<'a>(self) -> Option<&'a [u8]> {
        matches!(self.kind(-1), Kind::String | Kind::Number).then(|| self.bytes(-1))?
    }

    /// The error value on top in words. stack: [-0, +0, m]
    pub(crate) fn error_message<'a>(self) -> &'a [u8] {
        self.error_text().unwrap_or(b"unknown reason")
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_nil(self) {
        unsafe { sys::lua_pushnil(self.0) }
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_boolean(self, value: bool) {
        unsafe { sys::lua_pushboolean(self.0, value.into()) }
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_number(self, value: f64) {
        unsafe { sys::lua_pushnumber(self.0, value) }
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_integer(self, value: isize) {
        unsafe { sys::lua_pushinteger(self.0, value) }
    }

    /// stack: [-0, +1, m]
    pub(crate) fn push_bytes(self, value: &[u8]) {
        unsafe { sys::lua_pushlstring(self.0, value.as_ptr().cast(), value.len()) }
    }

    /// stack: [-0, +1, -]
    pub(crate) fn push_pointer(self, value: *mut c_void) {
        unsafe { sys::lua_pushlightuserdata(self.0, value) }
    }

    /// A full userdata that holds a pointer. stack: [-0, +1, m]
    pub(crate) fn push_userdata(self, pointer: *mut c_void) {
        unsafe {
            let place = sys::lua_newuserdata(self.0, size_of::<*mut c_void>());
            place.cast::<*mut c_void>().write(pointer);
        }
    }

    /// The pointer in what `push_userdata` has pushed; `None` for what is no full userdata of that size.
    /// stack: [-0, +0, -]
    #[inline(always)]
    pub(crate) fn userdata(self, index: c_int) -> Option<*mut c_void> {
        let place = self.pointer(index).cast::<*mut c_void>();
        // Light ones have no length.
        let is_full = !place.is_null() && self.raw_len(index) == size_of::<*mut c_void>();
        is_full.then(|| unsafe { place.read() })
    }

    /// A C function with the topmost `upvalues` values as its upvalues. stack: [-n, +1, m]
    pub(crate) fn push_function(self, f: Function, upvalues: c_int) {
        unsafe { sys::lua_pushcclosure(self.0, Some(f), upvalues) }
    }

    /// A new coroutine, with the globals and the owner of this one. stack: [-0, +1, m]
    pub(crate) fn new_thread(self) -> Self {
        Self(unsafe { sys::lua_newthread(self.0) })
    }

    /// The upvalue number `n` of the function at `index`, if it has that many. stack: [-0, +(0|1), -]
    pub(crate) fn push_upvalue_of(self, index: c_int, n: c_int) -> bool {
        unsafe { !sys::lua_getupvalue(self.0, index, n).is_null() }
    }

    /// The coroutine itself, as a value. stack: [-0, +1, -]
    pub(crate) fn push_thread(self) {
        unsafe { sys::lua_pushthread(self.0) };
    }

    /// A copy of the value at `index`. stack: [-0, +1, -]
    pub(crate) fn push_value(self, index: c_int) {
        unsafe { sys::lua_pushvalue(self.0, index) }
    }

    /// stack: [-0, +1, m]
    pub(crate) fn new_table(self, array: c_int, records: c_int) {
        unsafe { sys::lua_createtable(self.0, array, records) }
    }

    /// A function for [`Stack::append`]; nil if it cannot be made. stack: [-0, +1, m]
    pub(crate) fn push_appender(self) {
        const CODE: &CStr = c"return function(t, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q)
                t[n + 1] = a t[n + 2] = b t[n + 3] = c t[n + 4] = d
                t[n + 5] = e t[n + 6] = f t[n + 7] = g t[n + 8] = h
                t[n + 9] = i t[n + 10] = j t[n + 11] = k t[n + 12] = l
                t[n + 13] = m t[n + 14] = o t[n + 15] = p t[n + 16] = q
            end";
        unsafe {
            let (code, len) = (CODE.as_ptr(), CODE.count_bytes());
            let loaded = sys::luaL_loadbuffer(self.0, code, len, c"=append".as_ptr());
            if loaded != sys::LUA_OK || !self.call(0, 1, 0) {
                self.pop(1);
                self.push_nil();
            }
        }
    }

    /// A table of `count` strings. The function at `appender` puts sixteen at a time into it, in half the
    /// time that as many look-ups of the table take. Not where a hook watches Lua functions: it is Lua code, and may
    /// raise. stack: [-0, +1, m]
    pub(crate) fn push_table_of<'a>(
        self,
        appender: c_int,
        count: usize,
        mut strings: impl Iterator<Item = &'a [u8]>,
    ) {
        const AT_ONCE: usize = 16;
        self.new_table(count as c_int, 0);
        let mut n = 0;
        if self.kind(appender) == Kind::Function && !self.is_hooked() {
            while count - n >= AT_ONCE {
                self.push_value(appender);
                self.push_value(-2);
                self.push_integer(n as isize);
                for _ in 0..AT_ONCE {
                    self.push_bytes(strings.next().unwrap_or_default());
                }
                unsafe { sys::lua_call(self.0, AT_ONCE as c_int + 2, 0) };
                n += AT_ONCE;
            }
        }
        for string in strings {
            n += 1;
            self.push_bytes(string);
            self.raw_seti(-2, n as c_int);
        }
    }

    /// Whether `debug.sethook` has set a hook. stack: [-0, +0, -]
    fn is_hooked(self) -> bool {
        unsafe { sys::lua_gethook(self.0) }.is_some()
    }

    /// Fresh memory that lives as long as the userdata. stack: [-0, +1, m]
    pub(crate) fn new_userdata(self, size: usize) -> *mut c_void {
        unsafe { sys::lua_newuserdata(self.0, size) }
    }

    /// Moves the top value to `index`. stack: [-0, +0, -]
    pub(crate) fn insert(self, index: c_int) {
        unsafe { sys::lua_insert(self.0, index) }
    }

    /// Moves the top value to `index`, in the place of what is there. stack: [-1, +0, -]
    pub(crate) fn replace(self, index: c_int) {
        unsafe { sys::lua_replace(self.0, index) }
    }

    /// stack: [-1, +0, -]
    pub(crate) fn remove(self, index: c_int) {
        unsafe { sys::lua_remove(self.0, index) }
    }

    /// `t[name]` without metamethods. stack: [-0, +1, m]
    pub(crate) fn raw_field(self, table: c_int, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        unsafe { sys::lua_rawget(self.0, table) }
    }

    /// `t[name]`, as Lua reads it; `false` leaves the error of a metamethod instead. stack: [-0, +1, e]
    pub(crate) fn field(self, table: c_int, name: &[u8]) -> bool {
        unsafe extern "C-unwind" fn index(l: *mut sys::lua_State) -> c_int {
            // SAFETY: called below with a table and a key.
            unsafe { sys::lua_gettable(l, 1) };
            1
        }
        let table = self.absolute(table);
        unsafe {
            if sys::lua_getmetatable(self.0, table) == 0 {
                self.raw_field(table, name);
                return true;
            }
            self.pop(1);
        }
        self.push_function(index, 0);
        self.push_value(table);
        self.push_bytes(name);
        self.call(2, 1, 0)
    }

    /// `t[name] = top` without metamethods. stack: [-1, +0, m]
    pub(crate) fn set_raw_field(self, table: c_int, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.insert(-2);
        unsafe { sys::lua_rawset(self.0, table) }
    }

    /// `t[key]` for the key on top, which it replaces. stack: [-1, +1, -]
    pub(crate) fn raw_get(self, table: c_int) {
        unsafe { sys::lua_rawget(self.0, table) }
    }

    /// `t[key] = value` for key and value on top. stack: [-2, +0, m]
    pub(crate) fn raw_set(self, table: c_int) {
        unsafe { sys::lua_rawset(self.0, table) }
    }

    /// `t[key] = value` for key and value on top; a key that is there already has an array of its
    /// values. stack: [-2, +0, m]
    pub(crate) fn add_field(self, table: c_int) {
        let table = self.absolute(table);
        self.push_value(-2);
        self.raw_get(table);
        match self.kind(-1) {
            Kind::Nil => {
                self.pop(1);
                self.raw_set(table);
            }
            Kind::Table => {
                self.insert(-2);
                self.raw_seti(-2, self.raw_len(-2) as c_int + 1);
                self.pop(2);
            }
            _ => {
                self.new_table(4, 0);
                self.insert(-2);
                self.raw_seti(-2, 1);
                self.insert(-2);
                self.raw_seti(-2, 2);
                self.raw_set(table);
            }
        }
    }

    /// The index of a C function's upvalue, from 1.
    pub(crate) const fn upvalue(i: c_int) -> c_int {
        sys::lua_upvalueindex(i)
    }

    /// stack: [-0, +1, -]
    #[inline]
    pub(crate) fn raw_geti(self, table: c_int, i: c_int) {
        unsafe { sys::lua_rawgeti(self.0, table, i) }
    }

    /// stack: [-1, +0, m]
    pub(crate) fn raw_seti(self, table: c_int, i: c_int) {
        unsafe { sys::lua_rawseti(self.0, table, i) }
    }

    /// The length of a table or string. stack: [-0, +0, -]
    pub(crate) fn raw_len(self, index: c_int) -> usize {
        unsafe { sys::lua_objlen(self.0, index) }
    }

    /// The next pair of a table after the key on top; `false` at the end. stack: [-1, +(2|0), -]
    pub(crate) fn next(self, table: c_int) -> bool {
        unsafe { sys::lua_next(self.0, table) != 0 }
    }

    /// Keeps the top value in `table`, and returns its reference. stack: [-1, +0, m]
    pub(crate) fn reference(self, table: c_int) -> c_int {
        unsafe { sys::luaL_ref(self.0, table) }
    }

    /// stack: [-0, +0, -]
    pub(crate) fn unreference(self, table: c_int, reference: c_int) {
        unsafe { sys::luaL_unref(self.0, table, reference) }
    }

    /// A global, without metamethods. stack: [-0, +1, m]
    pub(crate) fn global(self, name: &CStr) {
        self.raw_field(sys::LUA_GLOBALSINDEX, name.to_bytes());
    }

    /// stack: [-1, +0, m]
    pub(crate) fn set_global(self, name: &CStr) {
        self.set_raw_field(sys::LUA_GLOBALSINDEX, name.to_bytes());
    }

    /// The metatable of the value at `index`, which has one. stack: [-0, +1, -]
    pub(crate) fn push_metatable_of(self, index: c_int) {
        unsafe { sys::lua_getmetatable(self.0, index) };
    }

    /// Pops a table and makes it the metatable of the value at `index`. stack: [-1, +0, -]
    pub(crate) fn set_metatable(self, index: c_int) {
        unsafe { sys::lua_setmetatable(self.0, index) };
    }

    /// Pops a table and makes it the environment of the function at `index`. stack: [-1, +0, -]
    pub(crate) fn set_environment(self, index: c_int) {
        unsafe { sys::lua_setfenv(self.0, index) };
    }

    /// Pushes the metamethod's result for the value at `index`, or nothing and `None`. An error of
    /// the metamethod is left on the stack as `Some(false)`. stack: [-0, +(0|1), e]
    pub(crate) fn call_metamethod(self, index: c_int, name: &CStr) -> Option<bool> {
        let index = self.absolute(index);
        unsafe {
            if sys::luaL_getmetafield(self.0, index, name.as_ptr()) == 0 {
                return None;
            }
            self.push_value(index);
            Some(sys::lua_pcall(self.0, 1, 1, 0) == 0)
        }
    }

    /// Calls the function below its `args` in protected mode, with `debug.traceback`-like handler
    /// `handler` (0: none). stack: [-(args+1), +(results|1), e]
    pub(crate) fn call(self, args: c_int, results: c_int, handler: c_int) -> bool {
        unsafe { sys::lua_pcall(self.0, args, results, handler) == 0 }
    }

    /// Moves the topmost `n` values to another coroutine of the same VM, where LuaJIT makes room for them.
    /// stack: [-n, +0, m]; the other: [-0, +n, m]
    #[inline]
    pub(crate) fn move_to(self, to: Self, n: c_int) {
        unsafe { sys::lua_xmove(self.0, to.0, n) }
    }

    /// Whether the C function that runs can yield. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn can_yield(self) -> bool {
        self.is_resumed() && !hook::is_active(self.0)
    }

    /// Whether nothing but Lua code lies between the coroutine's resumption and what runs. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn is_resumed(self) -> bool {
        unsafe { sys::lua_isyieldable(self.0) != 0 }
    }

    /// Whether the coroutine has ended well, and its results have been taken. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn is_spent(self) -> bool {
        unsafe { sys::lua_status(self.0) == sys::LUA_OK && sys::lua_gettop(self.0) == 0 }
    }

    /// Tells the coroutine's table of globals from others. stack: [-0, +0, -]
    #[inline]
    pub(super) fn globals(self) -> *const c_void {
        unsafe { sys::lua_topointer(self.0, sys::LUA_GLOBALSINDEX) }
    }

    fn absolute(self, index: c_int) -> c_int {
        if index < 0 && index > sys::LUA_REGISTRYINDEX { self.top() + index + 1 } else { index }
    }

    /// Gives the coroutine globals of its own, which fall back to those of `vm`, and makes them the
    /// environment of the function on top. For LuaJIT without exdata. stack: [-0, +0, m]
    pub(crate) fn isolate_globals(self) {
        self.new_table(0, 2);
        self.push_value(-1);
        self.set_raw_field(-2, b"_G");
        self.new_table(0, 1);
        self.push_value(sys::LUA_GLOBALSINDEX);
        self.set_raw_field(-2, b"__index");
        self.set_metatable(-2);
        self.push_value(-1);
        // The coroutine's own globals: where `set_owner` keeps the request.
        unsafe { sys::lua_replace(self.0, sys::LUA_GLOBALSINDEX) };
        self.set_environment(-2);
    }

    /// The pointer kept with the coroutine (OpenResty's LuaJIT only). stack: [-0, +0, -]
    #[inline]
    pub(crate) fn owner(self) -> *mut c_void {
        match sys::extensions().get_exdata {
            Some(get) => unsafe { get(self.0) },
            None => {
                self.global(OWNER_GLOBAL);
                let owner = self.pointer(-1);
                self.pop(1);
                owner
            }
        }
    }

    /// Gives a coroutine that LuaJIT alone resumes the owner of this one, which resumes it. stack: [-0, +0, -]
    #[inline]
    pub(crate) fn lend_owner(self, to: Self) {
        // Without exdata the owner is found through the globals, which it shares with the one that made it.
        if let Some(set) = sys::extensions().set_exdata {
            unsafe { set(to.0, self.owner()) }
        }
    }

    /// The coroutine has no owner any more; `on` is a stack of the same VM. stack of on: [-0, +0, m]
    pub(crate) fn forget_owner(self, on: Self) {
        if let Some(set) = sys::extensions().set_exdata {
            unsafe { set(self.0, core::ptr::null_mut()) };
            return;
        }
        self.push_thread();
        self.move_to(on, 1);
        unsafe { sys::lua_getfenv(on.0, -1) };
        on.push_nil();
        on.set_raw_field(-2, OWNER_GLOBAL.to_bytes());
        on.pop(2);
    }

    /// Keeps `owner` with the coroutine, where Lua's `thread.exdata` (or, on a LuaJIT without it,
    /// the global `__ngx_req`) finds it. stack: [-0, +0, m]
    #[inline]
    pub(crate) fn set_owner(self, owner: *mut c_void) {
        match sys::extensions().set_exdata {
            Some(set) => unsafe { set(self.0, owner) },
            None => {
                self.push_pointer(owner);
                self.set_global(OWNER_GLOBAL);
            }
        }
    }
}

/// A number kept with each coroutine (OpenResty's LuaJIT only). Lua code can change it.
///
/// A new coroutine has that of the one that made it; one that LuaJIT alone resumes has 0.
#[allow(clippy::undocumented_unsafe_blocks)]
// SAFETY: as above.
impl Stack {
    /// stack: [-0, +0, -]
    #[inline]
    pub(crate) fn number_of_record(self) -> Option<usize> {
        sys::extensions().get_exdata2.map(|get| unsafe { get(self.0) }.addr())
    }

    /// stack: [-0, +0, -]
    #[inline]
    pub(crate) fn set_number_of_record(self, number: usize) {
        if let Some(set) = sys::extensions().set_exdata2 {
            unsafe { set(self.0, core::ptr::without_provenance_mut(number)) }
        }
    }
}

/// The number of the main coroutine, and so of those that run the chunks of phases: they are made from it.
pub(crate) const NUMBER_OF_ENTRIES: usize = usize::MAX;

/// The global that carries the owner on a LuaJIT without exdata; lua-resty-core reads it.
const OWNER_GLOBAL: &CStr = c"__ngx_req";
