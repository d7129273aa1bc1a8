//! Reading nginx's configuration: directives, blocks, complex values, paths.
#![allow(unsafe_code)]
use core::cell::Cell;
use core::ffi::{CStr, c_char, c_void};
use core::ptr::NonNull;
use std::ffi::CString;

use super::log::{Level, Log};
use super::pool::Pool;
use super::sys::{self, ngx_conf_t, ngx_str_t};
use super::{Request, slot};

/// The configuration while it is read ([conf-callback]).
#[derive(Clone, Copy)]
pub(crate) struct Config(NonNull<ngx_conf_t>);

/// The levels of configuration a module has structs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfLevel {
    Main,
    Location,
}

// SAFETY (every block of this impl): [conf-callback]: nginx passes a complete `ngx_conf_t` to every
// directive and configuration callback, and everything it points to lives as long as the callback.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Config {
    /// # Safety
    /// `cf` is what nginx passed to the running callback.
    pub(crate) unsafe fn from_raw(cf: *mut ngx_conf_t) -> Self {
        unsafe { Self(NonNull::new_unchecked(cf)) }
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_conf_t {
        self.0.as_ptr()
    }

    /// The words of the directive, its name first.
    pub(crate) fn args(self) -> &'static [ngx_str_t] {
        unsafe {
            let args = (*self.as_ptr()).args;
            core::slice::from_raw_parts((*args).elts.cast(), (*args).nelts)
        }
    }

    pub(crate) fn arg(self, i: usize) -> &'static [u8] {
        self.args().get(i).map_or(&[], |s| unsafe { sys::str_bytes(*s) })
    }

    /// An argument as a size in bytes, with nginx's units.
    pub(crate) fn size(self, i: usize) -> Option<usize> {
        let size = unsafe { sys::ngx_parse_size((&raw const self.args()[i]).cast_mut()) };
        usize::try_from(size).ok()
    }

    /// The pool that lives as long as the configuration.
    pub(crate) fn pool(self) -> Pool {
        unsafe { Pool::from_raw((*self.as_ptr()).pool).unwrap_unchecked() }
    }

    pub(crate) fn log(self) -> Log {
        unsafe { Log::from_raw((*self.as_ptr()).log).unwrap_unchecked() }
    }

    pub(crate) fn cycle(self) -> *mut sys::ngx_cycle_t {
        unsafe { (*self.as_ptr()).cycle }
    }

    /// The prefix of the cycle that is being configured.
    pub(crate) fn prefix(self) -> &'static [u8] {
        unsafe { sys::str_bytes((*self.cycle()).prefix) }
    }

    fn conf_prefix(self) -> &'static [u8] {
        unsafe { sys::str_bytes((*self.cycle()).conf_prefix) }
    }

    fn file(self) -> *mut sys::ngx_conf_file_t {
        unsafe { (*self.as_ptr()).conf_file }
    }

    pub(crate) fn line(self) -> usize {
        unsafe { (*self.file()).line }
    }

    fn set_line(self, line: usize) {
        unsafe { (*self.file()).line = line }
    }

    /// Logs with the file and line that is being read.
    pub(crate) fn report(self, level: Level, message: &[u8]) {
        unsafe {
            let (len, data) = (message.len(), message.as_ptr());
            sys::ngx_conf_log_error(level as usize, self.as_ptr(), 0, c"%*s".as_ptr(), len, data);
        }
    }

    /// Our struct of `level`, as the directive being read sees it.
    pub(crate) fn conf(self, level: ConfLevel) -> *mut c_void {
        self.module_conf(level, slot::index())
    }

    /// The struct of another module for the location being read.
    pub(super) fn location_conf(self, index: usize) -> *mut c_void {
        self.module_conf(ConfLevel::Location, index)
    }

    fn module_conf(self, level: ConfLevel, index: usize) -> *mut c_void {
        unsafe {
            let ctx = (*self.as_ptr()).ctx.cast::<sys::ngx_http_conf_ctx_t>();
            let confs = match level {
                ConfLevel::Main => (*ctx).main_conf,
                ConfLevel::Location => (*ctx).loc_conf,
            };
            *confs.add(index)
        }
    }

    /// The place of the directive's code for chunk names: nginx.conf by its name alone, other files
    /// relative to the directory of the configuration, cut in front to `room` bytes.
    pub(crate) fn file_label(self, room: usize) -> Vec<u8> {
        let name = unsafe { sys::str_bytes((*self.file()).file.name) };
        if name.ends_with(b"/nginx.conf") {
            return b"nginx.conf".to_vec();
        }
        let short = match name.strip_prefix(self.conf_prefix()) {
            Some(relative) if !relative.is_empty() => relative,
            _ => name,
        };
        if short.len() <= room {
            return short.to_vec();
        }
        let tail = room.saturating_sub(3).min(short.len());
        [b"...", &short[short.len() - tail..]].concat()
    }

    /// `path` made absolute under the prefix.
    pub(crate) fn full_path(self, path: &[u8]) -> Option<CString> {
        full_path(self.pool(), self.prefix(), path)
    }

    /// Adds `handler` to a phase of the request processing.
    pub(crate) fn add_phase_handler(
        self,
        phase: u32,
        handler: unsafe extern "C" fn(*mut sys::ngx_http_request_t) -> isize,
        place: HandlerPlace,
    ) -> Option<()> {
        unsafe {
            let core = sys::ngx_http_core_module.ctx_index;
            let conf = self.module_conf(ConfLevel::Main, core);
            let conf = conf.cast::<sys::ngx_http_core_main_conf_t>();
            let handlers = &raw mut (*conf).phases[phase as usize].handlers;
            let slot = sys::ngx_array_push(handlers).cast::<sys::ngx_http_handler_pt>();
            if slot.is_null() {
                return None;
            }
            if place == HandlerPlace::Front {
                let all = (*handlers).elts.cast::<sys::ngx_http_handler_pt>();
                core::ptr::copy(all, all.add(1), (*handlers).nelts - 1);
                *all = Some(handler);
            } else {
                *slot = Some(handler);
            }
        }
        Some(())
    }

    /// Makes `handler` produce the responses of the location being read.
    pub(crate) fn set_content_handler(
        self,
        handler: unsafe extern "C" fn(*mut sys::ngx_http_request_t) -> isize,
    ) {
        unsafe { (*self.core_loc_conf()).handler = Some(handler) }
    }

    /// How much of a response nginx collects before it writes, where the level being merged sets it.
    pub(crate) fn postpone_output(self) -> usize {
        unsafe { (*self.core_loc_conf()).postpone_output }
    }

    /// The error log of the level being merged.
    pub(crate) fn error_log(self) -> *mut sys::ngx_log_t {
        unsafe { (*self.core_loc_conf()).error_log }
    }

    fn core_loc_conf(self) -> *mut sys::ngx_http_core_loc_conf_t {
        let core = unsafe { sys::ngx_http_core_module.ctx_index };
        self.module_conf(ConfLevel::Location, core).cast()
    }

    /// Whether the directive stands in a file, not in `-g`.
    pub(crate) fn in_file(self) -> bool {
        unsafe { (*self.file()).file.fd != -1 }
    }

    /// What follows the directive in its file, from behind the opening brace.
    pub(crate) fn rest_of_file(self) -> Option<RestOfFile> {
        unsafe {
            let file = self.file();
            let b = (*file).buffer;
            let buffered = (*b).last.offset_from_unsigned((*b).pos);
            let mut text = core::slice::from_raw_parts((*b).pos, buffered).to_vec();
            let unread = ((*file).file.info.st_size - (*file).file.offset).max(0) as usize;
            text.resize(buffered + unread, 0);
            let into = text.as_mut_ptr().add(buffered);
            let offset = (*file).file.offset;
            let got = sys::ngx_read_file(&raw mut (*file).file, into, unread, offset);
            // `ngx_read_file` moves the offset; `consume` decides where nginx reads on.
            (*file).file.offset = offset;
            (usize::try_from(got) == Ok(unread)).then_some(RestOfFile { text, buffered })
        }
    }

    /// Lets nginx read on behind the first `len` bytes of `rest`.
    pub(crate) fn consume(self, rest: &RestOfFile, len: usize, line_feeds: usize) {
        unsafe {
            let file = self.file();
            let b = (*file).buffer;
            if len <= rest.buffered {
                (*b).pos = (*b).pos.add(len);
            } else {
                let beyond = &rest.text[rest.buffered..len];
                (*file).file.offset += beyond.len() as sys::off_t;
                (*b).pos = (*b).start;
                (*b).last = (*b).start;
                // `nginx -T` shows what has been read.
                if let Some(dump) = (*file).dump.as_mut() {
                    dump.last.copy_from_nonoverlapping(beyond.as_ptr(), beyond.len());
                    dump.last = dump.last.add(beyond.len());
                }
            }
        }
        self.set_line(self.line() + line_feeds);
    }

    /// Reports at `lines` below the line being read.
    pub(crate) fn report_below(self, lines: usize, message: &[u8]) {
        self.set_line(self.line() + lines);
        self.report(Level::Emerg, message);
    }

    /// Appends a word to the directive, as if it had been written behind its name.
    pub(crate) fn push_arg(self, word: &[u8]) -> Option<()> {
        unsafe {
            let word = self.pool().copy_with_nul(word)?;
            let slot = sys::ngx_array_push((*self.as_ptr()).args).cast::<ngx_str_t>();
            (!slot.is_null()).then(|| slot.write(word))
        }
    }
}

/// Where a phase handler stands among those of other modules: nginx runs the last one added first
/// nowhere but in the log phase's list, which it walks from the front.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerPlace {
    Front,
    Back,
}

/// The unread rest of a configuration file.
pub(crate) struct RestOfFile {
    pub(crate) text: Vec<u8>,
    /// How much of it lies in nginx's own buffer.
    buffered: usize,
}

fn full_path(pool: Pool, prefix: &[u8], path: &[u8]) -> Option<CString> {
    let mut name = pool.copy_with_nul(path)?;
    let mut prefix = sys::str_of(prefix);
    // SAFETY: both are valid strings; the result is allocated from the pool, NUL-terminated.
    unsafe {
        let code = sys::ngx_get_full_name(pool.as_ptr(), &raw mut prefix, &raw mut name);
        (code == sys::OK).then(|| CStr::from_ptr(name.data.cast::<c_char>()).to_owned())
    }
}

/// `path` made absolute under the server's prefix, for a request.
pub(crate) fn request_path(r: Request, path: &[u8]) -> Option<CString> {
    full_path(r.pool(), super::process::prefix(), path)
}

/// A configuration value that may hold nginx variables.
pub(crate) struct ComplexValue(Cell<sys::ngx_http_complex_value_t>);

impl ComplexValue {
    pub(crate) fn compile(cf: Config, text: &[u8]) -> Option<Self> {
        let mut value = cf.pool().copy_with_nul(text)?;
        // SAFETY: [conf-callback]; both structs start as zeroes, as nginx asks for.
        unsafe {
            let mut complex: sys::ngx_http_complex_value_t = core::mem::zeroed();
            let mut compile: sys::ngx_http_compile_complex_value_t = core::mem::zeroed();
            compile.cf = cf.as_ptr();
            compile.value = &raw mut value;
            compile.complex_value = &raw mut complex;
            let code = sys::ngx_http_compile_complex_value(&raw mut compile);
            (code == sys::OK).then(|| Self(Cell::new(complex)))
        }
    }

    pub(crate) fn has_variables(&self) -> bool {
        // SAFETY: plain data.
        unsafe { !(*self.0.as_ptr()).lengths.is_null() }
    }

    pub(crate) fn evaluate(&self, r: Request) -> Option<&'static [u8]> {
        let mut result = sys::str_of(&[]);
        // SAFETY: [request-alive]; the result lives in the request's pool.
        unsafe {
            let code = sys::ngx_http_complex_value(r.as_ptr(), self.0.as_ptr(), &raw mut result);
            (code == sys::OK).then(|| sys::str_bytes(result))
        }
    }
}
