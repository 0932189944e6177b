//! What is deployed where, and how many faults of each kind may happen.

use std::{collections::BTreeMap, time::Duration};

use shared::{
    id::{DeploymentId, WorkerId},
    plan::{Action, Asks, Aws, Condition, Process, Retries, Script, Shell, Source, Start, Step, Waits},
};
use uuid::Uuid;

/// A small fleet, and what may befall it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// In a few words.
    pub name: &'static str,
    /// How many workers.
    pub workers: u8,
    /// Of each worker.
    pub slots: u32,
    /// One process a deployment; all of them are there from the beginning.
    pub deployments: Vec<Process>,
    /// Attempts of a step that are looked into; what would lead further is left out.
    pub attempts: u32,
    /// How many faults.
    pub budget: Budget,
}

/// How often each kind of fault may happen. Losing, repeating and reordering of words within a session is free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    /// Hellos, over all workers.
    pub hellos: u8,
    /// Kills of agents.
    pub agent_deaths: u8,
    /// Kills of the coordinator.
    pub coordinator_deaths: u8,
    /// Kills of shims.
    pub shim_deaths: u8,
    /// Hosts started anew.
    pub reboots: u8,
    /// Data folders of workers lost.
    pub amnesias: u8,
    /// Silences long enough to take offers back.
    pub short_silences: u8,
    /// Silences long enough to call attempts unknown.
    pub long_silences: u8,
    /// Deployments cancelled.
    pub cancels: u8,
    /// Children that fail.
    pub failures: u8,
    /// Decisions of people.
    pub decisions: u8,
    /// Stores restored from a backup that was made earlier.
    pub restores: u8,
}

impl Scenario {
    /// The workers' ids.
    pub fn worker_ids(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (1..=self.workers).map(|number| WorkerId(Uuid::from_u128(number.into())))
    }

    /// The deployments' ids and what they run.
    pub fn processes(&self) -> BTreeMap<DeploymentId, Process> {
        let ids = (0xd0..).map(|number| DeploymentId(Uuid::from_u128(number)));
        ids.zip(self.deployments.iter().cloned()).collect()
    }
}

/// A process of one step that must not run twice.
#[must_use]
pub fn one_step() -> Process {
    Process { steps: vec![step()], files: Vec::new() }
}

/// A process of one step, which holds a lock.
#[must_use]
pub fn one_locked_step() -> Process {
    Process { steps: vec![Step { locks: vec!["database".into()], ..step() }], files: Vec::new() }
}

/// A process of one step that is tried once more when it fails.
#[must_use]
pub fn one_retried_step() -> Process {
    let retries = Retries { count: 1, backoff: Duration::ZERO, ..Retries::default() };
    Process { steps: vec![Step { retries, ..step() }], files: Vec::new() }
}

fn step() -> Step {
    Step {
        name: "step".into(),
        pool: "default".into(),
        requires: BTreeMap::new(),
        condition: Condition::Success,
        start: Start::AfterPrevious,
        environments: Vec::new(),
        timeout: Duration::from_secs(60),
        waits: Waits::default(),
        asks: Asks::default(),
        retries: Retries::default(),
        retry_safe: false,
        locks: Vec::new(),
        aws: Aws::default(),
        action: Action::Script(Script {
            shell: Shell::Bash,
            source: Source::Body("true".into()),
            substitute: true,
            strict: true,
        }),
    }
}
