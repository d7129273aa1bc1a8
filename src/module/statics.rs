//! The objects nginx finds by name when it loads the module.
use super::*;
use crate::module::directives::DIRECTIVES;
use crate::nginx::sys::{NGX_HTTP_MODULE, ngx_http_module_t, ngx_module_t, ngx_uint_t};
use crate::nginx::{report_panics, slot};

static CONTEXT: Shared<ngx_http_module_t> = Shared(ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_main_conf),
    init_main_conf: Some(init_main_conf),
    create_srv_conf: Some(create_srv_conf),
    merge_srv_conf: Some(merge_srv_conf),
    create_loc_conf: Some(create_loc_conf),
    merge_loc_conf: Some(merge_loc_conf),
});

struct Shared<T>(T);
// SAFETY: nginx reads it, from one thread.
unsafe impl<T> Sync for Shared<T> {}

/// The module. nginx writes its index into it.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub(crate) static mut ngx_http_lua_module: ngx_module_t = ngx_module_t {
    ctx: (&raw const CONTEXT).cast_mut().cast(),
    commands: DIRECTIVES.as_ptr(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_module: Some(init_module),
    init_process: Some(init_process),
    exit_process: Some(exit_process),
    ..ngx_module_t::default()
};

/// nginx has given the module its index by now.
unsafe extern "C" fn preconfiguration(_: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: [single-thread]
    unsafe { slot::set_module(&raw mut ngx_http_lua_module) };
    report_panics();
    sys::OK
}

/// What nginx looks for in a module it loads at run time; nginx's own build makes these itself.
#[cfg(feature = "export-modules")]
mod loadable {
    use super::*;

    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    pub(crate) static mut ngx_modules: [*const ngx_module_t; 2] =
        [&raw const ngx_http_lua_module, ptr::null()];

    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    pub(crate) static mut ngx_module_names: [*const c_char; 2] =
        [c"ngx_http_lua_module".as_ptr(), ptr::null()];

    /// Our filters see a response after nginx's own have built it and before it is copied and sent.
    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    pub(crate) static mut ngx_module_order: [*const c_char; 3] =
        [c"ngx_http_lua_module".as_ptr(), c"ngx_http_copy_filter_module".as_ptr(), ptr::null()];
}
