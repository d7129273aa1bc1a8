//! What has been found, by kind: counted, and the first of each kind saved below target/ for a reader.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::oracle::Fault;
use super::program::Program;
use super::server::Memory;

/// So many of a kind are looked at; those whose kind says little, more.
const LOOKED_AT: usize = 1;
const LOOKED_AT_VAGUE: usize = 4;

pub(crate) struct Findings {
    folder: PathBuf,
    seed: u64,
    start: Instant,
    kinds: Mutex<BTreeMap<String, Kind>>,
}

#[derive(Default)]
struct Kind {
    count: usize,
    first_after: u64,
    saved: Vec<String>,
}

pub(crate) struct Found<'a> {
    pub(crate) fault: &'a Fault,
    /// What it takes: one program, or the last one with those before it.
    pub(crate) programs: &'a [Program],
    pub(crate) minimal: Option<Program>,
    pub(crate) repeats: &'static str,
    pub(crate) log: &'a str,
    pub(crate) memory: Memory,
}

impl Findings {
    pub(crate) fn new(folder: PathBuf, seed: u64) -> Findings {
        // Of an earlier run.
        let _ = fs::remove_dir_all(&folder);
        Findings { folder, seed, start: Instant::now(), kinds: Mutex::default() }
    }

    /// Counts one; whether it is worth a closer look.
    pub(crate) fn count(&self, kind: &str) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let after = self.start.elapsed().as_secs();
        let known =
            kinds.entry(kind.to_owned()).or_insert(Kind { first_after: after, ..Kind::default() });
        known.count += 1;
        let most = if kind.contains(" in ") { LOOKED_AT } else { LOOKED_AT_VAGUE };
        known.count <= most
    }

    /// Whether this kind has been found, and again when it was looked at.
    pub(crate) fn has(&self, kind: &str) -> bool {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.get(kind).is_some_and(|k| k.saved.iter().any(|s| s != "not again"))
    }

    /// Writes a finding down and shows it.
    pub(crate) fn save(&self, found: Found<'_>) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let saved: usize = kinds.values().map(|k| k.saved.len()).sum();
        let slug: String = found
            .fault
            .kind
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let folder = self.folder.join(format!("{:03}-{}", saved + 1, &slug[..slug.len().min(60)]));
        let number = found.programs.last().map_or(0, |p| p.number);
        let mut text = format!(
            "{}\nseed {}, program {number}, memory {:?}, after {} s; it happens {}\n",
            found.fault.kind,
            self.seed,
            found.memory,
            self.start.elapsed().as_secs(),
            match found.repeats {
                "not again" => "once, and not again",
                other => other,
            }
        );
        let _ =
            writeln!(text, "repeat it: FUZZ_SEED={} FUZZ_PROGRAM={number} make fuzz\n", self.seed);
        if let Some(minimal) = &found.minimal {
            let _ = writeln!(text, "-- the least that still fails\n{}", minimal.text());
        }
        let _ = writeln!(text, "{}", found.fault.detail);
        let whole: Vec<_> = found
            .programs
            .iter()
            .map(|p| format!("-- program {}\n{}", p.number, p.text()))
            .collect();
        let log = found.log.as_bytes();
        let end = String::from_utf8_lossy(&log[log.len().saturating_sub(8000)..]).into_owned();
        let wrote = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("finding.txt"), &text))
            .and_then(|()| fs::write(folder.join("programs.lua"), whole.join("\n")))
            .and_then(|()| fs::write(folder.join("error.log"), &end));
        if let Err(error) = wrote {
            text.push_str(&format!("{}: {error}\n", folder.display()));
        }
        let tags =
            found.minimal.as_ref().map(|m| m.tags().into_iter().collect::<Vec<_>>().join(" + "));
        if let Some(kind) = kinds.get_mut(&found.fault.kind) {
            kind.saved.push(tags.unwrap_or_else(|| found.repeats.to_owned()));
        }
        println!("FOUND {text}see {}\n", folder.display());
    }

    /// Kinds and what they are made of; `None` if there are none.
    pub(crate) fn summary(&self) -> Option<String> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, kind) in kinds.iter() {
            let _ = writeln!(text, "{:5} × {name}, first after {} s", kind.count, kind.first_after);
            for saved in &kind.saved {
                let _ = writeln!(text, "        {}", saved.chars().take(300).collect::<String>());
            }
        }
        (!text.is_empty()).then_some(text)
    }
}
