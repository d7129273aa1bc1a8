//! docs/ against the source: every directive, Lua function and exported symbol has its entry, and no
//! entry is left over. `BLESS=1` (`make bless`) rewrites what can be derived: the contexts of
//! directives and the lists of absent names. What a thing does is written by hand.
#[allow(dead_code)]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use source::{PREFIX, code_below, ident, items, read, root, up_to_closing};

const DIRECTIVES: &str = "docs/directives.md";
const API: &str = "docs/api.md";

/// Entries of docs/api.md that no table row and no exported function backs: values and globals that a
/// domain's `setup` makes, and what follows from others.
const MADE_BY_SETUP: &[&str] = &[
    "require",
    "print",
    "ngx.null",
    "ngx.config",
    "coroutine",
    "ngx.shared",
    "ngx.shared.DICT:lpush",
    "ngx.shared.DICT:rpush",
    "ngx.shared.DICT:lpop",
    "ngx.shared.DICT:rpop",
    "ngx.shared.DICT:llen",
    "ngx.shared.DICT:get_keys",
    "ngx.shared.DICT:scan",
    "ngx.shared.DICT:stats",
    "ngx.socket.tcp",
    "ngx.socket.stream",
    "ngx.socket.connect",
    "ngx.req.socket",
];

#[test]
fn every_directive_has_its_row() {
    let rows = directive_rows();
    let mut text = read(DIRECTIVES);
    if blessing() {
        for (name, contexts) in &rows {
            let old = text.lines().find(|line| doc_name(line) == Some(name)).map(str::to_owned);
            if let Some(old) = old {
                let mut cells: Vec<&str> = old.split('|').collect();
                let new = format!(" {contexts} ");
                if cells.len() > 3 {
                    cells[3] = &new;
                }
                text = text.replacen(&old, &cells.join("|"), 1);
            }
        }
        write(DIRECTIVES, &text);
    }
    let mut documented = BTreeMap::new();
    let mut bad = Vec::new();
    for line in text.lines() {
        let Some(name) = doc_name(line) else { continue };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let contexts = cells.get(3).copied().unwrap_or_default();
        if cells.len() != 6 || cells[4].is_empty() {
            bad.push(format!("{DIRECTIVES}: `{name}` needs argument, contexts, a description"));
        }
        if documented.insert(name.to_owned(), contexts.to_owned()).is_some() {
            bad.push(format!("{DIRECTIVES}: `{name}` stands twice"));
        }
    }
    for (name, contexts) in &rows {
        match documented.remove(name) {
            None => bad.push(format!("{DIRECTIVES} has no row for `{name}` ({contexts})")),
            Some(said) if said != *contexts => {
                bad.push(format!("{DIRECTIVES}: `{name}` works in {contexts}, not in {said}"));
            }
            Some(_) => {}
        }
    }
    bad.extend(documented.keys().map(|name| format!("{DIRECTIVES}: there is no `{name}`")));
    none(&bad);
}

#[test]
fn every_lua_function_has_its_entry() {
    let entries = entries();
    let registered = lua_functions();
    let mut bad = Vec::new();
    for path in &registered {
        // What only lua-resty-core calls is no one's to call.
        let private = path.rsplit('.').next().is_some_and(|name| name.starts_with('_'));
        if !private && !entries.contains_key(path) {
            bad.push(format!("{API} has no `### `{path}``"));
        }
    }
    let mut seen = BTreeSet::new();
    for name in read(API).lines().filter(|line| line.starts_with("### ")).flat_map(names) {
        if !seen.insert(name.clone()) {
            bad.push(format!("{API}: `{name}` stands twice"));
        }
    }
    for (path, symbols) in &entries {
        let backed = !symbols.is_empty() || registered.contains(path) || is_method(path);
        if !backed && !MADE_BY_SETUP.contains(&path.as_str()) {
            bad.push(format!("{API}: nothing in src registers `{path}`"));
        }
    }
    none(&bad);
}

/// Whether the path is that of a method, `socket:receive`, which some table in the source names.
fn is_method(path: &str) -> bool {
    let Some((_, name)) = path.split_once(':') else { return false };
    let row = format!("b\"{name}\"");
    source::code_below("src").iter().any(|(_, code)| code.contains(&row))
}

#[test]
fn every_exported_symbol_has_its_entry() {
    let documented: Vec<String> = entries().into_values().flatten().collect();
    let named: BTreeSet<String> = documented.iter().cloned().collect();
    let exported: BTreeSet<String> = source::exports().into_keys().collect();
    let mut bad = Vec::new();
    bad.extend(exported.difference(&named).map(|n| format!("{API}: no `C:` line names `{n}`")));
    bad.extend(named.difference(&exported).map(|n| format!("{API}: `{n}` is not exported")));
    none(&bad);
}

#[test]
fn the_absent_names_are_those_of_the_source() {
    let names = source::absent_exports();
    let mut text = read(API);
    let mut bad = Vec::new();
    let (begin, end) = ("<!-- absent -->\n", "<!-- end -->");
    match text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?))) {
        None => bad.push(format!("{API} has no `{}`", begin.trim())),
        Some((before, (old, after))) => {
            let new = wrapped(&names);
            if blessing() {
                text = [before, begin, &new, end, after].concat();
            } else if old != new {
                bad.push(format!("{API}: the list of absent names is old: `make bless`"));
            }
        }
    }
    if blessing() {
        write(API, &text);
    }
    none(&bad);
}

/// SAFETY.md defines the tags that the source uses, and no others.
#[test]
fn every_safety_tag_is_in_use() {
    let definitions = read("SAFETY.md");
    let heading = |line: &str| line.strip_prefix("### ").map(|h| tags(h).into_iter());
    let defined: BTreeSet<String> = definitions.lines().filter_map(heading).flatten().collect();
    let mut used = BTreeSet::new();
    for (file, _) in code_below("src") {
        let text = fs::read_to_string(file).unwrap_or_default();
        let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
        used.extend(comments.flat_map(tags));
    }
    let mut bad = Vec::new();
    bad.extend(used.difference(&defined).map(|tag| format!("SAFETY.md does not define [{tag}]")));
    bad.extend(defined.difference(&used).map(|tag| format!("nothing in src/ needs [{tag}]")));
    none(&bad);
}

/// Every difference from the reference that the source marks is linked from docs/api.md.
#[test]
fn every_difference_is_listed() {
    let text = read(API);
    let differences = text.split("\n## Differences").nth(1).unwrap_or_default();
    let mut bad = Vec::new();
    for (file, _) in code_below("src") {
        let shown = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let marked = fs::read_to_string(&file).is_ok_and(|text| text.contains("Reference: "));
        if marked && !differences.contains(&format!("`{shown}`")) {
            bad.push(format!("{API}: Differences does not name `{shown}`"));
        }
    }
    none(&bad);
}

/// `[request-alive]`: small letters and hyphens in brackets.
fn tags(line: &str) -> Vec<String> {
    let inner = line.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(tag, _)| tag);
    let is_tag = |tag: &&str| {
        tag.contains('-')
            && tag.starts_with(|c: char| c.is_ascii_lowercase())
            && tag.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    inner.filter(is_tag).map(str::to_owned).collect()
}

/// The directives of the table, and where they may stand, in the order of the source.
fn directive_rows() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for file in ["src/module/directives.rs", "src/module/tls.rs"] {
        let code = read(file);
        let table = code.rsplit("const ROWS: &[ngx_command_t] = &[").next();
        let table = up_to_closing(table.expect("a table of directives"));
        rows.extend(rows_of(table, &format!("{}{code}", read("src/module/directives.rs"))));
    }
    assert!(!rows.is_empty(), "no rows: see directive_rows in tests/docs.rs");
    rows
}

fn rows_of(table: &str, code: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    // `kind(c"name", CONTEXTS, …)`; a kind whose rows have the same contexts names them itself.
    for item in items(&without_comments(table)) {
        let Some((kind, arguments)) = item.split_once('(') else { continue };
        let arguments = items(up_to_closing(arguments));
        let name = arguments[0].trim_start_matches('c').trim_matches('"').to_owned();
        let mut found = contexts(code, arguments.get(1).copied().unwrap_or_default());
        if found.is_empty() {
            let body = code.split(&format!("const fn {kind}(")).nth(1);
            let body = body.and_then(|b| b.split_once('{')).map_or("", |(_, b)| up_to_closing(b));
            let words = body.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
            found = words.flat_map(|word| contexts(code, word)).collect();
        }
        rows.push((name, found.join(", ")));
    }
    rows
}

fn without_comments(code: &str) -> String {
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect()
}

/// nginx's blocks that the flags name; a flag may be a constant made of others.
fn contexts(source: &str, flags: &str) -> Vec<&'static str> {
    let named = |flag: &str| match flag.rsplit("::").next().unwrap_or_default() {
        "HTTP" => vec!["http"],
        "SRV" => vec!["server"],
        "NGX_HTTP_SIF_CONF" => vec!["if in server"],
        "LOC" => vec!["location"],
        "IF" => vec!["if"],
        flag => {
            let definition = source.split(&format!("const {flag}: u32 = ")).nth(1);
            definition.map_or_else(Vec::new, |d| contexts(source, d.split(';').next().unwrap_or(d)))
        }
    };
    flags.split('|').map(str::trim).filter(|flag| !flag.is_empty()).flat_map(named).collect()
}

/// The directive that a row of docs/directives.md describes.
fn doc_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("| `")?.split('`').next()?;
    (!name.is_empty()).then_some(name)
}

/// The functions of every `Domain`, as paths below `ngx`.
fn lua_functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, code) in code_below("src/api") {
        for after in code.split("functions: &[").skip(1) {
            for row in items(up_to_closing(after)) {
                let cells = row.strip_prefix('(').map(up_to_closing).map(items);
                let cells = cells.unwrap_or_default();
                let names: Vec<&str> =
                    cells.iter().filter_map(|cell| cell.strip_prefix("c\"")).map(ident).collect();
                match names[..] {
                    ["", name, ..] => found.insert(format!("ngx.{name}")),
                    [table, name, ..] => found.insert(format!("ngx.{table}.{name}")),
                    _ => false,
                };
            }
        }
    }
    assert!(found.len() > 5, "no functions: see lua_functions in tests/docs.rs");
    found
}

/// The entries of docs/api.md (`### `ngx.name…``) and the symbols that the `C:` lines below them name.
fn entries() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut here = Vec::new();
    let mut in_symbols = false;
    for line in read(API).lines() {
        if line.starts_with("## ") {
            here.clear();
        }
        if let Some(heading) = line.strip_prefix("### ") {
            here = names(heading);
            for name in &here {
                found.entry(name.clone()).or_default();
            }
            // Symbols may stand below a heading that names nothing of Lua's.
            if here.is_empty() {
                here.push(heading.to_owned());
            }
        }
        in_symbols = line.starts_with("C: ") || (in_symbols && !line.is_empty());
        if !in_symbols {
            continue;
        }
        for name in line.split('`').filter(|name| name.starts_with(PREFIX)) {
            for entry in &here {
                found.entry(entry.clone()).or_default().push(name.to_owned());
            }
        }
    }
    found
}

/// What a heading names.
fn names(heading: &str) -> Vec<String> {
    heading.split('`').skip(1).step_by(2).map(path).collect()
}

/// `ngx.sleep` of `ngx.sleep(seconds)`, `ngx.var` of `ngx.var.NAME`.
fn path(heading: &str) -> String {
    let end = heading.find(|c: char| !c.is_ascii_alphanumeric() && !"._:".contains(c));
    let path = &heading[..end.unwrap_or(heading.len())];
    let names: Vec<&str> =
        path.split('.').take_while(|n| !n.chars().all(|c| c.is_ascii_uppercase())).collect();
    names.join(".")
}

/// A fenced list, several names a line.
fn wrapped(names: &[String]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        let last = lines.last_mut().expect("one line at least");
        if last.len() + name.len() + 1 > 100 {
            lines.push(name.clone());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(name);
        }
    }
    format!("```text\n{}\n```\n", lines.join("\n"))
}

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| !value.is_empty())
}

fn write(path: &str, text: &str) {
    if read(path) != text {
        fs::write(root().join(path), text).expect("docs/ can be written");
    }
}

#[track_caller]
fn none(bad: &[String]) {
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}
