//! Every guard is taken away once, and what breaks is found: by the model, and by long ways within some seeds.
#![cfg(feature = "bugs")]

use proof::{model::explore, seeded, walk::first_breach};

/// More than any of them takes.
const MOST_STATES: usize = 5_000_000;
/// Twice as many as the rarest of them took.
const MOST_SEEDS: u64 = 4_000;

/// One test, since what is put in is put in for the whole process.
#[test]
fn every_guard_that_is_taken_away_is_missed() {
    let mut wrong = Vec::new();
    for seeded in seeded::all() {
        shared::bug::seed(seeded.bugs);
        let explored = explore(seeded.scenario, MOST_STATES);
        let seeds = first_breach(0..MOST_SEEDS).map(|(seed, _)| seed + 1);
        let found = explored.breach.map_or("nothing".into(), |found| found.what);
        println!("{}: {found} after {} states, {seeds:?} seeds", seeded.name, explored.states);
        let is_found = found != "nothing" && seeds.is_some();
        if is_found != seeded.is_needed {
            wrong.push(seeded.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
