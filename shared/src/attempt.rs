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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// One row for each state, one column for each event; a dot where the table has no such cell.
    fn table() -> String {
        let row = |head: String, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:<12}")).collect();
            format!("{head:<12}|{cells}").trim_end().to_owned()
        };
        let heads = AttemptEvent::ALL.map(|event| match event {
            AttemptEvent::Exited(kind) => format!("→{kind:?}"),
            other => format!("{other:?}"),
        });
        let head = row(String::new(), heads.into());
        let rule = format!("{}+{}", "-".repeat(12), "-".repeat(13 * AttemptEvent::ALL.len()));
        let rows = AttemptState::ALL.map(|state| {
            let cell = |event| state.apply(event).map_or("·".to_owned(), |next| next.name().to_owned());
            row(state.name().to_owned(), AttemptEvent::ALL.map(cell).into())
        });
        [vec![head, rule], rows.into()].concat().join("\n")
    }

    #[test]
    fn the_table_is_what_was_agreed() {
        insta::assert_snapshot!("state_by_event", table());
    }

    #[test]
    fn nothing_leads_out_of_a_settled_state_and_something_out_of_every_other() {
        for state in AttemptState::ALL {
            let leads_out = AttemptEvent::ALL.iter().any(|&event| state.apply(event).is_ok());
            assert_eq!(leads_out, !state.is_settled(), "{state:?}");
        }
    }

    #[test]
    fn a_refused_event_names_itself_and_the_state() {
        let refused = AttemptState::Succeeded.apply(AttemptEvent::Alive).expect_err("settled");
        assert_eq!(refused.to_string(), "an attempt that is Succeeded cannot take Alive");
    }

    #[test]
    fn nothing_is_alive_before_it_was_granted_or_after_it_settled() {
        for state in AttemptState::ALL {
            assert!(!(state.may_be_alive() && state.is_settled()), "{state:?}");
        }
        assert!(!AttemptState::Offered.may_be_alive());
        assert!(!AttemptState::Interrupted.may_be_alive());
    }

    #[test]
    fn every_state_is_reached_and_can_settle() {
        for state in AttemptState::ALL {
            assert!(reachable(AttemptState::Offered).contains(&state), "{state:?} is never reached");
            assert!(reachable(state).iter().any(|end| end.is_settled()), "{state:?} cannot settle");
        }
    }

    fn reachable(from: AttemptState) -> Vec<AttemptState> {
        let mut found = vec![from];
        let mut at = 0;
        while let Some(&state) = found.get(at) {
            for next in AttemptEvent::ALL.iter().filter_map(|&event| state.apply(event).ok()) {
                if !found.contains(&next) {
                    found.push(next);
                }
            }
            at += 1;
        }
        found
    }

    proptest! {
        #[test]
        fn whatever_happens_the_first_settled_state_stays(events in vec(select(&AttemptEvent::ALL[..]), 0..40)) {
            let mut state = AttemptState::Offered;
            let mut settled = None;
            for event in events {
                state = state.apply(event).unwrap_or(state);
                settled = settled.or(state.is_settled().then_some(state));
                prop_assert!(settled.is_none_or(|settled| settled == state));
            }
        }
    }
}
