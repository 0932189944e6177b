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

/// Scenarios of which every state is looked at whenever the tests run.
#[must_use]
pub fn small() -> Vec<Scenario> {
    let one = one_worker;
    let two = Budget { hellos: 2, ..Budget::default() };
    let three = Budget { hellos: 3, ..Budget::default() };
    vec![
        one("agent and coordinator killed", Budget { agent_deaths: 1, coordinator_deaths: 1, ..three }),
        one("a shim killed, then its agent", Budget { shim_deaths: 1, agent_deaths: 1, ..three }),
        one("a host started anew", Budget { reboots: 1, agent_deaths: 1, ..three }),
        one("a worker's data folder lost", Budget { amnesias: 1, agent_deaths: 1, ..three }),
        one("silence, short and long", Budget { short_silences: 1, long_silences: 1, agent_deaths: 1, ..two }),
        one("cancelled", Budget { cancels: 1, agent_deaths: 1, shim_deaths: 1, ..two }),
        one("unknown, and decided by a person", Budget { long_silences: 1, decisions: 1, agent_deaths: 1, ..two }),
        one("a store restored from a backup", Budget { restores: 1, coordinator_deaths: 1, ..two }),
        one("a store restored, and silence", Budget { restores: 1, coordinator_deaths: 1, short_silences: 1, ..two }),
        Scenario {
            deployments: vec![one_retried_step()],
            ..one("failed, and tried once more", Budget { failures: 2, agent_deaths: 1, ..two })
        },
        Scenario {
            slots: 2,
            deployments: vec![one_locked_step(), one_locked_step()],
            ..one("two that share a lock", Budget { long_silences: 1, ..two })
        },
        Scenario { workers: 2, ..one("two workers", Budget { short_silences: 1, ..two }) },
    ]
}

/// The same with more faults at once: too many states to look at each time.
#[must_use]
pub fn large() -> Vec<Scenario> {
    let more = |scenario: Scenario| {
        let hellos = scenario.budget.hellos + 2;
        let coordinator_deaths = scenario.budget.coordinator_deaths.max(1);
        let agent_deaths = scenario.budget.agent_deaths.max(1);
        let budget = Budget { hellos, coordinator_deaths, agent_deaths, ..scenario.budget };
        Scenario { budget, ..scenario }
    };
    small().into_iter().map(more).collect()
}

/// One worker, one step that must not run twice.
#[must_use]
pub fn one_worker(name: &'static str, budget: Budget) -> Scenario {
    Scenario { name, workers: 1, slots: 1, deployments: vec![one_step()], attempts: 2, budget }
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
