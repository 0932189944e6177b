//! A world for the core: a clock that moves when told, a store that is a list, and workers that are puppets.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by stories that need different parts of it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coordinator_core::{
    Coordinator, Decision, Mono, Patience, Stored,
    action::{Action, Offer},
    fact::{Created, DeploymentEnd, DeploymentFact, ExitResult, Fact, Settled, StepEnd},
    input::{Held, Hello, Input, Prepared, Refusal, Said, Wish, WorkerRecord},
    report::Expectation,
};
use shared::{
    id::{AssignSeq, DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    outcome::{Outcome, OutcomeKind},
    plan::{Action as PlanAction, Asks, Aws, Condition, Process, Retries, Script, Shell, Source, Start, Step, Waits},
};
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) core: Coordinator,
    /// Everything stored, in order.
    pub(crate) facts: Vec<Fact>,
    /// Everything asked for and not looked at yet.
    pub(crate) actions: Vec<Action>,
    /// How the shell prepares a step, by name; the default pool and nothing else when it is not here.
    pub(crate) prepared: BTreeMap<String, Prepared>,
    /// Whether no step can be prepared now.
    pub(crate) refuses: bool,
    /// How often the store went back in time, and whether that waits for a person.
    restores: u32,
    is_on_hold: bool,
    processes: BTreeMap<DeploymentId, Process>,
    epochs: BTreeMap<WorkerId, SessionEpoch>,
}

pub(crate) const W1: WorkerId = WorkerId(Uuid::from_u128(0x11));
pub(crate) const W2: WorkerId = WorkerId(Uuid::from_u128(0x22));
pub(crate) const D1: DeploymentId = DeploymentId(Uuid::from_u128(0xd1));
pub(crate) const D2: DeploymentId = DeploymentId(Uuid::from_u128(0xd2));

impl World {
    pub(crate) fn new() -> Self {
        let (core, _) = Coordinator::recover(Mono::default(), Patience::default(), Stored::default());
        Self {
            now: Duration::ZERO,
            core,
            facts: Vec::new(),
            actions: Vec::new(),
            prepared: BTreeMap::new(),
            refuses: false,
            restores: 0,
            is_on_hold: false,
            processes: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    /// A world with workers of the default pool, connected, with so many slots each.
    pub(crate) fn with_workers(workers: &[(WorkerId, u32)]) -> Self {
        let mut world = Self::new();
        for (worker, slots) in workers {
            world.tell(Input::WorkerChanged(record(*worker, Wish::Active)));
            world.hello(*worker, *slots, BTreeMap::new());
        }
        world
    }

    /// Something happens; preparations are answered at once, as the shell would.
    pub(crate) fn tell(&mut self, input: Input) {
        let decision = self.core.handle(Mono(self.now), input);
        self.take(decision);
    }

    fn take(&mut self, decision: Decision) {
        for fact in &decision.facts {
            match fact {
                Fact::HoldBegan { .. } => (self.restores, self.is_on_hold) = (self.restores + 1, true),
                Fact::HoldLifted { .. } => self.is_on_hold = false,
                Fact::SessionOpened(_) | Fact::Deployment(..) => {}
            }
        }
        self.facts.extend(decision.facts);
        for action in decision.actions {
            if let Action::Prepare { deployment, step } = action {
                let name = self.processes[&deployment].steps[step].name.clone();
                let refusal = || Refusal { reason: "ACCOUNT_UNRESOLVED".into(), detail: "No such account.".into() };
                let prepared = self.prepared.get(&name).cloned().unwrap_or_else(|| needs("default"));
                let prepared = if self.refuses { Err(refusal()) } else { Ok(prepared) };
                self.tell(Input::StepPrepared { deployment, step, prepared });
            } else {
                self.actions.push(action);
            }
        }
    }

    pub(crate) fn submit(&mut self, deployment: DeploymentId, project: &str, steps: Vec<Step>) {
        let process = Process { steps, files: Vec::new() };
        self.processes.insert(deployment, process.clone());
        let created = Created {
            project: project.into(),
            environment: "staging".into(),
            number: i64::try_from(self.processes.len()).expect("few"),
            revision: 1,
            by: "token test".into(),
            retry_of: None,
            carried: Vec::new(),
            process,
        };
        self.facts.push(Fact::Deployment(deployment, DeploymentFact::Created(created.clone())));
        self.tell(Input::Submitted { deployment, created });
    }

    pub(crate) fn hello(&mut self, worker: WorkerId, slots: u32, held: BTreeMap<ExecutionId, Held>) {
        // It has seen every offer, unless a story says otherwise.
        self.hello_as(worker, slots, held, self.highest(worker), "journal", "boot");
    }

    pub(crate) fn hello_as(
        &mut self,
        worker: WorkerId,
        slots: u32,
        held: BTreeMap<ExecutionId, Held>,
        assign_hwm: AssignSeq,
        journal: &str,
        boot: &str,
    ) {
        self.tell(Input::SessionOpened(Hello {
            worker,
            journal_id: journal.into(),
            boot_id: boot.into(),
            slots,
            assign_hwm,
            held,
            unheard_of: BTreeSet::new(),
            disk_low: false,
        }));
        let epoch = self.actions.iter().rev().find_map(|action| match action {
            Action::Welcome { worker: w, epoch, .. } if *w == worker => Some(*epoch),
            _ => None,
        });
        self.epochs.insert(worker, epoch.expect("a hello is welcomed"));
    }

    pub(crate) fn highest(&self, worker: WorkerId) -> AssignSeq {
        let seqs = self.facts.iter().filter_map(|fact| match fact {
            Fact::Deployment(_, DeploymentFact::AttemptOffered(o)) if o.worker == worker => Some(o.assign_seq),
            _ => None,
        });
        seqs.max().unwrap_or_default()
    }

    pub(crate) fn say(&mut self, worker: WorkerId, said: Said) {
        let epoch = self.epochs[&worker];
        self.tell(Input::WorkerSaid { worker, epoch, said });
    }

    /// Its stream ends.
    pub(crate) fn session_ends(&mut self, worker: WorkerId) {
        let epoch = self.epochs[&worker];
        self.tell(Input::SessionClosed { worker, epoch });
    }

    /// It speaks in its newest session from now on.
    pub(crate) fn session_begins(&mut self, worker: WorkerId) {
        let epochs = self.facts.iter().filter_map(|fact| match fact {
            Fact::SessionOpened(opened) if opened.worker == worker => Some(opened.epoch),
            _ => None,
        });
        let newest = epochs.max().expect("it has had a session");
        self.epochs.insert(worker, newest);
    }

    pub(crate) fn epoch(&self, worker: WorkerId) -> SessionEpoch {
        self.epochs[&worker]
    }

    /// Time passes, and the core is woken whenever it wants to be.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Mono(at)) = self.core.next_wakeup().filter(|at| at.0 <= end) {
            self.now = self.now.max(at);
            self.tell(Input::Woke);
        }
        self.now = end;
    }

    /// The coordinator is killed and comes back with what it stored.
    pub(crate) fn restart(&mut self) {
        let (core, decision) = self.recovered();
        self.core = core;
        self.actions.clear();
        self.take(decision);
    }

    /// The coordinator is killed and comes back with what it had stored so many facts ago, on hold.
    pub(crate) fn restore(&mut self, facts: usize) {
        self.facts.truncate(facts);
        (self.restores, self.is_on_hold) = (self.restores + 1, true);
        self.restart();
    }

    pub(crate) fn recovered(&self) -> (Coordinator, Decision) {
        let mut workers: BTreeMap<WorkerId, WorkerRecord> = BTreeMap::new();
        let mut deployments: Vec<(DeploymentId, Vec<DeploymentFact>)> = Vec::new();
        for worker in [W1, W2] {
            workers.insert(worker, record(worker, Wish::Active));
        }
        for fact in &self.facts {
            match fact {
                Fact::SessionOpened(opened) => {
                    let worker = workers.get_mut(&opened.worker).expect("known");
                    worker.epoch = opened.epoch;
                    worker.journal_id.clone_from(&opened.journal_id);
                    worker.boot_id.clone_from(&opened.boot_id);
                    worker.assign_seq = worker.assign_seq.max(opened.assign_hwm);
                }
                Fact::HoldBegan { .. } | Fact::HoldLifted { .. } => {}
                Fact::Deployment(id, fact) => match deployments.iter_mut().find(|(d, _)| d == id) {
                    Some((_, facts)) => facts.push(fact.clone()),
                    None => deployments.push((*id, vec![fact.clone()])),
                },
            }
        }
        for worker in workers.values_mut() {
            worker.assign_seq = worker.assign_seq.max(self.highest(worker.id));
        }
        deployments.retain(|(_, facts)| !facts.iter().any(|f| matches!(f, DeploymentFact::Ended { .. })));
        let (restores, is_on_hold) = (self.restores, self.is_on_hold);
        let workers = workers.into_values().collect();
        let stored = Stored { workers, deployments, restores, is_on_hold };
        Coordinator::recover(Mono(self.now), Patience::default(), stored)
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn offers(&mut self) -> Vec<Offer> {
        self.take_actions()
            .into_iter()
            .filter_map(|action| match action {
                Action::Offer(offer) => Some(offer),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn one_offer(&mut self) -> Offer {
        let offers = self.offers();
        assert_eq!(offers.len(), 1, "expected one offer, got {offers:?}");
        offers.into_iter().next().expect("one")
    }

    /// Offered, accepted, granted, started.
    pub(crate) fn run(&mut self) -> Offer {
        let offer = self.one_offer();
        self.say(offer.worker, Said::Accepted { execution: offer.execution });
        assert!(self.take_actions().iter().any(|a| matches!(a, Action::Grant { .. })), "accepted, so granted");
        self.say(offer.worker, Said::Started { execution: offer.execution });
        offer
    }

    pub(crate) fn end(&mut self, offer: &Offer, kind: OutcomeKind) {
        let result = Box::new(exit(kind));
        self.say(offer.worker, Said::Ended { execution: offer.execution, result });
    }

    /// Fails with an exit code.
    pub(crate) fn end_with(&mut self, offer: &Offer, code: i32) {
        let result = Box::new(ExitResult { outcome: Outcome::exited(code), ..exit(OutcomeKind::Failed) });
        self.say(offer.worker, Said::Ended { execution: offer.execution, result });
    }

    /// What was said of a step when it settled.
    pub(crate) fn detail(&self, deployment: DeploymentId, step: usize) -> &str {
        let detail = self.facts.iter().find_map(|fact| match fact {
            Fact::Deployment(id, DeploymentFact::StepSettled(settled)) if *id == deployment && settled.step == step => {
                Some(settled.detail.as_str())
            }
            _ => None,
        });
        detail.unwrap_or_default()
    }

    /// What the last word about an attempt rests on.
    pub(crate) fn evidence(&self, attempt: ExecutionId) -> &str {
        let evidence = self.facts.iter().rev().find_map(|fact| match fact {
            Fact::Deployment(_, DeploymentFact::AttemptMoved(moved)) if moved.execution == attempt => {
                Some(moved.evidence.as_str())
            }
            _ => None,
        });
        evidence.unwrap_or_default()
    }

    pub(crate) fn settled(&self, deployment: DeploymentId) -> Vec<(usize, StepEnd, String)> {
        self.facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Deployment(id, DeploymentFact::StepSettled(Settled { step, end, reason, .. }))
                    if *id == deployment =>
                {
                    Some((*step, *end, reason.clone()))
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn ended(&self, deployment: DeploymentId) -> Option<DeploymentEnd> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Deployment(id, DeploymentFact::Ended { state }) if *id == deployment => Some(*state),
            _ => None,
        })
    }
}

pub(crate) fn exit(kind: OutcomeKind) -> ExitResult {
    let code = if kind == OutcomeKind::Succeeded { 0 } else { 1 };
    ExitResult {
        outcome: Outcome { kind, ..Outcome::exited(code) },
        final_seq: 0,
        digest: [0; 32],
        identity: None,
        outputs: Vec::new(),
    }
}

pub(crate) fn record(id: WorkerId, wish: Wish) -> WorkerRecord {
    WorkerRecord {
        id,
        name: format!("worker-{}", if id == W1 { 1 } else { 2 }),
        pool: "default".into(),
        labels: BTreeMap::from([("disk".to_owned(), if id == W1 { "slow" } else { "fast" }.to_owned())]),
        wish,
        epoch: SessionEpoch(0),
        assign_seq: AssignSeq(0),
        journal_id: String::new(),
        boot_id: String::new(),
    }
}

pub(crate) fn needs(pool: &str) -> Prepared {
    Prepared {
        pool: pool.into(),
        requires: BTreeMap::new(),
        expect: Expectation::default(),
        only_worker: None,
        locks: BTreeSet::new(),
        condition: true,
    }
}

pub(crate) fn step(name: &str) -> Step {
    Step {
        name: name.into(),
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
        action: PlanAction::Script(Script {
            shell: Shell::Bash,
            source: Source::Body("true".into()),
            substitute: true,
            strict: true,
        }),
    }
}
