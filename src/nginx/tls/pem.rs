//! Certificates and keys in PEM, as OpenSSL's objects or in DER.
//!
//! The objects are handed to Lua as pointers: [`Chain`] and [`Key`] own them until then, and take them back to
//! free them.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_void};
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use crate::nginx::sys;

type Result<T> = core::result::Result<T, &'static CStr>;

/// A certificate and those behind it, a stack of `X509`.
pub(crate) struct Chain(NonNull<sys::OPENSSL_STACK>);

/// A private key.
pub(crate) struct Key(NonNull<sys::EVP_PKEY>);

/// Text that OpenSSL reads.
struct Text<'a> {
    bio: NonNull<sys::BIO>,
    _bytes: &'a [u8],
}

impl<'a> Text<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        let len = c_int::try_from(bytes.len()).map_err(|_| c"BIO_new_mem_buf() failed")?;
        // SAFETY: OpenSSL reads the bytes, which live longer.
        let bio = unsafe { sys::BIO_new_mem_buf(bytes.as_ptr().cast(), len) };
        let bio = NonNull::new(bio).ok_or(c"BIO_new_mem_buf() failed")?;
        Ok(Self { bio, _bytes: bytes })
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `new`. What OpenSSL has noted of errors is of no use to anybody.
        unsafe {
            sys::BIO_free(self.bio.as_ptr());
            sys::ERR_clear_error();
        }
    }
}

unsafe extern "C" fn free_certificate(certificate: *mut c_void) {
    // SAFETY: an element of a `Chain`.
    unsafe { sys::X509_free(certificate.cast()) }
}

impl Chain {
    /// Reads all certificates of `pem`, one at least.
    pub(crate) fn parse(pem: &[u8]) -> Result<Self> {
        let text = Text::new(pem)?;
        // SAFETY: OpenSSL allocates.
        let stack = NonNull::new(unsafe { sys::OPENSSL_sk_new_null() });
        let chain = Self(stack.ok_or(c"sk_X509_new_null() failed")?);
        let bio = text.bio.as_ptr();
        let (none, no_data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the text is alive; a certificate is the stack's when it has been pushed.
        unsafe {
            let mut next = sys::PEM_read_bio_X509_AUX(bio, none, None, no_data);
            if next.is_null() {
                return Err(c"PEM_read_bio_X509_AUX() failed");
            }
            while !next.is_null() {
                if sys::OPENSSL_sk_push(chain.0.as_ptr(), next.cast()) == 0 {
                    sys::X509_free(next);
                    return Err(c"sk_X509_push() failed");
                }
                next = sys::PEM_read_bio_X509(bio, none, None, no_data);
            }
            if !is_end_of_text(sys::ERR_peek_last_error()) {
                return Err(c"PEM_read_bio_X509() failed");
            }
        }
        Ok(chain)
    }

    /// The certificates one after the other, in DER.
    pub(crate) fn to_der(&self) -> Result<Vec<u8>> {
        let mut der = Vec::new();
        // SAFETY: the stack is alive, and so are its elements.
        unsafe {
            for i in 0..sys::OPENSSL_sk_num(self.0.as_ptr()) {
                let certificate: *const sys::X509 =
                    sys::OPENSSL_sk_value(self.0.as_ptr(), i).cast_const().cast();
                append(&mut der, |to| sys::i2d_X509(certificate, to))
                    .ok_or(c"i2d_X509() failed")?;
            }
        }
        Ok(der)
    }

    pub(crate) fn into_raw(self) -> *mut c_void {
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// # Safety
    /// Null, or from `into_raw`, for the first time.
    pub(crate) unsafe fn from_raw(chain: *mut c_void) -> Option<Self> {
        NonNull::new(chain.cast()).map(Self)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the stack is ours.
        unsafe { sys::OPENSSL_sk_pop_free(self.0.as_ptr(), Some(free_certificate)) }
    }
}

impl Key {
    /// Reads the private key of `pem`; a key that is locked needs the passphrase.
    pub(crate) fn parse(pem: &[u8], passphrase: Option<&CStr>) -> Result<Self> {
        let text = Text::new(pem)?;
        // An empty one rather than none: OpenSSL would ask at the terminal.
        let passphrase = passphrase.unwrap_or(c"").as_ptr().cast_mut().cast();
        // SAFETY: the text is alive; without a callback the data is the passphrase.
        let key = unsafe {
            sys::PEM_read_bio_PrivateKey(text.bio.as_ptr(), ptr::null_mut(), None, passphrase)
        };
        NonNull::new(key).map(Self).ok_or(c"PEM_read_bio_PrivateKey() failed")
    }

    pub(crate) fn to_der(&self) -> Result<Vec<u8>> {
        let mut der = Vec::new();
        // SAFETY: the key is alive.
        append(&mut der, |to| unsafe { sys::i2d_PrivateKey(self.0.as_ptr(), to) })
            .ok_or(c"i2d_PrivateKey() failed")?;
        Ok(der)
    }

    pub(crate) fn into_raw(self) -> *mut c_void {
        ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// # Safety
    /// Null, or from `into_raw`, for the first time.
    pub(crate) unsafe fn from_raw(key: *mut c_void) -> Option<Self> {
        NonNull::new(key.cast()).map(Self)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key is ours.
        unsafe { sys::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

/// Appends what `write` writes: it returns the length, given null, and is called again with the room.
fn append(der: &mut Vec<u8>, write: impl Fn(*mut *mut u8) -> c_int) -> Option<()> {
    let len = usize::try_from(write(ptr::null_mut())).ok()?;
    let at = der.len();
    der.resize(at + len, 0);
    let mut place = der[at..].as_mut_ptr();
    (write(&raw mut place) >= 0).then_some(())
}

/// Whether the error only says that no more PEM follows.
fn is_end_of_text(error: core::ffi::c_ulong) -> bool {
    const REASON: core::ffi::c_ulong = 0x7f_ffff;
    let library = (error >> 23) & 0xff;
    library == sys::ERR_LIB_PEM.into() && error & REASON == sys::PEM_R_NO_START_LINE.into()
}
