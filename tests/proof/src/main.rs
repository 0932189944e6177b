//! `make proof`: everything at full length, and the page that says what came of it.

mod page;

use std::{collections::BTreeMap, env, process::ExitCode};

use proof::{
    model::{Explored, explore},
    scenario, seeded,
    walk::{Walked, walk},
};

/// 2 million states of each large fleet: a minute or two each.
const MOST_STATES: usize = 2_000_000;
/// 500,000 long ways, unless told otherwise: some minutes.
const SEEDS: u64 = 500_000;
/// A guard that is taken away is looked for on so many ways.
const SEEDS_FOR_A_GUARD: u64 = 100_000;

/// All that was found out.
pub(crate) struct Findings {
    pub(crate) small: Vec<Explored>,
    pub(crate) large: Vec<Explored>,
    pub(crate) ways: Ways,
    pub(crate) guards: Vec<Guard>,
}

/// What came of all long ways.
#[derive(Default)]
pub(crate) struct Ways {
    pub(crate) seeds: u64,
    pub(crate) events: usize,
    /// By kind.
    pub(crate) faults: BTreeMap<&'static str, usize>,
    pub(crate) starts: u64,
    pub(crate) breach: Option<(u64, String)>,
}

/// What came of a guard that was taken away.
pub(crate) struct Guard {
    pub(crate) name: &'static str,
    pub(crate) explored: Explored,
    pub(crate) seed: Option<u64>,
}

fn main() -> ExitCode {
    let seeds = env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let findings = Findings {
        small: told(scenario::small().into_iter().map(|scenario| explore(scenario, usize::MAX))),
        large: told(scenario::large().into_iter().map(|scenario| explore(scenario, MOST_STATES))),
        ways: ways(seeds),
        guards: guards(),
    };
    if let Err(error) = std::fs::write(page::PATH, page::page(&findings)) {
        proof::say(&format!("{} cannot be written: {error}.", page::PATH));
        return ExitCode::FAILURE;
    }
    proof::say(&format!("{} says what came of it.", page::PATH));
    if findings.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Findings {
    fn is_well(&self) -> bool {
        let explored = self.small.iter().chain(&self.large);
        explored.into_iter().all(|explored| explored.breach.is_none())
            && self.ways.breach.is_none()
            && self.guards.iter().all(Guard::is_found)
    }
}

impl Guard {
    pub(crate) fn is_found(&self) -> bool {
        self.explored.breach.is_some() || self.seed.is_some()
    }
}

fn told(all: impl Iterator<Item = Explored>) -> Vec<Explored> {
    all.inspect(|explored| {
        let found = explored.breach.as_ref().map_or("every promise holds", |found| found.what.as_str());
        proof::say(&format!("{}: {} states in {:.0} s: {found}", explored.name, explored.states, explored.seconds));
    })
    .collect()
}

fn ways(seeds: u64) -> Ways {
    let mut ways = Ways { seeds, ..Ways::default() };
    for seed in 0..seeds {
        let Walked { way, starts, breach, .. } = walk(seed);
        ways.events += way.len();
        for fault in way.iter().filter(|event| event.is_fault()) {
            *ways.faults.entry(fault.kind()).or_default() += 1;
        }
        ways.starts += u64::from(starts);
        ways.breach = ways.breach.or(breach.map(|breach| (seed, breach)));
    }
    proof::say(&format!("{seeds} long ways: {:?}", ways.breach));
    ways
}

/// Last, since what is put in stays in.
fn guards() -> Vec<Guard> {
    seeded::all()
        .into_iter()
        .map(|seeded| {
            shared::bug::seed(seeded.bugs);
            let explored = explore(seeded.scenario, MOST_STATES);
            let seed = proof::walk::first_breach(0..SEEDS_FOR_A_GUARD).map(|(seed, _)| seed);
            proof::say(&format!("{}: {} states, seed {seed:?}", seeded.name, explored.states));
            Guard { name: seeded.name, explored, seed }
        })
        .collect()
}
