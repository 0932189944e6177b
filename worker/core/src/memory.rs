//! What survives a restart: the journal's records, and what they add up to.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use shared::{
    bug::{Bug, is_seeded},
    id::{AssignSeq, ExecutionId},
};

use crate::Terms;

/// 10,000 forgotten attempts, 2 MiB at most: what a coordinator that was restored from a backup can ask for.
const FENCES: usize = 10_000;

/// One record of the journal. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An agent started.
    Session {
        /// Of the kernel: another one means every process of before is dead.
        boot_id: String,
    },
    /// An offer was taken.
    Accepted {
        /// Which.
        execution: ExecutionId,
        /// On which terms.
        terms: Terms,
    },
    /// The shim is about to be started.
    Intent {
        /// Which.
        execution: ExecutionId,
    },
    /// It never started and never will.
    Void {
        /// Which.
        execution: ExecutionId,
        /// On which terms it was offered.
        terms: Terms,
    },
    /// Its exit record was seen.
    Ended {
        /// Which.
        execution: ExecutionId,
    },
    /// It died without an exit record.
    Interrupted {
        /// Which.
        execution: ExecutionId,
        /// What was found.
        evidence: String,
    },
    /// The coordinator has stored all of it.
    Forgotten {
        /// Which.
        execution: ExecutionId,
    },
    /// Everything before, added up.
    Snapshot(Memory),
}

/// Which kind of record about an attempt became durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// [`Record::Accepted`].
    Accepted,
    /// [`Record::Intent`].
    Intent,
    /// [`Record::Void`].
    Void,
    /// [`Record::Ended`].
    Ended,
    /// [`Record::Interrupted`].
    Interrupted,
    /// [`Record::Forgotten`].
    Forgotten,
}

/// All records, added up.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Highest assign_seq ever accepted or voided.
    pub hwm: AssignSeq,
    /// Of the last session.
    pub boot_id: String,
    /// Attempts not yet forgotten.
    pub held: BTreeMap<ExecutionId, Held>,
    /// Attempts whose files are gone, oldest first.
    pub fences: Fences,
}

/// Attempts whose files are gone, as far as they are remembered.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Fences {
    known: VecDeque<Fence>,
    /// Highest order number among those that are not remembered any more.
    lost: AssignSeq,
}

/// How a snapshot has them: a list alone in journals of before.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    All(VecDeque<Fence>),
    Some { known: VecDeque<Fence>, lost: AssignSeq },
}

/// A held attempt as the records tell it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// What it was offered with.
    pub terms: Terms,
    /// How far it came.
    pub stage: Stage,
}

/// How far an attempt came, by the records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for its grant.
    Accepted,
    /// Its shim may have been started.
    Intent,
    /// Never started and never will.
    Void,
    /// Its exit record was seen.
    Ended,
    /// Died without an exit record.
    Interrupted(String),
}

/// A forgotten attempt: refuses lower attempts of its step, and tells leftover files from lost records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fence {
    /// Which attempt.
    pub execution: ExecutionId,
    /// Of which step.
    pub step_key: String,
    /// Its number.
    pub number: i32,
    /// Of its offer.
    #[serde(default)]
    pub seq: AssignSeq,
    /// What became of it.
    #[serde(default)]
    pub fate: Fate,
}

/// What became of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Waits for its grant.
    Accepted,
    /// Was granted: it was started, or may be at any moment.
    Started,
    /// Never started and never will.
    Void,
    /// Ended.
    #[default]
    Ended,
    /// Died without an exit record.
    Interrupted,
}

impl Record {
    /// What [`crate::Input::Journalled`] says of it, if anybody waits for it.
    #[must_use]
    pub fn entry(&self) -> Option<(ExecutionId, Entry)> {
        match self {
            Self::Session { .. } | Self::Snapshot(_) => None,
            Self::Accepted { execution, .. } => Some((*execution, Entry::Accepted)),
            Self::Intent { execution } => Some((*execution, Entry::Intent)),
            Self::Void { execution, .. } => Some((*execution, Entry::Void)),
            Self::Ended { execution } => Some((*execution, Entry::Ended)),
            Self::Interrupted { execution, .. } => Some((*execution, Entry::Interrupted)),
            Self::Forgotten { execution } => Some((*execution, Entry::Forgotten)),
        }
    }

    /// Whether somebody waits for it. An end is durable in the exit record already, and forgetting may take its time.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Self::Ended { .. } | Self::Forgotten { .. })
    }
}

impl Memory {
    /// Adds a record.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Session { boot_id } => self.boot_id = boot_id,
            Record::Accepted { execution, terms } => self.hold(execution, terms, Stage::Accepted),
            Record::Void { execution, terms } => self.hold(execution, terms, Stage::Void),
            Record::Intent { execution } => self.advance(execution, Stage::Intent),
            Record::Ended { execution } => self.advance(execution, Stage::Ended),
            Record::Interrupted { execution, evidence } => self.advance(execution, Stage::Interrupted(evidence)),
            Record::Forgotten { execution } => {
                if let Some(Held { terms, stage }) = self.held.remove(&execution) {
                    self.fences.add(Fence::of(execution, &terms, stage.fate()));
                }
            }
            Record::Snapshot(memory) => *self = memory,
        }
    }

    /// Takes up an attempt whose files are there although no record tells of it: it may have started.
    pub fn adopt(&mut self, execution: ExecutionId) {
        self.hold(execution, Terms::default(), Stage::Intent);
    }

    /// Whether any record tells of an attempt, or told lately.
    #[must_use]
    pub fn knows(&self, execution: ExecutionId) -> bool {
        self.held.contains_key(&execution) || self.fences.iter().any(|fence| fence.execution == execution)
    }

    fn hold(&mut self, execution: ExecutionId, terms: Terms, stage: Stage) {
        self.hwm = self.hwm.max(terms.seq);
        self.held.insert(execution, Held { terms, stage });
    }

    fn advance(&mut self, execution: ExecutionId, stage: Stage) {
        if let Some(held) = self.held.get_mut(&execution) {
            held.stage = stage;
        }
    }
}

impl Stage {
    fn fate(&self) -> Fate {
        match self {
            Self::Accepted => Fate::Accepted,
            Self::Intent => Fate::Started,
            Self::Void => Fate::Void,
            Self::Ended => Fate::Ended,
            Self::Interrupted(_) => Fate::Interrupted,
        }
    }
}

impl Fence {
    pub(crate) fn of(execution: ExecutionId, terms: &Terms, fate: Fate) -> Self {
        Self { execution, step_key: terms.step_key.clone(), number: terms.number, seq: terms.seq, fate }
    }
}

impl Fences {
    /// One more; the oldest goes when there are too many.
    pub(crate) fn add(&mut self, fence: Fence) {
        if is_seeded(Bug::NoMemory) {
            return;
        }
        self.known.push_back(fence);
        if self.known.len() > FENCES
            && let Some(oldest) = self.known.pop_front()
        {
            self.lost = self.lost.max(oldest.seq);
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Fence> {
        self.known.iter()
    }

    /// Of all attempts that were taken with this order number or a higher one, none is left out.
    #[must_use]
    pub fn since(&self) -> AssignSeq {
        AssignSeq(self.lost.0 + 1)
    }
}

impl From<Stored> for Fences {
    fn from(stored: Stored) -> Self {
        match stored {
            // A list kept few, and did not say what it let go of: nothing is known to be whole.
            Stored::All(known) if known.is_empty() => Self::default(),
            Stored::All(known) => Self { known, lost: AssignSeq(i64::MAX - 1) },
            Stored::Some { known, lost } => Self { known, lost },
        }
    }
}

impl From<Fences> for Stored {
    fn from(Fences { known, lost }: Fences) -> Self {
        Self::Some { known, lost }
    }
}
