//! What lua-resty-core calls for `ngx.re`, and the structs it looks into.
//!
//! Only translation: structs and pointers in, codes out. The first fields of [`Regex`] and [`Replacement`] are
//! lua-resty-core's `ffi.cdef`; what follows them is ours.
#![allow(unsafe_code)]
use core::ffi::{c_char, c_int, c_uint, c_void};
use core::ptr::{self, NonNull};
use std::ffi::CString;
use std::rc::Rc;
use std::sync::OnceLock;

use super::finalized;
use super::template::{Offsets, Piece, Template};
use super::{Mode, compile, pcre1, run};
use crate::api::ffi::{self, ErrBuf, FfiError, Out, Rc as Code};

use crate::conf::MainConf;
use crate::nginx::pcre::{self, Algorithm, Matcher};
use crate::nginx::sys::{self, ngx_str_t};
use crate::nginx::{Level, Log, debug, guard};

/// `ngx_http_lua_regex_t`
#[repr(C)]
struct Regex {
    /// The reference's pool; read by nobody, but not null.
    pool: *mut c_void,
    name_table: *const u8,
    name_count: c_int,
    name_entry_size: c_int,
    ncaptures: c_int,
    captures: *mut c_int,
    regex: *mut c_void,
    regex_sd: *mut c_void,
    replace: *const Replacement,
    pattern: *const u8,

    code: pcre::Code,
    matcher: Rc<Matcher>,
    /// What `captures` points to: a pair for the match and for each group.
    offsets: Box<[c_int]>,
    replacement: Option<Box<Replacement>>,
}

/// `ngx_http_lua_complex_value_t`; with `lengths` it is a template, else `value` is the text.
#[repr(C)]
struct Replacement {
    value: ngx_str_t,
    lengths: *const Template,
    values: *const Template,

    template: Template,
}

/// `ngx_http_lua_script_engine_t`: a match that a template is filled in for.
struct ScriptEngine {
    subject: *const u8,
    offsets: *const Offsets,
    /// The groups that count, the whole match included.
    count: usize,
}

impl Regex {
    fn compile(pattern: &[u8], bits: u32, mode: Mode) -> Result<Box<Self>, Vec<u8>> {
        let matcher = matcher().ok_or(b"no memory")?;
        let code = compile(pattern, bits, mode)?;
        if !matcher.make_room(&code) {
            return Err(b"no memory".to_vec());
        }
        if mode.wants_jit() {
            let made = u8::from(code.has_jit());
            debug!(Log::cycle(), "pcre JIT compiling result: {made}");
        }
        let groups = if mode.algorithm() == Algorithm::Dfa { 0 } else { code.captures() };
        let names = code.names();
        let mut regex = Box::new(Self {
            pool: ptr::null_mut(),
            name_table: names.table,
            name_count: names.count as c_int,
            name_entry_size: names.entry_size as c_int,
            ncaptures: groups as c_int,
            captures: ptr::null_mut(),
            regex: code.as_ptr(),
            regex_sd: ptr::null_mut(),
            replace: ptr::null(),
            pattern: pattern.as_ptr(),
            offsets: vec![-1; 2 * (code.captures() + 1)].into(),
            code,
            matcher,
            replacement: None,
        });
        regex.captures = regex.offsets.as_mut_ptr();
        regex.pool = ptr::from_mut(&mut *regex).cast();
        Ok(regex)
    }
}

fn matcher() -> Option<Rc<Matcher>> {
    let conf = MainConf::running()?;
    // Patterns of one VM share a matcher; a VM for other threads has one for each ([other-thread]).
    #[cfg(ngx_feature = "threads")]
    if crate::api::pool_thread::is_foreign() {
        return conf.new_matcher(pcre1::limits).map(Rc::new);
    }
    conf.matcher(pcre1::limits)
}

/// Returns null, with a message, if the pattern is refused.
///
/// # Safety
/// `pattern` holds `len` bytes, `err` has room for `err_size`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_compile_regex(
    pattern: *const u8,
    len: usize,
    flags: c_int,
    options: c_int,
    err: *mut u8,
    err_size: usize,
) -> *mut Regex {
    let bug = || Err(b"internal error (this is a bug)".to_vec());
    // SAFETY: the caller's contract.
    let pattern = unsafe { ffi::bytes(pattern, len) };
    match guard(bug(), || Regex::compile(pattern, options.cast_unsigned(), Mode::of(flags))) {
        Ok(regex) => Box::into_raw(regex),
        Err(message) => {
            // SAFETY: the caller's contract.
            unsafe { write_text(err, err_size, &message) };
            ptr::null_mut()
        }
    }
}

/// Writes as much of `message` as fits, and a NUL.
///
/// # Safety
/// `place` has room for `size` bytes.
unsafe fn write_text(place: *mut u8, size: usize, message: &[u8]) {
    let Some(most) = size.checked_sub(1) else { return };
    let length = message.len().min(most);
    // SAFETY: the caller's contract.
    unsafe {
        place.copy_from_nonoverlapping(message.as_ptr(), length);
        place.add(length).write(0);
    }
}

/// Runs it on a subject from byte `pos` on. Returns the number of groups that `captures` tells of, or a
/// code of PCRE1.
///
/// # Safety
/// `regex` was compiled here and not destroyed; `subject` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_exec_regex(
    regex: *mut Regex,
    flags: c_int,
    subject: *const u8,
    len: usize,
    pos: c_int,
) -> c_int {
    // SAFETY: the caller's contract; nobody else looks into it until this returns.
    let (regex, subject) = unsafe { (&mut *regex, ffi::bytes(subject, len)) };
    match Mode::of(flags).algorithm() {
        algorithm @ Algorithm::Backtracking => {
            run(&regex.matcher, &regex.code, algorithm, subject, pos, &mut regex.offsets)
        }
        Algorithm::Dfa => find_longest(regex, subject, pos),
    }
}

/// By the DFA algorithm, which knows no groups.
#[inline(never)]
fn find_longest(regex: &mut Regex, subject: &[u8], pos: c_int) -> c_int {
    regex.ncaptures = 0;
    let found = &mut regex.offsets[..2];
    run(&regex.matcher, &regex.code, Algorithm::Dfa, subject, pos, found)
}

/// # Safety
/// `regex` is null, or was compiled here and is not used any more, but by finalizers of a VM that is being closed.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_destroy_regex(regex: *mut Regex) {
    if let Some(regex) = NonNull::new(regex) {
        // SAFETY: the caller's contract.
        guard((), || unsafe { finalized::free(regex) });
    }
}

/// Gives a pattern its replacement. What is wrong with one is logged.
///
/// # Safety
/// `regex` was compiled here and not destroyed; `template` holds `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_compile_replace_template(
    regex: *mut Regex,
    template: *const u8,
    len: usize,
) -> c_int {
    ffi::call(None, || {
        // SAFETY: the caller's contract.
        let (regex, template) = unsafe { (&mut *regex, ffi::bytes(template, len)) };
        let template = Template::parse(template).map_err(|error| {
            Log::cycle().write(Level::Error, &error.message());
            FfiError::from(Code::Error)
        })?;
        let replacement = regex.replacement.insert(Replacement::of(template));
        regex.replace = &raw const **replacement;
        Ok(Code::Ok)
    })
}

impl Replacement {
    fn of(template: Template) -> Box<Self> {
        let mut this = Box::new(Self {
            value: sys::str_of(b""),
            lengths: ptr::null(),
            values: ptr::null(),
            template,
        });
        if let Some(text) = this.template.literal() {
            this.value = sys::str_of(text);
        } else {
            this.lengths = &raw const this.template;
            this.values = this.lengths;
        }
        this
    }
}

#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_create_script_engine() -> *mut c_void {
    let engine = ScriptEngine { subject: ptr::null(), offsets: ptr::null(), count: 0 };
    Box::into_raw(Box::new(engine)).cast()
}

/// # Safety
/// `engine` is null, or was made here and is not used any more, but by finalizers of a VM that is being closed.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_destroy_script_engine(engine: *mut c_void) {
    if let Some(engine) = NonNull::new(engine.cast::<ScriptEngine>()) {
        // SAFETY: the caller's contract.
        guard((), || unsafe { finalized::free(engine) });
    }
}

/// Tells of the last match of `regex`, in `subject`, of which `count` groups count.
///
/// # Safety
/// `engine` was made here; `regex` has just matched `subject`, and both stay until the template is filled in.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_init_script_engine(
    engine: *mut c_void,
    subject: *const u8,
    regex: *mut Regex,
    count: c_int,
) {
    // SAFETY: the caller's contract.
    let (engine, regex) = unsafe { (&mut *engine.cast::<ScriptEngine>(), &*regex) };
    engine.subject = subject;
    let (offsets, _) = regex.offsets.as_chunks();
    engine.offsets = offsets.as_ptr();
    engine.count = usize::try_from(count).unwrap_or(0).min(offsets.len());
}

/// The length of a replacement.
///
/// # Safety
/// As for [`ngx_http_lua_ffi_script_eval_data`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_script_eval_len(
    engine: *mut c_void,
    replacement: *const Replacement,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let engine = &*engine.cast::<ScriptEngine>();
        (*replacement).template.length(engine.offsets())
    }
}

/// Writes a replacement, and returns its length.
///
/// # Safety
/// `engine` was made here and told of a match of the pattern that `replacement` belongs to; `place` has room
/// for the length that [`ngx_http_lua_ffi_script_eval_len`] says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_script_eval_data(
    engine: *mut c_void,
    replacement: *const Replacement,
    place: *mut u8,
) -> usize {
    // SAFETY: the caller's contract; the offsets are of that subject, and the pieces as long as said.
    unsafe {
        let engine = &*engine.cast::<ScriptEngine>();
        let mut length = 0;
        (*replacement).template.for_each(engine.offsets(), |piece| {
            let (bytes, count) = match piece {
                Piece::Text(text) => (text.as_ptr(), text.len()),
                Piece::Subject(from, to) => (engine.subject.add(from), to - from),
            };
            copy_short(bytes, place.add(length), count);
            length += count;
        });
        length
    }
}

/// Copies what is a few bytes most often, for which a call would cost more than the copying.
///
/// # Safety
/// As for [`ptr::copy_nonoverlapping`].
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        match count {
            0 => {}
            1 => to.write(from.read()),
            2 | 3 => {
                to.cast::<[u8; 2]>().write(from.cast::<[u8; 2]>().read());
                to.add(count - 1).write(from.add(count - 1).read());
            }
            4..8 => {
                let last = count - 4;
                let (first, end) =
                    (from.cast::<[u8; 4]>().read(), from.add(last).cast::<[u8; 4]>().read());
                to.cast::<[u8; 4]>().write(first);
                to.add(last).cast::<[u8; 4]>().write(end);
            }
            _ => to.copy_from_nonoverlapping(from, count),
        }
    }
}

impl ScriptEngine {
    /// # Safety
    /// It was told of a match, and the pattern is alive.
    #[inline]
    unsafe fn offsets<'a>(&self) -> &'a [Offsets] {
        if self.offsets.is_null() {
            return &[];
        }
        // SAFETY: the caller's contract.
        unsafe { core::slice::from_raw_parts(self.offsets, self.count) }
    }
}

/// # Safety
/// `err` has room for what `err_size` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn ngx_http_lua_ffi_set_jit_stack_size(
    size: c_int,
    err: *mut u8,
    err_size: Out<usize>,
) -> c_int {
    ffi::call(None, || {
        let size = usize::try_from(size).unwrap_or(0);
        if matcher().is_some_and(|matcher| matcher.set_jit_stack(size)) {
            return Ok(Code::Ok);
        }
        let err = ErrBuf { data: err, len: err_size };
        err.set(format_args!("pcre jit stack allocation failed"));
        Err(Code::Error.into())
    })
}

/// The patterns that lua-resty-core may cache.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_max_regex_cache_size() -> c_uint {
    let conf = MainConf::running();
    conf.and_then(|conf| c_uint::try_from(conf.regex_cache_max_entries).ok()).unwrap_or(0)
}

/// What PCRE1 it is for lua-resty-core, and what it really is.
#[unsafe(no_mangle)]
extern "C" fn ngx_http_lua_ffi_pcre_version() -> *const c_char {
    static VERSION: OnceLock<CString> = OnceLock::new();
    let version = || {
        let text = format!("{} (PCRE2 {})", pcre1::VERSION, pcre::version());
        CString::new(text).unwrap_or_default()
    };
    VERSION.get_or_init(version).as_ptr()
}
