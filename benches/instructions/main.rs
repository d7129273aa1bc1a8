//! `make bench`: the instructions a request costs, ours beside the C module's.
//!
//! Instructions are counted, not time measured: they do not depend on what else the machine does. Each number is
//! the difference of two runs of nginx under callgrind that differ only in how many requests they answer, so
//! the start, the end and the warm-up (LuaJIT compiles what runs often) cancel out. Differences below 2 % are
//! noise.
//!
//! Environment: `BENCH_NGINX`, `BENCH_MODULES` (ours) and `BENCH_C_MODULES` (what to load, separated by spaces: the
//! C module needs another one), `BENCH_JOBS`, `BLESS=1` (writes the table into README.md). Arguments choose rows by
//! part of their name.

mod client;
mod peer;
mod report;
mod rows;
mod rows_over_hello;
mod server;

use std::collections::HashMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Mutex;
use std::thread;

use crate::client::Response;
use crate::rows::{FLOORS, Row};
use crate::server::{Run, Side};

/// Requests of the shorter run: enough for LuaJIT to have compiled what it will compile.
const WARM_UP: u64 = 2000;
/// Requests that the longer run answers in addition.
const MEASURED: u64 = 3000;

const C_MODULES: &str = "/usr/lib/nginx/modules/ndk_http_module.so \
                         /usr/lib/nginx/modules/ngx_http_lua_module.so";

/// A run to be made: row, side, and whether it is the longer one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Job {
    row: &'static str,
    side: &'static str,
    long: bool,
}

type Runs = HashMap<Job, io::Result<Run>>;

struct Line {
    row: &'static Row,
    /// What nginx alone, or the row below, costs each module.
    their_floor: u64,
    our_floor: u64,
    theirs: Option<u64>,
    ours: u64,
}

impl Line {
    /// Our cost above the floor as a part of theirs.
    fn ratio(&self) -> Option<f64> {
        let above = |cost: u64, floor: u64| cost as f64 - floor as f64;
        Some(above(self.ours, self.our_floor) / above(self.theirs?, self.their_floor))
    }

    fn is_missed(&self) -> bool {
        self.ratio().is_some_and(|ratio| ratio > self.row.target)
    }
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> io::Result<()> {
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rows: Vec<&'static Row> = rows::all()
        .filter(|row| wanted.is_empty() || wanted.iter().any(|part| row.name.contains(part)))
        .collect();
    if rows.is_empty() {
        return Err(io::Error::other("no row has such a name"));
    }

    let nginx = path("BENCH_NGINX", "/usr/sbin/nginx");
    let floor = Side { name: "floor", modules: Vec::new() };
    let ours = side("ours", "BENCH_MODULES", "objs/ngx_http_lua_module.so");
    let theirs = side("C", "BENCH_C_MODULES", C_MODULES);
    let theirs = theirs.modules.iter().all(|path| path.exists()).then_some(theirs);
    if theirs.is_none() {
        eprintln!("bench: the C module is not installed: nothing to compare with");
    }

    let mut tasks: Vec<(&Row, &Side)> = FLOORS.iter().map(|row| (row, &floor)).collect();
    let all: Vec<&Row> = rows::all()
        .filter(|row| rows.iter().any(|wanted| wanted.name == row.name || wanted.over == row.name))
        .collect();
    for row in &all {
        tasks.extend(theirs.iter().map(|side| (*row, side)));
        tasks.push((row, &ours));
    }
    let mut runs = run_all(&nginx, &tasks)?;

    let mut floors = HashMap::new();
    for row in FLOORS {
        floors.insert(row.name, cost(&mut runs, row, &floor)?.0);
    }
    let mut costs = HashMap::new();
    let mut failed = 0;
    for row in all {
        match costs_of(&mut runs, row, theirs.as_ref(), &ours) {
            Ok(measured) => {
                costs.insert(row.name, measured);
            }
            Err(error) => {
                eprintln!("bench: {error}");
                failed += 1;
            }
        }
    }
    let line = |row: &'static Row| {
        let (theirs, ours) = *costs.get(row.name)?;
        let (their_floor, our_floor) = match row.over {
            "" => (floors[row.floor], floors[row.floor]),
            below => costs.get(below).map(|(below, ours)| (below.unwrap_or_default(), *ours))?,
        };
        Some(Line { row, their_floor, our_floor, theirs, ours })
    };
    let lines: Vec<Line> = rows.into_iter().filter_map(line).collect();

    let table = table(&lines);
    println!("{table}");
    if failed > 0 {
        return Err(io::Error::other(format!("{failed} rows could not be measured")));
    }
    if env::var("BLESS").is_ok_and(|value| value == "1") {
        bless(&table, wanted.is_empty())?;
    }
    match lines.iter().filter(|line| line.is_missed()).count() {
        0 => Ok(()),
        missed => {
            Err(io::Error::other(format!("{missed} of {} rows miss their target", lines.len())))
        }
    }
}

fn path(variable: &str, default: &str) -> PathBuf {
    env::var_os(variable).unwrap_or_else(|| default.into()).into()
}

fn side(name: &'static str, variable: &str, default: &str) -> Side {
    let paths = env::var(variable).unwrap_or_else(|_| default.into());
    let absolute = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    Side { name, modules: paths.split_whitespace().map(absolute).collect() }
}

/// Makes all runs, as many at a time as there are processors.
fn run_all(nginx: &Path, tasks: &[(&'static Row, &Side)]) -> io::Result<Runs> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", process::id()));
    let jobs = match env::var("BENCH_JOBS").ok().and_then(|jobs| jobs.parse().ok()) {
        Some(jobs) => jobs,
        None => thread::available_parallelism()?.get(),
    };

    let tls = peer::TlsPeer::start(nginx, &scratch.join("tls"))?;
    let peers = server::Peers { plain: peer::start()?, tls: tls.port };
    let queue = Mutex::new(tasks.iter().flat_map(|task| [(task, true), (task, false)]).enumerate());
    let runs = Mutex::new(Runs::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((number, (&(row, side), long))) = next(&queue) {
                    let requests = WARM_UP + if long { MEASURED } else { 0 };
                    let dir = scratch.join(number.to_string());
                    let run = server::run(nginx, side, row, requests, &dir, peers);
                    let job = Job { row: row.name, side: side.name, long };
                    runs.lock().expect("no thread panics").insert(job, run);
                }
            });
        }
    });
    let _ = fs::remove_dir_all(&scratch);
    runs.into_inner().map_err(io::Error::other)
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().expect("no thread panics").next()
}

/// The instructions of one request: theirs, if there is a C module, and ours.
fn costs_of(
    runs: &mut Runs,
    row: &'static Row,
    theirs: Option<&Side>,
    ours: &Side,
) -> io::Result<(Option<u64>, u64)> {
    let (our_cost, our_response) = cost(runs, row, ours)?;
    let Some(theirs) = theirs else { return Ok((None, our_cost)) };
    let (their_cost, their_response) = cost(runs, row, theirs)?;
    same(row, &their_response, &our_response)?;
    Ok((Some(their_cost), our_cost))
}

/// The instructions of one request, and what it was answered with.
fn cost(runs: &mut Runs, row: &'static Row, side: &Side) -> io::Result<(u64, Response)> {
    let mut take = |long| {
        let job = Job { row: row.name, side: side.name, long };
        let run = runs.remove(&job).ok_or_else(|| io::Error::other("a run was not made"))?;
        run.map_err(|error| io::Error::other(format!("{} ({}): {error}", row.name, side.name)))
    };
    let (long, short) = (take(true)?, take(false)?);
    let measured = long.instructions.saturating_sub(short.instructions);
    Ok((measured / MEASURED, long.response))
}

fn same(row: &Row, theirs: &Response, ours: &Response) -> io::Result<()> {
    if theirs == ours {
        return Ok(());
    }
    let name = row.name;
    Err(io::Error::other(format!("{name}: the answers differ\nC:    {theirs:?}\nours: {ours:?}")))
}

/// The table in Markdown. A ratio that misses its target is bold.
fn table(lines: &[Line]) -> String {
    let mut table = String::from(
        "| a request | floor | C module | this module | above the floor, ours to C | target |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for line in lines {
        let theirs = line.theirs.map_or("–".into(), thousands);
        let ratio = match line.ratio() {
            Some(ratio) if line.is_missed() => format!("**{ratio:.2}**"),
            Some(ratio) => format!("{ratio:.2}"),
            None => "–".into(),
        };
        let (name, target) = (line.row.name, line.row.target);
        let floor = match line.row.over {
            "" => thousands(line.our_floor),
            below => below.to_owned(),
        };
        let ours = thousands(line.ours);
        let _ = writeln!(table, "| {name} | {floor} | {theirs} | {ours} | {ratio} | {target} |");
    }
    table
}

fn thousands(number: u64) -> String {
    match number / 1000 {
        0 => number.to_string(),
        above => format!("{},{:03}", thousands(above), number % 1000),
    }
}

/// Writes the table between the markers in README.md.
fn bless(table: &str, complete: bool) -> io::Result<()> {
    const START: &str = "<!-- bench: written by `make bench BLESS=1` -->\n";
    const END: &str = "<!-- /bench -->";
    if !complete {
        return Err(io::Error::other("BLESS=1 needs all rows"));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = fs::read_to_string(path)?;
    let parts =
        text.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| io::Error::other("no place for the table in README.md"))?;
    fs::write(path, format!("{before}{START}\n{table}\n{END}{after}"))
}
