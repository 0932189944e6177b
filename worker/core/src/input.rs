//! What happened: facts, in the past tense.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::id::{AssignSeq, ExecutionId};

use crate::Entry;

/// Something that happened, at the coordinator or on this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The coordinator offered a step.
    Offered(Offer),
    /// The coordinator stored that an offer may be started.
    Granted {
        /// Which.
        execution: ExecutionId,
        /// Of its offer.
        seq: AssignSeq,
    },
    /// The coordinator took an offer back.
    Revoked {
        /// Which.
        execution: ExecutionId,
        /// Of its offer.
        seq: AssignSeq,
    },
    /// Somebody asked for an attempt's end.
    CancelRequested {
        /// Which.
        execution: ExecutionId,
        /// Between TERM and kill.
        grace: Duration,
    },
    /// The coordinator stored the end of an attempt.
    ResultStored {
        /// Which.
        execution: ExecutionId,
    },
    /// The coordinator stored all of an attempt: its files may go.
    ForgetAllowed {
        /// Which.
        execution: ExecutionId,
    },
    /// The coordinator answered Hello.
    Welcomed {
        /// How often it wants a heartbeat.
        heartbeat_interval: Duration,
        /// What to do with each held attempt.
        directives: Vec<(ExecutionId, Directive)>,
    },
    /// The coordinator echoed a heartbeat of this session.
    HeartbeatEchoed,
    /// The session broke or was replaced.
    SessionEnded,
    /// The coordinator asked for all that is remembered: its store may have gone back in time.
    RecallRequested,
    /// The coordinator asked to take nothing new.
    DrainRequested,
    /// The agent was asked to stop.
    ShutdownRequested,
    /// A record is durable.
    Journalled {
        /// Which attempt it is about.
        execution: ExecutionId,
        /// Which kind of record.
        entry: Entry,
    },
    /// What an attempt needs is at hand, or what is missing is written into its order.
    Prepared {
        /// Which.
        execution: ExecutionId,
    },
    /// An attempt can never be prepared here.
    Unpreparable {
        /// Which.
        execution: ExecutionId,
        /// In a sentence.
        detail: String,
    },
    /// An attempt's directory was looked at.
    Examined {
        /// Which.
        execution: ExecutionId,
        /// What was found.
        finding: Finding,
    },
    /// Free bytes of the data folder were measured.
    DiskMeasured {
        /// Bytes.
        free: u64,
    },
    /// Nothing happened but time.
    TimePassed,
}

/// A step that may run here, once granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Which attempt.
    pub execution: ExecutionId,
    /// On which terms.
    pub terms: Terms,
    /// Whether this program knows the action; true where that is not known yet.
    pub supported: bool,
}

/// What an offer says besides what to run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Terms {
    /// Order number of the offer.
    pub seq: AssignSeq,
    /// Stable over attempts.
    pub step_key: String,
    /// Number of the attempt.
    pub number: i32,
    /// Longest run.
    pub timeout: Duration,
    /// Between TERM and kill.
    pub grace: Duration,
    /// Longest time for fetching its files, besides what every step is given.
    #[serde(default)]
    pub fetching: Duration,
}

/// What the coordinator wants done with a held attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directive {
    /// Go on.
    Keep {
        /// First frame that the coordinator lacks.
        next_seq: u64,
    },
    /// Stop it.
    Cancel,
    /// Kill it at once.
    Kill,
    /// Never start it.
    Void,
    /// Its files may go.
    Forget,
}

/// What an attempt's directory says, read under its lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The shim holds the lock, and has made its start mark.
    Alive,
    /// It never started, and the void mark made under the lock keeps it so.
    NeverStarted,
    /// There is a valid exit record.
    Ended,
    /// It started, left no exit record, and no process of it is alive.
    Dead {
        /// What was found, in a sentence.
        evidence: String,
    },
}
