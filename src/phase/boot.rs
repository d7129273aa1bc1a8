//! Makes VMs ready for users' code: paths, the `ngx` API, lua-resty-core, `init_by_lua*`.
#![allow(unsafe_code)]
use core::ffi::c_int;

use super::direct;
use crate::api::{self, location, resty_core};
use crate::conf::chunk::Source;
use crate::conf::{Chunk, LocConf, MainConf};
use crate::coroutine::{RequestCtx, lease};
use crate::nginx::log::{Pointer, Text};
use crate::nginx::{Level, Log, Outcome, Request, debug, process};
use crate::vm::function::protect;
use crate::vm::sys::lua_State;
use crate::vm::{Stack, Vm, c_stack, finalizer, held};

/// Why a VM is not ready.
pub(crate) enum BootError {
    NoMemory,
    /// lua-resty-core is missing, or does not go with this module; the text says what to do.
    RestyCore(String),
}

/// A VM with everything but the user's code. It looks for modules where `parent` does, or where the
/// configuration says.
pub(crate) fn boot(
    conf: &MainConf,
    parent: Option<Vm>,
    prefix: &[u8],
    log: Log,
) -> Result<Vm, BootError> {
    debug!(log, "lua creating new vm state");
    held::report_errors_to(report_finalizer);
    let vm = Vm::new().ok_or(BootError::NoMemory)?;
    debug!(log, "lua initializing lua registry");
    if let Some(parent) = parent {
        vm.copy_package_paths(parent.stack());
    } else {
        resty_core::extend_default_path(vm);
        set_path(vm, prefix, b"path", conf.package_path.as_deref(), log);
        set_path(vm, prefix, b"cpath", conf.package_cpath.as_deref(), log);
    }
    debug!(log, "lua initializing lua globals");
    let found = resty_core::find(vm);
    vm.on_panic(on_panic);
    let installed = finalizer::guard(vm)
        .and_then(|()| c_stack::guard(vm))
        .and_then(|()| api::coroutine::guard(vm))
        .and_then(|()| protect(vm.stack(), |stack| api::install(stack, &found, conf)));
    debug!(log, "lua initialize the global Lua VM {}", Pointer(vm.stack().as_ptr()));
    let loaded = match installed {
        Ok(()) => resty_core::load(vm, &found),
        Err(message) => Err(String::from_utf8_lossy(&message).into_owned()),
    };
    if let Err(text) = loaded {
        vm.close();
        return Err(BootError::RestyCore(text));
    }
    for (package, loader) in conf.preloads.borrow().iter() {
        vm.preload(package, *loader);
    }
    direct::prepare(vm);
    Ok(vm)
}

/// An error that nothing has caught: the process ends. stack: [-0, +0, -]
unsafe extern "C-unwind" fn on_panic(l: *mut lua_State) -> c_int {
    let reason = Stack::from_raw(l).error_message();
    Log::cycle()
        .print(Level::Alert, format_args!("lua atpanic: Lua VM crashed, reason: {}", Text(reason)));
    0
}

/// Logs an error of a finalizer in LuaJIT's words.
///
/// Reference: the error is raised where memory was asked for when the finalizer ran.
fn report_finalizer(message: &[u8]) {
    Log::cycle().print(Level::Error, format_args!("ERROR in finalizer: {}", Text(message)));
}

/// `$prefix` and `;;` (LuaJIT's own default) as the directives document them.
fn set_path(vm: Vm, prefix: &[u8], field: &[u8], path: Option<&[u8]>, log: Log) {
    let Some(path) = path else { return };
    let _ = protect(vm.stack(), |stack| {
        stack.global(c"package");
        stack.raw_field(-1, field);
        let default = stack.bytes(-1).unwrap_or_default();
        let path = expand_path(path, prefix, default);
        let kind = String::from_utf8_lossy(field);
        debug!(log, "lua setting lua package.{kind} to \"{}\"", Text(&path));
        stack.pop(1);
        stack.push_bytes(&path);
        stack.set_raw_field(-2, field);
    });
}

fn expand_path(path: &[u8], prefix: &[u8], default: &[u8]) -> Vec<u8> {
    const DEFAULT_MARK: &[u8] = b"\x01";
    let path = replace(path, b";;", b";\x01;");
    let path = replace(&path, b"$prefix", prefix);
    let path = replace(&path, b"${prefix}", prefix);
    replace(&path, DEFAULT_MARK, default)
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|w| w == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Runs `init_by_lua*` in a new VM; whether it succeeded.
pub(crate) fn run_init(conf: &MainConf, vm: Vm, log: Log) -> bool {
    conf.init.is_none_or(|chunk| run_once(vm, chunk, log))
}

/// Runs a chunk that runs once in a VM's life, and logs its failure.
pub(super) fn run_once(vm: Vm, chunk: &Chunk, log: Log) -> bool {
    if !load_once(vm, chunk, vm.stack(), log) {
        return false;
    }
    let result = call_traced(vm);
    direct::while_busy(|| vm.collect());
    if let Err(message) = &result {
        chunk.report(log, message.as_deref());
    }
    result.is_ok()
}

/// Pushes a chunk that runs once on a stack of the VM, or logs why it cannot be loaded.
/// stack of on: [-0, +(0|1), m]
pub(super) fn load_once(vm: Vm, chunk: &Chunk, on: Stack, log: Log) -> bool {
    let loaded = match &chunk.source {
        Source::Inline { code, name, .. } => vm.compile_plain(on, code, name),
        Source::File { path, .. } => vm.compile_file_plain(on, path),
        Source::Variable(_) => return false,
    };
    if let Err(error) = &loaded {
        chunk.report(log, Some(error.message()));
    }
    loaded.is_ok()
}

/// Calls the function on top, which takes and returns nothing; an error that is text comes back with
/// its traceback. stack: [-1, +0, e]
fn call_traced(vm: Vm) -> Result<(), Option<Vec<u8>>> {
    let stack = vm.stack();
    let function = stack.top();
    vm.push_message_handler();
    stack.insert(function);
    let ok = direct::while_busy(|| stack.call(0, 0, function));
    let result = if ok { Ok(()) } else { Err(stack.error_text().map(<[u8]>::to_vec)) };
    stack.set_top(function - 1);
    result
}

/// A context for `r`; with `lua_code_cache off` it comes with a VM of its own.
pub(super) fn create_context<'a>(r: Request) -> Result<&'a RequestCtx, Outcome> {
    let conf = MainConf::of(r);
    let vm = if let Some(vm) = location::parent_vm(r) {
        vm
    } else if LocConf::of(r).code_cache != 0 || r.is_detached() {
        conf.vm.get().ok_or(Outcome::SERVER_ERROR)?
    } else {
        own_vm(r, conf)?
    };
    RequestCtx::create(r, vm).ok_or(Outcome::SERVER_ERROR)
}

/// A VM that lives as long as the request, and knows nothing of others.
#[cold]
fn own_vm(r: Request, conf: &MainConf) -> Result<Vm, Outcome> {
    let log = r.log();
    let vm = match boot(conf, conf.vm.get(), process::prefix(), log) {
        Ok(vm) => vm.for_one_request(),
        Err(BootError::NoMemory) => {
            log.write(Level::Error, b"failed to initialize Lua VM");
            return Err(Outcome::SERVER_ERROR);
        }
        Err(BootError::RestyCore(text)) => {
            log.write(Level::Error, text.as_bytes());
            return Err(Outcome::SERVER_ERROR);
        }
    };
    lease::retain(vm);
    r.pool().on_destroy(move || lease::release(vm)).ok_or(Outcome::SERVER_ERROR)?;
    if run_init(conf, vm, log) { Ok(vm) } else { Err(Outcome::SERVER_ERROR) }
}

/// Closes the worker's VM.
pub(crate) fn close(vm: Vm) {
    debug!(Log::cycle(), "lua decrementing the reference count for Lua VM: 1");
    lease::close(vm);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded() {
        let expand = |path: &str| {
            String::from_utf8(expand_path(path.as_bytes(), b"/srv/", b"./?.lua")).unwrap()
        };
        assert_eq!(expand("$prefix/lua/?.lua;;"), "/srv//lua/?.lua;./?.lua;");
        assert_eq!(expand("${prefix}a;/b"), "/srv/a;/b");
        assert_eq!(expand("/only/?.lua"), "/only/?.lua");
    }
}
