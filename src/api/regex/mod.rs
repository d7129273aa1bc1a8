//! `ngx.re`: PCRE2 under lua-resty-core, which makes `match`, `find`, `gmatch`, `sub`, `gsub` and `split` of
//! it in Lua, and caches patterns.
//!
//! Here patterns are compiled and replacements read; `ffi` is the C interface, `pcre1` what it speaks, `front` a
//! shorter way to the library's cache. No Lua function is registered here: lua-resty-core replaces the table
//! `ngx.re` as a whole.
mod ffi;
mod finalized;
pub(crate) mod front;
pub(crate) mod pcre1;
pub(crate) mod template;

use crate::nginx::pcre::{Algorithm, Code, Matcher};
use crate::nginx::sys;

/// How a pattern is run, as lua-resty-core says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mode(i32);

impl Mode {
    const DFA: i32 = 0x02;
    const JIT: i32 = 0x04;
    const NO_UTF8_CHECK: i32 = 0x10;

    pub(crate) fn of(flags: i32) -> Self {
        Self(flags)
    }

    #[inline]
    pub(crate) fn algorithm(self) -> Algorithm {
        if self.0 & Self::DFA == 0 { Algorithm::Backtracking } else { Algorithm::Dfa }
    }

    pub(crate) fn wants_jit(self) -> bool {
        self.has(Self::JIT)
    }

    fn has(self, flag: i32) -> bool {
        self.0 & flag != 0
    }
}

/// Compiles a pattern with PCRE1's option bits; what to tell the caller if it is refused.
///
/// Reference: a subject that is not UTF-8 is safe with the option `U` as well: what is broken in it
/// matches nothing, or, by the DFA algorithm, is the error that it is with `u`. In the reference, anything may happen.
pub(crate) fn compile(pattern: &[u8], bits: u32, mode: Mode) -> Result<Code, Vec<u8>> {
    let compiled = pcre1::options(bits).and_then(|options| {
        let tolerant = options & sys::PCRE2_UTF != 0
            && mode.has(Mode::NO_UTF8_CHECK)
            && mode.algorithm() == Algorithm::Backtracking;
        let tolerance = if tolerant { sys::PCRE2_MATCH_INVALID_UTF } else { 0 };
        pcre1::compile(pattern, options | tolerance)
    });
    let mut code = compiled.map_err(|error| pcre1::describe(pattern, error))?;
    if mode.wants_jit() {
        code.compile_jit();
    }
    Ok(code)
}

/// Looks for a match from byte `at` on. Returns PCRE1's code: the number of groups up to the last one with
/// a match (0 if the DFA algorithm has found several matches, of which the longest is told), or a negative one.
#[inline]
pub(crate) fn run(
    matcher: &Matcher,
    code: &Code,
    algorithm: Algorithm,
    subject: &[u8],
    at: i32,
    found: &mut [i32],
) -> i32 {
    // An offset below 0 is as bad as one beyond the end.
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    match matcher.run(code, algorithm, subject, at, found) {
        rc if rc < pcre1::ERROR_NO_MATCH => pcre1::error(rc),
        rc if rc > 1 && algorithm == Algorithm::Dfa => 0,
        rc => rc,
    }
}

#[cfg(test)]
mod tests;
