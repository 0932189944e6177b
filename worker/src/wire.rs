//! Between the agent's mind and the wire. What a stranger sent in the wrong shape ends here.

use std::time::Duration;

use proto::worker::{
    self as wire, CoordinatorMessage, HeldAttempt, StepSpec, WorkerMessage,
    coordinator_message::Message as FromCoordinator, directive, held_attempt, rejected,
    worker_message::Message as ToCoordinator,
};
use shared::{
    id::{AssignSeq, ExecutionId},
    limits,
};
use worker_core::{
    CancelPhase, Directive, Fate, Fence, Input, Message, Offer, Phase, Recalled, RejectKind, Standing, Terms,
};

use crate::exec_dir::Artifact;

/// What the coordinator said, as the agent's mind takes it.
#[derive(Debug)]
pub enum Heard {
    /// A fact, as it is.
    Fact(Input),
    /// An offer, with what to run if that came along.
    Offer(Offer, Option<Box<StepSpec>>),
}

/// A message that makes no sense; says what is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator sent {0}")]
pub struct Nonsense(pub &'static str);

/// An artifact as the coordinator is told of it.
#[must_use]
pub fn artifact(artifact: Artifact) -> wire::Artifact {
    wire::Artifact {
        number: artifact.number.cast_signed(),
        name: artifact.name,
        size: artifact.size.cast_signed(),
        sha256: artifact.sha256,
    }
}

/// Reads a message of a running session.
///
/// # Errors
/// [`Nonsense`] when a field is missing or has the wrong shape.
pub fn heard(message: CoordinatorMessage) -> Result<Heard, Nonsense> {
    let input = match message.message.ok_or(Nonsense("a message of an unknown kind"))? {
        FromCoordinator::Offer(offer) => return heard_offer(offer),
        FromCoordinator::Grant(grant) => {
            Input::Granted { execution: id(&grant.execution_id)?, seq: AssignSeq(grant.assign_seq) }
        }
        FromCoordinator::Revoke(revoke) => {
            Input::Revoked { execution: id(&revoke.execution_id)?, seq: AssignSeq(revoke.assign_seq) }
        }
        FromCoordinator::Cancel(cancel) => Input::CancelRequested {
            execution: id(&cancel.execution_id)?,
            grace: duration(cancel.grace).unwrap_or(limits::KILL_GRACE),
        },
        FromCoordinator::ResultAck(ack) => Input::ResultStored { execution: id(&ack.execution_id)? },
        FromCoordinator::Forget(forget) => Input::ForgetAllowed { execution: id(&forget.execution_id)? },
        FromCoordinator::HeartbeatAck(_) => Input::HeartbeatEchoed,
        FromCoordinator::Recall(_) => Input::RecallRequested,
        FromCoordinator::Drain(_) => Input::DrainRequested,
        FromCoordinator::Welcome(_) => return Err(Nonsense("a second Welcome")),
    };
    Ok(Heard::Fact(input))
}

fn heard_offer(offer: wire::Offer) -> Result<Heard, Nonsense> {
    let supported = offer.spec.as_ref().is_none_or(|spec| spec.action.is_some());
    let terms = Terms {
        seq: AssignSeq(offer.assign_seq),
        step_key: offer.step_key,
        number: offer.attempt_number,
        timeout: duration(offer.timeout).unwrap_or(limits::DEFAULT_TIMEOUT).min(limits::MAX_TIMEOUT),
        grace: duration(offer.grace).unwrap_or(limits::KILL_GRACE),
        fetching: duration(offer.fetching).unwrap_or_default(),
    };
    let execution = id(&offer.execution_id)?;
    Ok(Heard::Offer(Offer { execution, terms, supported }, offer.spec.map(Box::new)))
}

/// Reads a Welcome.
///
/// # Errors
/// [`Nonsense`] when a directive is not understood: it must not be ignored.
pub fn welcomed(welcome: &wire::Welcome) -> Result<Input, Nonsense> {
    let interval = duration(welcome.heartbeat_interval).filter(|interval| !interval.is_zero());
    Ok(Input::Welcomed {
        heartbeat_interval: interval.unwrap_or(limits::HEARTBEAT_INTERVAL),
        directives: welcome.directives.iter().map(read_directive).collect::<Result<_, _>>()?,
    })
}

fn read_directive(directive: &wire::Directive) -> Result<(ExecutionId, Directive), Nonsense> {
    let kind = match directive.kind() {
        directive::Kind::Keep => Directive::Keep { next_seq: u64::try_from(directive.next_seq).unwrap_or(0) },
        directive::Kind::Cancel => Directive::Cancel,
        directive::Kind::Void => Directive::Void,
        directive::Kind::Forget => Directive::Forget,
        directive::Kind::Kill => Directive::Kill,
        directive::Kind::Unspecified => return Err(Nonsense("a directive of an unknown kind")),
    };
    Ok((id(&directive.execution_id)?, kind))
}

/// A message as it travels; none for those that the shell completes ([`Message::Result`], [`Message::Heartbeat`]).
#[must_use]
pub fn said(message: Message) -> Option<ToCoordinator> {
    Some(match message {
        Message::Accepted { execution, seq } => {
            ToCoordinator::Accepted(wire::Accepted { execution_id: execution.to_string(), assign_seq: seq.0 })
        }
        Message::Rejected { execution, seq, kind, detail } => ToCoordinator::Rejected(wire::Rejected {
            execution_id: execution.to_string(),
            assign_seq: seq.0,
            kind: reject_kind(kind).into(),
            detail,
        }),
        Message::Started { execution } => ToCoordinator::Started(wire::Started { execution_id: execution.to_string() }),
        Message::Interrupted { execution, evidence } => {
            // The log's length is known to nobody but the files; the driver adds it.
            ToCoordinator::Interrupted(wire::Interrupted {
                execution_id: execution.to_string(),
                evidence,
                final_seq: 0,
            })
        }
        Message::CancelAck { execution, phase } => ToCoordinator::CancelAck(wire::CancelAck {
            execution_id: execution.to_string(),
            phase: cancel_phase(phase).into(),
        }),
        Message::Remembered(recalled) => ToCoordinator::Remembered(remembered(&recalled)),
        Message::Goodbye { reason } => ToCoordinator::Goodbye(wire::Goodbye { reason }),
        Message::Result { .. } | Message::Heartbeat { .. } => return None,
    })
}

fn remembered(recalled: &Recalled) -> wire::Remembered {
    wire::Remembered { attempts: recalled.attempts.iter().map(remembered_attempt).collect(), since: recalled.since.0 }
}

fn remembered_attempt(fence: &Fence) -> wire::RememberedAttempt {
    use wire::remembered_attempt::Fate as Wire;
    let fate = match fence.fate {
        Fate::Accepted => Wire::Accepted,
        Fate::Started => Wire::Started,
        Fate::Void => Wire::Void,
        Fate::Ended => Wire::Ended,
        Fate::Interrupted => Wire::Interrupted,
    };
    wire::RememberedAttempt {
        execution_id: fence.execution.to_string(),
        assign_seq: fence.seq.0,
        attempt_number: fence.number,
        fate: fate.into(),
    }
}

/// A message of a session.
#[must_use]
pub fn of_session(session_epoch: i64, message: ToCoordinator) -> WorkerMessage {
    WorkerMessage { session_epoch, message: Some(message) }
}

/// A held attempt in a Hello, without what its files say; none for one that the coordinator has settled.
#[must_use]
pub fn held(standing: &Standing) -> Option<HeldAttempt> {
    let phase = match standing.phase {
        // Not durable yet, or not started yet: in either case a grant may be sent again.
        Phase::Accepting | Phase::Accepted | Phase::Intending | Phase::Starting | Phase::Voiding => {
            held_attempt::Phase::Accepted
        }
        Phase::Recovering | Phase::Running | Phase::Burying => held_attempt::Phase::Running,
        Phase::Void => held_attempt::Phase::Void,
        Phase::Ended => held_attempt::Phase::Ended,
        Phase::Interrupted => held_attempt::Phase::Interrupted,
        Phase::Forgetting => return None,
    };
    Some(HeldAttempt {
        execution_id: standing.execution.to_string(),
        assign_seq: standing.seq.0,
        phase: phase.into(),
        evidence: standing.evidence.clone(),
        ..HeldAttempt::default()
    })
}

fn reject_kind(kind: RejectKind) -> rejected::Kind {
    match kind {
        RejectKind::Void => rejected::Kind::Void,
        RejectKind::Stale => rejected::Kind::Stale,
        RejectKind::Busy => rejected::Kind::Busy,
        RejectKind::DiskLow => rejected::Kind::DiskLow,
        RejectKind::Unsupported => rejected::Kind::Unsupported,
    }
}

fn cancel_phase(phase: CancelPhase) -> wire::cancel_ack::Phase {
    match phase {
        CancelPhase::NotStarted => wire::cancel_ack::Phase::NotStarted,
        CancelPhase::TermSent => wire::cancel_ack::Phase::TermSent,
        CancelPhase::AlreadyEnded => wire::cancel_ack::Phase::AlreadyEnded,
    }
}

fn id(text: &str) -> Result<ExecutionId, Nonsense> {
    text.parse().map_err(|_| Nonsense("an execution id that is no UUID"))
}

fn duration(duration: Option<prost_types::Duration>) -> Option<Duration> {
    duration.and_then(|duration| duration.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(message: FromCoordinator) -> CoordinatorMessage {
        CoordinatorMessage { session_epoch: 1, message: Some(message) }
    }

    #[test]
    fn a_directive_of_an_unknown_kind_is_refused_and_not_ignored() {
        let directive = wire::Directive { kind: 99, ..wire::Directive::default() };
        let welcome = wire::Welcome { directives: vec![directive], ..wire::Welcome::default() };
        assert_eq!(welcomed(&welcome), Err(Nonsense("a directive of an unknown kind")));
    }

    #[test]
    fn an_id_that_is_none_is_refused() {
        let grant = wire::Grant { execution_id: "../../etc".into(), assign_seq: 1 };
        assert!(heard(message(FromCoordinator::Grant(grant))).is_err());
        assert!(heard(CoordinatorMessage::default()).is_err());
    }

    #[test]
    fn an_offer_of_an_unknown_action_is_known_as_such_when_the_step_came_along() {
        let id = uuid::Uuid::from_u128(1).to_string();
        let offer = |spec| wire::Offer { execution_id: id.clone(), spec, ..wire::Offer::default() };
        for (spec, supported) in [(None, true), (Some(StepSpec::default()), false)] {
            match heard(message(FromCoordinator::Offer(offer(spec)))).expect("an offer") {
                Heard::Offer(offer, _) => assert_eq!(offer.supported, supported),
                Heard::Fact(_) => panic!("not an offer"),
            }
        }
    }

    #[test]
    fn an_offer_without_limits_gets_the_usual_ones() {
        let id = uuid::Uuid::from_u128(1).to_string();
        let offer = wire::Offer { execution_id: id, ..wire::Offer::default() };
        let Heard::Offer(offer, _) = heard(message(FromCoordinator::Offer(offer))).expect("an offer") else {
            panic!("not an offer")
        };
        assert_eq!((offer.terms.timeout, offer.terms.grace), (limits::DEFAULT_TIMEOUT, limits::KILL_GRACE));
    }
}
