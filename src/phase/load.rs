//! Brings a phase's chunk to the top of the VM's stack, from the code cache or by compiling it.
use core::ffi::CStr;

use crate::conf::Chunk;
use crate::conf::chunk::{Source, file_key};
use crate::nginx::log::Text;
use crate::nginx::{Level, Log, Outcome, Request, debug};
use crate::vm::{CacheRef, LoadError, Stack, Vm};

/// Pushes the chunk on a stack of `vm`, or logs why not and says how the request ends.
#[inline]
pub(super) fn push(r: Request, vm: &Vm, chunk: &Chunk, on: Stack) -> Result<(), Outcome> {
    if !r.log().debugs() && vm.push_remembered(on, &chunk.cache) {
        return Ok(());
    }
    look_up(r, *vm, chunk, on)
}

#[inline(never)]
fn look_up(r: Request, vm: Vm, chunk: &Chunk, on: Stack) -> Result<(), Outcome> {
    let log = r.log();
    match &chunk.source {
        Source::Inline { code, name, key } => {
            if find(log, vm, key, &chunk.cache, on) {
                return Ok(());
            }
            let loaded =
                vm.compile(on, code, name).and_then(|()| vm.store_cached(on, key, &chunk.cache));
            loaded.map_err(|error| {
                report(log, b"failed to load inlined Lua code: ", &error);
                Outcome::SERVER_ERROR
            })
        }
        Source::File { path, key } => push_file(log, vm, path, key, &chunk.cache, on),
        Source::Variable(value) => {
            let path = Chunk::path(value, r).ok_or(Outcome::Abort)?;
            push_file(log, vm, &path, &file_key(path.to_bytes()), &chunk.cache, on)
        }
    }
}

fn push_file(
    log: Log,
    vm: Vm,
    path: &CStr,
    key: &CStr,
    cache: &CacheRef,
    on: Stack,
) -> Result<(), Outcome> {
    if find(log, vm, key, cache, on) {
        return Ok(());
    }
    let loaded = vm.compile_file(on, path).and_then(|()| vm.store_cached(on, key, cache));
    loaded.map_err(|error| {
        let what = [b"failed to load external Lua file \"", path.to_bytes(), b"\": "].concat();
        report(log, &what, &error);
        Outcome::End(match error {
            LoadError::NotFound(_) => 404,
            LoadError::Unreadable(_) => 503,
            LoadError::Code(_) => 500,
        })
    })
}

fn find(log: Log, vm: Vm, key: &CStr, cache: &CacheRef, on: Stack) -> bool {
    if !log.debugs() {
        return vm.push_cached(on, key, cache);
    }
    let before = cache.get(vm);
    debug!(log, "code cache lookup (key='{}', ref={before})", Text(key.to_bytes()));
    let found = vm.push_cached(on, key, cache);
    let reference = cache.get(vm);
    if before != reference {
        debug!(log, "code cache setting ref (key='{}', ref={reference})", Text(key.to_bytes()));
    }
    let result = if found { "hit" } else { "miss" };
    debug!(log, "code cache {result} (key='{}', ref={reference})", Text(key.to_bytes()));
    found
}

fn report(log: Log, what: &[u8], error: &LoadError) {
    log.write(Level::Error, &[what, error.message()].concat());
}
