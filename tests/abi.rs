//! The built module's symbols: what lua-resty-core looks up is there, with the parameters it passes,
//! and nothing leaks out beside the contract.
//!
//! The module is the one TEST_NGINX_LOAD_MODULES names, or objs/ngx_http_lua_module.so; without it the
//! tests say so and pass.
#[allow(dead_code)]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use source::{PREFIX, ident, items, up_to_closing};

/// Where distributions install lua-resty-core.
const LIBRARY: &str = "/usr/share/lua/5.1";

/// What nginx itself looks for in a module, and the registry keys the reference exports.
const FOR_NGINX: &[&str] = &["ngx_modules", "ngx_module_names", "ngx_module_order"];

/// Looked up by functions of lua-resty-core when they are called, not when it is loaded, and not served
/// yet.
const LATE: &[&str] = &[];

/// Exported for releases of lua-resty-core newer than the installed one, or for direct callers.
const BEYOND_THE_LIBRARY: &[&str] = &[
    "ngx_http_lua_ffi_decode_base64mime",
    "ngx_http_lua_ffi_socket_tcp_getfd",
    "ngx_http_lua_ffi_socket_tcp_hack_fd",
];

#[test]
fn nothing_but_the_contract_is_global() {
    let Some(symbols) = module_symbols() else { return };
    let stray = symbols
        .iter()
        .filter(|name| !FOR_NGINX.contains(&name.as_str()) && !name.starts_with("ngx_http_lua_"));
    none("global, but no part of the contract (see exports.map)", stray);
}

#[test]
fn nginx_finds_its_objects() {
    let Some(symbols) = module_symbols() else { return };
    let wanted = FOR_NGINX.iter().chain(&["ngx_http_lua_module"]);
    none("not exported", wanted.filter(|name| !symbols.contains(**name)));
}

#[test]
fn resty_core_finds_what_it_looks_up() {
    let Some(symbols) = module_symbols() else { return };
    let looked_up = names(&core_files(), "C.");
    let wanted = looked_up.iter().filter(|name| {
        // On macOS alone.
        !name.ends_with("_macos") && !LATE.contains(&name.as_str())
    });
    none("not exported", wanted.filter(|name| !symbols.contains(*name)));
    none("exported after all: no longer LATE", LATE.iter().filter(|name| symbols.contains(**name)));
}

#[test]
fn every_export_has_a_caller() {
    let Some(symbols) = module_symbols() else { return };
    let mut callers = library_files();
    if callers.is_empty() {
        return;
    }
    callers.extend(own_declarations());
    let known = names(&callers, "");
    let unknown = symbols.iter().filter(|name| {
        name.starts_with(PREFIX)
            && !known.contains(*name)
            && !BEYOND_THE_LIBRARY.contains(&name.as_str())
    });
    none("exported, but neither lua-resty-core nor Lua code of ours knows it", unknown);
}

/// The module was built from this source: a `fn` that the linker dropped would go unnoticed otherwise.
#[test]
fn every_exported_function_of_the_source_is_in_the_module() {
    let Some(symbols) = module_symbols() else { return };
    let written: Vec<String> =
        source::exports().into_keys().chain(source::absent_exports()).collect();
    none(
        "in src/, not in the module (make build)",
        written.iter().filter(|n| !symbols.contains(*n)),
    );
}

/// Counting parameters finds the slips that no compiler sees: the two sides share no header.
#[test]
fn parameters_agree_with_their_declarations() {
    let declared = declarations(&[library_files(), own_declarations()].concat());
    let bad: Vec<String> = source::exports()
        .into_iter()
        .filter_map(|(name, here)| {
            let there = *declared.get(&name)?;
            (here != there).then(|| format!("{name}: {here} parameters, declared with {there}"))
        })
        .collect();
    none("does not fit its declaration in Lua", bad.iter());
}

fn module_path() -> Option<PathBuf> {
    let listed = std::env::var("TEST_NGINX_LOAD_MODULES").unwrap_or_default();
    let named = listed.split_whitespace().find(|path| path.contains("ngx_http_lua_module"));
    let path =
        named.map_or_else(|| source::root().join("objs/ngx_http_lua_module.so"), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: no {} (make build, or TEST_NGINX_LOAD_MODULES)", path.display());
    None
}

/// The global symbols that the module defines.
fn module_symbols() -> Option<BTreeSet<String>> {
    let path = module_path()?;
    let nm =
        Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&path).output();
    let Ok(output) = nm else {
        eprintln!("skipped: nm (binutils) is not installed");
        return None;
    };
    assert!(output.status.success(), "nm cannot read {}", path.display());
    let text = String::from_utf8_lossy(&output.stdout);
    let symbols = text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned);
    Some(symbols.collect())
}

fn core_files() -> Vec<String> {
    lua_files(&Path::new(LIBRARY).join("resty/core"))
}

/// lua-resty-core's two folders: what `resty.core` loads, and what users load.
fn library_files() -> Vec<String> {
    let mut files = core_files();
    for folder in ["ngx", "ngx/ssl"] {
        files.extend(lua_files(&Path::new(LIBRARY).join(folder)));
    }
    if files.is_empty() {
        eprintln!("skipped: no lua-resty-core in {LIBRARY}");
    }
    files
}

/// The Lua sources of a folder, without their comment lines.
fn lua_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path.extension().is_some_and(|e| e == "lua"));
    let code = |text: String| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        lines.collect::<Vec<_>>().join("\n")
    };
    files.filter_map(|file| fs::read_to_string(file).ok()).map(code).collect()
}

/// What the module's own Lua code declares.
fn own_declarations() -> Vec<String> {
    let files = source::code_below("src").into_iter();
    files
        .flat_map(|(_, code)| {
            let parts = code.split("ffi.cdef[[").skip(1);
            let declared = parts.filter_map(|part| part.split_once("]]"));
            declared.map(|(inside, _)| format!("[[{inside}]]")).collect::<Vec<_>>()
        })
        .collect()
}

/// The exported names that stand behind `before` in the texts.
fn names(texts: &[String], before: &str) -> BTreeSet<String> {
    let mark = format!("{before}{PREFIX}");
    let after = texts.iter().flat_map(|text| text.split(&mark).skip(1));
    after.map(|rest| format!("{PREFIX}{}", ident(rest))).collect()
}

/// The functions that `ffi.cdef` declares, with the number of their parameters.
fn declarations(texts: &[String]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for cdef in
        texts.iter().flat_map(|t| t.split("[[").skip(1)).filter_map(|t| t.split("]]").next())
    {
        for (at, _) in cdef.match_indices(PREFIX) {
            let name = ident(&cdef[at..]);
            let Some(list) = cdef[at + name.len()..].trim_start().strip_prefix('(') else {
                continue;
            };
            let parameters = items(up_to_closing(list));
            let count = if parameters == ["void"] { 0 } else { parameters.len() };
            found.insert(name.to_owned(), count);
        }
    }
    found
}

#[track_caller]
fn none<S: AsRef<str>>(what: &str, bad: impl Iterator<Item = S>) {
    let bad: Vec<String> = bad.map(|name| name.as_ref().to_owned()).collect();
    assert!(bad.is_empty(), "\n{what}:\n{}", bad.join("\n"));
}
