//! Reads the module's own source: which names it exports to C, and with how many parameters.
//!
//! Text is enough: the names are contract, written out in full where they are defined.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What every exported function's name begins with.
pub(crate) const PREFIX: &str = "ngx_http_lua_ffi_";

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository; the empty text if there is none.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The Rust files below a folder of the repository, without their comment lines.
pub(crate) fn code_below(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files.sort();
    files.into_iter().map(|file| (file.clone(), code(&read(&file)))).collect()
}

fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The identifier that `text` begins with.
pub(crate) fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The text up to the bracket that closes the one `text` begins behind.
pub(crate) fn up_to_closing(text: &str) -> &str {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The items of a list in C or Rust, by the commas outside of brackets.
pub(crate) fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&list[start..]);
    found.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// The exported functions that do something, and how many parameters they take.
pub(crate) fn exports() -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (_, code) in code_below("src") {
        let mark = format!("fn {PREFIX}");
        for (at, _) in code.match_indices(&mark) {
            let name = ident(&code[at + "fn ".len()..]);
            let after = &code[at + "fn ".len() + name.len()..];
            let parameters = after.strip_prefix('(').map(up_to_closing).unwrap_or_default();
            found.insert(name.to_owned(), items(parameters).len());
        }
    }
    found
}

/// The exported functions that only keep lua-resty-core loading, from `src/api/absent.rs`.
pub(crate) fn absent_exports() -> Vec<String> {
    let code = code(&read("src/api/absent.rs"));
    let lists = ["\nabsent! {", "\nabsent_with_a_message! {"]
        .map(|macro_call| code.split(macro_call).nth(1).map(up_to_closing).unwrap_or_default());
    let words = lists.iter().flat_map(|list| list.split_whitespace());
    words.map(ident).filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect()
}
