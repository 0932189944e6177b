//! What shall be done: wishes, in the imperative.

use std::time::Duration;

use shared::id::{AssignSeq, ExecutionId};

use crate::{Recalled, Record};

/// Something the shell shall do, in the order given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Make a record durable, then say so with [`crate::Input::Journalled`].
    Journal(Record),
    /// Get together what the attempt needs, then say [`crate::Input::Prepared`].
    Prepare(ExecutionId),
    /// Drop what was prepared: it will not run.
    DropPreparation(ExecutionId),
    /// Start the shim. Asked for at most once per attempt, ever.
    Spawn(ExecutionId),
    /// Look at the attempt's directory under its lock, then say [`crate::Input::Examined`].
    Examine(ExecutionId),
    /// Tell the shim to end the attempt.
    Cancel {
        /// Which.
        execution: ExecutionId,
        /// Between TERM and kill.
        grace: Duration,
    },
    /// Send the event stream from a frame on.
    Stream {
        /// Which.
        execution: ExecutionId,
        /// First frame to send.
        from: u64,
    },
    /// Say something to the coordinator; lost without harm when no session stands.
    Send(Message),
    /// Remove the attempt's files.
    RemoveFiles(ExecutionId),
    /// Give up the session, which is silent, and make a new one.
    Reconnect,
}

/// Something to say to the coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The offer is journalled.
    Accepted {
        /// Which.
        execution: ExecutionId,
        /// Of its offer.
        seq: AssignSeq,
    },
    /// The attempt will not run here.
    Rejected {
        /// Which.
        execution: ExecutionId,
        /// Of its offer.
        seq: AssignSeq,
        /// Why.
        kind: RejectKind,
        /// In a sentence.
        detail: String,
    },
    /// The process started.
    Started {
        /// Which.
        execution: ExecutionId,
    },
    /// The process ended; the shell reads how from the exit record.
    Result {
        /// Which.
        execution: ExecutionId,
    },
    /// The process died without an exit record.
    Interrupted {
        /// Which.
        execution: ExecutionId,
        /// What was found.
        evidence: String,
    },
    /// What became of a cancel.
    CancelAck {
        /// Which.
        execution: ExecutionId,
        /// How far it came.
        phase: CancelPhase,
    },
    /// All that is remembered, as it was asked for.
    Remembered(Recalled),
    /// Proof of life.
    Heartbeat {
        /// Grows by one within the session.
        number: i64,
        /// Slots free now.
        free_slots: u32,
    },
    /// The agent leaves on purpose.
    Goodbye {
        /// In a sentence.
        reason: String,
    },
}

/// Why an attempt will not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectKind {
    /// Recorded that it will never start.
    Void,
    /// Nothing is known of it; what it did, if anything, is not known either.
    Stale,
    /// No slot.
    Busy,
    /// Too little disk.
    DiskLow,
    /// No such action here.
    Unsupported,
}

/// How far a cancel came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CancelPhase {
    /// It never started and never will.
    NotStarted,
    /// Its processes were told to end.
    TermSent,
    /// It had ended by itself.
    AlreadyEnded,
}
