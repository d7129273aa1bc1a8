//! PCRE1 as callers know it, over PCRE2: its option bits, error codes and texts, and patterns that
//! PCRE2 has come to refuse.
//!
//! lua-nginx-module 0.10.23 uses PCRE1, and its numbers reach Lua: lua-resty-core passes option bits, and users
//! read `pcre_exec() failed: -8`. Not here: how a pattern is compiled or run.
use std::borrow::Cow;

use crate::nginx::pcre::{self, Code, CompileError, Limits};
use crate::nginx::sys;

/// What lua-resty-core is told. From a number above 8.45 its newer releases conclude that option bits
/// are PCRE2's.
pub(crate) const VERSION: &str = "8.45";

/// PCRE1's bits and what they are in PCRE2.
const OPTIONS: &[(u32, u32)] = &[
    (0x0000_0001, sys::PCRE2_CASELESS),
    (0x0000_0002, sys::PCRE2_MULTILINE),
    (0x0000_0004, sys::PCRE2_DOTALL),
    (0x0000_0008, sys::PCRE2_EXTENDED),
    (0x0000_0010, sys::PCRE2_ANCHORED),
    (0x0000_0020, sys::PCRE2_DOLLAR_ENDONLY),
    (0x0000_0200, sys::PCRE2_UNGREEDY),
    (0x0000_0800, sys::PCRE2_UTF),
    (0x0000_1000, sys::PCRE2_NO_AUTO_CAPTURE),
    (0x0004_0000, sys::PCRE2_FIRSTLINE),
    (0x0008_0000, sys::PCRE2_DUPNAMES),
    // JavaScript's ways.
    (
        0x0200_0000,
        sys::PCRE2_ALT_BSUX | sys::PCRE2_ALLOW_EMPTY_CLASS | sys::PCRE2_MATCH_UNSET_BACKREF,
    ),
    (0x2000_0000, sys::PCRE2_UCP),
];

/// PCRE2's option bits; PCRE2's error if there are bits that mean nothing here.
pub(crate) fn options(bits: u32) -> Result<u32, CompileError> {
    let (mut unknown, mut options) = (bits, 0);
    for (one, two) in OPTIONS {
        if bits & one != 0 {
            unknown &= !one;
            options |= two;
        }
    }
    if unknown != 0 {
        return Err(CompileError { code: sys::PCRE2_ERROR_BAD_OPTIONS as i32, offset: 0 });
    }
    Ok(options)
}

/// PCRE1's texts, by PCRE2's numbers, where the two differ for the same thing.
const TEXTS: &[(u32, &str)] = &[
    (sys::PCRE2_ERROR_ESCAPE_INVALID_IN_CLASS, "invalid escape sequence in character class"),
    (sys::PCRE2_ERROR_QUANTIFIER_INVALID, "nothing to repeat"),
    (sys::PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS, "missing )"),
    (sys::PCRE2_ERROR_BAD_OPTIONS, "unknown option bit(s) set"),
    (sys::PCRE2_ERROR_MISSING_COMMENT_CLOSING, "missing ) after comment"),
    (sys::PCRE2_ERROR_HEAP_FAILED, "failed to get memory"),
    (sys::PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS, "unmatched parentheses"),
    (sys::PCRE2_ERROR_MISSING_CONDITION_CLOSING, "malformed number or name after (?("),
    (
        sys::PCRE2_ERROR_TOO_MANY_CONDITION_BRANCHES,
        "conditional group contains more than two branches",
    ),
    (sys::PCRE2_ERROR_BAD_RELATIVE_REFERENCE, "digit expected after (?+"),
    (sys::PCRE2_ERROR_CODE_POINT_TOO_BIG, r"character value in \x{} or \o{} is too large"),
    (sys::PCRE2_ERROR_LOOKBEHIND_INVALID_BACKSLASH_C, r"\C not allowed in lookbehind assertion"),
    (
        sys::PCRE2_ERROR_UNSUPPORTED_ESCAPE_SEQUENCE,
        r"PCRE does not support \L, \l, \N{name}, \U, or \u",
    ),
    (sys::PCRE2_ERROR_CALLOUT_NUMBER_TOO_BIG, "number after (?C is > 255"),
    (sys::PCRE2_ERROR_MISSING_CALLOUT_CLOSING, "closing ) for (?C expected"),
    (
        sys::PCRE2_ERROR_MISSING_NAME_TERMINATOR,
        "syntax error in subpattern name (missing terminator)",
    ),
    (sys::PCRE2_ERROR_DUPLICATE_SUBPATTERN_NAME, "two named subpatterns have the same name"),
    (sys::PCRE2_ERROR_INVALID_SUBPATTERN_NAME, "group name must start with a non-digit"),
    (sys::PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY, r"unknown property name after \P or \p"),
    (
        sys::PCRE2_ERROR_SUBPATTERN_NAME_TOO_LONG,
        "subpattern name is too long (maximum 32 characters)",
    ),
    (sys::PCRE2_ERROR_DEFINE_TOO_MANY_BRANCHES, "DEFINE group contains more than one branch"),
    (sys::PCRE2_ERROR_PARENS_QUERY_R_MISSING_CLOSING, "(?R or (?[+-]digits must be followed by )"),
    (sys::PCRE2_ERROR_SUBPATTERN_NUMBER_TOO_BIG, "number is too big"),
    (sys::PCRE2_ERROR_BACKSLASH_C_SYNTAX, r"\c must be followed by an ASCII character"),
    (
        sys::PCRE2_ERROR_BACKSLASH_U_CODE_POINT_TOO_BIG,
        r"character value in \u.... sequence is too large",
    ),
    (sys::PCRE2_ERROR_MISSING_OCTAL_OR_HEX_DIGITS, r"digits missing in \x{} or \o{}"),
];

fn text(code: i32) -> Cow<'static, str> {
    if code < 0 {
        return Cow::Borrowed("invalid UTF-8 string");
    }
    let known = TEXTS.iter().find(|(number, _)| *number as i32 == code);
    known.map_or_else(|| Cow::Owned(pcre::message(code)), |(_, text)| Cow::Borrowed(*text))
}

/// What a caller is told of a pattern that was refused.
pub(crate) fn describe(pattern: &[u8], error: CompileError) -> Vec<u8> {
    let text = text(error.code);
    let mut message =
        [b"pcre_compile() failed: ", text.as_bytes(), b" in \"", pattern, b"\""].concat();
    if let Some(rest) = pattern.get(error.offset..).filter(|rest| !rest.is_empty()) {
        message.extend_from_slice(b" at \"");
        message.extend_from_slice(rest);
        message.push(b'"');
    }
    message
}

pub(crate) const ERROR_NO_MATCH: i32 = -1;
const ERROR_BAD_UTF8: i32 = -10;

/// PCRE1's codes, by PCRE2's, where they differ.
const CODES: &[(i32, i32)] = &[
    (sys::PCRE2_ERROR_PARTIAL, -12),
    (sys::PCRE2_ERROR_BADDATA, -15),
    (sys::PCRE2_ERROR_BADMAGIC, -4),
    (sys::PCRE2_ERROR_BADMODE, -28),
    (sys::PCRE2_ERROR_BADOFFSET, -24),
    (sys::PCRE2_ERROR_BADOPTION, -3),
    (sys::PCRE2_ERROR_BADUTFOFFSET, -11),
    (sys::PCRE2_ERROR_DFA_RECURSE, -20),
    (sys::PCRE2_ERROR_DFA_UCOND, -17),
    (sys::PCRE2_ERROR_DFA_UFUNC, -16),
    (sys::PCRE2_ERROR_DFA_UITEM, -16),
    (sys::PCRE2_ERROR_DFA_WSSIZE, -19),
    (sys::PCRE2_ERROR_INTERNAL, -14),
    (sys::PCRE2_ERROR_JIT_BADOPTION, -31),
    (sys::PCRE2_ERROR_JIT_STACKLIMIT, -27),
    (sys::PCRE2_ERROR_MATCHLIMIT, -8),
    (sys::PCRE2_ERROR_NOMEMORY, -6),
    (sys::PCRE2_ERROR_NULL, -2),
    (sys::PCRE2_ERROR_RECURSELOOP, -26),
    (sys::PCRE2_ERROR_DEPTHLIMIT, -21),
    (sys::PCRE2_ERROR_HEAPLIMIT, -21),
];

/// PCRE1's code for one of PCRE2's.
#[cold]
pub(crate) fn error(code: i32) -> i32 {
    if (sys::PCRE2_ERROR_UTF8_ERR21..=sys::PCRE2_ERROR_UTF8_ERR1).contains(&code) {
        return ERROR_BAD_UTF8;
    }
    CODES.iter().find(|(two, _)| *two == code).map_or(code, |(_, one)| *one)
}

/// What `lua_regex_match_limit` is to PCRE2, so that nothing is stopped that PCRE1 would not stop.
///
/// Machine code counts as PCRE1's does. The interpreter takes fewer steps for the same backtracking, from a half to
/// eight ninths of PCRE1's, by the pattern.
pub(crate) fn limits(limit: u32) -> Limits {
    let interpreter = (u64::from(limit) * 8).div_ceil(9);
    Limits { machine_code: limit, interpreter: u32::try_from(interpreter).unwrap_or(limit) }
}

/// Mends of one pattern at most; a guard against going round in circles.
const MENDS: usize = 64;

/// Compiles a pattern, also one that PCRE1 takes and PCRE2 does not: a hyphen beside a class of
/// characters (`[\w-.]`), and letters escaped without need (`\i`), stand for themselves.
///
/// Reference: `\K` in a lookaround is not taken: it can move the beginning of a match behind its end, and
/// lua-resty-core's `gsub` would go back there for ever. A NUL in a pattern is a byte as any other.
pub(crate) fn compile(pattern: &[u8], options: u32) -> Result<Code, CompileError> {
    let mut mended = Cow::Borrowed(pattern);
    let mut extra = 0;
    let mut inserted = Vec::new();
    for _ in 0..MENDS {
        let error = match Code::compile(&mended, options, extra) {
            Ok(code) => return Ok(code),
            Err(error) => error,
        };
        let hyphen = (error.code == sys::PCRE2_ERROR_CLASS_INVALID_RANGE as i32)
            .then(|| hyphen_before(&mended, error.offset))
            .flatten();
        if let Some(hyphen) = hyphen {
            mended.to_mut().insert(hyphen, b'\\');
            inserted.push(hyphen);
        } else if error.code == sys::PCRE2_ERROR_UNKNOWN_ESCAPE as i32 && extra == 0 {
            extra = sys::PCRE2_EXTRA_BAD_ESCAPE_IS_LITERAL;
        } else {
            let offset = inserted
                .iter()
                .rev()
                .fold(error.offset, |offset, at| offset - usize::from(*at < offset));
            return Err(CompileError { offset, ..error });
        }
    }
    Code::compile(pattern, options, 0)
}

/// The hyphen that stands at `offset`, or else nearest before it.
fn hyphen_before(pattern: &[u8], offset: usize) -> Option<usize> {
    let end = (offset + 1).min(pattern.len());
    let hyphen = pattern[..end].iter().rposition(|byte| *byte == b'-')?;
    (hyphen == 0 || pattern[hyphen - 1] != b'\\').then_some(hyphen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pattern: &str, bits: u32) -> String {
        let error = options(bits).and_then(|o| compile(pattern.as_bytes(), o)).unwrap_err();
        String::from_utf8_lossy(&describe(pattern.as_bytes(), error)).into_owned()
    }

    #[test]
    fn option_bits_are_translated() {
        assert_eq!(options(0x809), Ok(sys::PCRE2_CASELESS | sys::PCRE2_EXTENDED | sys::PCRE2_UTF));
        assert_eq!(options(0), Ok(0));
        assert_eq!(
            refusal("a", 0x40),
            "pcre_compile() failed: unknown option bit(s) set in \"a\" at \"a\""
        );
    }

    #[test]
    fn refusals_read_as_ever() {
        let failed = |rest: &str| format!("pcre_compile() failed: {rest}");
        assert_eq!(refusal("(abc", 0), failed("missing ) in \"(abc\""));
        assert_eq!(refusal("abc)d", 0), failed("unmatched parentheses in \"abc)d\" at \")d\""));
        assert_eq!(refusal("*a", 0), failed("nothing to repeat in \"*a\" at \"*a\""));
        assert_eq!(
            refusal("a[b", 0),
            failed("missing terminating ] for character class in \"a[b\"")
        );
        let duplicate = r"(?<a>.)(?<a>.)";
        assert!(refusal(duplicate, 0).contains("two named subpatterns have the same name in"));
    }

    #[test]
    fn a_pattern_of_broken_utf8_is_refused() {
        let error = compile(b"a\xff", sys::PCRE2_UTF).unwrap_err();
        assert!(
            describe(b"a\xff", error).starts_with(b"pcre_compile() failed: invalid UTF-8 string")
        );
    }

    #[test]
    fn patterns_that_pcre1_takes_are_taken() {
        for pattern in [r"[\w-.]+", r"[a-\d]", r"[\d-\w-x]", r"[[:alpha:]-z]", r"\i\y", r"[\w-.]\i"]
        {
            assert!(compile(pattern.as_bytes(), 0).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn a_mended_pattern_is_refused_by_its_own_offsets() {
        let failed = "pcre_compile() failed: unmatched parentheses in \"[\\w-.])x\" at \")x\"";
        assert_eq!(refusal(r"[\w-.])x", 0), failed);
    }

    #[test]
    fn a_match_cannot_be_made_to_begin_behind_its_end() {
        assert!(compile(br"(?=ab\K)", 0).is_err());
    }

    #[test]
    fn codes_are_translated() {
        let codes = [
            (sys::PCRE2_ERROR_NOMATCH, -1),
            (sys::PCRE2_ERROR_MATCHLIMIT, -8),
            (sys::PCRE2_ERROR_UTF8_ERR1, -10),
            (sys::PCRE2_ERROR_UTF8_ERR21, -10),
            (sys::PCRE2_ERROR_BADUTFOFFSET, -11),
            (sys::PCRE2_ERROR_BADOFFSET, -24),
        ];
        for (two, one) in codes {
            assert_eq!(error(two), one);
        }
    }
}
