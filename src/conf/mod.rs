//! What the directives leave behind: the module's configuration at its three levels.
//!
//! The structs are `repr(C)`: nginx's own setters write flags, numbers and times into them by offset.
#![allow(unsafe_code)]
pub(crate) mod block;
pub(crate) mod chunk;
pub(crate) mod setters;
#[cfg(ngx_feature = "http_ssl")]
pub(crate) mod tls;

use core::cell::{Cell, OnceCell, RefCell};
use core::ptr::NonNull;
use std::ffi::CString;
use std::rc::Rc;

pub(crate) use chunk::Chunk;
#[cfg(ngx_feature = "http_ssl")]
pub(crate) use tls::TlsConf;

use crate::nginx::config::{ConfLevel, Config};
use crate::nginx::log_tap::Tap;
use crate::nginx::output::Options;
use crate::nginx::pcre::{Limits, Matcher};
use crate::nginx::script::Arguments;
use crate::nginx::shm::Zones;
use crate::nginx::sys::{self, ngx_flag_t, ngx_int_t, ngx_uint_t};
use crate::nginx::system_resolver::SystemResolver;
use crate::nginx::{Phase, Phases, Request, process, slot};
use crate::vm::{Function, Vm};

/// nginx's mark of a value that no directive has set.
const UNSET: ngx_int_t = -1;

/// A chunk, if the level has one for a phase; shared by all levels that inherit it.
type ChunkSlot = Option<&'static Chunk>;

/// A `set_by_lua*` directive; the rewrite module's code for it leads here.
pub(crate) struct SetVar {
    pub(crate) chunk: Chunk,
    pub(crate) args: Arguments,
}

/// `http {}`-level settings, and what belongs to the cycle as a whole.
#[repr(C)]
pub(crate) struct MainConf {
    pub(crate) thread_cache_max_entries: ngx_int_t,
    pub(crate) max_pending_timers: ngx_int_t,
    pub(crate) max_running_timers: ngx_int_t,
    pub(crate) worker_thread_vm_pool_size: ngx_int_t,
    pub(crate) pending_timers: Cell<ngx_int_t>,
    pub(crate) running_timers: Cell<ngx_int_t>,
    /// Whether the worker's exit is watched for the sake of timers.
    pub(crate) watches_exit: Cell<bool>,
    pub(crate) malloc_trim_cycle: ngx_uint_t,
    pub(crate) regex_cache_max_entries: ngx_int_t,
    pub(crate) regex_match_limit: ngx_int_t,
    matcher: OnceCell<Rc<Matcher>>,
    pub(crate) sa_restart: ngx_flag_t,
    pub(crate) rewrite_no_postpone: ngx_flag_t,
    pub(crate) access_no_postpone: ngx_flag_t,
    pub(crate) precontent_no_postpone: ngx_flag_t,
    pub(crate) package_path: Option<Box<[u8]>>,
    pub(crate) package_cpath: Option<Box<[u8]>>,
    pub(crate) init: ChunkSlot,
    pub(crate) init_worker: ChunkSlot,
    pub(crate) exit_worker: ChunkSlot,
    /// What other modules let `require` find.
    pub(crate) preloads: RefCell<Vec<(CString, Function)>>,
    /// `lua_capture_error_log`.
    pub(crate) tap: Option<Box<Tap>>,
    /// The phases that some location has Lua for.
    pub(crate) used: Cell<Phases>,
    /// The phases whose handler has taken its place behind those of other modules.
    pub(crate) postponed: Cell<Phases>,
    /// Zones of shared memory, which `init_by_lua*` waits for.
    pub(crate) zones: Zones,
    /// Those that are dictionaries, in the order of their directives.
    pub(crate) dicts: RefCell<Vec<NonNull<sys::ngx_shm_zone_t>>>,
    /// Requests since memory was last given back to the system.
    pub(crate) requests_since_trim: Cell<ngx_uint_t>,
    pub(crate) vm: Cell<Option<Vm>>,
}

impl MainConf {
    /// `zones_ready` is called with the cycle when all zones have been initialised, if there are any.
    pub(crate) fn new(zones_ready: fn(*mut sys::ngx_cycle_t) -> bool) -> Self {
        Self {
            thread_cache_max_entries: UNSET,
            max_pending_timers: UNSET,
            max_running_timers: UNSET,
            worker_thread_vm_pool_size: UNSET,
            pending_timers: Cell::new(0),
            running_timers: Cell::new(0),
            watches_exit: Cell::new(false),
            malloc_trim_cycle: UNSET as ngx_uint_t,
            regex_cache_max_entries: UNSET,
            regex_match_limit: UNSET,
            matcher: OnceCell::new(),
            sa_restart: UNSET,
            rewrite_no_postpone: UNSET,
            access_no_postpone: UNSET,
            precontent_no_postpone: UNSET,
            package_path: None,
            package_cpath: None,
            init: None,
            init_worker: None,
            exit_worker: None,
            preloads: RefCell::default(),
            tap: None,
            used: Cell::new(Phases::NONE),
            postponed: Cell::new(Phases::NONE),
            zones: Zones::new(zones_ready),
            dicts: RefCell::default(),
            requests_since_trim: Cell::new(0),
            vm: Cell::new(None),
        }
    }

    /// Fills in what no directive has set.
    pub(crate) fn set_defaults(&mut self) {
        let default = |value: &mut isize, default| {
            if *value == UNSET {
                *value = default;
            }
        };
        if self.thread_cache_max_entries < 0 {
            self.thread_cache_max_entries = 1024;
        }
        if self.malloc_trim_cycle == UNSET as ngx_uint_t {
            self.malloc_trim_cycle = 1000;
        }
        default(&mut self.max_pending_timers, 1024);
        default(&mut self.max_running_timers, 256);
        default(&mut self.regex_cache_max_entries, 1024);
        default(&mut self.regex_match_limit, 0);
        default(&mut self.worker_thread_vm_pool_size, 100);
        default(&mut self.sa_restart, 1);
        default(&mut self.rewrite_no_postpone, 0);
        default(&mut self.access_no_postpone, 0);
        default(&mut self.precontent_no_postpone, 0);
    }

    #[inline]
    pub(crate) fn of(r: Request) -> &'static Self {
        // SAFETY: made by `create`, lives as long as the cycle.
        unsafe { &*slot::main_conf(r).cast() }
    }

    /// The main configuration of the file being read.
    pub(crate) fn being_read<'a>(cf: Config) -> &'a Self {
        // SAFETY: [conf-callback]; made by `create`.
        unsafe { &*cf.conf(ConfLevel::Main).cast() }
    }

    pub(crate) fn of_cycle(cycle: *mut sys::ngx_cycle_t) -> Option<&'static Self> {
        // SAFETY: made by `create`, lives as long as the cycle.
        slot::cycle_main_conf(cycle).and_then(|conf| unsafe { conf.cast::<Self>().as_ref() })
    }

    /// That of the running cycle.
    pub(crate) fn running() -> Option<&'static Self> {
        Self::of_cycle(process::cycle())
    }

    /// What patterns are matched with, made when it is first needed; `None` when there is no memory.
    pub(crate) fn matcher(&self, limits: fn(u32) -> Limits) -> Option<Rc<Matcher>> {
        if let Some(matcher) = self.matcher.get() {
            return Some(Rc::clone(matcher));
        }
        let matcher = Rc::new(self.new_matcher(limits)?);
        Some(Rc::clone(self.matcher.get_or_init(|| matcher)))
    }

    /// One that is nobody else's.
    pub(crate) fn new_matcher(&self, limits: fn(u32) -> Limits) -> Option<Matcher> {
        let limit = u32::try_from(self.regex_match_limit).unwrap_or(u32::MAX);
        Matcher::new(limits(limit))
    }

    pub(crate) fn uses(&self, phase: Phase) -> bool {
        self.used.get().contains(phase)
    }

    fn note_use(&self, phase: Phase) {
        self.used.set(self.used.get().and(&[phase]));
    }
}

/// `server {}`-level settings.
#[repr(C)]
#[derive(Default)]
pub(crate) struct SrvConf {
    pub(crate) server_rewrite: ChunkSlot,
}

impl SrvConf {
    #[inline]
    pub(crate) fn of(r: Request) -> &'static Self {
        // SAFETY: made by `create`, lives as long as the cycle.
        unsafe { &*slot::srv_conf(r).cast() }
    }

    pub(crate) fn inherit(&mut self, outer: &Self) {
        self.server_rewrite = self.server_rewrite.or(outer.server_rewrite);
    }
}

/// `lua_socket_*`
#[repr(C)]
pub(crate) struct SocketConf {
    pub(crate) connect_timeout: ngx_uint_t,
    pub(crate) send_timeout: ngx_uint_t,
    pub(crate) read_timeout: ngx_uint_t,
    pub(crate) keepalive_timeout: ngx_uint_t,
    pub(crate) send_lowat: ngx_uint_t,
    pub(crate) buffer_size: ngx_uint_t,
    pub(crate) pool_size: ngx_int_t,
    pub(crate) log_errors: ngx_flag_t,
}

const UNSET_NUMBER: ngx_uint_t = UNSET as ngx_uint_t;

impl SocketConf {
    const UNSET: Self = Self {
        connect_timeout: UNSET_NUMBER,
        send_timeout: UNSET_NUMBER,
        read_timeout: UNSET_NUMBER,
        keepalive_timeout: UNSET_NUMBER,
        send_lowat: UNSET_NUMBER,
        buffer_size: UNSET_NUMBER,
        pool_size: UNSET,
        log_errors: UNSET,
    };

    fn inherit(&mut self, outer: &Self) {
        let number = |own: &mut usize, outer: usize, default| {
            if *own == UNSET_NUMBER {
                *own = if outer == UNSET_NUMBER { default } else { outer };
            }
        };
        number(&mut self.connect_timeout, outer.connect_timeout, 60_000);
        number(&mut self.send_timeout, outer.send_timeout, 60_000);
        number(&mut self.read_timeout, outer.read_timeout, 60_000);
        number(&mut self.keepalive_timeout, outer.keepalive_timeout, 60_000);
        number(&mut self.send_lowat, outer.send_lowat, 0);
        number(&mut self.buffer_size, outer.buffer_size, process::page_size());
        inherit(&mut self.pool_size, outer.pool_size, 30);
        inherit(&mut self.log_errors, outer.log_errors, 1);
    }
}

/// Fills in what no directive has set: from the outer level, or with the default.
fn inherit(own: &mut isize, outer: isize, default: isize) {
    if *own == UNSET {
        *own = if outer == UNSET { default } else { outer };
    }
}

/// `location {}`-level settings.
#[repr(C)]
pub(crate) struct LocConf {
    pub(crate) code_cache: ngx_flag_t,
    pub(crate) http10_buffering: ngx_flag_t,
    pub(crate) check_client_abort: ngx_flag_t,
    pub(crate) use_default_type: ngx_flag_t,
    pub(crate) transform_underscores: ngx_flag_t,
    pub(crate) need_request_body: ngx_flag_t,
    /// Modules may wait while a request loads them.
    pub(crate) yieldable_require: ngx_flag_t,
    system_resolver: SystemSlot,
    pub(crate) socket: SocketConf,
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) tls: TlsConf,
    /// What of these settings concerns responses.
    pub(crate) output: Options,
    chunks: [ChunkSlot; Phase::SLOTS],
}

/// `lua_socket_system_resolver`: `None` where it is not set.
type SystemSlot = Option<Option<&'static SystemResolver>>;

impl LocConf {
    pub(crate) fn new() -> Self {
        Self {
            code_cache: UNSET,
            http10_buffering: UNSET,
            check_client_abort: UNSET,
            use_default_type: UNSET,
            transform_underscores: UNSET,
            need_request_body: UNSET,
            yieldable_require: UNSET,
            system_resolver: None,
            socket: SocketConf::UNSET,
            #[cfg(ngx_feature = "http_ssl")]
            tls: TlsConf::new(),
            output: Options::UNSET,
            chunks: [None; Phase::SLOTS],
        }
    }

    #[inline]
    pub(crate) fn of(r: Request) -> &'static Self {
        // SAFETY: made by `create`, lives as long as the cycle.
        unsafe { &*slot::loc_conf(r).cast() }
    }

    #[inline]
    pub(crate) fn chunk(&self, phase: Phase) -> ChunkSlot {
        self.chunks[phase.index()]
    }

    pub(crate) fn inherit(&mut self, outer: &Self) {
        for (own, outer) in self.chunks.iter_mut().zip(&outer.chunks) {
            *own = own.or(*outer);
        }
        self.system_resolver = self.system_resolver.or(outer.system_resolver);
        self.socket.inherit(&outer.socket);
        inherit(&mut self.code_cache, outer.code_cache, 1);
        inherit(&mut self.http10_buffering, outer.http10_buffering, 1);
        inherit(&mut self.check_client_abort, outer.check_client_abort, 0);
        inherit(&mut self.use_default_type, outer.use_default_type, 1);
        inherit(&mut self.transform_underscores, outer.transform_underscores, 1);
        inherit(&mut self.need_request_body, outer.need_request_body, 0);
        inherit(&mut self.yieldable_require, outer.yieldable_require, 0);
        self.output.http10_buffering = self.http10_buffering != 0;
        self.output.use_default_type = self.use_default_type != 0;
        self.output.sends_each_write = self.chunk(Phase::BodyFilter).is_some();
    }

    /// Fills in what no directive of the `http` level has set, once everything has been inherited from it: Lua
    /// that runs outside of requests runs there.
    pub(crate) fn complete_http_level(cf: Config) -> Result<(), setters::ConfError> {
        // SAFETY: [conf-callback]; made by `create`, and nobody holds it now.
        let conf = unsafe { &mut *cf.conf(ConfLevel::Location).cast::<Self>() };
        conf.inherit(&Self::new());
        #[cfg(ngx_feature = "http_ssl")]
        conf.tls.make(cf)?;
        Ok(())
    }

    /// Makes OpenSSL's context, or takes that of the outer level.
    pub(crate) fn inherit_tls(
        &mut self,
        cf: Config,
        outer: &Self,
    ) -> Result<(), setters::ConfError> {
        #[cfg(ngx_feature = "http_ssl")]
        self.tls.inherit(cf, &outer.tls)?;
        let _ = (cf, outer);
        Ok(())
    }

    /// What resolves names where nginx has no `resolver`.
    pub(crate) fn system_resolver(&self) -> Option<&'static SystemResolver> {
        self.system_resolver.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_settings_win_over_outer_ones() {
        let (mut outer, mut inner) = (LocConf::new(), LocConf::new());
        outer.use_default_type = 0;
        outer.code_cache = 0;
        inner.code_cache = 1;
        inner.inherit(&outer);
        assert_eq!((inner.use_default_type, inner.code_cache, inner.http10_buffering), (0, 1, 1));
        assert_eq!((inner.output.use_default_type, inner.output.http10_buffering), (false, true));
    }
}
