//! The Perl above `__DATA__`, as far as it says how blocks are run: calls with literal arguments and
//! assignments to `%ENV`. Any other statement is an error, because ignoring it could change what a file means.
use std::collections::BTreeMap;

use super::perl;
use super::value::Value;

#[derive(Clone, Debug)]
pub(crate) struct Preamble {
    pub(crate) repeat_each: usize,
    pub(crate) log_level: Option<String>,
    pub(crate) master: Option<bool>,
    pub(crate) workers: usize,
    pub(crate) worker_connections: usize,
    pub(crate) root_location: bool,
    pub(crate) server_name: String,
    pub(crate) timeout: Option<f64>,
    /// Each check reads the whole error log, not only what is new.
    pub(crate) accumulate_error_log: bool,
    /// Arguments of nginx's `env` directive.
    pub(crate) env_to_nginx: Vec<String>,
    pub(crate) env: BTreeMap<String, EnvValue>,
}

/// What `$ENV{NAME}` is set to; some values exist only once a block has its server root.
#[derive(Clone, Debug)]
pub(crate) struct EnvValue {
    pub(crate) source: EnvSource,
    /// `||=`: the environment of the runner wins.
    pub(crate) default_only: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum EnvSource {
    Text(String),
    HtmlDir,
    ServerRoot,
    ServerPort,
}

impl Default for Preamble {
    fn default() -> Self {
        Preamble {
            repeat_each: 1,
            log_level: None,
            master: None,
            workers: 1,
            worker_connections: 64,
            root_location: true,
            server_name: "localhost".into(),
            timeout: None,
            accumulate_error_log: false,
            env_to_nginx: Vec::new(),
            env: BTreeMap::new(),
        }
    }
}

impl Preamble {
    pub(crate) fn parse(text: &str) -> Result<Preamble, String> {
        let mut preamble = Preamble::default();
        let mut variables = BTreeMap::new();
        for statement in statements(text) {
            preamble
                .statement(&statement, &mut variables)
                .map_err(|why| format!("preamble: `{statement}`: {why}"))?;
        }
        Ok(preamble)
    }

    fn statement(
        &mut self,
        statement: &str,
        variables: &mut BTreeMap<String, EnvSource>,
    ) -> Result<(), String> {
        let (word, rest) = split_word(statement);
        match word {
            // How results are counted and shown: the runner has its own ways.
            "use" | "plan" | "run_tests" | "no_long_string" | "no_shuffle" | "no_diff" => {}
            "our" | "my" => {
                let (name, value) = rest.split_once('=').ok_or("no value")?;
                let name = name.trim().strip_prefix('$').ok_or("not a scalar")?;
                variables.insert(name.into(), source(value, variables)?);
            }
            "" => {
                let (name, value) = statement.split_once('=').ok_or("not understood")?;
                let (name, default_only) = match name.trim().strip_suffix(['|', '/']) {
                    Some(name) => (name.trim_end_matches(['|', '/']).trim(), true),
                    None => (name.trim(), false),
                };
                let name = name.strip_prefix("$ENV{").and_then(|n| n.strip_suffix('}'));
                let name = name.ok_or("not understood")?.trim_matches(['\'', '"']);
                let source = source(value, variables)?;
                self.env.insert(name.into(), EnvValue { source, default_only });
            }
            call => self.call(call, &arguments(rest)?)?,
        }
        Ok(())
    }

    fn call(&mut self, name: &str, args: &[String]) -> Result<(), String> {
        let first = args.first().map(String::as_str);
        match (name, first) {
            ("repeat_each", Some(n)) => self.repeat_each = number(n)?,
            ("workers", Some(n)) => self.workers = number(n)?,
            ("worker_connections", Some(n)) => self.worker_connections = number(n)?,
            ("timeout", Some(n)) => self.timeout = Some(number(n)?),
            ("log_level", Some(level)) => self.log_level = Some(level.into()),
            ("server_name", Some(name)) => self.server_name = name.into(),
            ("master_process_enabled", Some(on)) => self.master = Some(on != "0"),
            ("env_to_nginx", Some(_)) => self.env_to_nginx.extend_from_slice(args),
            ("master_on", None) => self.master = Some(true),
            ("master_off", None) => self.master = Some(false),
            ("no_root_location", None) => self.root_location = false,
            ("check_accum_error_log", None) => self.accumulate_error_log = true,
            _ => return Err("not understood".into()),
        }
        Ok(())
    }
}

/// Statements without comments; a `;` inside a string is not expected here.
fn statements(text: &str) -> Vec<String> {
    let code: String = text.lines().flat_map(|line| [without_comment(line), "\n"]).collect();
    code.split(';').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

fn without_comment(line: &str) -> &str {
    let starts_comment = |at: &usize| {
        let before = &line[..*at];
        let quotes = before.matches(['\'', '"']).count();
        quotes.is_multiple_of(2)
            && before.chars().next_back().is_none_or(|c| c == ';' || c.is_whitespace())
    };
    let comment = line.match_indices('#').map(|(at, _)| at).find(starts_comment);
    comment.map_or(line, |at| &line[..at])
}

fn split_word(statement: &str) -> (&str, &str) {
    let end = statement.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(statement.len());
    (&statement[..end], statement[end..].trim())
}

fn arguments(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
    let Value::List(items) = perl::eval(format!("[{text}]").as_bytes())? else {
        return Err("not a list".into());
    };
    let text = |v: &Value| v.as_text().map(|t| String::from_utf8_lossy(t).into_owned());
    items.iter().map(|v| text(v).ok_or("not a literal".into())).collect()
}

fn source(text: &str, variables: &BTreeMap<String, EnvSource>) -> Result<EnvSource, String> {
    let text = text.trim();
    match text.trim_end_matches("()") {
        "html_dir" => return Ok(EnvSource::HtmlDir),
        "server_root" => return Ok(EnvSource::ServerRoot),
        "server_port" => return Ok(EnvSource::ServerPort),
        _ => {}
    }
    if let Some(name) = text.strip_prefix('$') {
        return variables.get(name).cloned().ok_or("not understood".into());
    }
    match perl::eval(text.as_bytes())? {
        Value::Text(text) => Ok(EnvSource::Text(String::from_utf8_lossy(&text).into_owned())),
        other => Err(format!("{} where text is needed", other.kind())),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
