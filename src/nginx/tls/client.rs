//! The handshake of a connection to another server, and what comes of it.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_int, c_long, c_void};
use core::ptr::{self, NonNull};

use super::Context;
use crate::nginx::connection::Connection;
use crate::nginx::guard;
use crate::nginx::sys::{self, ngx_connection_t, ngx_str_t};

/// What Lua asks of a handshake. The pointers are OpenSSL's objects, valid for the call.
pub(crate) struct Wishes<'a> {
    /// A session to go on with; null for none.
    pub(crate) session: *mut sys::SSL_SESSION,
    /// The name to ask for; `None` to ask for none.
    pub(crate) server_name: Option<&'a CStr>,
    /// The client's certificate with those behind it, a stack of `X509`; null for none.
    pub(crate) chain: *mut c_void,
    pub(crate) key: *mut c_void,
    /// Ask for the state of the certificate (OCSP stapling).
    pub(crate) wants_status: bool,
}

/// How a handshake went on at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Done,
    Waits,
    Failed,
}

/// Why a certificate is not accepted.
pub(crate) enum Distrust {
    /// OpenSSL's code and text.
    Invalid(c_long, &'static CStr),
    OtherHost,
}

/// Who is told of the end of a handshake.
pub(crate) trait Handshaker {
    /// `this` may be freed in the course of it.
    ///
    /// # Safety
    /// `this` is what [`Connection::attach`] got, and is alive.
    unsafe fn on_handshake(this: NonNull<Self>);
}

type Result<T> = core::result::Result<T, &'static CStr>;

// SAFETY (of the blocks below): a connection lives until it is closed, which its owner does once; `ssl` is
// null or its own.

/// Whether the connection speaks TLS.
pub(crate) fn is_established(c: Connection) -> bool {
    // SAFETY: see above.
    unsafe { (*c.as_ptr()).ssl.as_ref() }.is_some_and(|ssl| ssl.handshaked() != 0)
}

/// OpenSSL's object for the connection; null if it does not speak TLS.
pub(crate) fn connection_object(c: Connection) -> *mut c_void {
    // SAFETY: see above.
    unsafe { (*c.as_ptr()).ssl.as_ref() }.map_or(ptr::null_mut(), |ssl| ssl.connection.cast())
}

/// OpenSSL's context of the connection; null if it does not speak TLS.
pub(crate) fn context_object(c: Connection) -> *mut c_void {
    // SAFETY: see above.
    unsafe { (*c.as_ptr()).ssl.as_ref() }.map_or(ptr::null_mut(), |ssl| ssl.session_ctx.cast())
}

/// A share of a store of certificates to trust.
pub(crate) struct TrustedStore(NonNull<sys::X509_STORE>);

impl TrustedStore {
    /// A share of `store`; `None` if that is null.
    ///
    /// # Safety
    /// Null, or OpenSSL's object.
    pub(crate) unsafe fn share(store: *mut c_void) -> Option<Self> {
        let store = NonNull::new(store.cast::<sys::X509_STORE>())?;
        // SAFETY: the caller's contract.
        unsafe { sys::X509_STORE_up_ref(store.as_ptr()) };
        Some(Self(store))
    }
}

impl Drop for TrustedStore {
    fn drop(&mut self) {
        // SAFETY: the share is ours.
        unsafe { sys::X509_STORE_free(self.0.as_ptr()) }
    }
}

/// Prepares the connection for a handshake; a failure leaves it as it was. The certificate is verified by `trusted`, or by
/// what the context trusts.
pub(crate) fn prepare(
    c: Connection,
    context: &Context,
    wishes: &Wishes<'_>,
    trusted: Option<&TrustedStore>,
) -> Result<()> {
    // SAFETY: see above; nginx takes the memory for `ssl` from the pool, which goes with the connection.
    unsafe {
        let raw = c.as_ptr();
        if (*raw).pool.is_null() {
            (*raw).pool = sys::ngx_create_pool(512, (*raw).log);
        }
        let flags = (sys::NGX_SSL_BUFFER | sys::NGX_SSL_CLIENT) as usize;
        if (*raw).pool.is_null()
            || sys::ngx_ssl_create_connection(context.as_ptr(), raw, flags) != sys::OK
        {
            return Err(c"failed to create ssl connection");
        }
        (*raw).set_sendfile(0);
        let ssl = (*(*raw).ssl).connection;
        let done = heed(raw, ssl, wishes).and_then(|()| trust(ssl, trusted));
        if done.is_err() {
            sys::ERR_clear_error();
            sys::SSL_free(ssl);
            (*raw).ssl = ptr::null_mut();
        }
        done
    }
}

/// # Safety
/// `ssl` is that of `c`; the wishes' pointers are valid.
unsafe fn heed(c: *mut ngx_connection_t, ssl: *mut sys::SSL, wishes: &Wishes<'_>) -> Result<()> {
    // SAFETY: the caller's contract.
    unsafe {
        if !wishes.session.is_null() && sys::ngx_ssl_set_session(c, wishes.session) != sys::OK {
            return Err(c"ssl set session failed");
        }
        if !wishes.chain.is_null() {
            show(ssl, wishes.chain.cast(), wishes.key.cast())?;
        }
        if let Some(name) = wishes.server_name {
            let command = sys::SSL_CTRL_SET_TLSEXT_HOSTNAME;
            let kind = sys::TLSEXT_NAMETYPE_host_name;
            if control(ssl, command, kind, name.as_ptr().cast_mut().cast()) == 0 {
                return Err(c"SSL_set_tlsext_host_name failed");
            }
        }
        if wishes.wants_status {
            let command = sys::SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE;
            control(ssl, command, sys::TLSEXT_STATUSTYPE_ocsp, ptr::null_mut());
        }
    }
    Ok(())
}

/// # Safety
/// `ssl` is alive; OpenSSL takes a share of its own of the store.
unsafe fn trust(ssl: *mut sys::SSL, trusted: Option<&TrustedStore>) -> Result<()> {
    let Some(store) = trusted else { return Ok(()) };
    // SAFETY: the caller's contract.
    match unsafe { control(ssl, sys::SSL_CTRL_SET_VERIFY_CERT_STORE, 1, store.0.as_ptr().cast()) } {
        0 => Err(c"SSL_set1_verify_cert_store() failed"),
        _ => Ok(()),
    }
}

/// # Safety
/// As for `SSL_ctrl`.
unsafe fn control(ssl: *mut sys::SSL, command: u32, number: u32, data: *mut c_void) -> c_long {
    // SAFETY: the caller's contract.
    unsafe { sys::SSL_ctrl(ssl, command as c_int, c_long::from(number), data) }
}

/// Shows the certificate, with those of the chain behind it.
///
/// # Safety
/// `chain` is a stack of `X509`.
unsafe fn show(
    ssl: *mut sys::SSL,
    chain: *const sys::OPENSSL_STACK,
    key: *mut sys::EVP_PKEY,
) -> Result<()> {
    // SAFETY: the caller's contract; OpenSSL counts its own references.
    unsafe {
        let count = sys::OPENSSL_sk_num(chain);
        if count < 1 {
            return Err(c"invalid client certificate chain");
        }
        for i in 0..count {
            let certificate: *mut sys::X509 = sys::OPENSSL_sk_value(chain, i).cast();
            match (i, certificate.is_null()) {
                (0, true) => return Err(c"ssl fetch client certificate from chain failed"),
                (0, false) => {
                    if sys::SSL_use_certificate(ssl, certificate) == 0 {
                        return Err(c"ssl set client certificate failed");
                    }
                }
                (_, true) => {
                    return Err(c"ssl fetch client intermediate certificate from chain failed");
                }
                (_, false) => {
                    if control(ssl, sys::SSL_CTRL_CHAIN_CERT, 1, certificate.cast()) == 0 {
                        return Err(c"ssl set client intermediate certificate failed");
                    }
                }
            }
        }
        if sys::SSL_use_PrivateKey(ssl, key) == 0 {
            return Err(c"ssl set client private key failed");
        }
    }
    Ok(())
}

/// Shakes hands. If that has to wait, the connection's watcher gets no events until it is told of the end.
pub(crate) fn shake_hands<T: Handshaker>(c: Connection) -> (Step, isize) {
    // SAFETY: `prepare` has made `ssl`.
    unsafe {
        let code = sys::ngx_ssl_handshake(c.as_ptr());
        let step = match code {
            sys::OK => Step::Done,
            sys::AGAIN => {
                (*(*c.as_ptr()).ssl).handler = Some(on_handshake::<T>);
                Step::Waits
            }
            _ => Step::Failed,
        };
        (step, code)
    }
}

unsafe extern "C" fn on_handshake<T: Handshaker>(c: *mut ngx_connection_t) {
    // SAFETY: `attach` put the watcher there, and the connection is closed before that goes.
    guard((), || unsafe { T::on_handshake(NonNull::new_unchecked((*c).data.cast())) });
}

/// Whether the peer has shown a certificate that is good, and for `name` if that is not empty.
pub(crate) fn verify(c: Connection, name: &[u8]) -> core::result::Result<(), Distrust> {
    // SAFETY: the handshake is done; OpenSSL's texts are static, and the name is only read.
    unsafe {
        let code = sys::SSL_get_verify_result((*(*c.as_ptr()).ssl).connection);
        if code != c_long::from(sys::X509_V_OK) {
            let text = CStr::from_ptr(sys::X509_verify_cert_error_string(code));
            return Err(Distrust::Invalid(code, text));
        }
        let mut name: ngx_str_t = sys::str_of(name);
        if name.len != 0 && sys::ngx_ssl_check_host(c.as_ptr(), &raw mut name) != sys::OK {
            return Err(Distrust::OtherHost);
        }
    }
    Ok(())
}

/// A share of a session, by which a later handshake goes on.
pub(crate) struct Session(NonNull<sys::SSL_SESSION>);

impl Session {
    /// That of a connection; `None` if it has none.
    pub(crate) fn of(c: Connection) -> Option<Self> {
        // SAFETY: the handshake is done; nginx counts one more user.
        NonNull::new(unsafe { sys::ngx_ssl_get_session(c.as_ptr()) }).map(Self)
    }

    /// Whether a later handshake may go on with it.
    pub(crate) fn is_resumable(&self) -> bool {
        // SAFETY: the session is alive.
        unsafe { sys::SSL_SESSION_is_resumable(self.0.as_ptr()) != 0 }
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::SSL_SESSION {
        self.0.as_ptr()
    }

    /// The share, which [`Session::from_raw`] takes back.
    pub(crate) fn into_raw(self) -> *mut c_void {
        core::mem::ManuallyDrop::new(self).0.as_ptr().cast()
    }

    /// # Safety
    /// Null, or from `into_raw`, for the first time.
    pub(crate) unsafe fn from_raw(session: *mut c_void) -> Option<Self> {
        NonNull::new(session.cast()).map(Self)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the share is ours.
        unsafe { sys::SSL_SESSION_free(self.0.as_ptr()) }
    }
}
