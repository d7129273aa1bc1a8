//! Reads a `.t` file the way Test::Base does: a Perl preamble, `__DATA__`, then blocks of sections.
//! Where Test::Base would silently go on with a typo (a section given twice, `---name`), this is an error.
use super::perl;
use super::preamble::Preamble;
use super::value::{Value, is_space, is_word, lines, trim};

#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) preamble: Result<Preamble, String>,
    pub(crate) blocks: Vec<Block>,
}

/// One `=== name` with its sections, unfiltered.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) sections: Vec<Section>,
    /// What is wrong with the block itself.
    pub(crate) errors: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    filters: Vec<String>,
    body: Vec<u8>,
}

impl Spec {
    pub(crate) fn parse(text: &[u8]) -> Spec {
        let mut preamble = Vec::new();
        let mut hunks: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut in_data = false;
        for (at, line) in lines(text).enumerate() {
            if !in_data {
                in_data = matches!(trim(line), b"__DATA__" | b"__END__") && line[0] == b'_';
                if !in_data {
                    preamble.extend_from_slice(line);
                }
            } else if line.starts_with(b"===") {
                hunks.push((at + 1, line.to_vec()));
            } else if let Some((_, hunk)) = hunks.last_mut() {
                hunk.extend_from_slice(line);
            }
        }
        let preamble = Preamble::parse(&String::from_utf8_lossy(&preamble));
        let blocks = hunks.into_iter().map(|(line, hunk)| Block::parse(line, &hunk)).collect();
        Spec { preamble, blocks: choose(blocks) }
    }
}

/// `ONLY` leaves one block of a file, `LAST` cuts off what follows; skipped blocks stay, to be counted.
fn choose(mut blocks: Vec<Block>) -> Vec<Block> {
    let last = blocks.iter().position(|b| b.has("LAST") && !b.has("SKIP"));
    let only = blocks.iter().position(|b| b.has("ONLY"));
    match (only, last) {
        (Some(only), last) if last.is_none_or(|last| only <= last) => {
            vec![blocks.swap_remove(only)]
        }
        (_, Some(last)) => {
            blocks.truncate(last + 1);
            blocks
        }
        _ => blocks,
    }
}

impl Block {
    fn parse(line: usize, hunk: &[u8]) -> Block {
        let title_end = hunk.iter().position(|b| *b == b'\n').unwrap_or(hunk.len());
        let name = String::from_utf8_lossy(trim(&hunk[3..title_end])).into_owned();
        let mut block = Block { name, line, sections: Vec::new(), errors: Vec::new() };
        if !hunk.ends_with(b"\n") {
            block.errors.push("the file does not end in a newline".into());
        }
        // As in Test::Base, blanks before the first line that has something do not count.
        let rest = &hunk[title_end..];
        let start = rest.iter().position(|b| !is_space(*b)).unwrap_or(rest.len());
        let mut open: Option<Section> = None;
        for line in lines(&rest[start..]) {
            if let Some((name, argument)) = section_head(line) {
                block.close(open.replace(Section::open(name, argument)));
            } else if line.starts_with(b"---") && line.get(3).is_some_and(|b| is_word(*b)) {
                block.errors.push(format!("no space in `{}`", String::from_utf8_lossy(trim(line))));
            } else if let Some(section) = &mut open {
                section.body.extend_from_slice(line);
            }
        }
        block.close(open);
        block
    }

    fn close(&mut self, section: Option<Section>) {
        let Some(mut section) = section else { return };
        if self.has(&section.name) {
            self.errors.push(format!("section `{}` is given twice", section.name));
        }
        if let Some(Inline { filters, value }) = inline(&section.filters) {
            if !trim(&section.body).is_empty() {
                self.errors.push(format!("extra lines in section `{}`", section.name));
            }
            section.body = value.into();
            section.filters = vec![filters];
        }
        let names = section.filters.iter().flat_map(|f| f.split_whitespace());
        section.filters = names.map(str::to_owned).collect();
        self.sections.push(section);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.sections.iter().any(|s| s.name == name)
    }
}

impl Section {
    /// `filters` holds the rest of the head line until the section is closed.
    fn open(name: String, argument: String) -> Section {
        Section { name, filters: vec![argument], body: Vec::new() }
    }

    /// The value of the section: `norm` and `trim`, then the filters of the head line.
    pub(crate) fn value(&self) -> Result<Value, String> {
        let mut filters = vec!["norm", "trim"];
        let mut last = Vec::new();
        for filter in &self.filters {
            match (filter.strip_prefix('-'), filter.strip_prefix('+')) {
                (Some(removed), _) => filters.retain(|f| *f != removed),
                (_, Some(appended)) => last.push(appended),
                _ => filters.push(filter),
            }
        }
        filters.extend(last);
        let text = Value::Text(self.body.clone());
        filters.into_iter().try_fold(text, |value, filter| {
            apply(filter, value).map_err(|why| format!("section `{}`: {why}", self.name))
        })
    }
}

/// `--- name rest`, with a newline, as the split in Test::Base wants it.
fn section_head(line: &[u8]) -> Option<(String, String)> {
    let line = line.strip_prefix(b"---")?.strip_suffix(b"\n")?;
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.trim_start_matches(' ');
    if rest.len() == line.len() {
        return None;
    }
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let rest = rest.strip_prefix(')').unwrap_or(rest);
    (!name.is_empty()).then(|| (name.into(), rest.trim_start_matches(' ').into()))
}

struct Inline {
    filters: String,
    value: String,
}

/// `filters: value`: the first colon that a blank or the end follows.
fn inline(head: &[String]) -> Option<Inline> {
    let head = head.first()?;
    let colon = head
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| head[at + 1..].chars().next().is_none_or(char::is_whitespace))?;
    let (filters, value) = (&head[..colon], &head[colon + 1..]);
    Some(Inline { filters: filters.into(), value: value.trim().into() })
}

fn apply(filter: &str, value: Value) -> Result<Value, String> {
    if filter == "eval" {
        let text = value.as_text().ok_or("eval of something that is not text")?;
        if trim(text).is_empty() {
            return Err("nothing to eval".into());
        }
        return perl::eval(text);
    }
    let edit: fn(Vec<u8>) -> Vec<u8> = match filter {
        "norm" => norm,
        "trim" => trim_blank_lines,
        "chomp" => |mut text| {
            if text.ends_with(b"\n") {
                text.pop();
            }
            text
        },
        "chop" => |mut text| {
            text.pop();
            text
        },
        "unchomp" => |mut text| {
            text.push(b'\n');
            text
        },
        other => return Err(format!("filter `{other}` is not supported")),
    };
    match value {
        Value::Text(text) => Ok(Value::Text(edit(text))),
        other => Err(format!("filter `{filter}` of {}", other.kind())),
    }
}

fn norm(text: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.into_iter().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            out.push(b'\n');
        } else {
            out.push(byte);
        }
    }
    out
}

/// No blank lines at the start, and of the white space at the end only the first newline.
fn trim_blank_lines(text: Vec<u8>) -> Vec<u8> {
    let mut rest = &text[..];
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        if rest[..end].iter().any(|b| *b != b' ' && *b != b'\t') {
            break;
        }
        rest = &rest[end + 1..];
    }
    let kept = rest.iter().rposition(|b| !is_space(*b)).map_or(0, |at| at + 1);
    let end = rest[kept..].iter().position(|b| *b == b'\n').map_or(rest.len(), |at| kept + at + 1);
    rest[..end].to_vec()
}
