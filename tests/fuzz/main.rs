//! Random Lua programs in every phase, and clients that ask for them, against an nginx with the module.
//!
//! `make fuzz`. What must not happen is in `oracle.rs`: a worker that dies, a line of [alert] or above, a request
//! without an answer, another request's data. FUZZ_SECONDS is how long it goes on, FUZZ_SEED what all programs
//! follow from; the seed is printed. FUZZ_PROGRAM repeats one program of a seed only. Findings lie below target/.
//! What needs no nginx is fuzzed by unit tests (`src/fuzz.rs`).
mod apis;
mod backtrace;
mod client;
mod core_file;
mod findings;
mod grammar;
mod http2;
mod lane;
mod minimise;
mod oracle;
mod peer;
mod plan;
#[path = "../suite/port.rs"]
mod port;
#[allow(dead_code)]
#[path = "../suite/process.rs"]
mod process;
mod productions;
mod program;
mod random;
mod request;
mod route;
mod server;
mod values;

use std::env;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use findings::Findings;
use lane::Lane;
use port::Port;
use server::{Memory, Settings};

/// What the lanes' servers do with memory; more lanes begin anew.
const MEMORIES: &[Memory] = &[Memory::Unmapped, Memory::Usual, Memory::Overwritten, Memory::Short];

fn main() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let modules = env::var("TEST_NGINX_LOAD_MODULES").unwrap_or_default();
    let nginx = env::var("TEST_NGINX_BINARY").unwrap_or_else(|_| "nginx".to_owned());
    if modules.is_empty() {
        fail("TEST_NGINX_LOAD_MODULES names no module (make fuzz)");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = number("FUZZ_SEED").unwrap_or(now.as_millis() as u64);
    let lanes = number("FUZZ_LANES").unwrap_or(MEMORIES.len() as u64).max(1);
    let start = Instant::now();
    let end = start + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(10));
    println!("FUZZ_SEED={seed}");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let findings = Findings::new(scratch.join(format!("fuzz/{seed}")), seed);
    let (played, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let troubles = Mutex::new(Vec::new());
    let lease = Port::lease().unwrap_or_else(|why| fail(&why));
    let settings = Settings { nginx, modules, peer: lease.number() };
    if let Err(error) = peer::start(settings.peer) {
        fail(&format!("peer: {error}"));
    }
    // One program only: every lane plays it again and again.
    let (first, step) = number("FUZZ_PROGRAM").map_or((None, lanes), |only| (Some(only), 0));
    thread::scope(|scope| {
        for at in 0..lanes {
            let memory = MEMORIES[at as usize % MEMORIES.len()];
            let folder = env::temp_dir().join(format!("ngx-fuzz-{}-{at}", std::process::id()));
            let (settings, findings, played, answered) = (&settings, &findings, &played, &answered);
            let lane = Lane { settings, findings, seed, memory, folder, played, answered };
            let troubles = &troubles;
            scope.spawn(move || {
                let ran = lane.run(first.unwrap_or(at), step, end);
                let _ = std::fs::remove_dir_all(&lane.folder);
                if let (Err(trouble), Ok(mut all)) = (ran, troubles.lock()) {
                    all.push(trouble);
                }
            });
        }
    });
    let count = played.load(Ordering::Relaxed);
    let answered = answered.load(Ordering::Relaxed);
    println!("{count} programs in {} s, {answered} answers with tokens", start.elapsed().as_secs());
    let troubles = troubles.into_inner().unwrap_or_default().join("\n");
    match findings.summary() {
        Some(kinds) => fail(&format!("FUZZ_SEED={seed} found:\n{kinds}{troubles}")),
        None if !troubles.is_empty() => fail(&troubles),
        None if answered == 0 && first.is_none() => fail("no program has answered"),
        None => println!("ok: nothing was found"),
    }
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1);
}
