//! `lua_ssl_*`: settings for TLS towards other servers, and the OpenSSL context they make.
//!
//! A level without settings of its own shares the context of the level around it, so that a configuration
//! of many locations has a context for each level that differs, not for each location.
use core::cell::Cell;

use super::setters::ConfError;
use crate::nginx::config::Config;
use crate::nginx::tls::{Context, Settings};

/// What a level's directives say.
#[repr(C)]
pub(crate) struct TlsConf {
    pub(crate) settings: Settings,
    context: Cell<Option<&'static Context>>,
}

impl TlsConf {
    pub(crate) fn new() -> Self {
        Self { settings: Settings::UNSET, context: Cell::new(None) }
    }

    pub(crate) fn inherit(&mut self, cf: Config, outer: &Self) -> Result<(), ConfError> {
        if self.settings == Settings::UNSET {
            self.settings = outer.settings;
            self.context.set(Some(outer.make(cf)?));
        } else {
            self.settings.inherit(&outer.settings);
            self.make(cf)?;
        }
        Ok(())
    }

    /// The context of the settings, made if there is none yet.
    pub(crate) fn make(&self, cf: Config) -> Result<&'static Context, ConfError> {
        if let Some(context) = self.context.get() {
            return Ok(context);
        }
        let context = Context::create(cf, &self.settings).ok_or(ConfError::Reported)?;
        let no_memory = ConfError::Directive(c"has no memory");
        let context = cf.pool().own(Box::new(context)).ok_or(no_memory)?;
        #[allow(unsafe_code)]
        // SAFETY: owned by the configuration's pool, as this struct is.
        let context = unsafe { context.as_ref() };
        self.context.set(Some(context));
        Ok(context)
    }

    pub(crate) fn context(&self) -> Option<&'static Context> {
        self.context.get()
    }
}
