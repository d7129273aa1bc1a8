//! Directives like nginx's `set`, run among those of its rewrite module in the order they are written.
//!
//! The rewrite module compiles its directives into an array of codes, and keeps that array private. So
//! `$name` is set by nginx's own `set $name ""`, and of what that adds to the array, the code that
//! pushes the empty string is replaced by ours. All that is taken for granted of nginx is stated at
//! [`SetCode`] and [`Codes`], and checked while the configuration is read.
#![allow(unsafe_code)]
use core::ffi::{CStr, c_void};
use core::mem::zeroed;
use core::ptr::NonNull;

use super::config::Config;
use super::log::{Text, debug};
use super::sys::{
    self, ngx_array_t, ngx_command_t, ngx_http_script_complex_value_code_t,
    ngx_http_script_engine_t, ngx_http_script_value_code_t, ngx_http_variable_value_t,
    ngx_module_t, ngx_str_t,
};
use super::{Request, process, variable};

/// A code of ours: computes a value.
pub(crate) type Code = unsafe extern "C" fn(*mut ngx_http_script_engine_t);

/// The codes of a location: the first field of the rewrite module's configuration struct.
type Codes = *mut ngx_array_t;

/// What stands in the place of the code that pushes the constant of a `set`, the first one that `set` adds.
#[repr(C)]
struct SetCode {
    code: Code,
    data: *const c_void,
    _rest: [usize; 2],
}

const _: () = assert!(size_of::<SetCode>() == size_of::<ngx_http_script_value_code_t>());

/// Why a directive was not added.
pub(crate) enum AddError {
    /// nginx has said why.
    Reported,
    /// This nginx has no rewrite module, or one that works in another way.
    Unsupported,
}

/// Adds `set $name <what code computes>` to the block being read. `name` comes with its `$`; `data` lives
/// as long as the configuration.
pub(crate) fn add_set<T>(cf: Config, name: &[u8], code: Code, data: &T) -> Result<(), AddError> {
    let (module, set) = find_set(cf).ok_or(AddError::Unsupported)?;
    // SAFETY: [conf-callback]; `set` is called as nginx calls it, with words that live as long as the
    // configuration; its codes are looked at only as far as they are what we expect.
    unsafe {
        let conf = cf.location_conf((*module).ctx_index);
        let codes: *mut Codes = conf.cast();
        let before = if (*codes).is_null() { 0 } else { (**codes).nelts };
        let name = cf.pool().copy_with_nul(name).ok_or(AddError::Reported)?;
        let mut words = [sys::str_of(b"set"), name, sys::str_of(b"")];
        let mut args: ngx_array_t = zeroed();
        args.elts = words.as_mut_ptr().cast();
        args.nelts = words.len();
        let handler = (*set).set.ok_or(AddError::Unsupported)?;
        let own = core::mem::replace(&mut (*cf.as_ptr()).args, &raw mut args);
        let refused = handler(cf.as_ptr(), set, conf);
        (*cf.as_ptr()).args = own;
        if !refused.is_null() {
            return Err(AddError::Reported);
        }
        let added = (**codes).nelts.saturating_sub(before);
        let place = (**codes).elts.cast::<u8>().add(before).cast::<SetCode>();
        if added < size_of::<SetCode>() || (*place).code as usize != PUSH_CONSTANT as usize {
            return Err(AddError::Unsupported);
        }
        (*place).code = code;
        (*place).data = core::ptr::from_ref(data).cast();
    }
    Ok(())
}

const PUSH_CONSTANT: Code = sys::ngx_http_script_value_code;

/// nginx's rewrite module, and its directive `set`.
fn find_set(cf: Config) -> Option<(*mut ngx_module_t, *mut ngx_command_t)> {
    // SAFETY: [conf-callback]; modules have names, directives too.
    unsafe {
        let module = process::modules(cf.cycle())
            .find(|m| CStr::from_ptr((**m).name) == c"ngx_http_rewrite_module")?;
        let set = process::directives(module).find(|d| sys::str_bytes((**d).name) == b"set")?;
        Some((module, set))
    }
}

/// Values that a script computes: words of a directive, with variables in them.
#[derive(Clone, Copy)]
pub(crate) struct Arguments {
    codes: Codes,
    count: usize,
}

impl Arguments {
    pub(crate) fn compile(cf: Config, words: &[ngx_str_t]) -> Option<Self> {
        let mut codes: Codes = core::ptr::null_mut();
        if words.is_empty() {
            return Some(Self { codes, count: 0 });
        }
        for word in words {
            compile(cf, &mut codes, *word)?;
        }
        add_code::<usize>(cf, &mut codes)?;
        Some(Self { codes, count: words.len() })
    }
}

/// Compiles a word as the rewrite module does.
fn compile(cf: Config, codes: &mut Codes, mut word: ngx_str_t) -> Option<()> {
    // SAFETY: [conf-callback]; the word lives as long as the configuration.
    unsafe {
        let variables = sys::ngx_http_script_variables_count(&raw mut word);
        if variables == 0 {
            let code = add_code::<ngx_http_script_value_code_t>(cf, codes)?;
            (*code).code = Some(sys::ngx_http_script_value_code);
            (*code).text_len = word.len;
            (*code).text_data = word.data as usize;
            return Some(());
        }
        let code = add_code::<ngx_http_script_complex_value_code_t>(cf, codes)?;
        (*code).code = Some(sys::ngx_http_script_complex_value_code);
        let mut script: sys::ngx_http_script_compile_t = zeroed();
        script.cf = cf.as_ptr();
        script.source = &raw mut word;
        script.lengths = &raw mut (*code).lengths;
        script.values = codes;
        script.variables = variables;
        script.set_complete_lengths(1);
        (sys::ngx_http_script_compile(&raw mut script) == sys::OK).then_some(())
    }
}

/// Room for a code, zeroed.
fn add_code<T>(cf: Config, codes: &mut Codes) -> Option<*mut T> {
    // SAFETY: [conf-callback]; codes are words, and nginx's arrays of them start aligned.
    unsafe {
        let pool = cf.pool().as_ptr();
        let code = sys::ngx_http_script_start_code(pool, codes, size_of::<T>()).cast::<T>();
        if code.is_null() {
            return None;
        }
        code.write_bytes(0, 1);
        Some(code)
    }
}

/// The values of [`Arguments`] for a request; they live as long as its pool.
#[derive(Clone, Copy)]
pub(crate) struct Values(&'static [ngx_http_variable_value_t]);

impl Values {
    pub(crate) const NONE: Self = Self(&[]);

    pub(crate) fn get(self, i: usize) -> Option<&'static [u8]> {
        self.iter().nth(i)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'static [u8]> {
        // SAFETY: values that a script has computed.
        self.0.iter().map(|value| unsafe { variable::text(value) })
    }
}

/// A script as it runs, at one of our codes.
#[derive(Clone, Copy)]
pub(crate) struct Script(NonNull<ngx_http_script_engine_t>);

/// Where a script ends: a null code.
static END: usize = 0;

// SAFETY (every block of this impl): the engine is that of the running script; [request-alive].
#[allow(clippy::undocumented_unsafe_blocks)]
impl Script {
    /// # Safety
    /// `engine` is what nginx called a [`Code`] with.
    pub(crate) unsafe fn from_raw(engine: *mut ngx_http_script_engine_t) -> Self {
        unsafe { Self(NonNull::new_unchecked(engine)) }
    }

    fn as_ptr(self) -> *mut ngx_http_script_engine_t {
        self.0.as_ptr()
    }

    pub(crate) fn request(self) -> Request {
        unsafe { Request::from_raw((*self.as_ptr()).request).unwrap_unchecked() }
    }

    /// What [`add_set`] was given as data. The script goes on behind the code.
    ///
    /// # Safety
    /// `T` is its type.
    pub(crate) unsafe fn take_data<T>(self) -> &'static T {
        unsafe {
            let ip = &raw mut (*self.as_ptr()).ip;
            let code = (*ip).cast::<SetCode>();
            *ip = code.add(1).cast();
            &*(*code).data.cast()
        }
    }

    /// Computes `arguments`, as if they stood in the script at this place; `None` if that fails.
    pub(crate) fn evaluate(self, arguments: &Arguments) -> Option<Values> {
        if arguments.count == 0 {
            return Some(Values::NONE);
        }
        unsafe {
            let e = self.as_ptr();
            // A stack of their own: nginx's has room for ten values. Reference: it asks for more room in
            // the block it stands in, which an `if` ignores: there, an eleventh argument overruns it.
            let size = arguments.count * size_of::<ngx_http_variable_value_t>();
            let pool = self.request().pool().as_ptr();
            let values = sys::ngx_pcalloc(pool, size).cast::<ngx_http_variable_value_t>();
            if values.is_null() {
                return None;
            }
            let (ip, sp) = ((*e).ip, (*e).sp);
            (*e).ip = (*arguments.codes).elts.cast();
            (*e).sp = values;
            while let Some(code) = *(*e).ip.cast::<sys::ngx_http_script_code_pt>() {
                code(e);
            }
            let done = (*e).sp == values.add(arguments.count);
            (*e).ip = ip;
            (*e).sp = sp;
            done.then(|| Values(core::slice::from_raw_parts(values, arguments.count)))
        }
    }

    /// Pushes the value that our code has computed, unless it is too long for one.
    pub(crate) fn push(self, value: ngx_str_t) {
        unsafe {
            let sp = &raw mut (*self.as_ptr()).sp;
            if variable::set_text(*sp, value).is_none() {
                return self.fail();
            }
            *sp = (*sp).add(1);
            let log = self.request().log();
            debug!(log, "http script value (post filter): \"{}\"", Text(sys::str_bytes(value)));
        }
    }

    /// Ends the script, and the request with it.
    pub(crate) fn fail(self) {
        unsafe {
            (*self.as_ptr()).ip = (&raw const END).cast_mut().cast();
            (*self.as_ptr()).status = sys::NGX_HTTP_INTERNAL_SERVER_ERROR as sys::ngx_int_t;
        }
    }
}
