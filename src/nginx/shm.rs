//! Zones of shared memory in the configuration, and when all of them are ready.
//!
//! Whoever adds a zone gets a copy of nginx's own struct, fills in its `init` and `data`, and is called
//! back through it. In between stands a counter: Lua code that runs at the start (`init_by_lua*`) may use
//! zones, so it runs when the last of them has been initialised.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};

use super::config::Config;
use super::guard;
use super::sys::{self, ngx_cycle_t, ngx_int_t, ngx_shm_zone_t};

/// The zones of a configuration.
pub(crate) struct Zones {
    added: Cell<usize>,
    ready: Cell<usize>,
    /// Called with the cycle when all are ready; `false` refuses the configuration.
    when_ready: fn(*mut ngx_cycle_t) -> bool,
}

/// A zone, as whoever added it sees it.
#[repr(C)]
struct Zone {
    /// A copy of nginx's, with its owner's `init` and `data`.
    raw: ngx_shm_zone_t,
    zones: &'static Zones,
    cycle: *mut ngx_cycle_t,
}

// SAFETY (every block of this impl): [conf-callback]; zones and what belongs to them live as long as the
// cycle.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Zones {
    pub(crate) fn new(when_ready: fn(*mut ngx_cycle_t) -> bool) -> Self {
        Self { added: Cell::new(0), ready: Cell::new(0), when_ready }
    }

    /// Whether `when_ready` is going to be called.
    pub(crate) fn are_expected(&self) -> bool {
        self.added.get() != 0
    }

    /// The zone `name`, a new one or one that has been added before; `None` has been reported.
    pub(crate) fn add(
        &'static self,
        cf: Config,
        name: &[u8],
        size: usize,
        tag: *mut c_void,
    ) -> Option<NonNull<ngx_shm_zone_t>> {
        unsafe {
            let mut name = cf.pool().copy_with_nul(name)?;
            let raw = sys::ngx_shared_memory_add(cf.as_ptr(), &raw mut name, size, tag);
            let raw = NonNull::new(raw)?.as_ptr();
            if !(*raw).data.is_null() {
                return NonNull::new((*raw).data.cast());
            }
            let zone = Zone { raw: raw.read(), zones: self, cycle: cf.cycle() };
            let zone = cf.pool().own(Box::new(zone))?;
            (*raw).init = Some(on_init);
            (*raw).data = zone.as_ptr().cast();
            self.added.set(self.added.get() + 1);
            Some(zone.cast())
        }
    }
}

/// nginx has mapped a zone, or found that of the old configuration.
unsafe extern "C" fn on_init(raw: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(sys::ERROR, || {
        // SAFETY: [conf-callback]; both are what `add` has left in zones of this tag and name.
        unsafe {
            let zone = (*raw).data.cast::<Zone>();
            let old_data = old.cast::<Zone>().as_ref().map_or(ptr::null_mut(), |old| old.raw.data);
            (*zone).raw.shm = (*raw).shm;
            (*zone).raw.noreuse = (*raw).noreuse;
            let Some(init) = (*zone).raw.init else { return sys::ERROR };
            if init(&raw mut (*zone).raw, old_data) != sys::OK {
                return sys::ERROR;
            }
            let (zones, cycle) = ((*zone).zones, (*zone).cycle);
            zones.ready.set(zones.ready.get() + 1);
            let all = zones.ready.get() == zones.added.get();
            if !all || (zones.when_ready)(cycle) { sys::OK } else { sys::ERROR }
        }
    })
}

/// The zone `name` of the running configuration, if it was added through [`Zones::add`].
pub(crate) fn find(name: &[u8]) -> Option<NonNull<ngx_shm_zone_t>> {
    // SAFETY: [single-thread]; nginx's list of zones is complete while a cycle runs.
    unsafe {
        let mut part = &raw const (*sys::ngx_cycle).shared_memory.part;
        while !part.is_null() {
            let zones = (*part).elts.cast::<ngx_shm_zone_t>();
            for i in 0..(*part).nelts {
                let zone = zones.add(i);
                if sys::str_bytes((*zone).shm.name) == name
                    && (*zone)
                        .init
                        .is_some_and(|init| init as usize == on_init as *const () as usize)
                {
                    return NonNull::new((*zone).data.cast());
                }
            }
            part = (*part).next;
        }
    }
    None
}
