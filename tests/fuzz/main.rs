//! Random requests, and calls of every function with random values, against an nginx with the module.
//!
//! `make fuzz`. What must not happen: a worker that ends, a line of [alert] or above that Lua code has
//! not written, a connection that stays open, a server that does not answer any more. FUZZ_SECONDS is how
//! long it goes on, FUZZ_SEED where it begins; the seed is printed. What needs no nginx is fuzzed by unit
//! tests (`src/fuzz.rs`).
mod random;
mod request;
mod server;

use std::env;
use std::time::{Duration, Instant, SystemTime};

use random::Random;
use server::Server;

/// Where `fuzz.lua` calls functions.
const PHASES: &[&str] = &[
    "set",
    "rewrite",
    "access",
    "content",
    "header_filter",
    "body_filter",
    "log",
    "timer",
    "thread",
];

fn main() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let modules = env::var("TEST_NGINX_LOAD_MODULES").unwrap_or_default();
    if modules.is_empty() {
        eprintln!("skipped: TEST_NGINX_LOAD_MODULES names no module (make fuzz)");
        return;
    }
    let nginx = env::var("TEST_NGINX_BINARY").unwrap_or_else(|_| "nginx".to_owned());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let first = number("FUZZ_SEED").unwrap_or(now.as_millis() as u64);
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(10));
    println!("FUZZ_SEED={first}");
    let server = Server::start(&nginx, &modules);
    let (rounds, mut faults) = run(&server, first, end);
    faults.extend(server.quit(faults.is_empty()));
    if faults.is_empty() {
        println!("ok: {rounds} rounds");
    } else {
        eprintln!("FUZZ_SEED={first}, {rounds} rounds:\n{}", faults.join("\n"));
        std::process::exit(1);
    }
}

/// Rounds until `end` or the first fault; how many there were.
fn run(server: &Server, first: u64, end: Instant) -> (u64, Vec<String>) {
    let mut seed = first;
    while Instant::now() < end {
        let look = !round(server, seed) || seed.is_multiple_of(64);
        let mut faults = if look { server.faults() } else { Vec::new() };
        if look && !server.is_alive() {
            faults.push("no answer any more".to_owned());
        }
        seed += 1;
        if !faults.is_empty() {
            return (seed - first, faults);
        }
    }
    let leaked = server.leaked_connections();
    let leaks = (leaked > 0).then(|| format!("{leaked} connections left open"));
    (seed - first, leaks.into_iter().collect())
}

/// One request, or one that makes Lua call functions; whether there was an answer.
fn round(server: &Server, seed: u64) -> bool {
    let mut random = Random::new(seed);
    if random.one_in(2) {
        let phase = random.pick(PHASES);
        return !server.get(&format!("/call/{phase}?seed={}", seed % (1 << 31))).is_empty();
    }
    let request = request::any(&mut random);
    let pause = random.one_in(4);
    !server.talk(&request, pause).is_empty()
}
