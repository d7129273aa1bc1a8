//! The module as nginx sees it: statics and life cycle. Names every layer; no layer names it.
#![allow(unsafe_code)]
pub(crate) mod directives;
#[cfg(not(test))]
mod statics;
#[cfg(ngx_feature = "http_ssl")]
mod tls;
#[cfg(not(ngx_feature = "http_ssl"))]
mod tls {
    pub(crate) const ROWS: &[crate::nginx::sys::ngx_command_t] = &[];
}

use core::ffi::{c_char, c_void};
use core::ptr;

use crate::api::location;
use crate::conf::{LocConf, MainConf, SrvConf};
use crate::nginx::config::{Config, HandlerPlace};
use crate::nginx::output::send_at;
use crate::nginx::sys::{self, ngx_conf_t, ngx_cycle_t, ngx_int_t};
use crate::nginx::{Level, Log, Phase, guard, process};
use crate::phase::boot::{self, BootError};
use crate::phase::engine::on_phase;
use crate::phase::filter;
use crate::phase::log::on_log;
use crate::phase::worker;
use crate::vm::Vm;

/// nginx's `NGX_CONF_ERROR`.
const CONF_ERROR: *mut c_char = ptr::without_provenance_mut(usize::MAX);

// SAFETY (of the callbacks below): [conf-callback]: nginx calls them with what their types say.

unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: see above.
    unsafe { own(cf, MainConf::new(zones_ready)) }
}

unsafe extern "C" fn create_srv_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: see above.
    unsafe { own(cf, SrvConf::default()) }
}

unsafe extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: see above.
    unsafe { own(cf, LocConf::new()) }
}

/// # Safety
/// [conf-callback]
unsafe fn own<T>(cf: *mut ngx_conf_t, conf: T) -> *mut c_void {
    // SAFETY: the caller's contract.
    let pool = unsafe { Config::from_raw(cf) }.pool();
    pool.own(Box::new(conf)).map_or(ptr::null_mut(), |conf| conf.as_ptr().cast())
}

unsafe extern "C" fn init_main_conf(_: *mut ngx_conf_t, conf: *mut c_void) -> *mut c_char {
    // SAFETY: see above; made by `create_main_conf`, and nobody else holds it now.
    unsafe { (*conf.cast::<MainConf>()).set_defaults() };
    ptr::null_mut()
}

unsafe extern "C" fn merge_srv_conf(
    _: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above; two different structs made by `create_srv_conf`.
    unsafe { (*inner.cast::<SrvConf>()).inherit(&*outer.cast()) };
    ptr::null_mut()
}

unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    // SAFETY: see above; two different structs made by `create_loc_conf`.
    let (cf, outer, inner) =
        unsafe { (Config::from_raw(cf), &*outer.cast::<LocConf>(), &mut *inner.cast::<LocConf>()) };
    inner.inherit(outer);
    // nginx's core module comes first: its settings of this level are complete.
    inner.output.send_at = send_at(cf.postpone_output());
    if let Some(tap) = &MainConf::being_read(cf).tap {
        tap.note(cf.error_log());
    }
    directives::answer(|| inner.inherit_tls(cf, outer))
}

/// Registers the phase handlers that some location needs, and makes the VM of the cycle.
unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    if process::only_reads_configuration() {
        return sys::OK;
    }
    // SAFETY: see above.
    let cf = unsafe { Config::from_raw(cf) };
    let conf = MainConf::being_read(cf);
    let ready = guard(None, || {
        add_handlers(cf, conf)?;
        LocConf::complete_http_level(cf).ok()?;
        start_vm(cf, conf)
    });
    if ready.is_some() { sys::OK } else { sys::ERROR }
}

/// The phases whose Lua code can capture subrequests.
const CAPTURING: [Phase; 5] =
    [Phase::ServerRewrite, Phase::Rewrite, Phase::Access, Phase::Precontent, Phase::Content];

fn add_handlers(cf: Config, conf: &MainConf) -> Option<()> {
    const REWRITE: u32 = sys::ngx_http_phases_NGX_HTTP_REWRITE_PHASE;
    const SERVER_REWRITE: u32 = sys::ngx_http_phases_NGX_HTTP_SERVER_REWRITE_PHASE;
    const ACCESS: u32 = sys::ngx_http_phases_NGX_HTTP_ACCESS_PHASE;
    const PRECONTENT: u32 = sys::ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE;
    const LOG: u32 = sys::ngx_http_phases_NGX_HTTP_LOG_PHASE;
    let add = |phase: Phase, nginx_phase, handler, place| {
        if conf.uses(phase) { cf.add_phase_handler(nginx_phase, handler, place) } else { Some(()) }
    };
    let back = HandlerPlace::Back;
    add(Phase::ServerRewrite, SERVER_REWRITE, on_phase::<{ Phase::ServerRewrite.bit() }>, back)?;
    add(Phase::Rewrite, REWRITE, on_phase::<{ Phase::Rewrite.bit() }>, back)?;
    add(Phase::Access, ACCESS, on_phase::<{ Phase::Access.bit() }>, back)?;
    add(Phase::Precontent, PRECONTENT, on_phase::<{ Phase::Precontent.bit() }>, back)?;
    // Before nginx's own access log, which may show what Lua sets.
    add(Phase::Log, LOG, on_log, HandlerPlace::Front)?;
    // Before the filters for Lua code, which see responses first.
    location::install(CAPTURING.iter().any(|phase| conf.uses(*phase)));
    filter::install(conf.uses(Phase::HeaderFilter), conf.uses(Phase::BodyFilter));
    for (no_postpone, phase) in [
        (conf.rewrite_no_postpone, Phase::Rewrite),
        (conf.access_no_postpone, Phase::Access),
        (conf.precontent_no_postpone, Phase::Precontent),
    ] {
        if no_postpone != 0 {
            conf.postponed.set(conf.postponed.get().and(&[phase]));
        }
    }
    Some(())
}

fn start_vm(cf: Config, conf: &'static MainConf) -> Option<()> {
    let vm = match boot::boot(conf, None, cf.prefix(), cf.log()) {
        Ok(vm) => vm,
        Err(BootError::NoMemory) => {
            cf.report(Level::Alert, b"failed to initialize Lua VM");
            return None;
        }
        Err(BootError::RestyCore(text)) => {
            cf.report(Level::Alert, text.as_bytes());
            return None;
        }
    };
    conf.vm.set(Some(vm));
    // The worker closes it early in processes that serve nothing.
    cf.pool().on_destroy(move || {
        if let Some(vm) = conf.vm.take() {
            boot::close(vm);
        }
    })?;
    if conf.zones.are_expected() {
        return Some(());
    }
    run_init(conf, vm, cf.cycle(), cf.log()).then_some(())
}

/// Every zone of shared memory is initialised: `init_by_lua*` runs, which may use them.
fn zones_ready(cycle: *mut ngx_cycle_t) -> bool {
    let Some(conf) = MainConf::of_cycle(cycle) else { return true };
    // None where the configuration is only read.
    let Some(vm) = conf.vm.get() else { return true };
    run_init(conf, vm, cycle, Log::of_cycle(cycle))
}

fn run_init(conf: &MainConf, vm: Vm, cycle: *mut ngx_cycle_t, log: Log) -> bool {
    let init = || with_cycle(cycle, || boot::run_init(conf, vm, log));
    let done = match &conf.tap {
        Some(tap) => tap.during(Log::of_cycle(cycle), init),
        None => init(),
    };
    // Workers begin without what only the start needed.
    vm.collect_all();
    done
}

/// Runs `body` as if the cycle being configured were the running one: `init_by_lua*` sees its prefix
/// and log.
fn with_cycle<T>(cycle: *mut ngx_cycle_t, body: impl FnOnce() -> T) -> T {
    // SAFETY: [single-thread]; nginx itself switches cycles the same way.
    unsafe {
        let running = sys::ngx_cycle;
        sys::ngx_cycle = cycle;
        let result = body();
        sys::ngx_cycle = running;
        result
    }
}

/// The configuration has been read, and its logs are open.
unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard((), || {
        if let Some(tap) = MainConf::of_cycle(cycle).and_then(|conf| conf.tap.as_deref()) {
            tap.open(cycle);
        }
    });
    sys::OK
}

unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    if guard(false, || worker::init(cycle)) { sys::OK } else { sys::ERROR }
}

unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    guard((), || worker::exit(cycle));
}
