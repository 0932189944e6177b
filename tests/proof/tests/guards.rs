//! Every guard is taken away once, and what breaks is found: by the model, or on long ways.
#![cfg(feature = "bugs")]

use proof::{model::explore, seeded, walk::first_breach};

/// More than any of them takes.
const MOST_STATES: usize = 5_000_000;
/// As many as are gone without a fault put in.
const MOST_SEEDS: u64 = 20_000;

/// One test, since what is put in is put in for the whole process.
#[test]
fn every_guard_that_is_taken_away_is_missed() {
    let mut missed = Vec::new();
    for seeded in seeded::all() {
        shared::bug::seed(seeded.bugs);
        let explored = explore(seeded.scenario, MOST_STATES);
        let seed = first_breach(0..MOST_SEEDS).map(|(seed, _)| seed);
        let found = explored.breach.map(|found| found.what);
        println!("{}: {found:?} after {} states, seed {seed:?}", seeded.name, explored.states);
        if found.is_none() && seed.is_none() {
            missed.push(seeded.name);
        }
    }
    assert!(missed.is_empty(), "nothing found: {missed:?}");
}
