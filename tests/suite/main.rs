//! `cargo test --test suite`: runs the Test::Nginx files of `t/` without Perl, every block a test of its own,
//! in parallel. The same files mean the same under the real Test::Nginx. This runner is stricter about
//! unknown, empty and repeated sections, blocks that assert nothing, [alert] lines and dead workers, refuses
//! Perl beyond literals, and gives late log lines a little more time.
//!
//! `cargo test --test suite -- api/sleep` picks tests by path or title. The environment is Test::Nginx's:
//! TEST_NGINX_BINARY, TEST_NGINX_LOAD_MODULES, TEST_NGINX_TIMEOUT, TEST_NGINX_USE_VALGRIND,
//! TEST_NGINX_LOG_LEVEL; TEST_NGINX_SUITE names another folder of test files.
mod case;
mod certificate;
mod check;
mod client;
mod conf;
mod daemon;
mod dns;
mod http2;
mod log;
mod peer;
mod perl;
mod port;
mod preamble;
mod process;
mod report;
mod request;
mod response;
mod root;
mod run;
mod runner;
mod server;
mod settings;
mod skip;
mod socket;
mod spec;
mod value;
mod vars;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use libtest_mimic::{Arguments, Failed, Trial};

use case::Case;
use preamble::Preamble;
use settings::Settings;
use spec::{Block, Spec};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // Most of a block's time is waiting.
    let cores = available_parallelism().map_or(1, usize::from);
    args.test_threads.get_or_insert(2 * cores);
    let settings = Arc::new(Settings::from_env());
    let mut trials = runner::trials();
    let dir = settings::suite_dir();
    for file in test_files(&dir) {
        trials.extend(trials_of(&file, &dir, &settings));
    }
    // Process ids come round: a run that had this one may have left failed blocks behind.
    let _ = fs::remove_dir_all(root::run_dir());
    let conclusion = libtest_mimic::run(&args, trials);
    // Only an empty folder goes: server roots of failed blocks stay.
    let _ = fs::remove_dir(root::run_dir());
    conclusion.exit_code()
}

/// The `.t` files below `dir`, in order.
fn test_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    let files = paths.into_iter().flat_map(|p| if p.is_dir() { test_files(&p) } else { vec![p] });
    files.filter(|p| p.extension().is_some_and(|e| e == "t")).collect()
}

fn trials_of(file: &Path, dir: &Path, settings: &Arc<Result<Settings, String>>) -> Vec<Trial> {
    let path = file.strip_prefix(dir.parent().unwrap_or(dir)).unwrap_or(file).display();
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) => {
            let broken = move || Err(Failed::from(error.to_string()));
            return vec![Trial::test(path.to_string(), broken)];
        }
    };
    let spec = Spec::parse(&text);
    let preamble = Arc::new(spec.preamble);
    let mut seen = BTreeMap::new();
    let trial = |block: Block| {
        let count = seen.entry(block.name.clone()).or_insert(0);
        *count += 1;
        let again = if *count > 1 { format!(" ({count})") } else { String::new() };
        let name = format!("{path}::{}{again}", block.name);
        let skipped = match settings.as_ref() {
            Ok(settings) => skip::is_skipped(&block, settings),
            Err(_) => Ok(block.has("SKIP")),
        };
        let place = format!("{path}:{}", block.line);
        let (preamble, settings) = (Arc::clone(&preamble), Arc::clone(settings));
        let is_skipped = matches!(skipped, Ok(true));
        let run = move || {
            let verdict = skipped.and_then(|_| run_block(&block, &preamble, &settings));
            verdict.map_err(|why| format!("{place}\n{why}").into())
        };
        Trial::test(name, run).with_ignored_flag(is_skipped)
    };
    spec.blocks.into_iter().map(trial).collect()
}

fn run_block(
    block: &Block,
    preamble: &Result<Preamble, String>,
    settings: &Result<Settings, String>,
) -> Result<(), String> {
    let preamble = preamble.as_ref().map_err(Clone::clone)?;
    let case = Case::new(block).map_err(|errors| errors.join("\n"))?;
    run::run(&case, preamble, settings.as_ref().map_err(Clone::clone)?)
}
