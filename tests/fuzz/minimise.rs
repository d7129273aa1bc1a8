//! Repeats what was found on a server of its own, and drops from the program whatever it does not take.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::findings::Found;
use super::lane::{self, LEAK, Lane};
use super::oracle::Fault;
use super::program::{Chunk, Node, Program};
use super::server::Server;

/// How long one finding may take, and how often a program is tried before it counts as one that does not fail.
const BUDGET: Duration = Duration::from_secs(30);
/// What has had no answer once is not waited for as long.
const BOUND_AGAIN: Duration = Duration::from_millis(1000);
const TRIES: usize = 6;
const TRIES_WHILE_CUTTING: usize = 2;

/// Takes note of a fault, and makes it small unless its kind is known well enough.
pub(crate) fn handle(
    lane: &Lane<'_>,
    fault: &Fault,
    suspects: &[Program],
    history: &[Program],
    log: &str,
) {
    if !lane.findings.count(&fault.kind) {
        return;
    }
    let mut trial = Trial {
        lane,
        kinds: BTreeSet::from([fault.kind.clone()]),
        server: None,
        attempt: 0,
        is_cutting: false,
    };
    let end = Instant::now() + BUDGET;
    let is_leak = fault.kind == LEAK;
    // Many suspects once each, before any of them again.
    let mut rounds = (0..TRIES).flat_map(|_| suspects);
    let culprit = rounds.find(|program| {
        Instant::now() < end && trial.fails(std::slice::from_ref(program), 1, is_leak)
    });
    let whole: Vec<Program> = history.iter().chain(suspects).cloned().collect();
    let (programs, minimal, repeats) = match culprit {
        Some(program) => {
            trial.is_cutting = true;
            let minimal = cut(&mut trial, program, is_leak, Instant::now() + BUDGET);
            (vec![program.clone()], Some(minimal), "alone")
        }
        None if trial.fails(&whole, 2, is_leak) => (whole, None, "with the programs before it"),
        None => (whole, None, "not again"),
    };
    lane.findings.save(Found {
        fault,
        programs: &programs,
        minimal,
        repeats,
        log,
        memory: lane.memory,
    });
}

/// Runs programs until one of the faults that are looked for shows.
struct Trial<'a, 'b> {
    lane: &'a Lane<'b>,
    /// Kinds that count: those that were seen when nothing had been cut yet. Where memory is broken, the place
    /// where that shows is not always the same.
    kinds: BTreeSet<String>,
    server: Option<Server>,
    attempt: usize,
    is_cutting: bool,
}

impl Trial<'_, '_> {
    fn fails(&mut self, programs: &[Program], tries: usize, is_leak: bool) -> bool {
        for _ in 0..tries {
            let server = match self.server.take() {
                Some(server) => server,
                None => match self.lane.start("minimise") {
                    Ok(server) => server,
                    Err(_) => return false,
                },
            };
            let server = self.server.insert(server);
            let mut faults = Vec::new();
            for program in programs {
                self.attempt += 1;
                faults.extend(lane::play(server, program, self.attempt, BOUND_AGAIN).0);
            }
            if faults.is_empty() && is_leak {
                faults = lane::leaks(server, BOUND_AGAIN);
            }
            if faults.is_empty() {
                continue;
            }
            // As it found the server, so the next one shall.
            if !faults.iter().all(Fault::is_death) {
                self.server = None;
            }
            if faults.iter().any(|f| self.kinds.contains(&f.kind)) {
                return true;
            }
            let same_end = |kind: &str| kind.split(" in ").next().map(str::to_owned);
            let wanted: BTreeSet<_> = self.kinds.iter().filter_map(|k| same_end(k)).collect();
            if !self.is_cutting
                && faults.iter().any(|f| same_end(&f.kind).is_some_and(|k| wanted.contains(&k)))
            {
                self.kinds.extend(faults.into_iter().map(|f| f.kind));
                return true;
            }
        }
        false
    }
}

/// The program without what it can fail without.
fn cut(trial: &mut Trial<'_, '_>, program: &Program, is_leak: bool, end: Instant) -> Program {
    let mut best = program.clone();
    loop {
        let before = size(&best);
        for step in [without_connections, without_chunks, without_outermost_nodes, without_nodes] {
            for candidate in step(&best) {
                if Instant::now() > end {
                    return best;
                }
                // The candidates were made of the best of the step's start: what has been cut since stays cut.
                let Some(candidate) = candidate.of(&best) else { continue };
                if trial.fails(std::slice::from_ref(&candidate), TRIES_WHILE_CUTTING, is_leak) {
                    best = candidate;
                }
            }
        }
        if size(&best) == before {
            return best;
        }
    }
}

/// One thing to leave out, named so that it can still be found when others have been left out.
enum Cut {
    /// All but one of the connections, or of the chunks' variants.
    OtherConnections(usize),
    OtherVariants(&'static str),
    /// Half of a chunk's statements.
    Half(usize, bool),
    Connection(usize),
    Request(usize),
    Hup,
    Chunk(&'static str, &'static str),
    /// A statement, by the way to it; or only what is around its block.
    Node(usize, Vec<usize>),
    Hoist(usize, Vec<usize>),
}

impl Cut {
    fn of(&self, program: &Program) -> Option<Program> {
        let mut cut = program.clone();
        match self {
            Cut::OtherConnections(at) => {
                (cut.connections.len() > 1).then_some(())?;
                cut.connections = vec![cut.connections.get(*at)?.clone()];
            }
            Cut::OtherVariants(variant) => {
                cut.chunks.retain(|c| c.variant == *variant);
                (!cut.chunks.is_empty() && cut.chunks.len() < program.chunks.len()).then_some(())?;
            }
            Cut::Half(chunk, first) => {
                let nodes = &mut cut.chunks.get_mut(*chunk)?.nodes;
                (nodes.len() > 2).then_some(())?;
                let second = nodes.split_off(nodes.len() / 2);
                if *first {
                    *nodes = second;
                }
            }
            Cut::Connection(at) => {
                (cut.connections.len() > 1 && *at < cut.connections.len()).then_some(())?;
                cut.connections.remove(*at);
            }
            Cut::Request(at) => {
                let requests = &mut cut.connections.get_mut(*at)?.requests;
                (requests.len() > 1).then(|| requests.pop())?;
            }
            Cut::Hup => drop(cut.hup_ms.take()?),
            Cut::Chunk(phase, variant) => {
                let before = cut.chunks.len();
                cut.chunks.retain(|c| c.phase != *phase || c.variant != *variant);
                (cut.chunks.len() < before).then_some(())?;
            }
            Cut::Node(chunk, way) => {
                let (nodes, at) = holder(&mut cut.chunks.get_mut(*chunk)?.nodes, way)?;
                nodes.remove(at);
            }
            Cut::Hoist(chunk, way) => {
                let (nodes, at) = holder(&mut cut.chunks.get_mut(*chunk)?.nodes, way)?;
                (!nodes[at].body.is_empty()).then_some(())?;
                let body = std::mem::take(&mut nodes[at].body);
                nodes.splice(at..=at, body);
            }
        }
        Some(cut)
    }
}

/// The list that the way's last step is in.
fn holder<'a>(mut nodes: &'a mut Vec<Node>, way: &[usize]) -> Option<(&'a mut Vec<Node>, usize)> {
    let (last, before) = way.split_last()?;
    for at in before {
        nodes = &mut nodes.get_mut(*at)?.body;
    }
    (*last < nodes.len()).then_some((nodes, *last))
}

fn without_connections(program: &Program) -> Vec<Cut> {
    let connections = (0..program.connections.len()).rev();
    let mut cuts: Vec<_> = connections.clone().map(Cut::OtherConnections).collect();
    cuts.extend(connections.clone().map(Cut::Connection));
    cuts.extend(connections.clone().chain(connections).map(Cut::Request));
    cuts.push(Cut::Hup);
    cuts
}

fn without_chunks(program: &Program) -> Vec<Cut> {
    let variants: BTreeSet<_> = program.chunks.iter().map(|c| c.variant).collect();
    let mut cuts: Vec<_> = variants.into_iter().map(Cut::OtherVariants).collect();
    cuts.extend(program.chunks.iter().map(|c| Cut::Chunk(c.phase, c.variant)));
    cuts
}

fn without_outermost_nodes(program: &Program) -> Vec<Cut> {
    let of_chunk = |(chunk, of): (usize, &Chunk)| {
        let nodes = (0..of.nodes.len()).rev().map(move |at| Cut::Node(chunk, vec![at]));
        let halves = [true, false].map(|first| Cut::Half(chunk, first));
        nodes.chain(halves).collect::<Vec<_>>()
    };
    program.chunks.iter().enumerate().flat_map(of_chunk).collect()
}

/// From the end of each list, so that the ways to what is before it stay true; whole blocks before their parts.
fn without_nodes(program: &Program) -> Vec<Cut> {
    fn walk(chunk: usize, nodes: &[Node], way: &mut Vec<usize>, cuts: &mut Vec<Cut>) {
        for (at, node) in nodes.iter().enumerate().rev() {
            way.push(at);
            walk(chunk, &node.body, way, cuts);
            if !node.body.is_empty() {
                cuts.push(Cut::Hoist(chunk, way.clone()));
            }
            cuts.push(Cut::Node(chunk, way.clone()));
            way.pop();
        }
    }
    let mut cuts = Vec::new();
    for (chunk, of) in program.chunks.iter().enumerate() {
        walk(chunk, &of.nodes, &mut Vec::new(), &mut cuts);
    }
    cuts
}

fn size(program: &Program) -> usize {
    fn nodes(of: &[Node]) -> usize {
        of.iter().map(|n| 1 + nodes(&n.body)).sum()
    }
    let chunks: usize = program.chunks.iter().map(|c| 1 + nodes(&c.nodes)).sum();
    let requests: usize = program.connections.iter().map(|c| 1 + c.requests.len()).sum();
    chunks + requests + usize::from(program.hup_ms.is_some())
}
