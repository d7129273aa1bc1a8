//! A lane: a server of its own, and the programs that run on it one after the other. Several lanes at once keep
//! the processors busy, and still each finding belongs to the program that was running.
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{self, BOUND, Outcome};
use super::findings::Findings;
use super::minimise;
use super::oracle::{self, Fault};
use super::plan;
use super::program::Program;
use super::server::{Memory, Server, Settings};

/// Open connections are counted after so many programs.
const COUNTED_EVERY: u64 = 20;

/// Earlier programs that a finding may need, as objects and timers of theirs are left.
const HISTORY: usize = 6;

/// What ends with its client has ended after this.
const SOON: Duration = Duration::from_millis(100);

/// The log is given up above this size.
const LARGEST_LOG: u64 = 50 << 20;

pub(crate) struct Lane<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) findings: &'a Findings,
    pub(crate) seed: u64,
    pub(crate) memory: Memory,
    pub(crate) folder: PathBuf,
    pub(crate) played: &'a AtomicU64,
    /// Connections over which a token came back: without any, nothing of all this has been tried.
    pub(crate) answered: &'a AtomicU64,
}

impl Lane<'_> {
    /// Plays the programs `first`, `first + step`, … until the time has come.
    pub(crate) fn run(&self, first: u64, step: u64, end: Instant) -> Result<(), String> {
        let mut server = self.start("server")?;
        let mut history: VecDeque<Program> = VecDeque::new();
        let mut number = first;
        let mut since_count = Vec::new();
        while Instant::now() < end {
            let program = plan::program(self.seed, number);
            let (mut faults, answered) = play(&mut server, &program, 0, self.bound());
            self.played.fetch_add(1, Ordering::Relaxed);
            self.answered.fetch_add(answered, Ordering::Relaxed);
            number += step;
            since_count.push(program.clone());
            let mut suspects = vec![program.clone()];
            if faults.is_empty() && !program.must_be_answered() && server.leaked(SOON) > 0 {
                // What waits for ever is not to be counted.
                server = self.restart(server)?;
                since_count.clear();
            }
            if faults.is_empty() && since_count.len() as u64 >= COUNTED_EVERY {
                faults = leaks(&mut server, Duration::from_secs(4));
                suspects = std::mem::take(&mut since_count);
            }
            if faults.is_empty() {
                history.push_back(program);
                history.drain(..history.len().saturating_sub(HISTORY));
                if fs::metadata(server.root.join("logs/error.log"))
                    .is_ok_and(|m| m.len() > LARGEST_LOG)
                {
                    server = self.restart(server)?;
                }
                continue;
            }
            let log = server.log_end();
            for fault in &faults {
                minimise::handle(self, fault, &suspects, history.make_contiguous(), &log);
            }
            // What it has left behind is not to be found again; a worker that died has left nothing.
            if !faults.iter().all(|f| f.is_death()) {
                server = self.restart(server)?;
            }
            history.clear();
            since_count.clear();
        }
        let mut last = oracle::of_log(&mut server);
        if !server.quit() {
            last.push(Fault { kind: "nginx does not end".into(), detail: String::new() });
        }
        last.extend(oracle::of_log(&mut server));
        let log = server.log_end();
        let suspects: Vec<_> = history.into_iter().collect();
        last.iter().for_each(|fault| minimise::handle(self, fault, &suspects, &[], &log));
        Ok(())
    }

    /// Where requests are known to get lost, others are not waited for as long.
    fn bound(&self) -> Duration {
        if self.findings.has(oracle::UNANSWERED) { BOUND / 4 } else { BOUND }
    }

    /// Two in one folder would be in each other's way.
    fn restart(&self, server: Server) -> Result<Server, String> {
        drop(server);
        self.start("server")
    }

    pub(crate) fn start(&self, name: &str) -> Result<Server, String> {
        Server::start(self.settings, &self.folder.join(name), self.memory)
    }
}

/// Plays a program and judges what came of it; how many connections got tokens.
pub(crate) fn play(
    server: &mut Server,
    program: &Program,
    attempt: usize,
    bound: Duration,
) -> (Vec<Fault>, u64) {
    let name = program.name(attempt);
    let folder = server.root.join("programs").join(&name);
    if let Err(error) = program.write(&folder) {
        let kind = format!("{}: {error}", folder.display());
        return (vec![Fault { kind, detail: String::new() }], 0);
    }
    let of_worker = ["init_worker", "exit_worker"].map(|phase| {
        let has_one = program.chunk(phase).is_some();
        let file = server.root.join(format!("worker.{phase}"));
        has_one.then(|| fs::write(&file, format!("{name}\n"))).map(|_| file)
    });
    let outcomes = thread::scope(|scope| {
        if let Some(ms) = program.hup_ms {
            let server = &*server;
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(ms));
                server.hup();
            });
        }
        client::play(program, attempt, &server.ports, bound)
    });
    if program.hup_ms.is_some() {
        // Until the new worker is there, and the old one has gone if that matters.
        let has_more = of_worker.iter().any(Option::is_some);
        thread::sleep(Duration::from_millis(if has_more { 300 } else { 60 }));
    }
    let faults = oracle::judge(server, program, attempt, &outcomes, 2 * bound);
    for file in of_worker.into_iter().flatten() {
        let _ = fs::remove_file(file);
    }
    let _ = fs::remove_dir_all(folder);
    let has_token = |outcome: &&Outcome| outcome.answer.windows(5).any(|bytes| bytes == b"tok:p");
    (faults, outcomes.iter().filter(has_token).count() as u64)
}

/// Connections that stay open, as a fault.
pub(crate) fn leaks(server: &mut Server, patience: Duration) -> Vec<Fault> {
    let leaked = server.leaked(patience);
    let mut faults = oracle::of_log(server);
    if leaked > 0 && faults.is_empty() {
        faults.push(Fault { kind: LEAK.into(), detail: format!("{leaked} connections") });
    }
    faults
}

pub(crate) const LEAK: &str = "connections left open";
