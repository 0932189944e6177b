//! What survives a restart: the journal's records, and what they add up to.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use shared::id::{AssignSeq, ExecutionId};

use crate::Terms;

/// 256 fences: more than one worker forgets between two offers of one step.
const FENCES: usize = 256;

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
    /// Attempts forgotten lately, oldest first.
    pub fences: VecDeque<Fence>,
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
                if let Some(Held { terms, .. }) = self.held.remove(&execution) {
                    remember(&mut self.fences, Fence { execution, step_key: terms.step_key, number: terms.number });
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

pub(crate) fn remember(fences: &mut VecDeque<Fence>, fence: Fence) {
    fences.push_back(fence);
    if fences.len() > FENCES {
        fences.pop_front();
    }
}
