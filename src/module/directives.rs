//! Every directive of the module, in one table.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_char, c_void};
use core::mem::offset_of;
use core::ptr;

use super::{CONF_ERROR, tls};
use crate::api::shdict;
use crate::conf::setters::{self, ConfError, Form, Target};
use crate::conf::{LocConf, MainConf};
use crate::nginx::config::Config;
use crate::nginx::sys::{self, ngx_command_t, ngx_conf_t, ngx_str_t, ngx_uint_t};
use crate::nginx::{Phase, guard};
use crate::phase::content::on_content;
use crate::phase::set::on_set;

pub(super) const HTTP: u32 = sys::NGX_HTTP_MAIN_CONF;
pub(super) const SRV: u32 = sys::NGX_HTTP_SRV_CONF;
pub(super) const LOC: u32 = sys::NGX_HTTP_LOC_CONF;
const IF: u32 = sys::NGX_HTTP_LIF_CONF;
const EVERYWHERE: u32 = HTTP | SRV | LOC | IF;
/// Where the rewrite module's directives stand.
const REWRITING: u32 = SRV | sys::NGX_HTTP_SIF_CONF | LOC | IF;

#[rustfmt::skip]
pub(crate) static DIRECTIVES: Table<{ ROWS.len() + tls::ROWS.len() + 1 }> = Table::new([ROWS, tls::ROWS]);

#[rustfmt::skip]
const ROWS: &[ngx_command_t] = &[
    custom(c"lua_load_resty_core", HTTP | FLAG, MAIN, set_load_resty_core),
    number(c"lua_thread_cache_max_entries", HTTP, MAIN, offset_of!(MainConf, thread_cache_max_entries)),
    number(c"lua_max_pending_timers", HTTP, MAIN, offset_of!(MainConf, max_pending_timers)),
    number(c"lua_max_running_timers", HTTP, MAIN, offset_of!(MainConf, max_running_timers)),
    number(c"lua_worker_thread_vm_pool_size", HTTP, MAIN, offset_of!(MainConf, worker_thread_vm_pool_size)),
    custom(c"lua_malloc_trim", HTTP | TAKE1, MAIN, set_malloc_trim),
    number(c"lua_regex_cache_max_entries", HTTP, MAIN, offset_of!(MainConf, regex_cache_max_entries)),
    number(c"lua_regex_match_limit", HTTP, MAIN, offset_of!(MainConf, regex_match_limit)),
    custom(c"lua_capture_error_log", HTTP | TAKE1, MAIN, set_capture_error_log),
    flag(c"lua_sa_restart", HTTP, MAIN, offset_of!(MainConf, sa_restart)),
    custom(c"lua_package_path", HTTP | TAKE1, MAIN, set_package_path),
    custom(c"lua_package_cpath", HTTP | TAKE1, MAIN, set_package_cpath),
    custom(c"lua_shared_dict", HTTP | TAKE2, MAIN, set_shared_dict),
    custom(c"lua_code_cache", EVERYWHERE | FLAG, LOCATION, set_code_cache),
    flag(c"lua_need_request_body", EVERYWHERE, LOCATION, offset_of!(LocConf, need_request_body)),
    flag(c"lua_transform_underscores_in_response_headers", EVERYWHERE, LOCATION, offset_of!(LocConf, transform_underscores)),
    flag(c"lua_use_default_type", EVERYWHERE, LOCATION, offset_of!(LocConf, use_default_type)),
    flag(c"lua_http10_buffering", EVERYWHERE, LOCATION, offset_of!(LocConf, http10_buffering)),
    flag(c"lua_yieldable_require", EVERYWHERE, LOCATION, offset_of!(LocConf, yieldable_require)),
    flag(c"lua_check_client_abort", EVERYWHERE, LOCATION, offset_of!(LocConf, check_client_abort)),
    custom(c"lua_socket_system_resolver", EVERYWHERE | TAKE123, LOCATION, set_system_resolver),
    msec(c"lua_socket_connect_timeout", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.connect_timeout)),
    msec(c"lua_socket_send_timeout", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.send_timeout)),
    msec(c"lua_socket_read_timeout", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.read_timeout)),
    msec(c"lua_socket_keepalive_timeout", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.keepalive_timeout)),
    size(c"lua_socket_send_lowat", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.send_lowat)),
    size(c"lua_socket_buffer_size", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.buffer_size)),
    number(c"lua_socket_pool_size", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.pool_size)),
    flag(c"lua_socket_log_errors", EVERYWHERE, LOCATION, offset_of!(LocConf, socket.log_errors)),

    by_lua(c"init_by_lua", HTTP, &INIT, Form::String),
    by_lua(c"init_by_lua_block", HTTP, &INIT, Form::Block),
    by_lua(c"init_by_lua_file", HTTP, &INIT, Form::File),
    by_lua(c"init_worker_by_lua", HTTP, &INIT_WORKER, Form::String),
    by_lua(c"init_worker_by_lua_block", HTTP, &INIT_WORKER, Form::Block),
    by_lua(c"init_worker_by_lua_file", HTTP, &INIT_WORKER, Form::File),
    by_lua(c"exit_worker_by_lua_block", HTTP, &EXIT_WORKER, Form::Block),
    by_lua(c"exit_worker_by_lua_file", HTTP, &EXIT_WORKER, Form::File),
    set_var(c"set_by_lua", Form::String),
    set_var(c"set_by_lua_block", Form::Block),
    set_var(c"set_by_lua_file", Form::File),
    by_lua(c"server_rewrite_by_lua_block", HTTP | SRV, &SERVER_REWRITE, Form::Block),
    by_lua(c"server_rewrite_by_lua_file", HTTP | SRV, &SERVER_REWRITE, Form::File),
    by_lua(c"rewrite_by_lua", EVERYWHERE, &REWRITE, Form::String),
    by_lua(c"rewrite_by_lua_block", EVERYWHERE, &REWRITE, Form::Block),
    by_lua(c"rewrite_by_lua_file", EVERYWHERE, &REWRITE, Form::File),
    flag(c"rewrite_by_lua_no_postpone", HTTP, MAIN, offset_of!(MainConf, rewrite_no_postpone)),
    by_lua(c"access_by_lua", EVERYWHERE, &ACCESS, Form::String),
    by_lua(c"access_by_lua_block", EVERYWHERE, &ACCESS, Form::Block),
    by_lua(c"access_by_lua_file", EVERYWHERE, &ACCESS, Form::File),
    flag(c"access_by_lua_no_postpone", HTTP, MAIN, offset_of!(MainConf, access_no_postpone)),
    by_lua(c"precontent_by_lua_block", EVERYWHERE, &PRECONTENT, Form::Block),
    by_lua(c"precontent_by_lua_file", EVERYWHERE, &PRECONTENT, Form::File),
    flag(c"precontent_by_lua_no_postpone", HTTP, MAIN, offset_of!(MainConf, precontent_no_postpone)),
    by_lua(c"content_by_lua", LOC | IF, &CONTENT, Form::String),
    by_lua(c"content_by_lua_block", LOC | IF, &CONTENT, Form::Block),
    by_lua(c"content_by_lua_file", LOC | IF, &CONTENT, Form::File),
    by_lua(c"header_filter_by_lua", EVERYWHERE, &HEADER_FILTER, Form::String),
    by_lua(c"header_filter_by_lua_block", EVERYWHERE, &HEADER_FILTER, Form::Block),
    by_lua(c"header_filter_by_lua_file", EVERYWHERE, &HEADER_FILTER, Form::File),
    by_lua(c"body_filter_by_lua", EVERYWHERE, &BODY_FILTER, Form::String),
    by_lua(c"body_filter_by_lua_block", EVERYWHERE, &BODY_FILTER, Form::Block),
    by_lua(c"body_filter_by_lua_file", EVERYWHERE, &BODY_FILTER, Form::File),
    by_lua(c"log_by_lua", EVERYWHERE, &LOG, Form::String),
    by_lua(c"log_by_lua_block", EVERYWHERE, &LOG, Form::Block),
    by_lua(c"log_by_lua_file", EVERYWHERE, &LOG, Form::File),
];

static INIT: Phase = Phase::Init;
static INIT_WORKER: Phase = Phase::InitWorker;
static EXIT_WORKER: Phase = Phase::ExitWorker;
static SERVER_REWRITE: Phase = Phase::ServerRewrite;
static REWRITE: Phase = Phase::Rewrite;
static ACCESS: Phase = Phase::Access;
static PRECONTENT: Phase = Phase::Precontent;
static CONTENT: Phase = Phase::Content;
static HEADER_FILTER: Phase = Phase::HeaderFilter;
static BODY_FILTER: Phase = Phase::BodyFilter;
static LOG: Phase = Phase::Log;

const FLAG: u32 = sys::NGX_CONF_FLAG;
pub(super) const TAKE1: u32 = sys::NGX_CONF_TAKE1;
const TAKE2: u32 = sys::NGX_CONF_TAKE2;
const TAKE123: u32 = TAKE1 | TAKE2 | sys::NGX_CONF_TAKE3;

const MAIN: usize = sys::NGX_HTTP_MAIN_CONF_OFFSET;
const SERVER: usize = sys::NGX_HTTP_SRV_CONF_OFFSET;
pub(super) const LOCATION: usize = sys::NGX_HTTP_LOC_CONF_OFFSET;

/// nginx only reads the table, but declares it mutable. The last row is empty.
#[repr(transparent)]
pub(crate) struct Table<const N: usize>([ngx_command_t; N]);
// SAFETY: written at compile time.
unsafe impl<const N: usize> Sync for Table<N> {}

impl<const N: usize> Table<N> {
    const fn new(parts: [&[ngx_command_t]; 2]) -> Self {
        let mut table = [ngx_command_t::empty(); N];
        let (mut part, mut i, mut at) = (0, 0, 0);
        while part < parts.len() {
            while i < parts[part].len() {
                table[at] = parts[part][i];
                (i, at) = (i + 1, at + 1);
            }
            (i, part) = (0, part + 1);
        }
        Self(table)
    }

    pub(crate) const fn as_ptr(&self) -> *mut ngx_command_t {
        self.0.as_ptr().cast_mut()
    }
}

pub(super) const fn name_of(name: &'static CStr) -> ngx_str_t {
    ngx_str_t { len: name.count_bytes(), data: name.as_ptr().cast_mut().cast() }
}

type Setter = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

pub(super) const fn row(
    name: &'static CStr,
    contexts_and_args: u32,
    level: usize,
    set: Setter,
    offset: usize,
    post: *mut c_void,
) -> ngx_command_t {
    ngx_command_t {
        name: name_of(name),
        type_: contexts_and_args as ngx_uint_t,
        set: Some(set),
        conf: level,
        offset,
        post,
    }
}

/// A directive with a setter of its own.
const fn custom(name: &'static CStr, kind: u32, level: usize, set: Setter) -> ngx_command_t {
    row(name, kind, level, set, 0, ptr::null_mut())
}

const fn flag(name: &'static CStr, contexts: u32, level: usize, offset: usize) -> ngx_command_t {
    row(name, contexts | FLAG, level, sys::ngx_conf_set_flag_slot, offset, ptr::null_mut())
}

pub(super) const fn number(
    name: &'static CStr,
    contexts: u32,
    level: usize,
    offset: usize,
) -> ngx_command_t {
    row(name, contexts | TAKE1, level, sys::ngx_conf_set_num_slot, offset, ptr::null_mut())
}

const fn msec(name: &'static CStr, contexts: u32, level: usize, offset: usize) -> ngx_command_t {
    row(name, contexts | TAKE1, level, sys::ngx_conf_set_msec_slot, offset, ptr::null_mut())
}

const fn size(name: &'static CStr, contexts: u32, level: usize, offset: usize) -> ngx_command_t {
    row(name, contexts | TAKE1, level, sys::ngx_conf_set_size_slot, offset, ptr::null_mut())
}

/// A directive that gives a phase its Lua code.
const fn by_lua(
    name: &'static CStr,
    contexts: u32,
    phase: &'static Phase,
    form: Form,
) -> ngx_command_t {
    let level = match phase {
        Phase::Init | Phase::InitWorker | Phase::ExitWorker => MAIN,
        Phase::ServerRewrite => SERVER,
        _ => LOCATION,
    };
    let args = match form {
        Form::Block => sys::NGX_CONF_BLOCK | sys::NGX_CONF_NOARGS,
        Form::String | Form::File => TAKE1,
    };
    let post = ptr::from_ref(phase).cast_mut().cast();
    row(name, contexts | args, level, set_by_lua, form as usize, post)
}

/// A directive that sets an nginx variable by Lua code.
const fn set_var(name: &'static CStr, form: Form) -> ngx_command_t {
    let args = match form {
        Form::Block => sys::NGX_CONF_BLOCK | TAKE1,
        Form::String | Form::File => sys::NGX_CONF_2MORE,
    };
    row(name, REWRITING | args, LOCATION, set_variable_by_lua, form as usize, ptr::null_mut())
}

// SAFETY (of the setters below): [conf-callback]: nginx passes the running configuration, the row of the
// table, and our struct of the row's level, which nobody else holds meanwhile.

unsafe extern "C" fn set_by_lua(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above; `by_lua` wrote `post`, `offset` and `conf` of the row.
    let (cf, target, phase, form) = unsafe {
        let target = match (*cmd).conf {
            MAIN => Target::Main(&mut *conf.cast()),
            SERVER => Target::Server(&mut *conf.cast()),
            _ => Target::Location(&mut *conf.cast()),
        };
        (Config::from_raw(cf), target, *(*cmd).post.cast::<Phase>(), form_of(cmd))
    };
    answer(|| {
        setters::set_chunk(cf, target, phase, form)?;
        if phase == Phase::Content {
            cf.set_content_handler(on_content);
        }
        Ok(())
    })
}

unsafe extern "C" fn set_variable_by_lua(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above; `set_var` wrote the row.
    let (cf, form) = unsafe { (Config::from_raw(cf), form_of(cmd)) };
    answer(|| setters::set_variable(cf, form, on_set))
}

/// # Safety
/// `by_lua` or `set_var` wrote the row.
unsafe fn form_of(cmd: *mut ngx_command_t) -> Form {
    // SAFETY: the caller's contract.
    match unsafe { (*cmd).offset } {
        n if n == Form::String as usize => Form::String,
        n if n == Form::Block as usize => Form::Block,
        _ => Form::File,
    }
}

unsafe extern "C" fn set_package_path(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let (cf, conf) = unsafe { (Config::from_raw(cf), &mut *conf.cast::<MainConf>()) };
    answer(|| setters::set_package_path(cf, &mut conf.package_path))
}

unsafe extern "C" fn set_package_cpath(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let (cf, conf) = unsafe { (Config::from_raw(cf), &mut *conf.cast::<MainConf>()) };
    answer(|| setters::set_package_path(cf, &mut conf.package_cpath))
}

unsafe extern "C" fn set_code_cache(
    cf: *mut ngx_conf_t,
    cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above; nginx's own setter writes the flag at the row's offset.
    unsafe {
        let mut flag = *cmd;
        flag.offset = offset_of!(LocConf, code_cache);
        let failed = sys::ngx_conf_set_flag_slot(cf, &raw mut flag, conf);
        if failed.is_null() {
            let enabled = (*conf.cast::<LocConf>()).code_cache != 0;
            setters::warn_of_code_cache(Config::from_raw(cf), enabled);
        }
        failed
    }
}

unsafe extern "C" fn set_load_resty_core(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    setters::warn_of_load_resty_core(unsafe { Config::from_raw(cf) });
    ptr::null_mut()
}

unsafe extern "C" fn set_capture_error_log(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let (cf, conf) = unsafe { (Config::from_raw(cf), &mut *conf.cast::<MainConf>()) };
    answer(|| setters::set_capture_error_log(cf, conf))
}

unsafe extern "C" fn set_malloc_trim(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let (cf, conf) = unsafe { (Config::from_raw(cf), &mut *conf.cast::<MainConf>()) };
    answer(|| setters::set_malloc_trim(cf, conf))
}

unsafe extern "C" fn set_shared_dict(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let cf = unsafe { Config::from_raw(cf) };
    answer(|| shdict::set_shared_dict(cf))
}

unsafe extern "C" fn set_system_resolver(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above.
    let (cf, conf) = unsafe { (Config::from_raw(cf), &mut *conf.cast::<LocConf>()) };
    answer(|| setters::set_system_resolver(cf, conf))
}

/// What nginx wants to hear of a setter.
pub(super) fn answer(set: impl FnOnce() -> Result<(), ConfError>) -> *mut c_char {
    match guard(Err(ConfError::Reported), set) {
        Ok(()) => ptr::null_mut(),
        Err(ConfError::Directive(text)) => text.as_ptr().cast_mut(),
        Err(ConfError::Reported) => CONF_ERROR,
    }
}
