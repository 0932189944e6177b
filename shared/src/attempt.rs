//! The life of one attempt: the whole table of what may happen to it. The coordinator folds events through
//! [`AttemptState::apply`]; its store refuses, by itself, every pair that is not in the table.

use serde::{Deserialize, Serialize};

use crate::outcome::OutcomeKind;

/// Where an attempt stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttemptState {
    /// A worker was asked; no grant was committed, so it cannot have started.
    Offered,
    /// A grant was committed: from here on only the worker's word, proof of death or a person's decision ends it.
    Granted,
    /// The worker said that its process started.
    Running,
    /// Exit code 0.
    Succeeded,
    /// Another end of the process, or it could not be started.
    Failed,
    /// Killed by its timeout.
    TimedOut,
    /// Killed by request; no process of it is alive.
    Cancelled,
    /// It never started and never will.
    NotStarted,
    /// Its process is dead and left no exit record: what it did is not known.
    Interrupted,
    /// Granted, and contact is lost or the worker forgot: it may be alive.
    Unknown,
    /// Unknown or interrupted, and then decided: by a person, or by the step's declared policy.
    Resolved,
}

/// What may happen to an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEvent {
    /// T2: the worker accepted, and the grant is committed with this.
    Granted,
    /// T3: taken back, rejected, timed out before a grant.
    Withdrawn,
    /// T4: the worker said its process started. T10: it reports it alive after contact was lost.
    Alive,
    /// T5: the worker recorded that it never started and never will.
    Voided,
    /// T6: the shim's exit record.
    Exited(OutcomeKind),
    /// T7: the process is dead without an exit record, by the worker's evidence or a changed boot id.
    FoundDead,
    /// T8: no contact for too long, the worker's journal is another one, or it knows nothing of a granted attempt.
    ContactLost,
    /// T11: decided by a person or by the step's declared policy.
    Decided,
}

/// An event that the table does not allow in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an attempt that is {state:?} cannot take {event:?}")]
pub struct IllegalTransition {
    /// The state it was in.
    pub state: AttemptState,
    /// The event that came.
    pub event: AttemptEvent,
}

impl AttemptState {
    /// Every state, in order of the table.
    pub const ALL: [Self; 11] = [
        Self::Offered,
        Self::Granted,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::NotStarted,
        Self::Interrupted,
        Self::Unknown,
        Self::Resolved,
    ];

    /// The state after an event.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the table has no such cell; the state is unchanged.
    pub fn apply(self, event: AttemptEvent) -> Result<Self, IllegalTransition> {
        use AttemptEvent as E;
        use AttemptState as S;
        Ok(match (self, event) {
            (S::Offered, E::Granted) => S::Granted,
            (S::Offered, E::Withdrawn | E::Voided) => S::NotStarted,
            (S::Granted | S::Unknown, E::Alive) => S::Running,
            (S::Granted | S::Unknown, E::Voided) => S::NotStarted,
            (S::Granted | S::Running | S::Unknown, E::Exited(kind)) => kind.into(),
            (S::Granted | S::Running | S::Unknown, E::FoundDead) => S::Interrupted,
            (S::Granted | S::Running, E::ContactLost) => S::Unknown,
            (S::Unknown | S::Interrupted, E::Decided) => S::Resolved,
            (state, event) => return Err(IllegalTransition { state, event }),
        })
    }

    /// Whether nothing more can happen to it by itself. Interrupted is not settled: it waits for a decision.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Offered | Self::Granted | Self::Running | Self::Unknown | Self::Interrupted)
    }

    /// Whether a process of it may be alive.
    #[must_use]
    pub const fn may_be_alive(self) -> bool {
        matches!(self, Self::Granted | Self::Running | Self::Unknown)
    }

    /// Its name in the store and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "OFFERED",
            Self::Granted => "GRANTED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Cancelled => "CANCELLED",
            Self::NotStarted => "NOT_STARTED",
            Self::Interrupted => "INTERRUPTED",
            Self::Unknown => "UNKNOWN",
            Self::Resolved => "RESOLVED",
        }
    }
}

impl AttemptEvent {
    /// Every event, in order of the table.
    pub const ALL: [Self; 11] = [
        Self::Granted,
        Self::Withdrawn,
        Self::Alive,
        Self::Voided,
        Self::Exited(OutcomeKind::Succeeded),
        Self::Exited(OutcomeKind::Failed),
        Self::Exited(OutcomeKind::TimedOut),
        Self::Exited(OutcomeKind::Cancelled),
        Self::FoundDead,
        Self::ContactLost,
        Self::Decided,
    ];
}

impl From<OutcomeKind> for AttemptState {
    fn from(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Succeeded => Self::Succeeded,
            OutcomeKind::Failed => Self::Failed,
            OutcomeKind::TimedOut => Self::TimedOut,
            OutcomeKind::Cancelled => Self::Cancelled,
        }
    }
}
