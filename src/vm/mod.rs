//! The Lua floor: states, coroutines, stacks, functions, errors, the code cache.
//!
//! Knows nothing of nginx. Safe to use from above by this convention ([lua-frame] in SAFETY.md):
//! handles to Lua objects are `Copy`, and whoever holds one keeps the VM alive.
mod anchor;
pub(crate) mod c_stack;
pub(crate) mod finalizer;
pub(crate) mod function;
mod heap;
pub(crate) mod held;
mod hook;
pub(crate) mod load;
mod pace;
pub(crate) mod stack;
pub(crate) mod state;
pub(crate) mod sys;
pub(crate) mod thread;
pub(crate) mod traceback;

pub(crate) use function::{Call, Error, Function, IntoResults, Result, Top, Yield, lua_fn};
pub(crate) use load::{CacheRef, LoadError};
pub(crate) use stack::{Kind, Stack};
pub(crate) use state::Vm;
pub(crate) use thread::{Step, Thread};
