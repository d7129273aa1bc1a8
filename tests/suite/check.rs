//! Holds one response against what the block expects of it.
use super::case::{Case, pattern};
use super::report::{Report, cut};
use super::response::Response;
use super::value::{Value, is_space, lines, trim};
use super::vars::Vars;

/// Which request of the block the response answers.
pub(crate) struct Position {
    pub(crate) index: usize,
    /// The block has more than one, so its expectations are lists.
    pub(crate) several: bool,
}

pub(crate) struct Checker<'a> {
    pub(crate) case: &'a Case,
    pub(crate) vars: &'a Vars,
    pub(crate) position: Position,
    pub(crate) report: &'a mut Report,
}

impl Checker<'_> {
    pub(crate) fn response(&mut self, response: &Response) {
        let checks = [Self::code, Self::raw_headers, Self::headers, Self::body];
        for check in checks {
            if let Err(why) = check(self, response) {
                self.report.fail(why);
            }
        }
    }

    fn expected(&self, section: &str) -> Result<Option<Value>, String> {
        let Position { index, several } = self.position;
        Ok(self.case.expected(section, index, several)?.cloned())
    }

    fn expected_text(&self, section: &str) -> Result<Option<Vec<u8>>, String> {
        match self.expected(section)? {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(format!("section `{section}` holds {}", other.kind())),
        }
    }

    /// `like` and `unlike` of one text.
    fn matches(
        &mut self,
        section: &str,
        expected: &Value,
        flags: &str,
        actual: &[u8],
    ) -> Result<(), String> {
        let pattern =
            pattern(expected, flags).map_err(|why| format!("section `{section}`: {why}"))?;
        let wanted = !section.ends_with("_unlike");
        if pattern.matches(actual) != wanted {
            let verb = if wanted { "does not match" } else { "matches" };
            self.report.fail(format!(
                "{}: {verb} {pattern}\n   actual \"{}\"",
                self.what(section),
                cut(actual).escape_ascii()
            ));
        }
        Ok(())
    }

    /// The section, and the request if there are several.
    fn what(&self, section: &str) -> String {
        let Position { index, several } = self.position;
        if several { format!("{section}, request {index}") } else { section.to_owned() }
    }

    fn code(&mut self, response: &Response) -> Result<(), String> {
        let actual = response.code.as_bytes();
        if let Some(like) = self.expected("error_code_like")? {
            return self.matches("error_code_like", &like, "sm", actual);
        }
        let expected = self.expected_text("error_code")?.unwrap_or_else(|| b"200".to_vec());
        let what = self.what("error_code");
        self.report.same(&what, actual, &expected);
        Ok(())
    }

    fn raw_headers(&mut self, response: &Response) -> Result<(), String> {
        for section in ["raw_response_headers_like", "raw_response_headers_unlike"] {
            if let Some(expected) = self.expected(section)? {
                self.matches(section, &expected, "s", &response.raw_headers)?;
            }
        }
        Ok(())
    }

    fn headers(&mut self, response: &Response) -> Result<(), String> {
        if let Some(expected) = self.expected_text("response_headers")? {
            for (name, value) in header_list(&expected) {
                let Some(value) = value else {
                    if lines(&response.raw_headers).any(|l| names_header(l, &name)) {
                        self.report.fail(format!("response_headers: `{name}` is there"));
                    }
                    continue;
                };
                let expected = self.vars.server_port_in(&value);
                let actual = response.header(&name).unwrap_or_default();
                self.report.same(&self.what(&format!("header {name}")), &actual, &expected);
            }
        } else if let Some(expected) = self.expected_text("response_headers_like")? {
            for (name, value) in header_list(&expected) {
                let like = Value::Text([b"^", &value.unwrap_or_default()[..], b"$"].concat());
                let actual = response.header(&name).unwrap_or_default();
                self.matches("response_headers_like", &like, "", &actual)?;
            }
        }
        Ok(())
    }

    fn body(&mut self, response: &Response) -> Result<(), String> {
        match self.expected("response_body")? {
            Some(Value::Text(text)) => {
                let expected = self.vars.expand_expected(&text)?;
                self.report.same(&self.what("response_body"), &response.body, &expected);
                return Ok(());
            }
            Some(like @ Value::Pattern(_)) => {
                return self.matches("response_body", &like, "", &response.body);
            }
            Some(other) => return Err(format!("section `response_body` holds {}", other.kind())),
            None => {}
        }
        for section in ["response_body_like", "response_body_unlike"] {
            let expected = match self.expected(section)? {
                None => continue,
                Some(Value::Text(text)) => Value::Text(self.vars.server_port_in(&text)),
                Some(other) => other,
            };
            return self.matches(section, &expected, "s", &response.body);
        }
        Ok(())
    }
}

/// `Name: value` lines; `!Name` must be absent.
fn header_list(text: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let header = |line: &[u8]| {
        let line = trim(line);
        let name = |name: &[u8]| String::from_utf8_lossy(trim(name)).into_owned();
        if let Some(absent) = line.strip_prefix(b"!") {
            return (name(absent), None);
        }
        match line.iter().position(|b| *b == b':') {
            Some(colon) => (name(&line[..colon]), Some(trim(&line[colon + 1..]).to_vec())),
            None => (name(line), None),
        }
    };
    lines(text).filter(|l| !trim(l).is_empty()).map(header).collect()
}

/// Case counts here, as in Test::Nginx.
fn names_header(line: &[u8], name: &str) -> bool {
    let start = line.iter().position(|b| !is_space(*b)).unwrap_or(line.len());
    let after = line[start..].strip_prefix(name.as_bytes());
    after.is_some_and(|a| a.iter().find(|b| !is_space(**b)) == Some(&b':'))
}
