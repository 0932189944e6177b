//! Any order of words lost, repeated and late, any number of restarts and silences: what is promised holds all the same.

#![allow(clippy::unwrap_used, reason = "a story ends where it goes wrong")]

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use coordinator_core::{
    action::{Action, Directive, Offer},
    fact::{DeploymentFact, Fact},
    input::{Answer, Held, Input, Rejection, Said},
};
use proptest::prelude::*;
use shared::{
    attempt::{AttemptEvent, AttemptState},
    id::{AssignSeq, ExecutionId, SessionEpoch, WorkerId},
    outcome::OutcomeKind,
    plan::{Asks, OnFailure, Retries, Start, Step, Waits},
};

use world::{D1, W1, W2, World, exit, step};

/// A worker as its journal makes it: it never forgets by itself, and never starts what it did not journal.
#[derive(Default)]
struct Puppet {
    hwm: i64,
    journal: BTreeMap<ExecutionId, Held>,
    /// Every process it ever started, and how often.
    spawned: BTreeMap<ExecutionId, u32>,
    epoch: SessionEpoch,
}

struct Chaos {
    world: World,
    puppets: BTreeMap<WorkerId, Puppet>,
    /// Under way to workers and to the coordinator: any of them may arrive, any number of times, or never.
    down: Vec<Action>,
    up: Vec<(WorkerId, SessionEpoch, Said)>,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    DeliverDown(prop::sample::Index, bool),
    DeliverUp(prop::sample::Index, bool),
    Lose(prop::sample::Index),
    End(bool, prop::sample::Index, bool),
    Reconnect(bool),
    Restart,
    Pass(u16),
    Answer(usize, Answer),
    Cancel,
}

const ANSWERS: &[Answer] = &[Answer::Approve, Answer::Reject, Answer::Retry, Answer::Ignore, Answer::Abort];

fn a_move() -> impl Strategy<Value = Move> {
    use prop::sample::Index;
    prop_oneof![
        8 => (any::<Index>(), prop::bool::weighted(0.2)).prop_map(|(i, keep)| Move::DeliverDown(i, keep)),
        8 => (any::<Index>(), prop::bool::weighted(0.2)).prop_map(|(i, keep)| Move::DeliverUp(i, keep)),
        1 => any::<Index>().prop_map(Move::Lose),
        3 => (any::<bool>(), any::<Index>(), any::<bool>()).prop_map(|(w, i, ok)| Move::End(w, i, ok)),
        2 => any::<bool>().prop_map(Move::Reconnect),
        1 => Just(Move::Restart),
        2 => (1u16..400).prop_map(Move::Pass),
        2 => (1usize..3, prop::sample::select(ANSWERS)).prop_map(|(step, answer)| Move::Answer(step, answer)),
        1 => prop::bool::weighted(0.05).prop_map(|really| if really { Move::Cancel } else { Move::Pass(1) }),
    ]
}

impl Chaos {
    fn new(steps: Vec<Step>) -> Self {
        let mut chaos = Self {
            world: World::with_workers(&[(W1, 2), (W2, 2)]),
            puppets: BTreeMap::from([(W1, Puppet::default()), (W2, Puppet::default())]),
            down: Vec::new(),
            up: Vec::new(),
        };
        for worker in [W1, W2] {
            chaos.puppets.get_mut(&worker).unwrap().epoch = chaos.world.epoch(worker);
        }
        chaos.world.submit(D1, "shop", steps);
        chaos.collect();
        chaos
    }

    fn play(&mut self, play: Move) {
        match play {
            Move::DeliverDown(index, keep) if !self.down.is_empty() => {
                let at = index.index(self.down.len());
                let action = if keep { self.down[at].clone() } else { self.down.swap_remove(at) };
                self.arrive_at_worker(&action);
            }
            Move::DeliverUp(index, keep) if !self.up.is_empty() => {
                let at = index.index(self.up.len());
                let (worker, epoch, said) = if keep { self.up[at].clone() } else { self.up.swap_remove(at) };
                self.world.tell(Input::WorkerSaid { worker, epoch, said });
            }
            Move::Lose(index) if !self.down.is_empty() => {
                self.down.swap_remove(index.index(self.down.len()));
            }
            Move::End(first, index, ok) => self.end_a_process(if first { W1 } else { W2 }, index, ok),
            Move::Reconnect(first) => self.reconnect(if first { W1 } else { W2 }),
            Move::Restart => self.world.restart(),
            Move::Pass(seconds) => self.world.pass(Duration::from_secs(seconds.into())),
            Move::Answer(step, answer) => self.answer(step, answer),
            Move::Cancel => {
                let reason = String::new();
                self.world.tell(Input::CancelRequested { deployment: D1, by: "token a".into(), reason });
            }
            Move::DeliverDown(..) | Move::DeliverUp(..) | Move::Lose(_) => {}
        }
        self.collect();
    }

    fn answer(&mut self, step: usize, answer: Answer) {
        let (by, reason) = ("token a".into(), String::new());
        self.world.tell(Input::StepAnswered { deployment: D1, step, answer, by, reason });
    }

    fn collect(&mut self) {
        self.down.extend(self.world.take_actions());
    }

    fn say(&mut self, worker: WorkerId, said: Said) {
        let epoch = self.puppets[&worker].epoch;
        self.up.push((worker, epoch, said));
    }

    fn arrive_at_worker(&mut self, action: &Action) {
        match action {
            Action::Offer(offer) => self.offered(offer),
            Action::Grant { worker, execution, .. } => self.granted(*worker, *execution),
            Action::Revoke { worker, execution, .. } => self.void(*worker, *execution),
            Action::Cancel { worker, execution, .. } => match self.puppets[worker].journal.get(execution) {
                Some(Held::Accepted) => self.void(*worker, *execution),
                Some(Held::Running) => self.ended(*worker, *execution, OutcomeKind::Cancelled),
                _ => {}
            },
            Action::Forget { worker, execution, .. } => {
                self.puppets.get_mut(worker).unwrap().journal.remove(execution);
            }
            _ => {}
        }
    }

    fn offered(&mut self, offer: &Offer) {
        let puppet = self.puppets.get_mut(&offer.worker).unwrap();
        let said = match puppet.journal.get(&offer.execution) {
            Some(Held::Accepted) => Said::Accepted { execution: offer.execution },
            Some(_) => return,
            None if offer.assign_seq.0 <= puppet.hwm => {
                let detail = String::new();
                Said::Rejected { execution: offer.execution, kind: Rejection::Stale, detail }
            }
            None => {
                puppet.hwm = offer.assign_seq.0;
                puppet.journal.insert(offer.execution, Held::Accepted);
                Said::Accepted { execution: offer.execution }
            }
        };
        self.say(offer.worker, said);
    }

    fn granted(&mut self, worker: WorkerId, execution: ExecutionId) {
        let puppet = self.puppets.get_mut(&worker).unwrap();
        if puppet.journal.get(&execution) == Some(&Held::Accepted) {
            puppet.journal.insert(execution, Held::Running);
            *puppet.spawned.entry(execution).or_default() += 1;
            self.say(worker, Said::Started { execution });
        }
    }

    fn void(&mut self, worker: WorkerId, execution: ExecutionId) {
        let puppet = self.puppets.get_mut(&worker).unwrap();
        if puppet.journal.get(&execution) == Some(&Held::Accepted) {
            puppet.journal.insert(execution, Held::Void);
            self.say(worker, Said::Rejected { execution, kind: Rejection::Void, detail: String::new() });
        }
    }

    fn end_a_process(&mut self, worker: WorkerId, index: prop::sample::Index, ok: bool) {
        let running = self.running(worker);
        if !running.is_empty() {
            let kind = if ok { OutcomeKind::Succeeded } else { OutcomeKind::Failed };
            self.ended(worker, running[index.index(running.len())], kind);
        }
    }

    fn running(&self, worker: WorkerId) -> Vec<ExecutionId> {
        let journal = self.puppets[&worker].journal.iter();
        journal.filter(|(_, held)| **held == Held::Running).map(|(execution, _)| *execution).collect()
    }

    fn ended(&mut self, worker: WorkerId, execution: ExecutionId, kind: OutcomeKind) {
        let result = Box::new(exit(kind));
        self.puppets.get_mut(&worker).unwrap().journal.insert(execution, Held::Ended(result.clone()));
        self.say(worker, Said::Ended { execution, result });
    }

    fn reconnect(&mut self, worker: WorkerId) {
        let puppet = &self.puppets[&worker];
        let (held, hwm) = (puppet.journal.clone(), AssignSeq(puppet.hwm));
        self.world.hello_as(worker, 2, held, hwm, "journal", "boot");
        let epoch = self.world.epoch(worker);
        self.puppets.get_mut(&worker).unwrap().epoch = epoch;
        let directives = self.world.actions.iter().rev().find_map(|action| match action {
            Action::Welcome { worker: w, directives, .. } if *w == worker => Some(directives.clone()),
            _ => None,
        });
        for (execution, directive) in directives.unwrap() {
            match directive {
                Directive::Keep => {}
                Directive::Void => self.void(worker, execution),
                Directive::Forget => {
                    self.puppets.get_mut(&worker).unwrap().journal.remove(&execution);
                }
                Directive::Cancel | Directive::Kill => {
                    if self.puppets[&worker].journal.get(&execution) == Some(&Held::Running) {
                        self.ended(worker, execution, OutcomeKind::Cancelled);
                    }
                }
            }
        }
    }

    /// Folds what was stored, as anyone could who reads the store.
    fn attempts(&self) -> BTreeMap<ExecutionId, (usize, AttemptState, Vec<AttemptEvent>)> {
        let mut attempts = BTreeMap::new();
        for fact in &self.world.facts {
            match fact {
                Fact::Deployment(_, DeploymentFact::AttemptOffered(offered)) => {
                    let before = attempts.insert(offered.execution, (offered.step, AttemptState::Offered, Vec::new()));
                    assert!(before.is_none(), "an execution id was used twice");
                }
                Fact::Deployment(_, DeploymentFact::AttemptMoved(moved)) => {
                    let (_, state, events) = attempts.get_mut(&moved.execution).unwrap();
                    *state = state.apply(moved.event).expect("only transitions of the table are stored");
                    events.push(moved.event);
                }
                _ => {}
            }
        }
        attempts
    }

    fn check(&self, retry_safe: bool) {
        let attempts = self.attempts();
        let mut alive: BTreeMap<usize, u32> = BTreeMap::new();
        for puppet in self.puppets.values() {
            for (execution, times) in &puppet.spawned {
                let (_, state, events) = &attempts[execution];
                assert_eq!(*times, 1, "I1: one start per attempt");
                assert_ne!(*state, AttemptState::NotStarted, "I4: what counts as not started never ran");
                assert_eq!(events.first(), Some(&AttemptEvent::Granted), "I10: a grant was stored before");
            }
            for (execution, held) in &puppet.journal {
                if *held == Held::Running {
                    *alive.entry(attempts[execution].0).or_default() += 1;
                }
            }
        }
        if !retry_safe {
            assert!(alive.values().all(|n| *n <= 1), "I2: one living attempt per step");
        }
        self.check_open(&attempts);
        self.check_recovery(&attempts);
    }

    /// The store's index would refuse a second open attempt: the core never tries.
    fn check_open(&self, attempts: &BTreeMap<ExecutionId, (usize, AttemptState, Vec<AttemptEvent>)>) {
        let mut open: BTreeMap<usize, u32> = BTreeMap::new();
        for (step, state, _) in attempts.values() {
            if !state.is_settled() {
                *open.entry(*step).or_default() += 1;
            }
        }
        assert!(open.values().all(|n| *n == 1), "one open attempt per step");
    }

    /// I17: what a recovering coordinator believes is what the living one does.
    fn check_recovery(&self, attempts: &BTreeMap<ExecutionId, (usize, AttemptState, Vec<AttemptEvent>)>) {
        let (recovered, _) = self.world.recovered();
        for execution in attempts.keys() {
            assert_eq!(recovered.open_execution(*execution), self.world.core.open_execution(*execution));
        }
        assert_eq!(recovered.is_open(D1), self.world.core.is_open(D1));
    }
}

fn steps(retry_safe: bool) -> Vec<Step> {
    let retries = Retries { count: 1, backoff: Duration::from_secs(5), ..Retries::default() };
    vec![
        Step { retry_safe, ..step("one") },
        Step {
            start: Start::WithPrevious,
            retries,
            retry_safe,
            asks: Asks { on_failure: OnFailure::Ask, ..Asks::default() },
            ..step("two")
        },
        Step {
            retry_safe,
            asks: Asks { approval: Some("?".into()), ..Asks::default() },
            waits: Waits { queue_timeout: Some(Duration::from_secs(40)), ..Waits::default() },
            ..step("three")
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_runs_twice_whatever_happens(moves in prop::collection::vec(a_move(), 1..150)) {
        let mut chaos = Chaos::new(steps(false));
        for play in moves {
            chaos.play(play);
            chaos.check(false);
        }
    }

    #[test]
    fn each_attempt_starts_once_even_where_a_step_may_run_again(moves in prop::collection::vec(a_move(), 1..150)) {
        let mut chaos = Chaos::new(steps(true));
        for play in moves {
            chaos.play(play);
            chaos.check(true);
        }
    }

    /// L1: once faults stop, the deployment ends or a step stands as unknown.
    #[test]
    fn everything_settles_once_the_faults_stop(moves in prop::collection::vec(a_move(), 1..100)) {
        let mut chaos = Chaos::new(steps(false));
        for play in moves {
            chaos.play(play);
        }
        chaos.heal();
        let unknown = (0..3).any(|step| chaos.world.core.needs_decision(D1, step));
        prop_assert!(chaos.world.ended(D1).is_some() || unknown, "stuck: {:?}", chaos.reasons());
    }
}

impl Chaos {
    /// Everything arrives from now on, in order, and processes end.
    fn heal(&mut self) {
        self.up.clear();
        self.down.clear();
        for _ in 0..60 {
            for worker in [W1, W2] {
                self.reconnect(worker);
                self.collect();
            }
            for _ in 0..20 {
                for action in std::mem::take(&mut self.down) {
                    self.arrive_at_worker(&action);
                }
                for (worker, epoch, said) in std::mem::take(&mut self.up) {
                    self.world.tell(Input::WorkerSaid { worker, epoch, said });
                }
                for worker in [W1, W2] {
                    for execution in self.running(worker) {
                        self.ended(worker, execution, OutcomeKind::Succeeded);
                    }
                }
                self.collect();
            }
            self.answer(1, Answer::Ignore);
            self.answer(2, Answer::Approve);
            self.world.pass(Duration::from_secs(10));
            self.collect();
        }
    }

    fn reasons(&self) -> BTreeSet<String> {
        (0..3).filter_map(|step| self.world.core.queue_reason(D1, step)).map(|reason| reason.sentence).collect()
    }
}
