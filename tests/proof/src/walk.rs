//! Long ways through a fleet, one event after the other, chosen by a seed: as deep as no exploration reaches. Which faults may
//! happen is the seed's choice too, so that some ways have many of one kind. Then the faults stop, and everything must come to
//! its end.

use std::sync::{Arc, mpsc::Sender};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    event::Event,
    fleet::{Fleet, store::Change},
    promise,
    scenario::{Budget, Scenario, one_locked_step, one_retried_step, one_step},
};

/// 300 events: several attempts with everything that can befall them.
const LENGTH: usize = 300;

/// A way that was gone.
#[derive(Clone, Debug)]
pub struct Walked {
    /// What happened, in order.
    pub way: Vec<Event>,
    /// Children that were started.
    pub starts: u32,
    /// Of the fleet at its end: the same seed leads to the same one.
    pub fingerprint: u64,
    /// What is broken at its end, if anything.
    pub breach: Option<String>,
}

/// The first of these seeds whose way breaks a promise.
#[must_use]
pub fn first_breach(seeds: std::ops::Range<u64>) -> Option<(u64, Walked)> {
    seeds.map(|seed| (seed, walk(seed))).find(|(_, walked)| walked.breach.is_some())
}

/// Goes the way of a seed.
#[must_use]
pub fn walk(seed: u64) -> Walked {
    walk_and_tell(seed, None).0
}

/// The same; somebody hears of every change of the store, and gets the fleet at its end.
#[must_use]
pub fn walk_and_tell(seed: u64, witness: Option<Sender<Change>>) -> (Walked, Fleet) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let scenario = scenario(&mut dice);
    let mut fleet = Fleet::witnessed(Arc::new(scenario), witness);
    let mut way = Vec::new();
    let mut breach = None;
    while way.len() < LENGTH && breach.is_none() {
        let Some(event) = choose(&mut dice, &fleet.events()) else { break };
        fleet.happen(&event);
        // Most words arrive once.
        if let Event::Arrives(packet) = &event
            && dice.random_bool(0.75)
        {
            let lost = Event::Lost(packet.clone());
            fleet.happen(&lost);
            way.push(lost);
        }
        way.push(event);
        breach = promise::breaches(&fleet).first().map(|(name, what)| format!("{name}: {what}"));
    }
    if breach.is_none() && !fleet.comes_to_an_end() {
        breach = Some("L1: a step neither settles nor stands in doubt, although nothing goes wrong any more".into());
    }
    let walked = Walked { starts: fleet.ledger.starts.values().sum(), fingerprint: fleet.fingerprint(), way, breach };
    (walked, fleet)
}

fn scenario(dice: &mut ChaCha8Rng) -> Scenario {
    let deployments = match dice.random_range(0..4) {
        0 => vec![one_step()],
        1 => vec![one_step(), one_step()],
        2 => vec![one_retried_step(), one_step()],
        _ => vec![one_locked_step(), one_locked_step()],
    };
    let mut some = |most: u8| if dice.random_bool(0.5) { dice.random_range(0..=most) } else { 0 };
    let budget = Budget {
        hellos: 30,
        agent_deaths: some(6),
        coordinator_deaths: some(6),
        shim_deaths: some(2),
        reboots: some(2),
        amnesias: some(2),
        short_silences: some(4),
        long_silences: some(3),
        cancels: some(1),
        failures: some(3),
        decisions: some(2),
        restores: some(1),
    };
    let (workers, slots) = (dice.random_range(1..=2), dice.random_range(1..=2));
    // A store is restored while the coordinator is dead.
    let coordinator_deaths = budget.coordinator_deaths.max(budget.restores);
    let budget = Budget { coordinator_deaths, ..budget };
    Scenario { name: "a way", workers, slots, deployments, attempts: u32::MAX, budget }
}

/// Faults are rarer than what moves things on, so that there is something for them to disturb.
fn choose(dice: &mut ChaCha8Rng, events: &[Event]) -> Option<Event> {
    let weights: Vec<u32> = events.iter().map(|event| if event.is_fault() { 1 } else { 8 }).collect();
    let total: u32 = weights.iter().sum();
    let mut at = dice.random_range(0..total.max(1));
    for (event, weight) in events.iter().zip(weights) {
        if at < weight {
            return Some(event.clone());
        }
        at -= weight;
    }
    None
}
