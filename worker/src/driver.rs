//! Turns the agent's mind into acts: select what happened, let it decide, perform what it wishes.

mod children;
mod forgetting;
mod perform;
mod tasks;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use proto::worker::{Equipment, ResultNotice, StepSpec};
use service::{shutdown::Shutdown, task};
use shared::id::ExecutionId;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};
use tracing::{error, info};
use worker_core::{Agent, Effect, Entry, Finding, Input, Mono};

use crate::{
    credentials::own_identity::OwnIdentity,
    failure::{Exit, Failure},
    host::Host,
    journal::{Durability, Journal},
    outbox::Outbox,
    preparation::{Access, Prepared},
    session::{Link, SessionEvent},
    uploads::Uploads,
    watch::{Sights, Watcher},
    wire::{self, Heard},
};

use children::Children;

/// 1,024 facts on their way from tasks of this process: more than 64 slots have tasks.
const FACTS: usize = 1024;
/// 30 seconds between looks at attempts of which nothing was heard; notices are the rule, this is for a lost one.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What tasks of this process found out.
#[derive(Debug)]
enum Fact {
    Prepared(ExecutionId, Box<Prepared>),
    Unpreparable(ExecutionId, String),
    Spawned(ExecutionId, i32),
    NotSpawned(ExecutionId),
    Examined(ExecutionId, Option<Finding>, Option<Box<ResultNotice>>),
    OwnIdentity(Box<OwnIdentity>),
    Equipment(Equipment),
}

/// The one task that owns the mind.
#[derive(Debug)]
pub struct Driver {
    host: Arc<Host>,
    began: Instant,
    agent: Agent,
    journal: Journal,
    durability: watch::Receiver<Durability>,
    /// Records that are not durable yet, in order.
    unsynced: VecDeque<(u64, Option<(ExecutionId, Entry)>)>,
    session: mpsc::Receiver<SessionEvent>,
    link: Option<Link>,
    access: Access,
    outbox: Outbox,
    uploads: Uploads,
    settled: mpsc::Receiver<ExecutionId>,
    /// The coordinator has all of them but artifacts.
    forgettable: BTreeSet<ExecutionId>,
    watcher: Watcher,
    children: Children,
    facts: mpsc::Receiver<Fact>,
    tasks: mpsc::Sender<Fact>,
    attempts: BTreeMap<ExecutionId, Attempt>,
    /// Who the worker's own role is; none until AWS was asked.
    own_identity: Option<OwnIdentity>,
    /// What the host has for steps; none until it was looked at.
    equipment: Option<Equipment>,
    looked_again: Instant,
}

/// What the shell holds of an attempt besides what the mind knows.
#[derive(Debug, Default)]
struct Attempt {
    spec: Option<Box<StepSpec>>,
    preparing: Option<AbortHandle>,
    prepared: Option<Box<Prepared>>,
    refreshing: Option<AbortHandle>,
    notice: Option<Box<ResultNotice>>,
    is_being_examined: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        for task in self.refreshing.iter().chain(&self.preparing) {
            task.abort();
        }
    }
}

/// What a driver is made of.
#[derive(Debug)]
pub struct Parts {
    /// The host.
    pub host: Arc<Host>,
    /// Open.
    pub journal: Journal,
    /// From the session.
    pub session: mpsc::Receiver<SessionEvent>,
    /// Client of the session that stands.
    pub access: Access,
    /// Event streams.
    pub outbox: Outbox,
    /// Artifacts.
    pub uploads: Uploads,
    /// Attempts whose artifacts are settled.
    pub settled: mpsc::Receiver<ExecutionId>,
}

impl Driver {
    /// Remembers, and settles what an earlier agent left: every attempt that may have started is looked at before anything
    /// is said of it.
    ///
    /// # Errors
    /// With exit code 70, when the kernel gives no inotify instance or no signal handler.
    pub async fn recover(parts: Parts, memory: worker_core::Memory) -> Result<Self, Failure> {
        let Parts { host, journal, session, access, outbox, uploads, settled } = parts;
        let began = Instant::now();
        let (agent, effects) = Agent::recover(Mono::default(), host.slots, memory);
        // The bound is explained above.
        let (tasks, facts) = mpsc::channel(FACTS);
        let mut driver = Self {
            began,
            agent,
            durability: journal.durability(),
            journal,
            unsynced: VecDeque::new(),
            session,
            link: None,
            access,
            outbox,
            uploads,
            settled,
            forgettable: BTreeSet::new(),
            watcher: Watcher::new().map_err(|error| internal("inotify", &error))?,
            children: Children::new().map_err(|error| internal("SIGCHLD", &error))?,
            facts,
            tasks,
            attempts: BTreeMap::new(),
            own_identity: None,
            equipment: None,
            looked_again: began,
            host,
        };
        driver.settle(effects).await;
        driver.watch_the_host();
        Ok(driver)
    }

    /// Drives until the agent is asked to stop. Running steps go on.
    ///
    /// # Errors
    /// With exit code 73, when the journal cannot be written any more: nothing may be promised then.
    pub async fn run(mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        while !shutdown.is_requested() {
            let inputs = self.select(shutdown).await?;
            self.decide(inputs);
        }
        info!("stopping; running steps go on");
        self.decide(vec![Input::ShutdownRequested]);
        Ok(())
    }

    fn decide(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            for effect in self.agent.handle(self.now(), input) {
                self.perform(effect);
            }
        }
    }

    /// Waits for something to happen, and says what it means.
    async fn select(&mut self, shutdown: &Shutdown) -> Result<Vec<Input>, Failure> {
        let wakeup = self.wakeup();
        tokio::select! {
            biased;
            () = shutdown.requested() => Ok(vec![]),
            changed = self.durability.changed() => self.synced(changed.is_ok()),
            Some(fact) = self.facts.recv() => Ok(self.learned(fact)),
            Some(execution) = self.settled.recv() => Ok(self.artifacts_settled(execution)),
            event = self.session.recv() => Ok(event.map(|event| self.session_event(event)).unwrap_or_default()),
            ended = self.children.ended() => {
                self.examine_all(ended);
                Ok(vec![])
            }
            sights = self.watcher.sights() => Ok(self.seen(sights.map_err(|error| internal("inotify", &error))?)),
            () = tokio::time::sleep(wakeup) => Ok(self.time_passed()),
        }
    }

    fn wakeup(&self) -> Duration {
        let decided = self.agent.next_wakeup().map_or(LOOK_AGAIN, |due| due.0.saturating_sub(self.now().0));
        decided.min((self.looked_again + LOOK_AGAIN).saturating_duration_since(Instant::now()))
    }

    fn time_passed(&mut self) -> Vec<Input> {
        if self.looked_again.elapsed() >= LOOK_AGAIN {
            self.looked_again = Instant::now();
            self.examine_running();
        }
        vec![Input::TimePassed]
    }

    fn synced(&mut self, is_writing: bool) -> Result<Vec<Input>, Failure> {
        let upto = match &*self.durability.borrow_and_update() {
            Durability::UpTo(upto) if is_writing => *upto,
            Durability::UpTo(_) => return Err(no_journal("its writer ended")),
            Durability::Broken(why) => return Err(no_journal(why)),
        };
        let mut inputs = Vec::new();
        while let Some((number, entry)) = self.unsynced.front()
            && *number <= upto
        {
            inputs.extend(entry.map(|(execution, entry)| Input::Journalled { execution, entry }));
            self.unsynced.pop_front();
        }
        Ok(inputs)
    }

    fn learned(&mut self, fact: Fact) -> Vec<Input> {
        match fact {
            // One that was dropped meanwhile holds secrets that nobody wants any more.
            Fact::Prepared(execution, prepared) if self.attempts.contains_key(&execution) => {
                let attempt = self.attempt(execution);
                attempt.preparing = None;
                attempt.prepared = Some(prepared);
                vec![Input::Prepared { execution }]
            }
            Fact::Prepared(..) => vec![],
            Fact::Unpreparable(execution, detail) => vec![Input::Unpreparable { execution, detail }],
            Fact::Spawned(execution, pid) => {
                if self.children.started(pid, execution) {
                    self.examine(execution);
                }
                vec![]
            }
            Fact::NotSpawned(execution) => {
                self.examine(execution);
                vec![]
            }
            Fact::Examined(execution, finding, notice) => self.examined(execution, finding, notice),
            Fact::OwnIdentity(identity) => {
                self.own_identity = Some(*identity);
                vec![]
            }
            Fact::Equipment(equipment) => {
                self.equipment = Some(equipment);
                vec![]
            }
        }
    }

    fn examined(
        &mut self,
        execution: ExecutionId,
        finding: Option<Finding>,
        notice: Option<Box<ResultNotice>>,
    ) -> Vec<Input> {
        if matches!(finding, Some(Finding::Ended | Finding::Dead { .. })) {
            self.uploads.look(execution);
        }
        let attempt = self.attempt(execution);
        attempt.is_being_examined = false;
        attempt.notice = notice;
        let Some(finding) = finding else { return vec![] };
        if finding != Finding::Alive
            && let Some(refreshing) = attempt.refreshing.take()
        {
            refreshing.abort();
        }
        vec![Input::Examined { execution, finding }]
    }

    fn session_event(&mut self, event: SessionEvent) -> Vec<Input> {
        match event {
            SessionEvent::Greeting(answer) => {
                let greeting = self.agent.greeting();
                greeting.held.iter().for_each(|held| self.uploads.look(held.execution));
                // A session that no longer waits for it has broken.
                let _ = answer.send(greeting);
                vec![]
            }
            SessionEvent::Opened(link, welcome) => match wire::welcomed(&welcome) {
                Ok(input) => {
                    self.link = Some(link);
                    self.unless_artifacts_remain(input)
                }
                Err(nonsense) => {
                    error!(error = %nonsense, "session given up");
                    link.give_up();
                    vec![]
                }
            },
            SessionEvent::Heard(message) => match wire::heard(*message) {
                Ok(Heard::Fact(input)) => self.unless_artifacts_remain(input),
                Ok(Heard::Offer(offer, spec)) => {
                    if self.agent.phase(offer.execution).is_none() {
                        self.attempt(offer.execution).spec = spec;
                    }
                    vec![Input::DiskMeasured { free: self.host.home.disk_free() }, Input::Offered(offer)]
                }
                Err(nonsense) => {
                    error!(error = %nonsense, "message ignored");
                    vec![]
                }
            },
            SessionEvent::Closed => {
                self.link = None;
                vec![Input::SessionEnded]
            }
        }
    }

    fn seen(&mut self, sights: Sights) -> Vec<Input> {
        for execution in sights.grown {
            self.outbox.grown(execution);
        }
        self.examine_all(sights.unlocked);
        if sights.overflow {
            self.examine_running();
            self.agent.running().for_each(|execution| self.outbox.grown(execution));
        }
        // The mark itself says it: its shim made it under the lock.
        let started = sights.started.into_iter();
        started.map(|execution| Input::Examined { execution, finding: Finding::Alive }).collect()
    }

    fn now(&self) -> Mono {
        Mono(self.began.elapsed())
    }

    fn attempt(&mut self, execution: ExecutionId) -> &mut Attempt {
        self.attempts.entry(execution).or_default()
    }

    /// Performs what recovery wishes, and waits until every attempt that may have started was looked at.
    async fn settle(&mut self, effects: Vec<Effect>) {
        let mut waiting = 0;
        for effect in effects {
            waiting += usize::from(matches!(effect, Effect::Examine(_)));
            self.perform(effect);
        }
        while waiting > 0
            && let Some(fact) = self.facts.recv().await
        {
            let live = match &fact {
                Fact::Examined(execution, finding, _) => {
                    waiting -= 1;
                    matches!(finding, None | Some(Finding::Alive)).then_some(*execution)
                }
                _ => None,
            };
            let inputs = self.learned(fact);
            self.decide(inputs);
            if let Some(execution) = live {
                self.follow(execution);
            }
        }
    }

    fn watch_the_host(&self) {
        task::spawn("own identity", tasks::own_identity(self.host.clone(), self.tasks.clone()));
        task::spawn("equipment", tasks::equipment(self.host.clone(), self.tasks.clone()));
    }
}

fn internal(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("The kernel gives no {what}: {error}. Raise the limit that it names."))
}

fn no_journal(why: &str) -> Failure {
    let sentence = format!(
        "The journal cannot be written: {why}. The agent ends, because it could not keep a promise; running steps go on. Make \
         room or replace the disk, then start it again."
    );
    Failure::new(Exit::Data, sentence)
}
