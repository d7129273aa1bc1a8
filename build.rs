//! Bindings and version cfgs.
//!
//! - `luajit.rs`: the installed LuaJIT headers, with OpenResty's extensions where they have them;
//! - `nginx_extra.rs`: the nginx headers that nginx-sys leaves out;
//! - `cfg(ngx_feature = "…")` for nginx's features and the named cfgs below for nginx's versions.
use std::env;
use std::path::{Path, PathBuf};

/// Version differences of nginx, by name: the code never compares versions.
const SINCE: &[(&str, u64)] = &[
    // Headers of the same name are linked by `ngx_table_elt_t.next` instead of kept in an array.
    ("ngx_linked_headers", 1_023_000),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    nginx_cfgs();
    luajit(&out);
    nginx_extra(&out);
    test_host();
}

fn nginx_cfgs() {
    let dep = |name: &str| env::var(format!("DEP_NGINX_{name}")).unwrap_or_default();
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({}))", dep("FEATURES_CHECK"));
    for feature in dep("FEATURES").split(',').filter(|f| !f.is_empty()) {
        println!("cargo::rustc-cfg=ngx_feature=\"{feature}\"");
    }
    let has_pcre2 = dep("FEATURES").split(',').any(|feature| feature == "pcre2");
    assert!(has_pcre2, "nginx must be configured with PCRE2 (libpcre2-dev): ngx.re is made of it");
    let version: u64 = dep("VERSION_NUMBER").parse().expect("nginx-sys exports nginx's version");
    for (name, since) in SINCE {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if version >= *since {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

/// nginx's own allocator of shared memory, for unit tests: `cfg(test_host)` says that it is there. It is
/// linked by them alone.
fn test_host() {
    println!("cargo::rustc-check-cfg=cfg(test_host)");
    println!("cargo::rerun-if-env-changed=NGINX_CORE_SRC");
    println!("cargo::rerun-if-changed=tests/host/nginx.c");
    let Some(core) = env::var_os("NGINX_CORE_SRC").map(PathBuf::from) else { return };
    let core = core.join("src");
    if !core.join("core/ngx_slab.c").exists() {
        return;
    }
    let include = env::var_os("DEP_NGINX_INCLUDE").expect("nginx-sys exports nginx's include path");
    cc::Build::new()
        .files(["core/ngx_slab.c", "core/ngx_shmtx.c", "os/unix/ngx_alloc.c"].map(|f| core.join(f)))
        .file(Path::new("tests/host/nginx.c"))
        .includes(env::split_paths(&include))
        .warnings(false)
        .cargo_metadata(false)
        .compile("nginx_test_host");
    println!("cargo::rustc-cfg=test_host");
    println!(
        "cargo::rustc-link-search=native={}",
        env::var("OUT_DIR").expect("cargo sets OUT_DIR")
    );
}

fn luajit(out: &std::path::Path) {
    let lib = pkg_config::Config::new().probe("luajit").expect("LuaJIT's headers (luajit.pc)");
    let args = lib.include_paths.iter().map(|p| format!("-I{}", p.display()));
    bindgen::Builder::default()
        .header_contents(
            "luajit_all.h",
            "#include <lua.h>\n#include <lauxlib.h>\n#include <lualib.h>\n#include <luajit.h>",
        )
        .clang_args(args)
        .allowlist_function("lua_.*|luaL_.*|luaopen_.*")
        .allowlist_var("LUA_.*|LUAJIT_.*")
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        // Anything of Lua may unwind: LuaJIT raises that way.
        .override_abi(bindgen::Abi::CUnwind, "lua_.*|luaL_.*|luaopen_.*")
        .layout_tests(false)
        .use_core()
        .merge_extern_blocks(true)
        .generate()
        .expect("bindings of LuaJIT")
        .write_to_file(out.join("luajit.rs"))
        .expect("OUT_DIR is writable");
}

fn nginx_extra(out: &std::path::Path) {
    let include = env::var_os("DEP_NGINX_INCLUDE").expect("nginx-sys exports nginx's include path");
    let args = env::split_paths(&include).map(|p| format!("-I{}", p.display()));
    bindgen::Builder::default()
        .header_contents(
            "nginx_extra.h",
            "#include <ngx_config.h>\n#include <ngx_core.h>\n#include <ngx_md5.h>\n\
             #include <ngx_sha1.h>\n#include <ngx_event.h>\n\
             #include <ngx_thread_pool.h>\n\
             enum { NGX_LUA_READ_EVENT = NGX_READ_EVENT, NGX_LUA_WRITE_EVENT = NGX_WRITE_EVENT, \
             NGX_LUA_CLEAR_EVENT = NGX_CLEAR_EVENT, NGX_LUA_LEVEL_EVENT = NGX_LEVEL_EVENT };",
        )
        .clang_args(args)
        .allowlist_function("ngx_(md5|sha1)_.*|ngx_thread_(pool_get|task_post)")
        .allowlist_type("ngx_(md5|sha1)_t|ngx_thread_(task|pool)_[st]")
        // What these refer to is in nginx-sys.
        .allowlist_recursively(false)
        // An expression, which bindgen does not read from a macro.
        .allowlist_var("NGX_LUA_.*")
        .layout_tests(false)
        .use_core()
        .generate()
        .expect("bindings of nginx's extra headers")
        .write_to_file(out.join("nginx_extra.rs"))
        .expect("OUT_DIR is writable");
}
