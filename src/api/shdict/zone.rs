//! Dictionaries and their zones: the directive `lua_shared_dict`, and what it leaves behind.
#![allow(unsafe_code)]
use core::cell::OnceCell;
use core::ffi::c_void;
use core::ptr::NonNull;

use super::layout::MAX_ZONE;
use super::store::Store;
use crate::conf::MainConf;
use crate::conf::setters::ConfError;
use crate::nginx::config::Config;
use crate::nginx::slab::Slab;
use crate::nginx::sys::{self, ngx_int_t, ngx_shm_zone_t};
use crate::nginx::{Level, Log, guard, slot};

/// What a zone's `data` points to.
pub(super) struct Dict {
    name: &'static [u8],
    store: OnceCell<Store>,
}

impl Dict {
    /// The dictionary of a zone.
    ///
    /// # Safety
    /// `zone` is null or that of a dictionary.
    #[inline(always)]
    pub(super) unsafe fn of<'a>(zone: *mut c_void) -> Option<&'a Self> {
        // SAFETY: the caller's contract; both live as long as the cycle.
        unsafe { zone.cast::<ngx_shm_zone_t>().as_ref()?.data.cast::<Self>().as_ref() }
    }

    /// The dictionary of a zone that the directive has made one.
    ///
    /// # Safety
    /// It has.
    #[inline(always)]
    pub(super) unsafe fn of_zone<'a>(zone: NonNull<c_void>) -> &'a Self {
        // SAFETY: the caller's contract; both live as long as the cycle.
        unsafe { &*zone.cast::<ngx_shm_zone_t>().as_ref().data.cast::<Self>() }
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
        let dict = Box::new(Dict { name, store: OnceCell::new() });
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
        let ready = unsafe {
            let slab = Slab::from_raw((*zone).shm.addr, (*zone).shm.size);
            Dict::of(zone.cast()).zip(slab)
        };
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
