//! Everything that can happen, in every order: breadth first, so that what is found is found by the shortest way.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Instant,
};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::{event::Event, fleet::Fleet, promise, scenario::Scenario};

/// Every promise holds.
const SAFE: &str = "safe";
/// Once the faults stop, everything comes to its end.
const LIVE: &str = "live";
/// One state in so many is healed, since that takes as long as a hundred others.
const SAMPLE: u64 = 64;

/// A scenario to be explored.
#[derive(Clone, Debug)]
pub struct Exploration {
    /// Of what.
    pub scenario: Arc<Scenario>,
}

/// A fleet, told apart by its fingerprint.
#[derive(Clone, Debug)]
pub struct State {
    fleet: Fleet,
    fingerprint: u64,
}

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// In a few words.
    pub name: &'static str,
    /// Different states.
    pub states: usize,
    /// Whether all there are were looked at.
    pub is_exhaustive: bool,
    /// Seconds it took.
    pub seconds: f64,
    /// The shortest way to a broken promise: the promise, how it is broken, and what happened.
    pub breach: Option<Found>,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which, and how.
    pub what: String,
    /// What happened, in order.
    pub way: Vec<String>,
}

impl State {
    fn new(fleet: Fleet) -> Self {
        Self { fingerprint: fleet.fingerprint(), fleet }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint);
    }
}

impl Model for Exploration {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(Fleet::new(self.scenario.clone()))]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Event>) {
        actions.extend(state.fleet.events());
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        let mut fleet = state.fleet.clone();
        fleet.happen(&event);
        let next = State::new(fleet);
        (next.fingerprint != state.fingerprint).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFE, |_, state: &State| promise::breaches(&state.fleet).is_empty()),
            Property::always(LIVE, |_, state: &State| {
                !state.fingerprint.is_multiple_of(SAMPLE) || state.fleet.comes_to_an_end()
            }),
        ]
    }

    fn within_boundary(&self, state: &State) -> bool {
        !state.fleet.is_beyond()
    }
}

/// Explores a scenario until a promise is found broken, all states were seen, or so many of them were.
#[must_use]
pub fn explore(scenario: Scenario, most_states: usize) -> Explored {
    let began = Instant::now();
    let name = scenario.name;
    let exploration = Exploration { scenario: Arc::new(scenario) };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = exploration
        .checker()
        .threads(threads)
        .target_state_count(most_states)
        .finish_when(HasDiscoveries::Any)
        .spawn_bfs()
        .join();
    let unsafe_way = checker.discovery(SAFE).map(|path| {
        let said =
            promise::breaches(&path.last_state().fleet).into_iter().map(|(name, what)| format!("{name}: {what}"));
        let what = said.collect::<Vec<_>>().join("; ");
        Found { what, way: path.into_actions().iter().map(Event::to_string).collect() }
    });
    let endless_way = checker.discovery(LIVE).map(|path| Found {
        what: "L1: a step neither settles nor stands in doubt, although nothing goes wrong any more".into(),
        way: path.into_actions().iter().map(Event::to_string).collect(),
    });
    let breach = unsafe_way.or(endless_way);
    Explored {
        name,
        states: checker.unique_state_count(),
        is_exhaustive: checker.state_count() < most_states,
        seconds: began.elapsed().as_secs_f64(),
        breach,
    }
}
