//! Rust functions as Lua functions.
//!
//! `enter` is the only frame of the crate that raises, and it works in three beats: read the
//! arguments, do the work under a panic guard, then push or raise once nothing is left to drop.
//! Everything reached from the guarded beat returns [`Error`] instead of raising: LuaJIT raises by
//! unwinding, and a Lua error that met `catch_unwind` would abort the worker. The one exception is
//! memory: a LuaJIT that cannot allocate ends the worker, as it does in the reference.
//!
//! Finalizers run before the first beat, when nothing has been read or borrowed yet, and in none of the three (`held`).
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};
use core::marker::PhantomData;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::stack::{Kind, Stack};
use super::{held, sys};

pub(crate) type Result<T> = core::result::Result<T, Error>;

/// A C function as LuaJIT calls it; made by [`lua_fn!`].
pub(crate) type Function = unsafe extern "C-unwind" fn(*mut sys::lua_State) -> c_int;

/// Why a Lua-visible call did not produce its values.
#[derive(Debug, PartialEq)]
pub(crate) enum Error {
    /// Misuse: raised, with the position of the caller.
    Raise(Cow<'static, str>),
    /// Misuse of one argument: raised in LuaJIT's own words, `(… expected, got …)`.
    BadArg { index: c_int, expected: &'static CStr },
    /// Misuse of one argument, in our words: `bad argument #1 to 'f' (…)`.
    Argument { index: c_int, message: Cow<'static, str> },
    /// The operation itself failed: the call returns `nil, message`.
    Fail(Cow<'static, str>),
    /// Raises the value on top of the stack as it is: an error of Lua code that we called.
    Rethrow,
    /// The coroutine would have to wait but cannot yield here: raised in LuaJIT's own words.
    CannotYield,
}

impl Error {
    pub(crate) const fn raise(message: &'static str) -> Self {
        Self::Raise(Cow::Borrowed(message))
    }

    pub(crate) const fn fail(message: &'static str) -> Self {
        Self::Fail(Cow::Borrowed(message))
    }

    pub(crate) fn arg(index: c_int, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Argument { index, message: message.into() }
    }
}

/// The running call: arguments in, by position (from 1).
pub(crate) struct Call<'l> {
    stack: Stack,
    _live: PhantomData<&'l ()>,
}

impl Call<'_> {
    pub(crate) fn count(&self) -> c_int {
        self.stack.top()
    }

    /// Exactly `n` arguments, or the error the reference raises.
    pub(crate) fn expect_args(&self, n: c_int) -> Result<()> {
        let got = self.count();
        if got == n {
            return Ok(());
        }
        Err(Error::Raise(format!("attempt to pass {got} arguments, but accepted {n}").into()))
    }

    pub(crate) fn kind(&self, index: c_int) -> Kind {
        self.stack.kind(index)
    }

    /// A number, or a string that converts to one, as `luaL_checknumber` accepts.
    pub(crate) fn number(&self, index: c_int) -> Result<f64> {
        self.stack.number(index).ok_or(Error::BadArg { index, expected: c"number" })
    }

    /// As `luaL_checkint`: a number truncated to 32 bits.
    pub(crate) fn int(&self, index: c_int) -> Result<c_int> {
        Ok(self.number(index)? as i64 as c_int)
    }

    /// `true` or `false`, nothing else.
    pub(crate) fn boolean(&self, index: c_int) -> Result<bool> {
        match self.kind(index) {
            Kind::Boolean => Ok(self.stack.truth(index)),
            _ => Err(Error::BadArg { index, expected: c"boolean" }),
        }
    }

    /// The bytes of a string argument; a number is converted in place, as `luaL_checklstring` does.
    pub(crate) fn bytes(&self, index: c_int) -> Result<&[u8]> {
        self.stack.bytes(index).ok_or(Error::BadArg { index, expected: c"string" })
    }

    pub(crate) fn stack(&self) -> Stack {
        self.stack
    }
}

/// Values a Lua call returns. `push` may raise (out of memory), so it runs outside the guard.
pub(crate) trait IntoResults {
    fn push(self, stack: Stack) -> c_int;
}

impl IntoResults for () {
    fn push(self, _: Stack) -> c_int {
        0
    }
}

impl IntoResults for f64 {
    fn push(self, stack: Stack) -> c_int {
        stack.push_number(self);
        1
    }
}

impl IntoResults for c_int {
    fn push(self, stack: Stack) -> c_int {
        stack.push_integer(self as isize);
        1
    }
}

impl IntoResults for bool {
    fn push(self, stack: Stack) -> c_int {
        stack.push_boolean(self);
        1
    }
}

impl IntoResults for &str {
    fn push(self, stack: Stack) -> c_int {
        stack.push_bytes(self.as_bytes());
        1
    }
}

impl IntoResults for &[u8] {
    fn push(self, stack: Stack) -> c_int {
        stack.push_bytes(self);
        1
    }
}

impl<const N: usize> IntoResults for [u8; N] {
    fn push(self, stack: Stack) -> c_int {
        self.as_slice().push(stack)
    }
}

impl IntoResults for Vec<u8> {
    fn push(self, stack: Stack) -> c_int {
        self.as_slice().push(stack)
    }
}

/// The topmost values of the stack, as they are.
pub(crate) struct Top(pub(crate) c_int);

impl IntoResults for Top {
    fn push(self, _: Stack) -> c_int {
        self.0
    }
}

/// `None` is no value at all, not nil.
impl<T: IntoResults> IntoResults for Option<T> {
    fn push(self, stack: Stack) -> c_int {
        self.map_or(0, |value| value.push(stack))
    }
}

/// Results that may themselves be a choice: either the values, or a suspension.
impl<A: IntoResults, B: IntoResults> IntoResults for core::result::Result<A, B> {
    fn push(self, stack: Stack) -> c_int {
        match self {
            Ok(values) => values.push(stack),
            Err(values) => values.push(stack),
        }
    }
}

/// The call suspends its coroutine, handing the topmost `values` to whoever resumed it; its own
/// results are pushed at wake-up.
pub(crate) struct Yield {
    pub(crate) values: c_int,
}

impl Yield {
    pub(crate) const NOTHING: Self = Self { values: 0 };
}

impl IntoResults for Yield {
    fn push(self, stack: Stack) -> c_int {
        // SAFETY: [lua-frame]; a plain return in LuaJIT, nothing unwinds unless a C call that
        // cannot be yielded across lies below, which is raised as the Lua error it is.
        unsafe { sys::lua_yield(stack.as_ptr(), self.values) }
    }
}

/// Makes a [`Function`] out of a Rust function `fn(&Call) -> Result<impl IntoResults>`.
macro_rules! lua_fn {
    ($body:path) => {{
        #[allow(unsafe_code)]
        unsafe extern "C-unwind" fn entry(l: *mut $crate::vm::sys::lua_State) -> usize {
            // SAFETY: `l` is the state LuaJIT is calling us with ([lua-frame]).
            let results = unsafe { $crate::vm::function::enter(l, $body) };
            results.cast_unsigned() as usize
        }
        // LuaJIT's interpreter takes the whole register for the number of results, although the ABI
        // leaves the upper half of an int to chance: so it is returned as a full word.
        let entry: unsafe extern "C-unwind" fn(*mut $crate::vm::sys::lua_State) -> usize = entry;
        // SAFETY: the types differ in the width of the result only; whoever reads half of it reads
        // the number.
        #[allow(unsafe_code)]
        unsafe {
            ::core::mem::transmute::<
                unsafe extern "C-unwind" fn(*mut $crate::vm::sys::lua_State) -> usize,
                $crate::vm::Function,
            >(entry)
        }
    }};
}
pub(crate) use lua_fn;

/// # Safety
/// Called by LuaJIT as the body of a C function running on `l`.
#[inline]
pub(crate) unsafe fn enter<R: IntoResults>(
    l: *mut sys::lua_State,
    body: impl Fn(&Call<'_>) -> Result<R>,
) -> c_int {
    held::step_if_due(l);
    let stack = Stack::from_raw(l);
    let call = Call { stack, _live: PhantomData };
    match catch_unwind(AssertUnwindSafe(|| body(&call))) {
        Ok(Ok(results)) => results.push(stack),
        Ok(Err(Error::Fail(message))) => {
            stack.push_nil();
            1 + (&*message).push(stack)
        }
        Ok(Err(error)) => raise(stack, error),
        Err(panic) => {
            drop(panic);
            raise(stack, Error::raise("internal error (this is a bug)"))
        }
    }
}

/// The only place that raises: whatever `error` owns is released before the unwinding starts.
#[cold]
#[allow(clippy::disallowed_methods)]
fn raise(stack: Stack, error: Error) -> c_int {
    let l = stack.as_ptr();
    run_again(stack);
    // SAFETY: [lua-frame]; the messages are NUL-terminated copies on the Lua stack.
    unsafe {
        match error {
            Error::BadArg { index, expected } => sys::luaL_typerror(l, index, expected.as_ptr()),
            Error::Argument { index, message } => {
                stack.push_bytes(message.as_bytes());
                drop(message);
                sys::luaL_argerror(l, index, sys::lua_tolstring(l, -1, core::ptr::null_mut()))
            }
            Error::Rethrow => sys::lua_error(l),
            Error::CannotYield => {
                stack.push_bytes(b"attempt to yield across C-call boundary");
                sys::lua_error(l)
            }
            Error::Raise(message) | Error::Fail(message) => {
                sys::luaL_where(l, 1);
                stack.push_bytes(message.as_bytes());
                drop(message);
                sys::lua_concat(l, 2);
                sys::lua_error(l)
            }
        }
    }
}

/// Lets LuaJIT know that this coroutine runs. The call that fails may have run Lua code on another one, the main
/// coroutine for a filter's; an error does not put that right as a return does, and compiled code that is left later
/// would go on on the other one's stack. stack: [-0, +0, -]
fn run_again(stack: Stack) {
    unsafe extern "C-unwind" fn nothing(_: *mut sys::lua_State) -> c_int {
        0
    }
    // SAFETY: [lua-frame]; nothing runs.
    if unsafe { sys::lua_cpcall(stack.as_ptr(), Some(nothing), core::ptr::null_mut()) } != 0 {
        stack.pop(1);
    }
}

/// Runs `body` on `stack` in protected mode; a Lua error becomes its message.
///
/// For set-up code, where pushing and creating may raise for want of memory. `body` must not panic.
pub(crate) fn protect<F: FnOnce(Stack)>(
    stack: Stack,
    body: F,
) -> core::result::Result<(), Vec<u8>> {
    unsafe extern "C-unwind" fn entry<F: FnOnce(Stack)>(l: *mut sys::lua_State) -> c_int {
        let stack = Stack::from_raw(l);
        // SAFETY: `protect` passes the address of its `Option<F>`.
        let body = unsafe { (*sys::lua_touserdata(l, 1).cast::<Option<F>>()).take() };
        stack.set_top(0);
        if let Some(body) = body {
            body(stack);
        }
        0
    }
    let mut body = Some(body);
    let data: *mut c_void = (&raw mut body).cast();
    // SAFETY: `body` outlives the protected call.
    let status = unsafe { sys::lua_cpcall(stack.as_ptr(), Some(entry::<F>), data) };
    if status == 0 {
        return Ok(());
    }
    let message = stack.error_message().to_vec();
    stack.pop(1);
    Err(message)
}

#[cfg(test)]
mod tests {
    use super::super::thread::{Step, Thread};
    use super::super::{Vm, state::ChunkKind};
    use super::*;

    fn fails(_: &Call<'_>) -> Result<()> {
        Err(Error::raise("no such thing"))
    }
    fn world(_: &Call<'_>) -> Result<()> {
        Err(Error::fail("not now"))
    }
    fn bug(_: &Call<'_>) -> Result<()> {
        panic!("bug")
    }
    fn half(call: &Call<'_>) -> Result<f64> {
        Ok(call.number(1)? / 2.0)
    }
    fn wait(_: &Call<'_>) -> Result<Yield> {
        Ok(Yield::NOTHING)
    }

    /// Runs `code` in a coroutine of its own; a failure comes with its message.
    fn run(code: &str) -> (Step, String) {
        let vm = Vm::with_chunks(ChunkKind::Shared).unwrap();
        for (name, function) in [
            (c"fails", lua_fn!(fails)),
            (c"world", lua_fn!(world)),
            (c"bug", lua_fn!(bug)),
            (c"half", lua_fn!(half)),
            (c"wait", lua_fn!(wait)),
        ] {
            vm.stack().push_function(function, 0);
            vm.stack().set_global(name);
        }
        let thread = Thread::new(vm);
        vm.compile_plain(thread.stack(), code.as_bytes(), c"=test").unwrap();
        let step = thread.resume(0);
        let message = match step {
            Step::FINISHED | Step::YIELDED => String::new(),
            _ => String::from_utf8_lossy(thread.stack().error_message()).into_owned(),
        };
        vm.close();
        (step, message)
    }

    #[test]
    fn misuse_is_raised_with_the_position_of_the_caller() {
        assert_eq!(run("fails()").1, "test:1: no such thing");
        let bad = "test:1: bad argument #1 to 'half' (number expected, got table)";
        assert_eq!(run("half({})").1, bad);
    }

    #[test]
    fn the_failures_of_the_world_are_returned() {
        let code = "local v, e = world() assert(v == nil and e == 'not now')";
        assert_eq!(run(code).0, Step::FINISHED);
    }

    #[test]
    fn a_panic_becomes_a_lua_error() {
        assert_eq!(run("assert(not pcall(bug)) assert(half('3') == 1.5)").0, Step::FINISHED);
    }

    #[test]
    fn a_call_can_yield_across_pcall() {
        assert_eq!(run("pcall(wait)").0, Step::YIELDED);
    }
}
