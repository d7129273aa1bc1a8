//! What callgrind has written: the instructions of a run, all of them or without those of some libraries.
//!
//! A library's part is what calls into it from elsewhere cost, with everything that they call in turn.

use std::collections::HashMap;
use std::fs;
use std::io::{Error, Result};
use std::path::Path;

/// The instructions of the run that wrote `report`. Those of libraries whose files have one of the names `without` are
/// left out.
pub(crate) fn instructions(report: &Path, without: &[&str]) -> Result<u64> {
    let text = fs::read_to_string(report).map_err(|_| Error::other("nginx died"))?;
    let total: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
        .ok_or_else(|| Error::other(format!("no totals in {}", report.display())))?;
    if without.is_empty() {
        return Ok(total);
    }
    Ok(total.saturating_sub(calls_into(&text, without)))
}

/// Whose functions an object file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Named,
    /// The system's, and entries of linkage tables: called by everybody, also by the libraries in question.
    Shared,
    Other,
}

impl Whose {
    fn of(path: &str, names: &[&str]) -> Self {
        let file = path.rsplit('/').next().unwrap_or(path);
        let begins = |names: &[&str]| names.iter().any(|name| file.starts_with(name));
        if begins(names) {
            Self::Named
        } else if begins(&["libc.", "ld-", "???"]) {
            Self::Shared
        } else {
            Self::Other
        }
    }
}

/// What calls into libraries with such names cost, made from outside of them.
///
/// In a report, `ob=` says whose functions follow, and `cob=` whose function the next `calls=` is about, if it is another's;
/// the line after that ends with the cost. A name stands beside its number once.
fn calls_into(text: &str, names: &[&str]) -> u64 {
    let mut known = HashMap::new();
    let mut whose = |object: &str| {
        let (number, path) = object.split_once(' ').unwrap_or((object, ""));
        if !path.is_empty() {
            known.insert(number.to_owned(), Whose::of(path, names));
        }
        known.get(number).copied().unwrap_or(Whose::Shared)
    };
    let (mut sum, mut caller, mut callee) = (0, Whose::Shared, None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            caller = whose(object);
        } else if let Some(object) = line.strip_prefix("cob=") {
            callee = Some(whose(object));
        } else if line.starts_with("calls=") {
            let to = callee.take();
            let cost: Option<u64> =
                lines.next().and_then(|line| line.rsplit(' ').next()?.parse().ok());
            if caller == Whose::Other && to == Some(Whose::Named) {
                sum += cost.unwrap_or(0);
            }
        }
    }
    sum
}
