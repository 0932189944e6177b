//! Any order of messages, with duplicates, losses and restarts, against a host that plays by the files' rules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use shared::id::{AssignSeq, ExecutionId};

use super::*;
use crate::{Directive, Record};

/// Attempts 1 and 2 are of one step, 3 and 4 too; their numbers and order numbers grow with them.
const ATTEMPTS: u128 = 4;

#[derive(Clone, Debug)]
enum Move {
    Offer(u128),
    Grant(u128),
    Revoke(u128),
    Cancel(u128),
    ResultAck(u128),
    Forget(u128),
    Welcome(u128, u8),
    /// The journal makes its oldest record durable.
    Sync,
    /// The oldest preparation finishes.
    Prepare,
    /// A shim that was asked for gets the lock and starts.
    ShimStarts(u128),
    ShimEnds(u128),
    ShimIsKilled(u128),
    /// The agent looks at an attempt (a notification, late or early).
    Look(u128),
    /// kill -9 and start again: what is not durable is gone.
    Restart,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let n = 1..=ATTEMPTS;
    let one = prop_oneof![
        4 => n.clone().prop_map(Move::Offer),
        4 => n.clone().prop_map(Move::Grant),
        1 => n.clone().prop_map(Move::Revoke),
        1 => n.clone().prop_map(Move::Cancel),
        1 => n.clone().prop_map(Move::ResultAck),
        2 => n.clone().prop_map(Move::Forget),
        1 => (n.clone(), 0..4_u8).prop_map(|(n, kind)| Move::Welcome(n, kind)),
        8 => Just(Move::Sync),
        4 => Just(Move::Prepare),
        3 => n.clone().prop_map(Move::ShimStarts),
        2 => n.clone().prop_map(Move::ShimEnds),
        1 => n.clone().prop_map(Move::ShimIsKilled),
        3 => n.prop_map(Move::Look),
        1 => Just(Move::Restart),
    ];
    prop::collection::vec(one, 0..120)
}

/// What the files of one attempt say.
#[derive(Default, Clone)]
struct Files {
    shims_on_their_way: u32,
    alive: bool,
    start: bool,
    exit: bool,
    void: bool,
}

/// The host: the durable journal, the files, and the agent that may be killed at any time.
struct World {
    agent: Agent,
    durable: Memory,
    unsynced: VecDeque<Record>,
    preparing: VecDeque<ExecutionId>,
    files: BTreeMap<ExecutionId, Files>,
    spawned: BTreeMap<ExecutionId, u32>,
    started: BTreeMap<ExecutionId, u32>,
    granted: BTreeSet<ExecutionId>,
    said_void: BTreeSet<ExecutionId>,
}

impl World {
    fn new() -> Self {
        Self {
            agent: fresh(3),
            durable: Memory::default(),
            unsynced: VecDeque::new(),
            preparing: VecDeque::new(),
            files: BTreeMap::new(),
            spawned: BTreeMap::new(),
            started: BTreeMap::new(),
            granted: BTreeSet::new(),
            said_void: BTreeSet::new(),
        }
    }

    fn play(&mut self, step: Move) {
        match step {
            Move::Offer(n) => self.feed(offer(n, n as i64, n as i32)),
            Move::Grant(n) => {
                self.granted.insert(execution(n));
                self.feed(grant(n, n as i64));
            }
            Move::Revoke(n) => self.feed(Input::Revoked { execution: execution(n), seq: AssignSeq(n as i64) }),
            Move::Cancel(n) => self.feed(Input::CancelRequested { execution: execution(n), grace: Duration::ZERO }),
            Move::ResultAck(n) => self.feed(Input::ResultStored { execution: execution(n) }),
            Move::Forget(n) => self.feed(Input::ForgetAllowed { execution: execution(n) }),
            Move::Welcome(n, kind) => self.feed(Input::Welcomed {
                heartbeat_interval: Duration::from_secs(5),
                directives: vec![(execution(n), directive(kind))],
            }),
            Move::Sync => self.sync(),
            Move::Prepare => {
                if let Some(execution) = self.preparing.pop_front() {
                    self.feed(Input::Prepared { execution });
                }
            }
            Move::ShimStarts(n) => self.shim_starts(execution(n)),
            Move::ShimEnds(n) => self.shim_stops(execution(n), true),
            Move::ShimIsKilled(n) => self.shim_stops(execution(n), false),
            Move::Look(n) => self.look(execution(n)),
            Move::Restart => self.restart(),
        }
    }

    fn feed(&mut self, input: Input) {
        let effects = self.agent.handle(NOW, input);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Journal(record) => self.unsynced.push_back(record),
                Effect::Prepare(execution) => self.preparing.push_back(execution),
                Effect::Spawn(execution) => {
                    *self.spawned.entry(execution).or_default() += 1;
                    self.files.entry(execution).or_default().shims_on_their_way += 1;
                }
                Effect::Examine(execution) => self.look(execution),
                Effect::RemoveFiles(execution) => {
                    assert!(
                        !self.files.get(&execution).is_some_and(|files| files.alive),
                        "files of a live attempt removed"
                    );
                    self.files.remove(&execution);
                }
                Effect::Send(Message::Rejected { execution, kind: RejectKind::Void, .. }) => {
                    self.said_void.insert(execution);
                }
                _ => {}
            }
        }
    }

    fn sync(&mut self) {
        if let Some(record) = self.unsynced.pop_front() {
            self.durable.apply(record.clone());
            if let Some((execution, entry)) = record.entry() {
                self.feed(Input::Journalled { execution, entry });
            }
        }
    }

    fn shim_starts(&mut self, execution: ExecutionId) {
        let files = self.files.entry(execution).or_default();
        if files.shims_on_their_way == 0 || files.alive {
            return;
        }
        files.shims_on_their_way -= 1;
        if files.void || files.start {
            return;
        }
        (files.alive, files.start) = (true, true);
        *self.started.entry(execution).or_default() += 1;
    }

    fn shim_stops(&mut self, execution: ExecutionId, properly: bool) {
        let files = self.files.entry(execution).or_default();
        if files.alive {
            files.alive = false;
            files.exit = properly;
        }
    }

    /// The lock-and-mark handshake.
    fn look(&mut self, execution: ExecutionId) {
        if self.agent.phase(execution).is_none_or(|phase| !phase.may_be_alive()) {
            return;
        }
        let files = self.files.entry(execution).or_default();
        let finding = if files.alive {
            Finding::Alive
        } else if files.exit {
            Finding::Ended
        } else if files.start {
            Finding::Dead { evidence: "killed".into() }
        } else {
            files.void = true;
            Finding::NeverStarted
        };
        self.feed(Input::Examined { execution, finding });
    }

    fn restart(&mut self) {
        self.unsynced.clear();
        self.preparing.clear();
        let (agent, effects) = Agent::recover(NOW, 3, self.durable.clone());
        self.agent = agent;
        self.perform(effects);
    }

    fn check(&self) {
        for n in 1..=ATTEMPTS {
            let id = execution(n);
            let started = self.started.get(&id).copied().unwrap_or_default();
            let spawned = self.spawned.get(&id).copied().unwrap_or_default();
            assert!(started <= 1, "{id} started {started} times");
            assert!(spawned <= 1, "a shim of {id} was asked for {spawned} times");
            assert!(spawned == 0 || self.granted.contains(&id), "{id} was spawned without a grant");
            assert!(started == 0 || !self.said_void.contains(&id), "{id} was called void and started");
        }
    }
}

fn directive(kind: u8) -> Directive {
    match kind {
        0 => Directive::Keep { next_seq: 0 },
        1 => Directive::Cancel,
        2 => Directive::Kill,
        3 => Directive::Void,
        _ => Directive::Forget,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn at_most_one_start_whatever_happens(moves in moves()) {
        let mut world = World::new();
        for step in moves {
            world.play(step);
            world.check();
        }
    }

    #[test]
    fn an_offer_at_or_below_the_mark_never_spawns_unless_held(hwm in 0..20_i64, seq in 0..20_i64) {
        let memory = Memory { hwm: AssignSeq(hwm), ..Memory::default() };
        let (mut agent, _) = Agent::recover(NOW, 3, memory);
        let mut effects = feed(&mut agent, [offer(1, seq, 1), journalled(1, Entry::Accepted), prepared(1)]);
        effects.extend(feed(&mut agent, [grant(1, seq), journalled(1, Entry::Intent)]));
        let spawned = effects.contains(&Effect::Spawn(execution(1)));
        prop_assert_eq!(spawned, seq > hwm);
    }
}
