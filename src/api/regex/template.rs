//! The replacement of `ngx.re.sub` and `gsub`: text with `$0`, `$1`, `${12}` and `$$`.
//!
//! Here it is read and laid out; where the pieces are copied to, and what subject they come from, is the
//! caller's business.

/// A replacement, read once for many matches.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// All literal text, one piece after the other.
    text: Box<[u8]>,
    parts: Box<[Part]>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Part {
    /// That many further bytes of the text.
    Text(usize),
    /// What a group of the match has found.
    Group(usize),
}

/// Where a group has found something, or two negative numbers.
pub(crate) type Offsets = [i32; 2];

/// A stretch of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a [u8]),
    /// A part of the subject, from one offset to another that is not before it.
    Subject(usize, usize),
}

/// Why a replacement was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TemplateError<'a> {
    /// A dollar without anything behind it that could be a group; the whole template.
    NoGroup(&'a [u8]),
    /// A brace that is not closed where it must be; what stands behind it.
    Unclosed(&'a [u8]),
    /// A group by name.
    Named(&'a [u8]),
}

impl TemplateError<'_> {
    /// What is logged: bytes, because the template need not be UTF-8.
    pub(crate) fn message(&self) -> Vec<u8> {
        let (before, name, after) = match self {
            Self::NoGroup(source) => {
                ("lua script: invalid capturing variable name found in \"", source, "\"")
            }
            Self::Unclosed(name) => ("the closing bracket in \"", name, "\" variable is missing"),
            Self::Named(name) => (
                "attempt to use named capturing variable \"",
                name,
                "\" (named captures not supported yet)",
            ),
        };
        [before.as_bytes(), name, after.as_bytes()].concat()
    }
}

impl Template {
    pub(crate) fn parse(source: &[u8]) -> Result<Self, TemplateError<'_>> {
        let (mut text, mut parts) = (Vec::new(), Vec::new());
        let mut rest = source;
        while !rest.is_empty() {
            let dollar = rest.iter().position(|byte| *byte == b'$').unwrap_or(rest.len());
            let (literal, from_dollar) = rest.split_at(dollar);
            add_text(&mut text, &mut parts, literal);
            rest = match from_dollar {
                [] => break,
                [_, b'$', rest @ ..] => {
                    add_text(&mut text, &mut parts, b"$");
                    rest
                }
                [_, after @ ..] => {
                    let (group, rest) = group(after, source)?;
                    parts.push(Part::Group(group));
                    rest
                }
            };
        }
        Ok(Self { text: text.into(), parts: parts.into() })
    }

    /// The text, if it is the same for every match.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        let is_text = |part: &Part| matches!(part, Part::Text(_));
        self.parts.iter().all(is_text).then_some(&self.text)
    }

    /// The pieces for a match, given the offsets of those of its groups that count. A group that is not
    /// among them, or found nothing, is no piece.
    #[inline]
    pub(crate) fn for_each(&self, offsets: &[Offsets], mut piece: impl FnMut(Piece<'_>)) {
        let mut text = &*self.text;
        for part in &self.parts {
            match *part {
                Part::Text(length) => {
                    let (literal, rest) = text.split_at(length);
                    piece(Piece::Text(literal));
                    text = rest;
                }
                Part::Group(group) => {
                    if let Some((from, to)) = offsets_of(group, offsets) {
                        piece(Piece::Subject(from, to));
                    }
                }
            }
        }
    }

    /// The length of all pieces for a match.
    #[inline]
    pub(crate) fn length(&self, offsets: &[Offsets]) -> usize {
        let groups = self.parts.iter().filter_map(|part| match *part {
            Part::Text(_) => None,
            Part::Group(group) => offsets_of(group, offsets),
        });
        self.text.len() + groups.map(|(from, to)| to - from).sum::<usize>()
    }
}

fn add_text(text: &mut Vec<u8>, parts: &mut Vec<Part>, more: &[u8]) {
    text.extend_from_slice(more);
    match parts.last_mut() {
        _ if more.is_empty() => {}
        Some(Part::Text(length)) => *length += more.len(),
        _ => parts.push(Part::Text(more.len())),
    }
}

#[inline]
fn offsets_of(group: usize, offsets: &[Offsets]) -> Option<(usize, usize)> {
    let [from, to] = *offsets.get(group)?;
    (0 <= from && from <= to).then_some((from as usize, to as usize))
}

/// The group that stands behind a dollar, and what follows it.
fn group<'a>(after: &'a [u8], source: &'a [u8]) -> Result<(usize, &'a [u8]), TemplateError<'a>> {
    let (braced, name) = match after {
        [b'{', name @ ..] => (true, name),
        name => (false, name),
    };
    if name.is_empty() {
        return Err(TemplateError::NoGroup(source));
    }
    let is_number = name[0].is_ascii_digit();
    let belongs = |byte: &u8| {
        if is_number {
            byte.is_ascii_digit()
        } else {
            byte.is_ascii_alphanumeric() || *byte == b'_'
        }
    };
    let length = name.iter().position(|byte| !belongs(byte)).unwrap_or(name.len());
    let (name, rest) = name.split_at(length);
    let rest = match (braced, rest) {
        (false, rest) | (true, [b'}', rest @ ..]) => rest,
        (true, _) => return Err(TemplateError::Unclosed(name)),
    };
    match (name, is_number) {
        ([], _) => Err(TemplateError::NoGroup(source)),
        (name, false) => Err(TemplateError::Named(name)),
        (digits, true) => Ok((number(digits), rest)),
    }
}

/// A number too great for any group stays too great.
fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0_usize, |number, digit| {
        number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &[u8] = b"hello, world";

    /// What a match of `SUBJECT` with these offsets is replaced with.
    fn filled(template: &str, offsets: &[Offsets]) -> String {
        let template = Template::parse(template.as_bytes()).unwrap();
        let mut out = Vec::new();
        template.for_each(offsets, |piece| match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Subject(from, to) => out.extend_from_slice(&SUBJECT[from..to]),
        });
        assert_eq!(out.len(), template.length(offsets));
        String::from_utf8(out).unwrap()
    }

    fn refused(template: &str) -> String {
        let message = Template::parse(template.as_bytes()).unwrap_err().message();
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn groups_are_filled_in() {
        let offsets = [[0, 12], [0, 5], [7, 12]];
        for (template, text) in [
            ("", ""),
            ("plain", "plain"),
            ("[$0]", "[hello, world]"),
            ("$2 $1", "world hello"),
            ("${2}0$1a", "world0helloa"),
            ("$20", ""),
            ("$$1 $$$1$$", "$1 $hello$"),
        ] {
            assert_eq!(filled(template, &offsets), text, "{template}");
        }
    }

    #[test]
    fn groups_without_a_match_are_empty() {
        assert_eq!(filled("<$1$2$3>", &[[0, 5], [-1, -1]]), "<>");
        assert_eq!(filled("$99999999999999999999999", &[[0, 5]]), "");
        assert_eq!(filled("$1", &[[0, 5], [3, 2]]), "");
        assert_eq!(filled("$9223372036854775807$9223372036854775808", &[[0, 5]]), "");
    }

    #[test]
    fn text_without_groups_is_known_beforehand() {
        let literal = |template: &'static str| {
            Template::parse(template.as_bytes()).unwrap().literal().map(<[u8]>::to_vec)
        };
        assert_eq!(literal("a$$b$$").as_deref(), Some(b"a$b$".as_slice()));
        assert_eq!(literal("").as_deref(), Some(b"".as_slice()));
        assert_eq!(literal("a$1"), None);
    }

    #[test]
    fn what_is_no_group_is_refused() {
        let no_group =
            |source| format!("lua script: invalid capturing variable name found in \"{source}\"");
        for source in ["$", "a$", "${", "$-", "${}", "$ 1", "$1 $"] {
            assert_eq!(refused(source), no_group(source));
        }
        let unclosed = |name| format!("the closing bracket in \"{name}\" variable is missing");
        assert_eq!(refused("${1"), unclosed("1"));
        assert_eq!(refused("${12 }"), unclosed("12"));
        assert_eq!(refused("${ab-}"), unclosed("ab"));
        assert_eq!(refused("${-"), unclosed(""));
        let named = |name| {
            format!(
                "attempt to use named capturing variable \"{name}\" (named captures not supported yet)"
            )
        };
        assert_eq!(refused("$name-x"), named("name"));
        assert_eq!(refused("${a_1}"), named("a_1"));
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let alphabet = b"${}19az_ \x00\xff";
        for _ in 0..20_000 {
            let mut source = Vec::new();
            for _ in 0..10 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                source.push(alphabet[(state >> 20) as usize % alphabet.len()]);
            }
            let Ok(template) = Template::parse(&source) else { continue };
            let offsets = [[0, 3], [-1, -1], [2, 2]];
            let mut length = 0;
            template.for_each(&offsets, |piece| {
                length += match piece {
                    Piece::Text(text) => text.len(),
                    Piece::Subject(from, to) => to - from,
                };
            });
            assert_eq!(length, template.length(&offsets));
        }
    }
}
