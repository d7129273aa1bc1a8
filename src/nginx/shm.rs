//! Zones of shared memory in the configuration, and when all of them are ready.
//!
//! Whoever adds a zone gets a copy of nginx's own struct, fills in its `init` and `data`, and is called
//! back through it. In between stands a counter: Lua code that runs at the start (`init_by_lua*`) may use
//! zones, so it runs when the last of them has been initialised.
//!
//! The copies lie in places of one row, which is a static: any pointer that Lua code hands in is known for that of a
//! zone, or not, without a look at what it points to ([`known`]).
#![allow(unsafe_code)]
use core::cell::{Cell, UnsafeCell};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::config::Config;
use super::sys::{self, ngx_cycle_t, ngx_int_t, ngx_shm_zone_t};
use super::{Level, guard};

/// The zones of a configuration.
pub(crate) struct Zones {
    added: Cell<usize>,
    ready: Cell<usize>,
    /// Called with the cycle when all are ready; `false` refuses the configuration.
    when_ready: fn(*mut ngx_cycle_t) -> bool,
}

/// A zone, as whoever added it sees it.
#[repr(C, align(128))]
struct Zone {
    /// A copy of nginx's, with its owner's `init` and `data`.
    raw: ngx_shm_zone_t,
    zones: &'static Zones,
    cycle: *mut ngx_cycle_t,
}

/// As many zones as two configurations may have, the old one and the new one.
const PLACES: usize = 4096;

/// Memory for zones: zeroes where there is none.
struct Places(UnsafeCell<MaybeUninit<[Zone; PLACES]>>);

// SAFETY: [conf-callback]: changed while the configuration is read or given up, and no thread runs then that uses
// what is changed.
unsafe impl Sync for Places {}

static PLACED: Places = Places(UnsafeCell::new(MaybeUninit::zeroed()));

/// A place that is taken until its configuration is given up.
struct Place(NonNull<Zone>);

impl Place {
    /// Where the first place is.
    fn first() -> *mut Zone {
        PLACED.0.get().cast()
    }

    /// `None` if all of them are taken.
    fn take(zone: Zone) -> Option<Self> {
        // SAFETY: within the row; a zone that has been added has a name.
        unsafe {
            let free = (0..PLACES).map(|i| Self::first().add(i));
            let place = free.into_iter().find(|place| (**place).raw.shm.name.data.is_null())?;
            place.write(zone);
            NonNull::new(place).map(Self)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: ours; nobody uses a zone of a configuration that is given up. A zone has nothing to drop.
        unsafe { self.0.write_bytes(0, 1) };
    }
}

/// The zone that a pointer leads to; `None` if it is none that has been added. The pointer is not followed before
/// that is known.
#[inline(always)]
pub(crate) fn known(pointer: *const c_void) -> Option<NonNull<ngx_shm_zone_t>> {
    let skipped = pointer.addr().wrapping_sub(Place::first().addr());
    let is_place =
        skipped < PLACES * size_of::<Zone>() && skipped.is_multiple_of(size_of::<Zone>());
    NonNull::new(pointer.cast_mut().cast()).filter(|_| is_place)
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
            let Some(place) = Place::take(zone) else {
                cf.report(Level::Emerg, b"too many zones of shared memory");
                return None;
            };
            let zone = place.0;
            cf.pool().own(Box::new(place))?;
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
