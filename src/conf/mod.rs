//! What the directives leave behind: the module's configuration at its three levels.
//!
//! The structs are `repr(C)`: nginx's own setters write flags, numbers and times into them by offset.
#![allow(unsafe_code)]
pub(crate) mod block;
pub(crate) mod chunk;
pub(crate) mod setters;

use core::cell::{Cell, RefCell};
use std::ffi::CString;

pub(crate) use chunk::Chunk;

use crate::nginx::config::{ConfLevel, Config};
use crate::nginx::log_tap::Tap;
use crate::nginx::output::{Options, SEND_AT};
use crate::nginx::script::Arguments;
use crate::nginx::sys::{self, ngx_flag_t, ngx_int_t, ngx_uint_t};
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
    pub(crate) pending_timers: Cell<ngx_int_t>,
    pub(crate) running_timers: Cell<ngx_int_t>,
    /// Whether the worker's exit is watched for the sake of timers.
    pub(crate) watches_exit: Cell<bool>,
    pub(crate) malloc_trim_cycle: ngx_uint_t,
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
    /// Requests since memory was last given back to the system.
    pub(crate) requests_since_trim: Cell<ngx_uint_t>,
    pub(crate) vm: Cell<Option<Vm>>,
}

impl MainConf {
    pub(crate) fn new() -> Self {
        Self {
            thread_cache_max_entries: UNSET,
            max_pending_timers: UNSET,
            max_running_timers: UNSET,
            pending_timers: Cell::new(0),
            running_timers: Cell::new(0),
            watches_exit: Cell::new(false),
            malloc_trim_cycle: UNSET as ngx_uint_t,
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

/// `location {}`-level settings.
#[repr(C)]
pub(crate) struct LocConf {
    pub(crate) code_cache: ngx_flag_t,
    pub(crate) http10_buffering: ngx_flag_t,
    pub(crate) check_client_abort: ngx_flag_t,
    pub(crate) use_default_type: ngx_flag_t,
    pub(crate) transform_underscores: ngx_flag_t,
    pub(crate) need_request_body: ngx_flag_t,
    /// So much of the response is collected before it is sent.
    pub(crate) send_at: usize,
    chunks: [ChunkSlot; Phase::SLOTS],
}

impl LocConf {
    pub(crate) fn new() -> Self {
        Self {
            code_cache: UNSET,
            http10_buffering: UNSET,
            check_client_abort: UNSET,
            use_default_type: UNSET,
            transform_underscores: UNSET,
            need_request_body: UNSET,
            send_at: SEND_AT,
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
        let inherit = |own: &mut isize, outer: isize, default| {
            if *own == UNSET {
                *own = if outer == UNSET { default } else { outer };
            }
        };
        inherit(&mut self.code_cache, outer.code_cache, 1);
        inherit(&mut self.http10_buffering, outer.http10_buffering, 1);
        inherit(&mut self.check_client_abort, outer.check_client_abort, 0);
        inherit(&mut self.use_default_type, outer.use_default_type, 1);
        inherit(&mut self.transform_underscores, outer.transform_underscores, 1);
        inherit(&mut self.need_request_body, outer.need_request_body, 0);
    }

    pub(crate) fn output_options(&self) -> Options {
        Options {
            http10_buffering: self.http10_buffering != 0,
            use_default_type: self.use_default_type != 0,
            sends_each_write: self.chunk(Phase::BodyFilter).is_some(),
            send_at: self.send_at,
        }
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
    }
}
