//! A worker's host: the agent, its journal on disk, the folders of attempts, and the processes that run.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    bug::{Bug, is_seeded},
    id::{ExecutionId, SessionEpoch},
    outcome::OutcomeKind,
};
use worker_core::{Agent, Effect, Finding, Input, Memory, Message, Mono, Phase, Record};

use super::network::{Greeting, Known, Word};

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    slots: u32,
    /// The agent, while it lives.
    pub(crate) agent: Option<Agent>,
    /// What is durable, added up.
    memory: Memory,
    /// What the journal was given and is not durable yet.
    pub(crate) unsynced: Vec<Record>,
    journal: u8,
    boot: u8,
    /// Attempts whose folder the agent wants to look into before anything else.
    wanted: BTreeSet<ExecutionId>,
    /// The stream that the agent believes to have.
    pub(crate) session: Session,
    /// Folders and processes.
    pub(crate) execs: BTreeMap<ExecutionId, Exec>,
    /// Children of attempts whose folder is gone.
    pub(crate) strays: BTreeSet<ExecutionId>,
}

/// The agent's stream to the coordinator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Session {
    /// None.
    Closed,
    /// Hello was said, and the Welcome is awaited.
    Greeting,
    /// It stands.
    Open(SessionEpoch),
}

/// An attempt's folder and its processes.
#[derive(Clone, Debug, Default)]
pub struct Exec {
    pub(crate) shim: Shim,
    /// The start mark.
    is_started: bool,
    /// The void mark.
    is_void: bool,
    /// The exit record.
    pub(crate) exit: Option<OutcomeKind>,
    pub(crate) child_lives: bool,
    /// Whether the shim was told to end it.
    pub(crate) is_cancelled: bool,
}

/// Where a shim stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Shim {
    /// None, or it ended.
    #[default]
    Gone,
    /// On its way to its lock.
    Forked,
    /// It holds its lock.
    Holding,
}

impl Host {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            slots,
            agent: None,
            memory: Memory::default(),
            unsynced: Vec::new(),
            journal: 1,
            boot: 1,
            wanted: BTreeSet::new(),
            session: Session::Closed,
            execs: BTreeMap::new(),
            strays: BTreeSet::new(),
        }
    }

    /// The agent recovers from what is durable. It looks into every doubtful folder before it says anything.
    pub(crate) fn start_agent(&mut self) -> Vec<Word> {
        self.memory.apply(Record::Session { boot_id: format!("boot {}", self.boot) });
        let forgotten: Vec<ExecutionId> =
            self.execs.keys().copied().filter(|execution| !self.memory.knows(*execution)).collect();
        for execution in forgotten {
            self.memory.adopt(execution);
        }
        let (agent, effects) = Agent::recover(Mono::default(), self.slots, self.memory.clone());
        self.agent = Some(agent);
        let mut words = self.perform(effects);
        while let Some(execution) = self.wanted.first().copied() {
            words.extend(self.look(execution));
        }
        words
    }

    /// What the agent learns, what it wants, and what it says.
    pub(crate) fn tell(&mut self, input: Input) -> Vec<Word> {
        let Some(agent) = &mut self.agent else { return Vec::new() };
        let effects = agent.handle(Mono::default(), input);
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Vec<Word> {
        let mut words = Vec::new();
        for effect in effects {
            match effect {
                Effect::Journal(record) => self.unsynced.push(record),
                Effect::Prepare(execution) => words.extend(self.tell(Input::Prepared { execution })),
                Effect::Spawn(execution) => self.execs.entry(execution).or_default().shim = Shim::Forked,
                Effect::Examine(execution) => {
                    self.wanted.insert(execution);
                }
                Effect::Cancel { execution, .. } => {
                    if let Some(exec) = self.execs.get_mut(&execution) {
                        exec.is_cancelled = true;
                    }
                }
                Effect::Send(message) => words.extend(self.say(&message)),
                Effect::RemoveFiles(execution) => {
                    self.execs.remove(&execution);
                }
                Effect::Reconnect => self.session = Session::Closed,
                Effect::DropPreparation(_) | Effect::Stream { .. } => {}
            }
        }
        words
    }

    fn say(&self, message: &Message) -> Option<Word> {
        Word::of(message, |execution| self.execs.get(&execution)?.exit)
    }

    /// Makes the first records durable, without a word to the agent.
    pub(crate) fn write(&mut self, count: usize) {
        for record in self.unsynced.drain(..count) {
            self.memory.apply(record);
        }
    }

    /// Makes every record durable, and says so.
    pub(crate) fn sync(&mut self) -> Vec<Word> {
        let entries: Vec<_> = self.unsynced.iter().filter_map(Record::entry).collect();
        self.write(self.unsynced.len());
        let inputs = entries.into_iter().map(|(execution, entry)| Input::Journalled { execution, entry });
        inputs.flat_map(|input| self.tell(input)).collect()
    }

    pub(crate) fn greeting(&self) -> Option<Greeting> {
        let greeting = self.agent.as_ref()?.greeting();
        let end = |execution| self.execs.get(&execution).and_then(|exec: &Exec| exec.exit);
        let held = greeting.held.iter();
        let held = held.filter_map(|held| Some((held.execution, Known::of(held, end(held.execution))?)));
        Some(Greeting {
            journal: self.journal,
            boot: self.boot,
            slots: self.slots,
            hwm: greeting.hwm,
            held: held.collect(),
        })
    }

    /// Attempts whose folder the agent may look into, because something changed there, or because it is time to.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = ExecutionId> + '_ {
        self.agent.iter().flat_map(Agent::running).filter(|execution| {
            let is_running = self.agent.as_ref().and_then(|agent| agent.phase(*execution)) == Some(Phase::Running);
            !(is_running && self.execs.get(execution).is_some_and(|exec| exec.shim == Shim::Holding))
        })
    }

    /// Looks into a folder under its lock, as the worker's shell does.
    pub(crate) fn look(&mut self, execution: ExecutionId) -> Vec<Word> {
        self.wanted.remove(&execution);
        let finding = match self.execs.get_mut(&execution) {
            None => Finding::Dead { evidence: "Its folder is gone.".into() },
            Some(exec) => exec.look(),
        };
        self.tell(Input::Examined { execution, finding })
    }

    pub(crate) fn kill_agent(&mut self, written: usize) {
        self.write(written);
        self.unsynced.clear();
        self.wanted.clear();
        self.agent = None;
        self.session = Session::Closed;
    }

    pub(crate) fn reboot(&mut self) {
        self.kill_agent(0);
        self.boot += 1;
        self.strays.clear();
        for exec in self.execs.values_mut() {
            exec.shim = Shim::Gone;
            exec.child_lives = false;
        }
    }

    /// The data folder is lost, while whatever runs goes on.
    pub(crate) fn forget_all(&mut self) {
        self.journal += 1;
        self.memory = Memory::default();
        let execs = std::mem::take(&mut self.execs);
        self.strays.extend(execs.into_iter().filter(|(_, exec)| exec.child_lives).map(|(execution, _)| execution));
    }

    /// Whether a child of the attempt lives here.
    pub(crate) fn runs(&self, execution: ExecutionId) -> bool {
        self.strays.contains(&execution) || self.execs.get(&execution).is_some_and(|exec| exec.child_lives)
    }
}

impl Exec {
    /// The shim takes its lock. Whether it started its child.
    pub(crate) fn start(&mut self) -> bool {
        let may = !self.is_void && (!self.is_started || is_seeded(Bug::StartMarkShared));
        self.shim = if may { Shim::Holding } else { Shim::Gone };
        self.is_started |= may;
        self.child_lives |= may;
        may
    }

    /// The child ends, and the shim writes how.
    pub(crate) fn end(&mut self, end: OutcomeKind) {
        self.child_lives = false;
        self.exit = Some(end);
        self.shim = Shim::Gone;
    }

    fn look(&mut self) -> Finding {
        if self.shim == Shim::Holding {
            Finding::Alive
        } else if !self.is_started {
            self.is_void |= !is_seeded(Bug::NoVoidMark);
            Finding::NeverStarted
        } else if self.exit.is_some() {
            Finding::Ended
        } else {
            self.child_lives = false;
            Finding::Dead { evidence: "Its shim ended without an exit record.".into() }
        }
    }
}
