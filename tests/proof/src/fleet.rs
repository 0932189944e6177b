//! A coordinator, its store, its workers' hosts and the network between them, as one value that can be copied.

mod heal;
pub mod host;
pub mod network;
pub mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    hash::{DefaultHasher, Hasher},
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use coordinator_core::{
    Coordinator, Decision as Decided, Mono, Stored,
    action::Action,
    input::{Decision, Input, Prepared},
    report::Expectation,
};
use shared::{
    attempt::AttemptState,
    bug::{Bug, is_seeded},
    id::{DeploymentId, ExecutionId, SessionEpoch, WorkerId},
    limits,
    outcome::OutcomeKind,
};

use self::{
    host::{Host, Session, Shim},
    network::{Packet, Word},
    store::{Change, Store},
};
use crate::{
    event::Event,
    ledger::Ledger,
    scenario::{Budget, Scenario},
};

/// All of it.
#[derive(Clone, Debug)]
pub struct Fleet {
    scenario: Arc<Scenario>,
    now: Duration,
    /// What is durable at the coordinator.
    pub(crate) store: Store,
    /// The coordinator, while it lives.
    pub(crate) coordinator: Option<Coordinator>,
    /// By worker.
    pub(crate) hosts: BTreeMap<WorkerId, Host>,
    network: BTreeSet<Packet>,
    left: Budget,
    /// A copy of the store, and what tells it from others.
    backup: Option<(Box<Store>, u64)>,
    /// Ground truth.
    pub(crate) ledger: Ledger,
}

impl Fleet {
    /// Everything deployed, nobody connected.
    #[must_use]
    pub fn new(scenario: Arc<Scenario>) -> Self {
        Self::witnessed(scenario, None)
    }

    /// The same, and somebody hears of every change of the store.
    #[must_use]
    pub fn witnessed(scenario: Arc<Scenario>, witness: Option<Sender<Change>>) -> Self {
        let mut fleet = Self {
            now: Duration::ZERO,
            store: Store::new(&scenario, witness),
            coordinator: None,
            hosts: scenario.worker_ids().map(|worker| (worker, Host::new(scenario.slots))).collect(),
            network: BTreeSet::new(),
            left: scenario.budget,
            backup: None,
            ledger: Ledger::default(),
            scenario,
        };
        fleet.start_coordinator();
        for worker in fleet.scenario.clone().worker_ids() {
            fleet.at_host(worker, Host::start_agent);
        }
        fleet
    }

    /// Everything that can happen now.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        self.arrivals(&mut events);
        for (worker, host) in &self.hosts {
            self.events_at(*worker, host, &mut events);
        }
        self.events_at_coordinator(&mut events);
        events
    }

    fn arrivals(&self, events: &mut Vec<Event>) {
        for packet in &self.network {
            if !self.can_arrive(packet) {
                continue;
            }
            events.push(Event::Arrives(packet.clone()));
            if is_seeded(Bug::GrantBeforeCommit) && self.input(packet).is_some() && self.left.coordinator_deaths > 0 {
                events.push(Event::ArrivesBeforeTheCrash(packet.clone()));
            }
        }
    }

    fn can_arrive(&self, packet: &Packet) -> bool {
        if packet.word.heard().is_none() {
            return self.coordinator.is_some();
        }
        let host = &self.hosts[&packet.worker];
        let awaited = match packet.word {
            Word::Welcome(_) => host.session == Session::Greeting,
            _ => host.session == Session::Open(packet.epoch),
        };
        host.agent.is_some() && awaited
    }

    fn events_at(&self, worker: WorkerId, host: &Host, events: &mut Vec<Event>) {
        if host.agent.is_none() {
            events.push(Event::AgentStarts(worker));
            if self.left.amnesias > 0 {
                events.push(Event::ForgetsAll(worker));
            }
        } else {
            if self.left.hellos > 0 && self.coordinator.is_some() {
                events.push(Event::Greets(worker));
            }
            if !host.unsynced.is_empty() {
                events.push(Event::Syncs(worker));
            }
            events.extend(host.doubtful().map(|execution| Event::Looks(worker, execution)));
            if self.left.agent_deaths > 0 {
                events.extend((0..=host.unsynced.len()).map(|written| Event::AgentDies(worker, written)));
            }
        }
        for (execution, exec) in &host.execs {
            match exec.shim {
                Shim::Forked => events.push(Event::ShimStarts(worker, *execution)),
                Shim::Holding => {
                    events.push(Event::ChildEnds(worker, *execution, true));
                    if self.left.failures > 0 && !exec.is_cancelled {
                        events.push(Event::ChildEnds(worker, *execution, false));
                    }
                }
                Shim::Gone => {}
            }
            if exec.shim != Shim::Gone && self.left.shim_deaths > 0 {
                events.push(Event::ShimDies(worker, *execution));
            }
            if matches!(host.session, Session::Open(_)) && self.is_drained(*execution) {
                events.push(Event::Drained(worker, *execution));
            }
        }
        if self.left.reboots > 0 {
            events.push(Event::Reboots(worker));
        }
    }

    /// Whether the store has all of an attempt: its end, and so its log.
    fn is_drained(&self, execution: ExecutionId) -> bool {
        use AttemptState as S;
        self.store.state(execution).is_some_and(|state| {
            matches!(state, S::Succeeded | S::Failed | S::TimedOut | S::Cancelled | S::Interrupted)
        })
    }

    fn events_at_coordinator(&self, events: &mut Vec<Event>) {
        let Some(core) = &self.coordinator else {
            if self.backup.is_some() && self.left.restores > 0 {
                events.push(Event::Restores);
            }
            return events.push(Event::CoordinatorStarts);
        };
        if self.backup.is_none() && self.left.restores > 0 {
            events.push(Event::BacksUp);
        }
        if core.hold().is_some_and(|hold| hold.awaited.is_empty()) {
            events.push(Event::HoldLifted);
        }
        if core.hold().is_some_and(|hold| !hold.awaited.is_empty()) && self.left.decisions > 0 {
            events.push(Event::SignedOff);
        }
        if self.left.coordinator_deaths > 0 {
            events.push(Event::CoordinatorDies);
        }
        if self.left.short_silences > 0 {
            events.push(Event::ShortSilence);
        }
        if self.left.long_silences > 0 {
            events.push(Event::LongSilence);
        }
        if self.left.cancels > 0 {
            events.push(Event::Cancelled);
        }
        if self.left.decisions > 0 {
            let deployments = self.deployments().into_iter().enumerate();
            let doubtful = deployments.filter(|(_, deployment)| core.needs_decision(*deployment, 0));
            for (number, _) in doubtful {
                events.extend([Decision::Failed, Decision::RunAgain].map(|decision| Event::Decided(number, decision)));
            }
        }
    }

    /// Makes something happen.
    pub fn happen(&mut self, event: &Event) {
        match event {
            Event::Arrives(packet) => self.arrive(packet),
            Event::Lost(packet) => {
                self.network.remove(packet);
            }
            Event::ArrivesBeforeTheCrash(packet) => self.arrive_before_the_crash(packet),
            Event::Greets(worker) => self.greet(*worker),
            Event::Syncs(worker) => self.at_host(*worker, Host::sync),
            Event::Looks(worker, execution) => self.at_host(*worker, |host| host.look(*execution)),
            Event::ShimStarts(worker, execution) => self.shim_starts(*worker, *execution),
            Event::ChildEnds(worker, execution, well) => self.child_ends(*worker, *execution, *well),
            Event::Drained(worker, execution) => {
                let word = Word::Forget { execution: *execution };
                if let Session::Open(epoch) = self.hosts[worker].session {
                    self.network.insert(Packet { worker: *worker, epoch, word });
                }
            }
            Event::AgentDies(worker, written) => {
                self.left.agent_deaths -= 1;
                self.host(*worker).kill_agent(*written);
            }
            Event::AgentStarts(worker) => self.at_host(*worker, Host::start_agent),
            Event::ShimDies(worker, execution) => {
                self.left.shim_deaths -= 1;
                if let Some(exec) = self.host(*worker).execs.get_mut(execution) {
                    exec.shim = Shim::Gone;
                }
            }
            Event::Reboots(worker) => {
                self.left.reboots -= 1;
                self.host(*worker).reboot();
            }
            Event::ForgetsAll(worker) => {
                self.left.amnesias -= 1;
                self.host(*worker).forget_all();
            }
            Event::CoordinatorDies => {
                self.left.coordinator_deaths -= 1;
                self.coordinator = None;
            }
            Event::CoordinatorStarts => self.start_coordinator(),
            Event::BacksUp => {
                self.store.tell(|| Change::BackedUp);
                self.backup = Some((Box::new(self.store.clone()), self.fingerprint()));
            }
            Event::Restores => {
                self.left.restores -= 1;
                if let Some((backup, _)) = self.backup.take() {
                    self.store = *backup;
                    self.store.hold();
                    self.store.tell(|| Change::Restored);
                }
            }
            Event::SignedOff => {
                self.left.decisions -= 1;
                self.ledger.decided.extend(self.ledger.attempts.values().flatten());
                self.happen(&Event::HoldLifted);
            }
            Event::HoldLifted => {
                let (by, reason) = ("token a".into(), "all heard".into());
                self.tell(Input::HoldLifted { by, reason });
            }
            Event::ShortSilence => {
                self.left.short_silences -= 1;
                self.pass(limits::CONTACT_LOST_AFTER);
            }
            Event::LongSilence => {
                self.left.long_silences -= 1;
                self.pass(limits::UNKNOWN_AFTER);
            }
            Event::Cancelled => {
                self.left.cancels -= 1;
                let deployment = self.deployments()[0];
                let (by, reason) = ("token a".into(), String::new());
                self.tell(Input::CancelRequested { deployment, by, reason });
            }
            Event::Decided(number, decision) => {
                let decision = *decision;
                self.left.decisions -= 1;
                let deployment = self.deployments()[*number];
                self.ledger.decided.extend(self.ledger.attempts.get(&(deployment, 0)).into_iter().flatten());
                let (by, reason) = ("token a".into(), String::new());
                self.tell(Input::StepDecided { deployment, step: 0, decision, by, reason });
            }
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        if let Some(input) = packet.word.heard() {
            if let Word::Welcome(_) = packet.word {
                self.host(packet.worker).session = Session::Open(packet.epoch);
                self.network.remove(packet);
            }
            return self.at_host(packet.worker, |host| host.tell(input));
        }
        if let Some(input) = self.input(packet) {
            self.tell(input);
        }
        if matches!(packet.word, Word::Hello(_)) {
            self.network.remove(packet);
        }
    }

    fn input(&self, packet: &Packet) -> Option<Input> {
        let (worker, epoch) = (packet.worker, packet.epoch);
        let is_stored = |execution| self.store.state(execution).is_some();
        match &packet.word {
            Word::Hello(greeting) => Some(Input::SessionOpened(greeting.hello(worker, is_stored))),
            word => word.said(is_stored).map(|said| Input::WorkerSaid { worker, epoch, said }),
        }
    }

    /// What a coordinator that acts before it stores has said when it is killed in between.
    fn arrive_before_the_crash(&mut self, packet: &Packet) {
        let Some(input) = self.input(packet) else { return };
        let Some(mut core) = self.coordinator.take() else { return };
        self.left.coordinator_deaths -= 1;
        let decision = core.handle(Mono(self.now), input);
        for action in &decision.actions {
            self.send(action);
        }
    }

    fn greet(&mut self, worker: WorkerId) {
        self.left.hellos -= 1;
        // The stream of before is gone, and with it whatever was on it.
        self.network.retain(|packet| packet.worker != worker);
        let Some(greeting) = self.host(worker).greeting() else { return };
        let host = self.host(worker);
        host.session = Session::Greeting;
        self.network.insert(Packet { worker, epoch: SessionEpoch(0), word: Word::Hello(greeting) });
        self.at_host(worker, |host| host.tell(worker_core::Input::SessionEnded));
    }

    fn shim_starts(&mut self, worker: WorkerId, execution: ExecutionId) {
        let started = self.host(worker).execs.get_mut(&execution).is_some_and(host::Exec::start);
        if started {
            let siblings = self.ledger.siblings(execution).into_iter();
            let others: Vec<_> = siblings.map(|other| (other, self.store.state(other), self.runs(other))).collect();
            self.ledger.start(execution, &others);
        }
    }

    fn child_ends(&mut self, worker: WorkerId, execution: ExecutionId, well: bool) {
        let Some(exec) = self.host(worker).execs.get_mut(&execution) else { return };
        let end = match (exec.is_cancelled, well) {
            (true, _) => OutcomeKind::Cancelled,
            (false, true) => OutcomeKind::Succeeded,
            (false, false) => OutcomeKind::Failed,
        };
        exec.end(end);
        if end == OutcomeKind::Failed {
            self.left.failures -= 1;
        }
        self.ledger.exits.insert(execution);
    }

    /// Whether a child of the attempt lives anywhere.
    pub(crate) fn runs(&self, execution: ExecutionId) -> bool {
        self.hosts.values().any(|host| host.runs(execution))
    }

    fn start_coordinator(&mut self) {
        let (core, decision) = self.store.recover(Mono(self.now));
        self.coordinator = Some(core);
        self.take(decision);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.tell(Input::Woke);
    }

    /// Something happens to the coordinator: what it decides is stored, and then done.
    fn tell(&mut self, input: Input) {
        let Some(core) = &mut self.coordinator else { return };
        let decision = core.handle(Mono(self.now), input);
        self.take(decision);
    }

    fn take(&mut self, decision: Decided) {
        for fact in decision.facts {
            self.store.commit(fact, &mut self.ledger);
        }
        for action in &decision.actions {
            self.send(action);
            if let Action::Prepare { deployment, step } = *action {
                let locks = self.store.locks(deployment, step);
                let prepared = Ok(Prepared {
                    pool: "default".into(),
                    requires: BTreeMap::new(),
                    expect: Expectation::default(),
                    only_worker: None,
                    locks,
                    condition: true,
                });
                self.tell(Input::StepPrepared { deployment, step, prepared });
            }
        }
    }

    fn send(&mut self, action: &Action) {
        let step_key = || match action {
            Action::Offer(offer) => format!("{}/{}", offer.deployment, offer.step),
            _ => String::new(),
        };
        let packet = Packet::of(action, step_key);
        if self.store.is_on_hold
            && let Some(Packet { word: word @ (Word::Offer { .. } | Word::Grant { .. }), .. }) = &packet
        {
            self.ledger.broken.insert(("I15", format!("said on hold: {word:?}")));
        }
        self.network.extend(packet);
    }

    /// Something happens at a host: what its agent says goes out on its session.
    fn at_host(&mut self, worker: WorkerId, happen: impl FnOnce(&mut Host) -> Vec<Word>) {
        let host = self.host(worker);
        let words = happen(host);
        if let Session::Open(epoch) = host.session {
            self.network.extend(words.into_iter().map(|word| Packet { worker, epoch, word }));
        }
    }

    fn host(&mut self, worker: WorkerId) -> &mut Host {
        self.hosts.get_mut(&worker).unwrap_or_else(|| unreachable!("every worker has a host"))
    }

    /// What a coordinator would begin with now.
    #[must_use]
    pub fn stored(&self) -> Stored {
        self.store.stored()
    }

    pub(crate) fn deployments(&self) -> Vec<DeploymentId> {
        self.scenario.processes().into_keys().collect()
    }

    /// Whether an attempt is there that the scenario does not look into.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.ledger.attempts.values().any(|attempts| attempts.len() > self.scenario.attempts as usize)
    }

    /// Equal for fleets between which nothing that follows can tell. What is stored is told apart by what comes of it: by the
    /// coordinator that it makes, and by the states of all attempts.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Digest(DefaultHasher::new());
        let recovered = self.coordinator.is_none().then(|| self.store.recover(Mono(self.now)).0);
        let backup = self.backup.as_ref().map(|(_, print)| print);
        let store = (recovered, self.store.states(), self.store.is_on_hold, backup);
        let rest = (&self.coordinator, store, &self.hosts, &self.network, &self.left);
        // A hasher takes every byte.
        let _ = write!(digest, "{rest:?}{:?}{:?}", self.ledger, self.now);
        digest.0.finish()
    }
}

struct Digest(DefaultHasher);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
