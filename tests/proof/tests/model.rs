//! Small fleets, and everything that can happen to them, in every order.

use proof::{model::explore, scenario};

/// More than any of them has.
const MOST_STATES: usize = 20_000_000;

#[test]
fn every_promise_holds_in_every_state_of_every_small_fleet() {
    for scenario in scenario::small() {
        let explored = explore(scenario, MOST_STATES);
        println!("{}: {} states in {:.0} s", explored.name, explored.states, explored.seconds);
        if let Some(found) = explored.breach {
            panic!("{}: {}\n    {}", explored.name, found.what, found.way.join("\n    "));
        }
        assert!(explored.is_exhaustive, "{}: not every state was looked at", explored.name);
    }
}
