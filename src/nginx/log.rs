//! The error log. Debug lines are written where the reference writes its own: users' tests and
//! operators read them.
#![allow(unsafe_code)]
use core::fmt;
use core::ptr::NonNull;
use std::io::Write as _;

use super::sys;

/// A handle to an `ngx_log_t`.
#[derive(Clone, Copy)]
pub(crate) struct Log(NonNull<sys::ngx_log_t>);

/// The severities, with nginx's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Level {
    Stderr = sys::NGX_LOG_STDERR,
    Emerg = sys::NGX_LOG_EMERG,
    Alert = sys::NGX_LOG_ALERT,
    Crit = sys::NGX_LOG_CRIT,
    Error = sys::NGX_LOG_ERR,
    Warn = sys::NGX_LOG_WARN,
    Notice = sys::NGX_LOG_NOTICE,
    Info = sys::NGX_LOG_INFO,
    Debug = sys::NGX_LOG_DEBUG,
}

impl Level {
    pub(crate) const ALL: [(Self, &'static core::ffi::CStr); 9] = [
        (Self::Stderr, c"STDERR"),
        (Self::Emerg, c"EMERG"),
        (Self::Alert, c"ALERT"),
        (Self::Crit, c"CRIT"),
        (Self::Error, c"ERR"),
        (Self::Warn, c"WARN"),
        (Self::Notice, c"NOTICE"),
        (Self::Info, c"INFO"),
        (Self::Debug, c"DEBUG"),
    ];

    pub(crate) fn from_number(n: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(n).ok()?).map(|(level, _)| *level)
    }
}

impl Log {
    /// # Safety
    /// `log` is null or stays valid while the handle is used.
    pub(crate) unsafe fn from_raw(log: *mut sys::ngx_log_t) -> Option<Self> {
        NonNull::new(log).map(Self)
    }

    /// The log of the running cycle.
    pub(crate) fn cycle() -> Self {
        // SAFETY: nginx sets its cycle, and its log, before it calls any module.
        unsafe { Self(NonNull::new_unchecked((*sys::ngx_cycle).log)) }
    }

    /// The log of a cycle that need not run yet.
    pub(crate) fn of_cycle(cycle: *mut sys::ngx_cycle_t) -> Self {
        // SAFETY: [conf-callback]; a cycle has one from the start.
        unsafe { Self(NonNull::new_unchecked((*cycle).log)) }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::ngx_log_t {
        self.0.as_ptr()
    }

    /// The threshold: messages of a greater number are dropped.
    pub(crate) fn level(self) -> usize {
        // SAFETY: [request-alive]
        unsafe { (*self.as_ptr()).log_level }
    }

    pub(crate) fn enabled(self, level: Level) -> bool {
        self.level() >= level as usize
    }

    /// Whether nginx's `debug_http` lines are written.
    #[inline]
    pub(crate) fn debugs(self) -> bool {
        cfg!(ngx_feature = "debug") && self.level() & sys::NGX_LOG_DEBUG_HTTP as usize != 0
    }

    /// Writes `message` (cut to nginx's limit of 2,048 bytes a line) if the level is enabled.
    pub(crate) fn write(self, level: Level, message: &[u8]) {
        if self.enabled(level) {
            self.write_always(level, message);
        }
    }

    /// Writes a message with one `%s`, and what the last system call failed with. It allocates nothing: for
    /// a process just forked.
    ///
    /// # Safety
    /// `arg` is a C string.
    pub(super) unsafe fn write_with_errno(
        self,
        level: Level,
        message: &core::ffi::CStr,
        arg: *const core::ffi::c_char,
    ) {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        if self.enabled(level) {
            let message = message.as_ptr();
            // SAFETY: the caller's contract.
            unsafe { sys::ngx_log_error_core(level as usize, self.as_ptr(), errno, message, arg) };
        }
    }

    /// Makes the log write to another descriptor than that of the standard error, which is about to be
    /// given away: for a process just forked.
    pub(super) fn move_from_stderr(self) {
        // SAFETY: as for `level`; nginx's files live as long as its cycle.
        unsafe {
            let Some(file) = (*self.as_ptr()).file.as_mut() else { return };
            if file.fd == libc::STDERR_FILENO {
                let copy = libc::fcntl(file.fd, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1);
                if copy != -1 {
                    file.fd = copy;
                }
            }
        }
    }

    pub(crate) fn print(self, level: Level, message: fmt::Arguments<'_>) {
        if self.enabled(level) {
            self.write_always(level, message.to_string().as_bytes());
        }
    }

    #[cold]
    pub(crate) fn debug(self, message: fmt::Arguments<'_>) {
        let mut text = Vec::with_capacity(120);
        let _ = text.write_fmt(message);
        self.write_always(Level::Debug, &text);
    }

    /// As [`Log::print`], with what the system says of `errno` behind the message.
    pub(crate) fn print_error(self, level: Level, errno: i32, message: fmt::Arguments<'_>) {
        if !self.enabled(level) {
            return;
        }
        let text = message.to_string();
        // SAFETY: `%*s` reads exactly `len` bytes.
        unsafe {
            let (len, data) = (text.len(), text.as_ptr());
            let log = self.as_ptr();
            sys::ngx_log_error_core(level as usize, log, errno, c"%*s".as_ptr(), len, data);
        }
    }

    fn write_always(self, level: Level, message: &[u8]) {
        // SAFETY: `%*s` reads exactly `len` bytes.
        unsafe {
            let (len, data) = (message.len(), message.as_ptr());
            sys::ngx_log_error_core(level as usize, self.as_ptr(), 0, c"%*s".as_ptr(), len, data);
        }
    }
}

/// A debug line of the http kind: nothing is formatted unless it is wanted.
macro_rules! debug {
    ($log:expr, $($arg:tt)+) => {{
        let log = $log;
        if log.debugs() {
            log.debug(format_args!($($arg)+));
        }
    }};
}
pub(crate) use debug;

/// The same for a request's context, which knows whether debug lines are wanted.
macro_rules! trace {
    ($ctx:expr, $($arg:tt)+) => {{
        let ctx = $ctx;
        if ctx.debugs() {
            ctx.log().debug(format_args!($($arg)+));
        }
    }};
}
pub(crate) use trace;

/// Bytes as they are, for log lines made with `format_args!`: not UTF-8 is shown as U+FFFD.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

/// An address as nginx's `%p` writes it, for lines whose text is looked for.
pub(crate) struct Pointer<T>(pub(crate) *const T);

impl<T> fmt::Display for Pointer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$X}", self.0.addr(), width = 2 * size_of::<usize>())
    }
}
