//! Dictionaries and their zones: the directive `lua_shared_dict`, and what it leaves behind.
#![allow(unsafe_code)]
use core::cell::OnceCell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

use super::layout::MAX_ZONE;
use super::store::Store;
use crate::conf::MainConf;
use crate::conf::setters::ConfError;
use crate::nginx::config::Config;
use crate::nginx::slab::Slab;
use crate::nginx::sys::{self, ngx_int_t, ngx_shm_zone_t};
use crate::nginx::{Level, Log, guard, shm, slot};
use crate::vm::Stack;

/// What a zone's `data` points to.
pub(super) struct Dict {
    name: &'static [u8],
    zone: *const c_void,
    /// Where the value of a userdata lies that holds the zone, and was asked for last.
    userdata: AtomicUsize,
    store: OnceCell<Store>,
}

/// The dictionary that was used last, by any thread: most calls are about it. Until there is one, `NONE`.
static LATEST: AtomicPtr<Dict> = AtomicPtr::new((&raw const NONE.0).cast_mut());

/// Dictionaries by the userdata that were asked for.
static ASKED_FOR: [AtomicPtr<Dict>; 256] = [const { AtomicPtr::new(ptr::null_mut()) }; 256];

struct NoDict(Dict);

// SAFETY: it has no store, and never gets one.
unsafe impl Sync for NoDict {}

static NONE: NoDict = NoDict(Dict {
    name: b"",
    zone: ptr::null(),
    userdata: AtomicUsize::new(0),
    store: OnceCell::new(),
});

impl Drop for Dict {
    fn drop(&mut self) {
        let own = ptr::from_mut(self);
        let _ = LATEST.compare_exchange(own, (&raw const NONE.0).cast_mut(), Relaxed, Relaxed);
        for place in &ASKED_FOR {
            let _ = place.compare_exchange(own, ptr::null_mut(), Relaxed, Relaxed);
        }
    }
}

impl Dict {
    /// The dictionary of a zone; `None` if the pointer, which may be any, is not that of a dictionary's zone.
    #[inline(always)]
    pub(super) fn of<'a>(zone: *const c_void) -> Option<&'a Self> {
        Self::latest_if(zone).or_else(|| Self::look_up(zone))
    }

    #[inline(always)]
    fn latest<'a>() -> &'a Self {
        // SAFETY: [known-zone]; a dictionary of a configuration that lives, or `NONE`.
        unsafe {
            let latest = LATEST.load(Relaxed);
            core::hint::assert_unchecked(!latest.is_null());
            &*latest
        }
    }

    /// The same, if it is the one that was used last.
    #[inline(always)]
    pub(super) fn latest_if<'a>(zone: *const c_void) -> Option<&'a Self> {
        let latest = Self::latest();
        (latest.zone == zone).then_some(latest)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn look_up<'a>(zone: *const c_void) -> Option<&'a Self> {
        let zone = shm::known(zone).filter(|zone| Self::is_of(*zone))?;
        // SAFETY: [known-zone]: `set_shared_dict` has made it one; both live as long as the cycle.
        unsafe { zone.as_ref().data.cast::<Self>().as_ref() }
    }

    /// The zone that the userdata in a dictionary's table holds; null for any other userdata.
    ///
    /// # Safety
    /// `userdata` is null or where the value of some userdata or cdata lies, which may be an empty one.
    #[inline(always)]
    pub(super) unsafe fn zone_of_userdata(userdata: *const c_void) -> *const c_void {
        let latest = Self::latest();
        if latest.userdata.load(Relaxed) == userdata.addr() {
            return latest.zone;
        }
        // SAFETY: the caller's contract.
        unsafe { Self::look_up_userdata(userdata) }.map_or(ptr::null(), |dict| dict.zone)
    }

    /// The dictionary whose zone the userdata on top of the stack holds. stack: [-0, +0, -]
    #[inline(always)]
    pub(super) fn on_top<'a>(stack: Stack) -> Option<&'a Self> {
        let userdata = stack.pointer(-1).cast_const();
        let latest = Self::latest();
        if latest.userdata.load(Relaxed) == userdata.addr() {
            return Some(latest);
        }
        stack.userdata(-1)?;
        // SAFETY: a full userdata.
        unsafe { Self::look_up_userdata(userdata) }
    }

    /// # Safety
    /// As for `zone_of_userdata`.
    #[cold]
    #[inline(never)]
    unsafe fn look_up_userdata<'a>(userdata: *const c_void) -> Option<&'a Self> {
        let place = &ASKED_FOR[userdata.addr() / 16 % ASKED_FOR.len()];
        // SAFETY: [known-zone]; null, or a dictionary of a configuration that lives.
        let asked_for = unsafe { place.load(Relaxed).as_ref() };
        let dict = match asked_for {
            Some(dict) if dict.userdata.load(Relaxed) == userdata.addr() => dict,
            _ => {
                if !Self::can_be_read(userdata) {
                    return None;
                }
                // SAFETY: [known-zone]; it can.
                let zone = unsafe { userdata.cast::<*const c_void>().read() };
                let dict = Self::look_up(zone)?;
                dict.userdata.store(userdata.addr(), Relaxed);
                place.store(ptr::from_ref(dict).cast_mut(), Relaxed);
                dict
            }
        };
        // Where debug lines are wanted, no call takes the short way.
        if !Log::cycle().debugs() {
            LATEST.store(ptr::from_ref(dict).cast_mut(), Relaxed);
        }
        Some(dict)
    }

    /// Whether a word can be read where the value of a userdata lies: that of an empty one may be the end of mapped
    /// memory, a light one may be a number. An aligned word is mapped if the byte before it in its page is.
    pub(super) fn can_be_read(userdata: *const c_void) -> bool {
        const PAGE: usize = 4096;
        let at = userdata.addr();
        at >= 16 * PAGE && !at.is_multiple_of(PAGE) && at.is_multiple_of(align_of::<usize>())
    }

    /// `None` before the zone has been initialised: while the configuration is read.
    #[inline(always)]
    pub(super) fn store(&self) -> Option<&Store> {
        self.store.get()
    }

    pub(super) fn name(&self) -> &'static [u8] {
        self.name
    }

    pub(super) fn name_of(zone: NonNull<ngx_shm_zone_t>) -> &'static [u8] {
        // SAFETY: zones live as long as the cycle.
        unsafe { sys::str_bytes(zone.as_ref().shm.name) }
    }

    /// Whether the zone is a dictionary's, and not another module's.
    pub(super) fn is_of(zone: NonNull<ngx_shm_zone_t>) -> bool {
        // SAFETY: zones live as long as the cycle.
        let init = unsafe { zone.as_ref() }.init;
        init.is_some_and(|init| init as usize == on_init as *const () as usize)
    }

    fn open(&self, slab: Slab) -> Option<Store> {
        let label = [b" in lua_shared_dict zone \"", self.name, b"\""].concat();
        Store::open(slab).or_else(|| Store::create(slab, seed(), &label))
    }
}

/// Something nobody can guess.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// `lua_shared_dict <name> <size>`
pub(crate) fn set_shared_dict(cf: Config) -> Result<(), ConfError> {
    let (name, size_text) = (cf.arg(1), cf.arg(2));
    let refuse = |what: &[u8], value: &[u8]| {
        cf.report(
            Level::Emerg,
            &[b"invalid lua shared dict ".as_slice(), what, b" \"", value, b"\""].concat(),
        );
        Err(ConfError::Reported)
    };
    if name.is_empty() {
        return refuse(b"name", name);
    }
    // Reference: has no upper limit; here links reach 64 GB far.
    let Some(size) = cf.size(2).filter(|size| (8192..=MAX_ZONE).contains(size)) else {
        return refuse(b"size", size_text);
    };
    let conf = MainConf::being_read(cf);
    let tag = slot::module().cast();
    let zone = conf.zones.add(cf, name, size, tag).ok_or(ConfError::Reported)?;
    // SAFETY: [conf-callback]; the zone lives as long as the configuration.
    unsafe {
        let zone = zone.as_ptr();
        if !(*zone).data.is_null() {
            let what = [
                b"lua_shared_dict \"".as_slice(),
                name,
                b"\" is already defined as \"",
                sys::str_bytes((*zone).shm.name),
                b"\"",
            ];
            cf.report(Level::Emerg, &what.concat());
            return Err(ConfError::Reported);
        }
        let (userdata, store) = (AtomicUsize::new(0), OnceCell::new());
        let dict = Box::new(Dict { name, zone: zone.cast(), userdata, store });
        let dict = cf.pool().own(dict).ok_or(ConfError::Reported)?;
        (*zone).init = Some(on_init);
        (*zone).data = dict.as_ptr().cast();
    }
    conf.dicts.borrow_mut().push(zone);
    Ok(())
}

/// The zone is mapped: new, or with what it held before the configuration was read anew.
unsafe extern "C" fn on_init(zone: *mut ngx_shm_zone_t, _: *mut c_void) -> ngx_int_t {
    guard(sys::ERROR, || {
        // SAFETY: [conf-callback]: `set_shared_dict` has left a dictionary, nginx has mapped the zone.
        let slab = unsafe { Slab::from_raw((*zone).shm.addr, (*zone).shm.size) };
        let ready = Dict::look_up(zone.cast()).zip(slab);
        let Some((dict, slab)) = ready else { return sys::ERROR };
        let Some(store) = dict.open(slab) else {
            Log::cycle().print(
                Level::Emerg,
                format_args!(
                    "lua_shared_dict \"{}\" is too small",
                    String::from_utf8_lossy(dict.name)
                ),
            );
            return sys::ERROR;
        };
        if dict.store.set(store).is_ok() { sys::OK } else { sys::ERROR }
    })
}
