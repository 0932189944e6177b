//! Every guard is taken away once: the model finds what breaks.
#![cfg(feature = "bugs")]

use proof::{model::explore, seeded};

/// One test, since what is put in is put in for the whole process.
#[test]
fn every_guard_that_is_taken_away_is_missed() {
    let mut wrong = Vec::new();
    for seeded in seeded::all() {
        shared::bug::seed(seeded.bugs);
        let explored = explore(seeded.scenario, 2_000_000);
        let found = explored.breach.as_ref().map(|found| found.what.as_str());
        println!("{:60} {:>8} states, {:>2} events: {}", seeded.name, explored.states,
            explored.breach.as_ref().map_or(0, |b| b.way.len()), found.unwrap_or("not found"));

        let is_as_expected = match (seeded.breaks, found) {
            (None, None) => explored.is_exhaustive,
            (Some(promise), Some(found)) => found.contains(promise),
            _ => false,
        };
        if !is_as_expected {
            wrong.push(seeded.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
