//! TLS towards other servers: what `lua_ssl_*` directives say of it, and OpenSSL's context made of that.
//!
//! OpenSSL is the copy that nginx itself is linked with, and is used through nginx's functions where it has some.
//! Nothing here is about TLS with clients.
#![allow(unsafe_code)]
pub(crate) mod client;
pub(crate) mod pem;

use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use super::config::Config;
use super::log::Level;
use super::sys::{self, ngx_array_t, ngx_str_t, ngx_uint_t};

/// The directives of one level. nginx's setters write the fields.
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct Settings {
    pub(crate) protocols: ngx_uint_t,
    pub(crate) ciphers: Text,
    pub(crate) verify_depth: ngx_uint_t,
    pub(crate) trusted_certificate: Text,
    pub(crate) crl: Text,
    pub(crate) certificates: *mut ngx_array_t,
    pub(crate) certificate_keys: *mut ngx_array_t,
    pub(crate) commands: *mut ngx_array_t,
    pub(crate) key_log: Text,
}

/// An `ngx_str_t`; unset while its data is null.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Text(ngx_str_t);

impl Text {
    const UNSET: Self = Self(ngx_str_t { len: 0, data: ptr::null_mut() });
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.data == other.0.data && self.0.len == other.0.len
    }
}

/// nginx's marks of what no directive has set.
const UNSET: ngx_uint_t = ngx_uint_t::MAX;
const UNSET_ARRAY: *mut ngx_array_t = ptr::without_provenance_mut(usize::MAX);

/// What the reference does without directives.
const DEFAULT_PROTOCOLS: u32 = sys::NGX_CONF_BITMASK_SET
    | sys::NGX_SSL_SSLv3
    | sys::NGX_SSL_TLSv1
    | sys::NGX_SSL_TLSv1_1
    | sys::NGX_SSL_TLSv1_2;

impl Settings {
    pub(crate) const UNSET: Self = Self {
        protocols: 0,
        ciphers: Text::UNSET,
        verify_depth: UNSET,
        trusted_certificate: Text::UNSET,
        crl: Text::UNSET,
        certificates: UNSET_ARRAY,
        certificate_keys: UNSET_ARRAY,
        commands: UNSET_ARRAY,
        key_log: Text::UNSET,
    };

    /// Takes what no directive of this level has set from the outer one.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        let text = |own: &mut Text, outer: Text| {
            if own.0.data.is_null() {
                *own = outer;
            }
        };
        let array = |own: &mut *mut ngx_array_t, outer| {
            if *own == UNSET_ARRAY {
                *own = outer;
            }
        };
        if self.protocols == 0 {
            self.protocols = outer.protocols;
        }
        if self.verify_depth == UNSET {
            self.verify_depth = outer.verify_depth;
        }
        text(&mut self.ciphers, outer.ciphers);
        text(&mut self.trusted_certificate, outer.trusted_certificate);
        text(&mut self.crl, outer.crl);
        text(&mut self.key_log, outer.key_log);
        array(&mut self.certificates, outer.certificates);
        array(&mut self.certificate_keys, outer.certificate_keys);
        array(&mut self.commands, outer.commands);
    }

    /// The same with the defaults.
    fn complete(mut self) -> Self {
        self.inherit(&Self {
            protocols: DEFAULT_PROTOCOLS as ngx_uint_t,
            ciphers: Text(sys::str_of(b"DEFAULT\0")),
            verify_depth: 1,
            certificates: ptr::null_mut(),
            certificate_keys: ptr::null_mut(),
            commands: ptr::null_mut(),
            ..Self::UNSET
        });
        self
    }
}

/// OpenSSL's context for connections to other servers.
pub(crate) struct Context(Box<sys::ngx_ssl_t>);

impl Context {
    /// `None` if a setting is no good, which nginx has logged.
    pub(crate) fn create(cf: Config, settings: &Settings) -> Option<Self> {
        let settings = settings.complete();
        // SAFETY: an all-zero `ngx_ssl_t` is nginx's own initial state.
        let mut context = unsafe { Self(Box::new(core::mem::zeroed())) };
        context.0.log = cf.log().as_ptr();
        // SAFETY: [conf-callback]; the context stays in its box.
        let made = unsafe {
            sys::ngx_ssl_create(&raw mut *context.0, settings.protocols, ptr::null_mut())
        };
        if made != sys::OK {
            // There is nothing to free.
            core::mem::forget(context);
            return None;
        }
        context.configure(cf, settings)?;
        Some(context)
    }

    fn configure(&mut self, cf: Config, mut settings: Settings) -> Option<()> {
        let (conf, ssl) = (cf.as_ptr(), &raw mut *self.0);
        let ciphers = settings.ciphers.0;
        // SAFETY: [conf-callback]; the settings' strings end in a NUL, as all words of the configuration do.
        unsafe {
            if sys::SSL_CTX_set_cipher_list((*ssl).ctx, ciphers.data.cast()) == 0 {
                let format = c"SSL_CTX_set_cipher_list(\"%V\") failed";
                let (level, log) = (Level::Emerg as ngx_uint_t, (*conf).log);
                sys::ngx_ssl_error(level, log, 0, format.as_ptr().cast_mut(), &raw const ciphers);
                return None;
            }
            if !self.use_certificates(cf, &settings) {
                return None;
            }
            let trusted = &raw mut settings.trusted_certificate.0;
            let depth = settings.verify_depth.cast_signed();
            let done = ((*trusted).len == 0
                || sys::ngx_ssl_trusted_certificate(conf, ssl, trusted, depth) == sys::OK)
                && sys::ngx_ssl_crl(conf, ssl, &raw mut settings.crl.0) == sys::OK
                && sys::ngx_ssl_conf_commands(conf, ssl, settings.commands) == sys::OK;
            if !done {
                return None;
            }
        }
        if settings.key_log.0.len == 0 { Some(()) } else { self.log_keys(cf, settings.key_log) }
    }

    /// The certificates that every connection shows.
    fn use_certificates(&mut self, cf: Config, settings: &Settings) -> bool {
        let (certificates, keys) = (settings.certificates, settings.certificate_keys);
        // SAFETY: null, or arrays that a setter made.
        let count = |array: *mut ngx_array_t| unsafe { array.as_ref() }.map_or(0, |a| a.nelts);
        match (count(certificates), count(keys)) {
            (0, _) => true,
            (own, keys) if keys < own => {
                let message = "no \"lua_ssl_certificate_key\" is defined for certificate";
                cf.report(Level::Emerg, message.as_bytes());
                false
            }
            // SAFETY: [conf-callback]
            _ => unsafe {
                let ssl = &raw mut *self.0;
                let none = ptr::null_mut();
                sys::ngx_ssl_certificates(cf.as_ptr(), ssl, certificates, keys, none) == sys::OK
            },
        }
    }

    /// Has the keys of connections written to a file, for those who look into traffic.
    fn log_keys(&mut self, cf: Config, mut path: Text) -> Option<()> {
        // SAFETY: [conf-callback]; the open file lives as long as the cycle, as the context does.
        unsafe {
            // A relative path is looked for beside the configuration.
            if sys::ngx_conf_full_name(cf.cycle(), &raw mut path.0, 1) != sys::OK {
                return None;
            }
            let file = sys::ngx_conf_open_file(cf.cycle(), &raw mut path.0);
            let index = key_log_index();
            if file.is_null() || index < 0 {
                return None;
            }
            let ctx = self.0.ctx;
            if sys::SSL_CTX_set_ex_data(ctx, index, file.cast()) == 0 {
                return None;
            }
            sys::SSL_CTX_set_keylog_callback(ctx, Some(on_key));
        }
        Some(())
    }

    fn as_ptr(&self) -> *mut sys::ngx_ssl_t {
        (&raw const *self.0).cast_mut()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `create`; connections have references of their own.
        unsafe { sys::ngx_ssl_cleanup_ctx((&raw mut *self.0).cast::<c_void>()) };
    }
}

/// OpenSSL's number of our data of a context: the file for its keys.
fn key_log_index() -> c_int {
    static INDEX: AtomicI32 = AtomicI32::new(-1);
    if INDEX.load(Relaxed) < 0 {
        let class = sys::CRYPTO_EX_INDEX_SSL_CTX as c_int;
        // SAFETY: OpenSSL keeps no more than the number.
        let index =
            unsafe { sys::CRYPTO_get_ex_new_index(class, 0, ptr::null_mut(), None, None, None) };
        INDEX.store(index, Relaxed);
    }
    INDEX.load(Relaxed)
}

unsafe extern "C" fn on_key(ssl: *const sys::SSL, line: *const c_char) {
    // SAFETY: `log_keys` put the file there, and nginx keeps its descriptor open, a new one after USR1; OpenSSL
    // passes a C string.
    unsafe {
        let ctx = sys::SSL_get_SSL_CTX(ssl);
        let file = sys::SSL_CTX_get_ex_data(ctx, key_log_index()).cast::<sys::ngx_open_file_t>();
        let Some(file) = file.as_ref() else { return };
        let line = [core::ffi::CStr::from_ptr(line).to_bytes(), b"\n"].concat();
        // One call, so that lines of several workers do not mix.
        libc::write(file.fd, line.as_ptr().cast(), line.len());
    }
}
