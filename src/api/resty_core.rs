//! lua-resty-core: which one is installed, and loading it.
//!
//! A release of lua-resty-core refuses to load unless `ngx.config.ngx_lua_version` is the one it was
//! made for, although the C interface it uses hardly changes. So the number follows the library that
//! the package path leads to, and a library too old or too new is named in one log line.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::vm::{Stack, Vm};

/// The versions whose libraries this module's C interface serves.
const SUPPORTED: core::ops::RangeInclusive<isize> = 10_020..=10_099;

/// What `ngx.config.ngx_lua_version` says where no library does: the reference's version that this
/// module is measured against.
const OWN_VERSION: isize = 10_023;

/// The library that the package path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its file, and the version of the module it demands.
    At { file: String, demands: isize },
    /// Its file, in which no such version could be read.
    Unclear { file: String },
    /// No file, and the path that was searched.
    Nowhere { path: String },
}

impl Found {
    /// `ngx.config.ngx_lua_version`
    pub(crate) fn module_version(&self) -> isize {
        match self {
            Self::At { demands, .. } if SUPPORTED.contains(demands) => *demands,
            _ => OWN_VERSION,
        }
    }
}

/// Where distributions keep Lua modules that every LuaJIT should find.
const DISTRIBUTION_PATH: &[u8] = b"/usr/share/lua/5.1/?.lua";

/// Lets the default path (LuaJIT's own, or that of the environment) lead to lua-resty-core.
/// stack: [-0, +0, m]
pub(crate) fn extend_default_path(vm: Vm) {
    if !matches!(find(vm), Found::Nowhere { .. }) {
        return;
    }
    let _ = crate::vm::function::protect(vm.stack(), |stack| {
        stack.global(c"package");
        stack.raw_field(-1, b"path");
        let path = stack.bytes(-1).unwrap_or_default();
        stack.push_bytes(&[DISTRIBUTION_PATH, b";", path].concat());
        stack.set_raw_field(-3, b"path");
    });
}

/// Looks for lua-resty-core on `package.path`. stack: [-0, +0, m]
pub(crate) fn find(vm: Vm) -> Found {
    let stack = vm.stack();
    stack.global(c"package");
    stack.raw_field(-1, b"path");
    let path = stack.bytes(-1).unwrap_or_default().to_vec();
    stack.pop(2);
    for template in path.split(|b| *b == b';').filter(|t| !t.is_empty()) {
        let file = substitute(template, b"resty/core/base");
        if let Ok(source) = std::fs::read(OsStr::from_bytes(&file)) {
            let file = String::from_utf8_lossy(&file).into_owned();
            return match demanded_version(&String::from_utf8_lossy(&source)) {
                Some(demands) => Found::At { file, demands },
                None => Found::Unclear { file },
            };
        }
    }
    Found::Nowhere { path: String::from_utf8_lossy(&path).into_owned() }
}

fn substitute(template: &[u8], name: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(template.len() + name.len());
    for byte in template {
        match byte {
            b'?' => file.extend_from_slice(name),
            byte => file.push(*byte),
        }
    }
    file
}

/// The number that `ngx_lua_version` is compared with, first for the http subsystem.
fn demanded_version(source: &str) -> Option<isize> {
    source.split("ngx_lua_version").skip(1).find_map(|after| {
        let number = after.trim_start().strip_prefix("~=")?.trim_start();
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        number[..digits].parse().ok()
    })
}

/// What goes with every lua-resty-core, old or new: the name of a phase that older ones do not know.
const PHASE_NAMES: &[u8] = br#"
local get_phase = ngx.get_phase
for i = 1, get_phase and 60 or 0 do
    local name, value = debug.getupvalue(get_phase, i)
    if name == nil then break end
    if name == "context_names" and value[0x20000] == nil then
        value[0x20000] = "precontent"
    end
end

-- Only of the running request: anything else that is taken for one would be read.
local raw_phase = ngx.get_raw_phase
local base = package.loaded["resty.core.base"]
if raw_phase and base then
    local get_request = base.get_request
    function ngx.get_raw_phase(r)
        if r ~= nil and r ~= get_request() then error("no request context", 2) end
        return raw_phase(r)
    end
end
"#;

/// A warning for globals written by accident. Its log lines carry line 12 of this chunk, as those of
/// the reference do.
const WRITE_GUARD: &[u8] = br#"
local log, WARN, get_phase = ngx.log, ngx.WARN, ngx.get_phase
local tostring, rawset, traceback = tostring, rawset, debug.traceback
local risk = "') which may lead to race conditions between concurrent requests, "
    .. "so prefer the use of 'local' variables"

setmetatable(_G, { __newindex = function(globals, key, value)
    rawset(globals, key, value)
    local phase = get_phase()
    if phase == "init_worker" or phase == "init" then return end

    log(WARN, "writing a global Lua variable ('", tostring(key), risk, traceback("", 2))
end })
"#;

/// While lua-resty-core is loaded, `ffi.string` is a Lua function that ends in a plain return.
///
/// The library's functions end in `return ffi_string(…)`. LuaJIT cannot compile a function on its own
/// whose tail is a call of a built-in one, so every `ngx.var.x` of a handler would be interpreted, FFI
/// calls and all: ten times the cost.
const COMPILABLE_STRING: &[u8] = br#"
local ffi = require "ffi"
local builtin = ffi.string
ffi.string = function(pointer, length)
    local text = builtin(pointer, length)
    return text
end
return function() ffi.string = builtin end
"#;

/// Loads the library into a VM that has the `ngx` table. stack: [-0, +0, e]
pub(crate) fn load(vm: Vm, found: &Found) -> Result<(), String> {
    load_parts(vm, found, &[b"resty.core"])?;
    vm.adopt_ctx_tables(super::ctx::TABLES);
    complete(vm, found)
}

/// Loads only these modules of the library. stack: [-0, +0, e]
pub(crate) fn load_parts(vm: Vm, found: &Found, parts: &[&[u8]]) -> Result<(), String> {
    let stack = vm.stack();
    vm.compile_plain(stack, COMPILABLE_STRING, c"=ffi.string")
        .map_err(|e| String::from_utf8_lossy(e.message()).into_owned())?;
    if !stack.call(0, 1, 0) {
        return Err(explain(found, &take_message(stack)));
    }
    let loaded = parts.iter().try_for_each(|part| require(vm, found, part));
    // The function that puts the built-in one back.
    if !stack.call(0, 0, 0) {
        stack.pop(1);
    }
    loaded
}

fn require(vm: Vm, found: &Found, module: &[u8]) -> Result<(), String> {
    let stack = vm.stack();
    stack.global(c"require");
    stack.push_bytes(module);
    if stack.call(1, 0, 0) { Ok(()) } else { Err(explain(found, &take_message(stack))) }
}

fn complete(vm: Vm, found: &Found) -> Result<(), String> {
    let stack = vm.stack();
    for (code, name) in [
        (PHASE_NAMES, c"=phase names"),
        (super::response::front::CODE, c"=ngx.header"),
        (super::regex::front::CODE, c"=ngx.re"),
        (super::text::front::CODE, c"=query strings"),
        (WRITE_GUARD, c"=_G write guard"),
    ] {
        vm.compile_plain(stack, code, name)
            .map_err(|e| String::from_utf8_lossy(e.message()).into_owned())?;
        if !stack.call(0, 0, 0) {
            return Err(explain(found, &take_message(stack)));
        }
    }
    super::require::install(vm)
        .map_err(|message| explain(found, &String::from_utf8_lossy(&message)))?;
    super::socket::tcp::complete(vm);
    super::coroutine::choose_here(stack);
    Ok(())
}

fn take_message(stack: Stack) -> String {
    let message = String::from_utf8_lossy(stack.error_message()).into_owned();
    stack.pop(1);
    message
}

/// One line: what was found where, and what to do.
fn explain(found: &Found, reason: &str) -> String {
    let (what, advice) = match found {
        Found::Nowhere { path } => (
            format!("lua-resty-core was not found in \"{path}\""),
            "install it (Debian: lua-resty-core) or name its directory in lua_package_path",
        ),
        Found::At { file, demands } if !SUPPORTED.contains(demands) => (
            format!("\"{file}\" demands module version {demands}, which this module is not"),
            "install a release of lua-resty-core from 0.1.22 on, or remove this one from \
             lua_package_path",
        ),
        Found::At { file, demands } => (
            format!("\"{file}\" (for module version {demands}) could not be loaded"),
            "check that all of lua-resty-core and lua-resty-lrucache come from the same release",
        ),
        Found::Unclear { file } => {
            (format!("\"{file}\" could not be loaded"), "check that it belongs to lua-resty-core")
        }
    };
    let reason = reason.replace(['\n', '\t'], " ");
    format!("failed to load the 'resty.core' module ({what}; {advice}) (reason: {reason})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_a_release_demands() {
        let source = "if subsystem == 'http' then\n    if not ngx.config\n       \
                      or not ngx.config.ngx_lua_version\n       \
                      or ngx.config.ngx_lua_version ~= 10031\n    then error('x') end\n\
                      elseif ngx.config.ngx_lua_version ~= 19 then end";
        assert_eq!(demanded_version(source), Some(10_031));
        assert_eq!(demanded_version("return {}"), None);
        assert_eq!(demanded_version("ngx_lua_version ~= x"), None);
    }

    #[test]
    fn the_version_follows_the_library_within_bounds() {
        let at = |demands| Found::At { file: "f".into(), demands };
        assert_eq!(at(10_031).module_version(), 10_031);
        assert_eq!(at(9).module_version(), OWN_VERSION);
        assert!(explain(&at(9), "a\nb").ends_with("(reason: a b)"));
    }

    #[test]
    fn templates_are_filled_in() {
        assert_eq!(substitute(b"/a/?.lua", b"x/y"), b"/a/x/y.lua");
        assert_eq!(substitute(b"/a/?/init.lua", b"x"), b"/a/x/init.lua");
    }
}
