//! Finds the end of a `*_by_lua_block { … }`: the brace that closes it, as Lua would read the code.
//!
//! Braces count in code only: not in strings, long strings or comments. A quoted string that its line
//! does not finish is no string, as in the reference: Lua will complain about it when it compiles the
//! code.

/// Why the end was not found; `line` counts the line feeds before the place to blame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BlockError {
    /// The file ends inside the block; blamed on the last brace that was opened.
    UnexpectedEnd { line: usize },
    /// A long string or comment is not closed by `bracket`.
    MissingBracket { line: usize, bracket: Vec<u8> },
}

/// The length of the code in `text`, which begins behind the opening brace and goes on behind the
/// closing one.
pub(crate) fn code_len(text: &[u8]) -> Result<usize, BlockError> {
    let mut depth = 1usize;
    let mut last_open = 0;
    let mut i = 0;
    while i < text.len() {
        let rest = &text[i..];
        i += match rest[0] {
            b'{' => {
                depth += 1;
                last_open = i;
                1
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(i);
                }
                1
            }
            b'-' if rest.starts_with(b"--") => match long_bracket(&rest[2..]) {
                Some(level) => 2 + long_len(text, i + 2, level)?,
                None => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            },
            b'[' => match long_bracket(rest) {
                Some(level) => long_len(text, i, level)?,
                None => 1,
            },
            b'"' | b'\'' => quoted_len(rest).unwrap_or(1),
            _ => 1,
        };
    }
    Err(BlockError::UnexpectedEnd { line: line_feeds(&text[..last_open]) })
}

/// The level of the long bracket that `text` opens with: 0 for `[[`, 1 for `[=[`.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"[")?;
    let level = inner.iter().take_while(|b| **b == b'=').count();
    (inner.get(level) == Some(&b'[')).then_some(level)
}

/// The length of the long string or comment whose bracket of `level` opens at `start`.
fn long_len(text: &[u8], start: usize, level: usize) -> Result<usize, BlockError> {
    let mut bracket = vec![b'='; level + 2];
    bracket[0] = b']';
    bracket[level + 1] = b']';
    let body = &text[start + level + 2..];
    match body.windows(bracket.len()).position(|w| w == bracket) {
        Some(at) => Ok(at + 2 * bracket.len()),
        None => Err(BlockError::MissingBracket { line: line_feeds(&text[..start]), bracket }),
    }
}

/// The length of the quoted string that `text` opens with, if its line finishes it. A backslash may
/// take the line feed into the string, and `\z` all white space.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let quote = text[0];
    let mut i = 1;
    while let Some(&byte) = text.get(i) {
        match byte {
            b'\\' if text.get(i + 1) == Some(&b'z') => {
                i += 2;
                i += text[i..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            }
            b'\\' => i += 2,
            b'\n' => return None,
            _ if byte == quote => return Some(i + 1),
            _ => i += 1,
        }
    }
    None
}

/// How many lines `text` ends.
pub(crate) fn line_feeds(text: &[u8]) -> usize {
    text.iter().filter(|b| **b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Random, rounds};

    #[test]
    fn ends_at_the_matching_brace() {
        for code in [
            "",
            " ngx.say('hi') ",
            " local t = {{}, {1, {2}}} ",
            " a = '}' b = \"}\" ",
            r#" a = '\'}' b = "\\" c = "\"}" "#,
            " -- } a comment\n",
            " a = [[}]] b = [==[ ]] }]=] ]==] ",
            " --[[ } \n } ]] --[=[ }]] ]=] ",
            " a = t[1] b = t[t[2]] c = {[ [[}]] ] = 1} ",
            " a = '\\\n}' b = '\\z \n }' ",
            " x = a - b -",
            " a = 1 -- ' \" [[ not opened\n",
        ] {
            let text = format!("{code}}} rest }} \" ]]");
            assert_eq!(code_len(text.as_bytes()), Ok(code.len()), "{code:?}");
        }
    }

    #[test]
    fn an_unfinished_quote_is_code() {
        assert_eq!(code_len(b" a = 'x }\n} }"), Ok(8));
        assert_eq!(code_len(b" a = \"x {\n} }"), Ok(12));
    }

    #[test]
    fn long_brackets_must_close() {
        let error = code_len(b"\n\n a = [==[ ]] } ]=]").unwrap_err();
        assert_eq!(error, BlockError::MissingBracket { line: 2, bracket: b"]==]".to_vec() });
        let error = code_len(b"--[[ } ").unwrap_err();
        assert_eq!(error, BlockError::MissingBracket { line: 0, bracket: b"]]".to_vec() });
    }

    #[test]
    fn the_end_of_the_file_blames_the_last_open_brace() {
        let error = code_len(b"\n a = {\n b = 1\n").unwrap_err();
        assert_eq!(error, BlockError::UnexpectedEnd { line: 1 });
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        rounds(|random| {
            let text = random.bytes(60, b"{}[]=-\"'\\z\n a");
            if let Ok(len) = code_len(&text) {
                assert_eq!(text[len], b'}');
            }
        });
    }

    /// A piece of Lua code whose braces pair.
    fn piece(random: &mut Random, depth: usize) -> Vec<u8> {
        let mut inside = random.bytes(8, b"{}[]=-'\" ");
        match random.below(7) {
            0 => {
                inside.retain(|b| !b"\"\\\n".contains(b));
                [b"\"", &*inside, b"\\\"}\""].concat()
            }
            1 => {
                inside.retain(|b| !b"'\\\n".contains(b));
                [b"'", &*inside, b"{\\\n'"].concat()
            }
            2 => {
                inside.retain(|b| !b"\n[".contains(b));
                [b"--", &*inside, b"\n"].concat()
            }
            kind @ 3..5 => {
                let level = vec![b'='; random.below(3)];
                inside.retain(|b| *b != b']');
                let start: &[u8] = if kind == 3 { b"[" } else { b" --[" };
                [start, &*level, b"[}", &*inside, b"]", &*level, b"]"].concat()
            }
            5 if depth < 4 => [b"{", &*code(random, depth + 1), b" }"].concat(),
            _ => b" local a = t[1] - 2\n".to_vec(),
        }
    }

    fn code(random: &mut Random, depth: usize) -> Vec<u8> {
        (0..random.below(6)).flat_map(|_| piece(random, depth)).collect()
    }

    #[test]
    fn code_of_any_pieces_ends_where_its_brace_is() {
        rounds(|random| {
            let code = code(random, 0);
            let text = [&*code, b" }", &random.bytes(10, b"}]'\"")].concat();
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(code_len(&text), Ok(code.len() + 1), "{shown}");
        });
    }
}
