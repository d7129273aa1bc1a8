//! Where a worker died: the calls that lead there, by gdb if it is installed, which is asked once for each place.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::core_file;
use super::server::Server;

/// Functions that every abnormal end goes through have these in their names.
const ENDS: &[&str] = &["raise", "abort", "pthread_kill", "__libc_message"];

/// The kind of a death with its first functions, and the trace; the cores are taken away.
pub(crate) fn of(server: &Server, kind: &str) -> Option<(String, String)> {
    static KNOWN: Mutex<BTreeMap<String, (String, String)>> = Mutex::new(BTreeMap::new());
    let cores = server.cores();
    let core = cores.first()?;
    // Every abort is in the same function of the C library.
    let place = core_file::instruction(core)
        .filter(|_| kind != "signal 6")
        .map(|at| format!("{kind} at {at}"));
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = place.as_ref().and_then(|place| known().get(place).cloned());
    let found = found.or_else(|| {
        let told = told(&server.binary, core, kind)?;
        if let Some(place) = place {
            known().insert(place, told.clone());
        }
        Some(told)
    });
    cores.iter().for_each(|core| drop(fs::remove_file(core)));
    found
}

fn told(binary: &str, core: &Path, kind: &str) -> Option<(String, String)> {
    let trace = trace(binary, &core.display().to_string())?;
    let names: Vec<String> = trace.lines().filter_map(function).collect();
    let names =
        names.iter().map(String::as_str).filter(|n| !ENDS.iter().any(|end| n.contains(end)));
    let mut shown: Vec<&str> = names.clone().take(2).collect();
    // The first function with a place in the module's source, if it is not among them.
    let module = trace.lines().find(|frame| frame.contains(" at src/")).and_then(function);
    shown.extend(module.as_deref().filter(|m| !shown.contains(m)));
    Some((format!("{kind} in {}", shown.join(" < ")), trace.clone()))
}

fn trace(binary: &str, core: &str) -> Option<String> {
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "bt 30", binary, core])
        .output();
    let text = String::from_utf8_lossy(&gdb.ok()?.stdout).into_owned();
    // The innermost frame is also shown on its own.
    let mut frames: Vec<_> = text.lines().filter(|l| l.starts_with('#')).collect();
    frames.dedup();
    (!frames.is_empty()).then(|| frames.join("\n"))
}

/// `#3  0x0000 in name (…) at …`: the name, without the parameters of generic types.
fn function(frame: &str) -> Option<String> {
    let rest =
        frame.strip_prefix('#')?.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let (address, rest) = rest.split_once(" in ").unwrap_or(("", rest));
    if let Some((_, library)) = rest.split_once("?? () from ") {
        // Libraries are loaded at whole pages: where in its page a function is stays the same.
        let library = library.rsplit('/').next().unwrap_or(library);
        let library = library.split(['.', '-']).next().unwrap_or(library);
        return Some(format!("{library}+{}", &address[address.len().saturating_sub(3)..]));
    }
    let name = rest.split(" (").next()?;
    let mut depth = 0;
    let plain = name.chars().filter(|c| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => return depth == 0,
        }
        false
    });
    let plain: String = plain.collect();
    Some(if plain.is_empty() { name.to_owned() } else { plain })
}
