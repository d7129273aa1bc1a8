//! The Perl that `--- section eval` may hold: string, pattern and number literals, `.`, `x N`, lists, hashes.
//! Not an interpreter: variables, calls and operators are refused, so that a block never means one thing
//! here and another under Perl.
use super::value::{Pattern, Value, is_space, is_word};

type Result<T> = std::result::Result<T, String>;

/// The value of `source`, which must be one expression.
pub(crate) fn eval(source: &[u8]) -> Result<Value> {
    let mut parser = Parser { source, at: 0 };
    let value = parser.expression()?;
    parser.take(b';');
    parser.skip_blanks();
    if parser.at < source.len() {
        return Err(parser.error("an operator or the end"));
    }
    Ok(value)
}

struct Parser<'a> {
    source: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn expression(&mut self) -> Result<Value> {
        let mut value = self.repetition()?;
        while self.peek() == Some(b'.') {
            self.at += 1;
            let mut text = text_of(value)?;
            text.extend(text_of(self.repetition()?)?);
            value = Value::Text(text);
        }
        Ok(value)
    }

    fn repetition(&mut self) -> Result<Value> {
        let mut value = self.primary()?;
        while self.word() == b"x" {
            self.at += 1;
            let times = text_of(self.primary()?)?;
            let times = std::str::from_utf8(&times).ok().and_then(|t| t.parse::<usize>().ok());
            let times = times.ok_or_else(|| self.error("a number after `x`"))?;
            value = Value::Text(text_of(value)?.repeat(times));
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'"') => self.double_quoted(),
            Some(b'\'') => self.single_quoted(),
            Some(b'[') => self.list().map(Value::List),
            Some(b'{') => self.map(),
            Some(b'(') => {
                self.at += 1;
                let value = self.expression()?;
                if self.take(b')') { Ok(value) } else { Err(self.error("`)`")) }
            }
            Some(b'0'..=b'9') => Ok(Value::text(self.number())),
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Result<Value> {
        let word = self.word().to_vec();
        self.at += word.len();
        match &word[..] {
            b"undef" => Ok(Value::Undef),
            b"qr" => self.pattern(),
            b"qq" => self.double_quoted(),
            b"q" => self.single_quoted(),
            _ => {
                self.at -= word.len();
                Err(self.error("a string, number, pattern, list or hash"))
            }
        }
    }

    fn list(&mut self) -> Result<Vec<Value>> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(b']') {
            items.push(self.expression()?);
            if !self.comma() && self.peek() != Some(b']') {
                return Err(self.error("`,` or `]`"));
            }
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Value> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.take(b'}') {
            let word = self.word().to_vec();
            let key = if word.is_empty() {
                text_of(self.expression()?)?
            } else {
                self.at += word.len();
                word
            };
            if !self.comma() {
                return Err(self.error("`=>`"));
            }
            entries.push((String::from_utf8_lossy(&key).into_owned(), self.expression()?));
            if !self.comma() && self.peek() != Some(b'}') {
                return Err(self.error("`,` or `}`"));
            }
        }
        Ok(Value::Map(entries))
    }

    fn number(&mut self) -> Vec<u8> {
        let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
        let start = self.at;
        self.at += digits(&self.source[self.at..]);
        // `1.5` is a number, `1 . "a"` and `1."a"` are concatenations.
        if let [b'.', rest @ ..] = &self.source[self.at..]
            && digits(rest) > 0
        {
            self.at += 1 + digits(rest);
        }
        self.source[start..self.at].to_vec()
    }

    fn single_quoted(&mut self) -> Result<Value> {
        let (body, close) = self.quoted()?;
        let mut out = Vec::new();
        let mut bytes = body.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = byte == b'\\' && bytes.peek().is_some_and(|n| *n == b'\\' || *n == close);
            out.push(if escaped { bytes.next().unwrap_or(byte) } else { byte });
        }
        Ok(Value::Text(out))
    }

    fn double_quoted(&mut self) -> Result<Value> {
        let (body, _) = self.quoted()?;
        interpolate(&body).map(Value::Text)
    }

    fn pattern(&mut self) -> Result<Value> {
        let (body, close) = self.quoted()?;
        let flags = String::from_utf8_lossy(self.word_here()).into_owned();
        self.at += flags.len();
        if close != b'\'' {
            refuse_variables(&body)?;
        }
        Pattern::new(&body, &flags).map(Value::Pattern)
    }

    /// A quoted body as written, and the delimiter that closed it.
    fn quoted(&mut self) -> Result<(Vec<u8>, u8)> {
        let open = self.peek().ok_or_else(|| self.error("a quote"))?;
        let close = match open {
            b'(' => b')',
            b'[' => b']',
            b'{' => b'}',
            b'<' => b'>',
            other => other,
        };
        let start = self.at + 1;
        let mut depth = 0;
        let mut at = start;
        while let Some(&byte) = self.source.get(at) {
            if byte == b'\\' {
                at += 1;
            } else if byte == close && depth == 0 {
                self.at = at + 1;
                return Ok((self.source[start..at].to_vec(), close));
            } else if byte == close {
                depth -= 1;
            } else if byte == open {
                depth += 1;
            }
            at += 1;
        }
        Err(self.error("a string that ends"))
    }

    fn comma(&mut self) -> bool {
        if self.peek() == Some(b'=') && self.source.get(self.at + 1) == Some(&b'>') {
            self.at += 2;
            return true;
        }
        self.take(b',')
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.source.get(self.at).copied()
    }

    fn word(&mut self) -> &[u8] {
        self.skip_blanks();
        self.word_here()
    }

    fn word_here(&self) -> &[u8] {
        let rest = &self.source[self.at..];
        let len = rest.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
        &rest[..len]
    }

    fn skip_blanks(&mut self) {
        while let Some(&byte) = self.source.get(self.at) {
            if byte == b'#' {
                let rest = &self.source[self.at..];
                self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            } else if is_space(byte) {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    fn error(&self, wanted: &str) -> String {
        let rest = &self.source[self.at.min(self.source.len())..];
        let near = &rest[..rest.len().min(30)];
        format!("eval: expected {wanted} at \"{}\"", near.escape_ascii())
    }
}

fn text_of(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("eval: {} where text is needed", other.kind())),
    }
}

/// The escapes of a double-quoted string.
fn interpolate(body: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let (value, len) = escape(&body[at..])?;
                out.push(value);
                at += len;
            }
            b'$' => return Err("eval: an unescaped `$` in a string: write `\\$`".into()),
            b'@' if body.get(at).is_some_and(|n| is_word(*n) || b":{$+-".contains(n)) => {
                return Err("eval: an array in a string: write `\\@`".into());
            }
            _ => out.push(byte),
        }
    }
    Ok(out)
}

/// The byte an escape stands for, and its length without the backslash.
fn escape(rest: &[u8]) -> Result<(u8, usize)> {
    let count = |max: usize, digit: fn(&u8) -> bool| {
        rest.iter().skip(1).take(max).take_while(|b| digit(b)).count()
    };
    let simple = |value| Ok((value, 1));
    match rest.first() {
        Some(b'n') => simple(b'\n'),
        Some(b'r') => simple(b'\r'),
        Some(b't') => simple(b'\t'),
        Some(b'a') => simple(7),
        Some(b'b') => simple(8),
        Some(b'f') => simple(12),
        Some(b'e') => simple(27),
        Some(b'0'..=b'7') => {
            let len = 1 + count(2, |b| (b'0'..=b'7').contains(b));
            Ok((radix(&rest[..len], 8)?, len))
        }
        Some(b'x') if rest.get(1) == Some(&b'{') => {
            let len = rest.iter().position(|b| *b == b'}').ok_or("eval: `\\x{` without `}`")?;
            Ok((radix(&rest[2..len], 16)?, len + 1))
        }
        Some(b'x') => {
            let len = count(2, u8::is_ascii_hexdigit);
            Ok((radix(&rest[1..=len], 16)?, len + 1))
        }
        Some(other) if !other.is_ascii_alphanumeric() => simple(*other),
        Some(other) => Err(format!("eval: escape `\\{}` is not supported", other.escape_ascii())),
        None => Err("eval: a string ends in a backslash".into()),
    }
}

fn radix(digits: &[u8], radix: u32) -> Result<u8> {
    if digits.is_empty() {
        return Ok(0);
    }
    let digits = std::str::from_utf8(digits).map_err(|e| e.to_string())?;
    u8::from_str_radix(digits, radix).map_err(|_| format!("eval: `{digits}` is not a byte"))
}

fn refuse_variables(body: &[u8]) -> Result<()> {
    let mut escaped = false;
    for (at, &byte) in body.iter().enumerate() {
        let next = body.get(at + 1).copied().unwrap_or(b' ');
        let sigil = byte == b'$' || byte == b'@';
        if sigil && !escaped && (is_word(next) || next == b'{') {
            return Err(format!(
                "eval: a variable in a pattern: `{}{}`",
                byte.escape_ascii(),
                next.escape_ascii()
            ));
        }
        escaped = byte == b'\\' && !escaped;
    }
    Ok(())
}
