//! Memory that lives as long as an nginx pool.
#![allow(unsafe_code)]
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem;
use core::ptr::NonNull;

use super::sys;

/// A handle to an `ngx_pool_t`.
#[derive(Clone, Copy)]
pub(crate) struct Pool(NonNull<sys::ngx_pool_t>);

/// Memory for nginx's note of what to do when a pool is destroyed.
pub(crate) struct DestroyPlace(UnsafeCell<sys::ngx_pool_cleanup_t>);

impl DestroyPlace {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(sys::ngx_pool_cleanup_t {
            handler: None,
            data: core::ptr::null_mut(),
            next: core::ptr::null_mut(),
        }))
    }
}

impl Pool {
    /// # Safety
    /// `pool` is null or stays alive while the handle is used.
    pub(crate) unsafe fn from_raw(pool: *mut sys::ngx_pool_t) -> Option<Self> {
        NonNull::new(pool).map(Self)
    }

    pub(crate) fn as_ptr(self) -> *mut sys::ngx_pool_t {
        self.0.as_ptr()
    }

    /// `len` bytes without alignment; `None` when there is no memory.
    pub(crate) fn bytes(self, len: usize) -> Option<NonNull<u8>> {
        // SAFETY: the pool is alive.
        NonNull::new(unsafe { sys::ngx_pnalloc(self.as_ptr(), len) }.cast())
    }

    /// A copy of `data` that lives as long as the pool.
    pub(crate) fn copy(self, data: &[u8]) -> Option<sys::ngx_str_t> {
        let copy = self.bytes(data.len())?.as_ptr();
        // SAFETY: fresh memory of that length.
        unsafe { copy.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        Some(sys::ngx_str_t { len: data.len(), data: copy })
    }

    /// As [`Pool::copy`], as bytes that live as long as the pool.
    pub(crate) fn bytes_of(self, data: &[u8]) -> Option<&'static [u8]> {
        // SAFETY: the pool outlives its users.
        self.copy(data).map(|copy| unsafe { sys::str_bytes(copy) })
    }

    /// A copy of `data` with a NUL behind it, which is not counted.
    pub(crate) fn copy_with_nul(self, data: &[u8]) -> Option<sys::ngx_str_t> {
        let copy = self.bytes(data.len() + 1)?.as_ptr();
        // SAFETY: fresh memory of that length.
        unsafe {
            copy.copy_from_nonoverlapping(data.as_ptr(), data.len());
            *copy.add(data.len()) = 0;
        }
        Some(sys::ngx_str_t { len: data.len(), data: copy })
    }

    /// Places a value that needs no drop; it lives as long as the pool.
    #[inline(always)]
    pub(crate) fn place<T>(self, value: T) -> Option<&'static T> {
        const { assert!(!mem::needs_drop::<T>()) };
        // SAFETY: ngx_palloc aligns to NGX_ALIGNMENT, at least a pointer's; the pool outlives its users.
        unsafe {
            let place: NonNull<T> =
                NonNull::new(sys::ngx_palloc(self.as_ptr(), size_of::<T>()))?.cast();
            place.write(value);
            Some(place.as_ref())
        }
    }

    /// Room for a value, which lives as long as the pool; dropping it is the caller's business.
    #[inline]
    pub(crate) fn place_raw<T>(self) -> Option<NonNull<T>> {
        // SAFETY: as above.
        Some(NonNull::new(unsafe { sys::ngx_palloc(self.as_ptr(), size_of::<T>()) })?.cast())
    }

    /// Gives `value` to the pool, which drops it when it is destroyed.
    pub(crate) fn own<T>(self, value: Box<T>) -> Option<NonNull<T>> {
        unsafe extern "C" fn destroy<T>(data: *mut c_void) {
            // SAFETY: registered below with a leaked box; runs once.
            drop(unsafe { Box::from_raw(data.cast::<T>()) });
        }
        // SAFETY: the cleanup owns the box from here on.
        unsafe {
            let cleanup = sys::ngx_pool_cleanup_add(self.as_ptr(), 0).as_mut()?;
            let value = Box::into_raw(value);
            cleanup.handler = Some(destroy::<T>);
            cleanup.data = value.cast();
            NonNull::new(value)
        }
    }

    /// Calls `action(data)` when the pool is destroyed. `place` is where nginx keeps the note of it: it
    /// lies in the pool, and is used once.
    pub(crate) fn on_destroy_in(
        self,
        place: &DestroyPlace,
        action: unsafe extern "C" fn(*mut c_void),
        data: *const c_void,
    ) {
        // SAFETY: the pool is alive, and so is the place as long as the pool.
        unsafe {
            let place = place.0.get();
            (*place).handler = Some(action);
            (*place).data = data.cast_mut();
            (*place).next = (*self.as_ptr()).cleanup;
            (*self.as_ptr()).cleanup = place;
        }
    }

    /// Runs `action` when the pool is destroyed.
    pub(crate) fn on_destroy<F: FnOnce() + 'static>(self, action: F) -> Option<()> {
        struct Run<F: FnOnce()>(Option<F>);
        impl<F: FnOnce()> Drop for Run<F> {
            fn drop(&mut self) {
                if let Some(action) = self.0.take() {
                    action();
                }
            }
        }
        self.own(Box::new(Run(Some(action)))).map(|_| ())
    }
}
