//! Repository rules the compiler does not check. Each test names every place that breaks its rule.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From the top: a layer may name the layers after it, never one before it.
const LAYERS: &[&[&str]] = &[
    &["module"],
    &["phase", "functions"],
    &["api"],
    &["coroutine"],
    &["conf"],
    &["vm", "nginx"],
    &["scan"],
];

/// Layers of one rank that must not know each other.
const STRANGERS: &[(&str, &str)] = &[("vm", "nginx"), ("nginx", "vm")];

const LINE_CAP: usize = 800;

/// Files that are one long table and may pass the cap.
const DATA_TABLES: &[&str] = &[];

/// Names that say nothing about what a file holds.
const VAGUE_NAMES: &[&str] =
    &["util", "utils", "common", "misc", "helper", "helpers", "types", "manager"];

/// Entries of src/api that are no domains: what all of them share, and how lua-resty-core is loaded.
const API_KIT: &[&str] = &["mod", "ffi", "given", "absent", "resty_core"];

/// Domains of src/api that have no tests in t/api or no heading in docs/api.md yet.
const UNTESTED_DOMAINS: &[&str] = &[];
const UNDOCUMENTED_DOMAINS: &[&str] = &[];

#[test]
fn layers_point_downwards() {
    let mut bad = Vec::new();
    for (rank, layer) in LAYERS.iter().enumerate().flat_map(|(n, l)| l.iter().map(move |l| (n, *l)))
    {
        let above = LAYERS[..rank].iter().copied().flatten();
        let beside = STRANGERS.iter().filter(|(one, _)| *one == layer).map(|(_, other)| other);
        let forbidden: BTreeSet<&str> = above.chain(beside).copied().collect();
        let folder = root().join("src").join(layer);
        let files = files(&folder).into_iter().chain([folder.with_extension("rs")]);
        for file in files.filter(|f| is_rust(f)) {
            let code = code(&read(&file));
            let named = crate_paths(&code).into_iter().filter(|n| forbidden.contains(n.as_str()));
            bad.extend(named.map(|n| format!("{} names crate::{n}", shown(&file))));
        }
    }
    none(&bad);
}

#[test]
fn every_file_says_what_it_is() {
    let mute = rust_files().into_iter().filter(|f| !read(f).starts_with("//! "));
    none(&mute.map(|f| format!("{} does not open with `//! `", shown(&f))).collect::<Vec<_>>());
}

#[test]
fn files_stay_readable() {
    let long = rust_files().into_iter().filter_map(|f| {
        let lines = read(&f).lines().count();
        let allowed = lines <= LINE_CAP || DATA_TABLES.contains(&shown(&f).as_str());
        (!allowed).then(|| format!("{} has {lines} lines, the cap is {LINE_CAP}", shown(&f)))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn names_say_something() {
    let vague = |f: &PathBuf| VAGUE_NAMES.contains(&stem(f).as_str());
    let named = rust_files().into_iter().filter(vague).map(|f| shown(&f));
    none(&named.collect::<Vec<_>>());
}

#[test]
fn safety_tags_are_defined() {
    let Ok(definitions) = fs::read_to_string(root().join("SAFETY.md")) else { return };
    let mut bad = Vec::new();
    for file in rust_files() {
        for (n, line) in read(&file).lines().enumerate() {
            let Some((_, reason)) = line.split_once("// SAFETY: ") else { continue };
            // Only what stands before the first word is a tag, the rest is prose.
            let mut rest = reason;
            while let Some((tag, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
                if !definitions.contains(&format!("[{tag}]")) {
                    bad.push(format!("{}:{}: SAFETY.md has no [{tag}]", shown(&file), n + 1));
                }
                rest = after.trim_start_matches([' ', ',']);
            }
        }
    }
    none(&bad);
}

#[test]
fn every_domain_is_tested_and_documented() {
    let docs = fs::read_to_string(root().join("docs/api.md")).ok();
    let headings = |docs: &str| {
        let lines = docs.lines().filter(|l| l.starts_with('#')).map(str::to_owned);
        lines.collect::<Vec<_>>().join("\n")
    };
    let headings = docs.as_deref().map(headings);
    let mut bad = Vec::new();
    for domain in domains() {
        // A layer of the domain's name has the tests of both.
        let has_tests = ["t/api", "t"].iter().any(|folder| {
            let tests = root().join(folder).join(&domain);
            tests.is_dir() || tests.with_extension("t").is_file()
        });
        if !has_tests && !UNTESTED_DOMAINS.contains(&domain.as_str()) {
            bad.push(format!("src/api/{domain} has no t/api/{domain}"));
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let undocumented = headings
            .as_ref()
            .is_some_and(|headings| !headings.split(|c| !is_word(c)).any(|word| word == domain));
        if undocumented && !UNDOCUMENTED_DOMAINS.contains(&domain.as_str()) {
            bad.push(format!("docs/api.md has no heading with `{domain}`"));
        }
    }
    none(&bad);
}

#[test]
fn no_paths_of_one_machine() {
    let folders = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    let mut bad = Vec::new();
    for file in tracked_files() {
        // Whatever is not text has no paths to speak of.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (n, line) in text.lines().enumerate() {
            let starts_path = |at: usize| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"_-.}*".contains(c))
            };
            let hit = |f: &String| line.match_indices(f.as_str()).any(|(at, _)| starts_path(at));
            if folders.iter().any(hit) {
                bad.push(format!("{}:{}: {}", shown(&file), n + 1, line.trim()));
            }
        }
    }
    none(&bad);
}

#[test]
fn nothing_is_left_to_do() {
    const MARKS: &[&str] = &["TODO", "FIXME", "todo!", "unimplemented!"];
    let mut bad = Vec::new();
    for file in files(&root().join("src")).into_iter().filter(|f| is_rust(f)) {
        for (n, line) in read(&file).lines().enumerate() {
            if MARKS.iter().any(|mark| line.contains(mark)) {
                bad.push(format!("{}:{}: {}", shown(&file), n + 1, line.trim()));
            }
        }
    }
    none(&bad);
}

#[test]
fn blocks_assert_the_answer_and_the_error_log() {
    let mut bad = Vec::new();
    for block in blocks() {
        // A dead nginx answers nothing, and an ignored answer is ignored on purpose.
        let answers = |s: &str| {
            let kinds = ["response_", "raw_response_", "error_code", "must_die", "ignore_response"];
            kinds.iter().any(|kind| s.starts_with(kind))
        };
        if !block.has(answers) {
            bad.push(format!("{} asserts nothing about the answer", block.place));
        }
        if !block.has(|s| s.contains("error_log") && s != "error_log_file") {
            bad.push(format!("{} asserts nothing about the error log", block.place));
        }
        if block.has(|s| s == "ONLY") {
            bad.push(format!("{} hides the other blocks", block.place));
        }
    }
    none(&bad);
}

/// Blocks run in parallel: two with the same fixed port would meet.
#[test]
fn blocks_take_ports_from_the_runner() {
    let is_fixed = |line: &str| {
        let line = line.trim();
        let address = line.strip_prefix("listen ").or(line.strip_prefix("--- tcp_listen:"));
        let address = address.or(line.strip_prefix("--- udp_listen:")).unwrap_or("").trim();
        let end = address.find([' ', ';']).unwrap_or(address.len());
        let port = address[..end].rsplit(':').next().unwrap_or("");
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    };
    let mut bad = Vec::new();
    for file in test_files() {
        let text = read(&file);
        let fixed = text.lines().enumerate().filter(|(_, line)| is_fixed(line));
        let place =
            |(n, line): (usize, &str)| format!("{}:{}: {}", shown(&file), n + 1, line.trim());
        bad.extend(fixed.map(place));
    }
    none(&bad);
}

#[track_caller]
fn none(bad: &[String]) {
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder that need not exist.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|e| e.expect("a folder entry").path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}

fn rust_files() -> Vec<PathBuf> {
    let folders = ["src", "tests"].map(|folder| root().join(folder));
    folders.iter().flat_map(|f| files(f)).filter(|f| is_rust(f)).collect()
}

fn test_files() -> Vec<PathBuf> {
    files(&root().join("t")).into_iter().filter(|f| has_extension(f, "t")).collect()
}

/// What git knows; nothing where the sources came without it.
fn tracked_files() -> Vec<PathBuf> {
    let listed = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output();
    let names = listed.map(|l| l.stdout).unwrap_or_default();
    let names = names.split(|b| *b == 0).filter(|n| !n.is_empty());
    names.map(|n| root().join(String::from_utf8_lossy(n).as_ref())).collect()
}

fn domains() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(root().join("src/api")) else { return BTreeSet::new() };
    let paths = entries.map(|e| e.expect("a folder entry").path());
    // The header for other modules is no domain.
    let names = paths.filter(|path| !has_extension(path, "h")).map(|path| stem(&path));
    names.filter(|name| !API_KIT.contains(&name.as_str())).collect()
}

fn read(file: &Path) -> String {
    // A layer may be a folder without a file of its name.
    fs::read_to_string(file).unwrap_or_default()
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_rust(file: &Path) -> bool {
    has_extension(file, "rs")
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}

/// Without comment lines: prose may name any layer.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first names after `crate::`, those in braces included.
fn crate_paths(code: &str) -> Vec<String> {
    let ident = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = code[at + mark.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            names.push(ident(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = 0;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    names.push(ident(&group[start..]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

struct Block {
    place: String,
    sections: Vec<String>,
}

impl Block {
    fn has(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.sections.iter().any(|s| wanted(s))
    }
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for file in test_files() {
        let text = read(&file);
        let data = text.lines().enumerate().skip_while(|(_, line)| *line != "__DATA__");
        for (n, line) in data {
            if line.starts_with("===") {
                let place = format!("{}:{}", shown(&file), n + 1);
                blocks.push(Block { place, sections: Vec::new() });
            } else if let (Some(name), Some(block)) = (line.strip_prefix("--- "), blocks.last_mut())
            {
                let name = name.trim_start().trim_start_matches('(');
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                block.sections.push(name[..end.unwrap_or(name.len())].to_owned());
            }
        }
    }
    blocks
}
