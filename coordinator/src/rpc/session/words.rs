//! A worker's words, as the core knows them.

use std::collections::{BTreeMap, BTreeSet};

use coordinator_core::{
    fact::{ExitResult, Output, OutputValue, RunIdentity},
    input::{Fate, Held, Hello, Memories, Rejection, Remembered, Said},
    report::{AwsReport, Report},
};
use proto::{
    status::to_status,
    worker::{
        self as wire, ResultNotice, StepIdentity, cancel_ack, held_attempt, outcome, output_variable, rejected,
        remembered_attempt, worker_message::Message,
    },
};
use shared::{
    aws::role_of_session,
    id::{AssignSeq, ExecutionId, WorkerId},
    limits,
    outcome::{Outcome, OutcomeKind},
    reason::{Fault, Reason},
    tool::{TOOLS, version_in},
};
use tonic::Status;

use super::{control::is_low, execution};

pub(super) fn hello(worker: WorkerId, hello: &wire::Hello) -> Result<Hello, Status> {
    let held = hello.held.iter().map(held_attempt).collect::<Result<BTreeMap<ExecutionId, Held>, Status>>()?;
    Ok(Hello {
        worker,
        journal_id: hello.journal_id.clone(),
        boot_id: hello.boot_id.clone(),
        slots: u32::try_from(hello.slots).unwrap_or(0).min(limits::MAX_SLOTS),
        assign_hwm: AssignSeq(hello.assign_hwm),
        held,
        unheard_of: BTreeSet::new(),
        disk_low: is_low(hello.disk_free_bytes),
    })
}

fn held_attempt(held: &wire::HeldAttempt) -> Result<(ExecutionId, Held), Status> {
    use held_attempt::Phase;
    let known = match held.phase() {
        Phase::Accepted => Held::Accepted,
        Phase::Running => Held::Running,
        Phase::Void => Held::Void,
        Phase::Interrupted => Held::Interrupted(held.evidence.clone()),
        Phase::Ended => {
            let notice = held.result.clone().ok_or_else(|| unfit("an ended attempt without its result"))?;
            Held::Ended(Box::new(exit_result(notice)?))
        }
        Phase::Unspecified => return Err(unfit("a held attempt without a phase")),
    };
    Ok((execution(&held.execution_id)?, known))
}

/// What the core should hear of a message; `None` for those that are none of its business.
pub(super) fn said(message: Message) -> Result<Option<Said>, Status> {
    Ok(Some(match message {
        Message::Hello(_) => return Err(unfit("a second Hello")),
        Message::Accepted(accepted) => Said::Accepted { execution: execution(&accepted.execution_id)? },
        Message::Rejected(rejected) => Said::Rejected {
            execution: execution(&rejected.execution_id)?,
            kind: rejection(rejected.kind())?,
            detail: rejected.detail,
        },
        Message::Started(started) => Said::Started { execution: execution(&started.execution_id)? },
        Message::Result(notice) => {
            Said::Ended { execution: execution(&notice.execution_id)?, result: Box::new(exit_result(notice)?) }
        }
        Message::Interrupted(interrupted) => {
            Said::Interrupted { execution: execution(&interrupted.execution_id)?, evidence: interrupted.evidence }
        }
        Message::CancelAck(ack) if ack.phase() == cancel_ack::Phase::NotStarted => {
            Said::CancelledBeforeStart { execution: execution(&ack.execution_id)? }
        }
        Message::CancelAck(_) => return Ok(None),
        Message::Heartbeat(heartbeat) => {
            Said::Heartbeat { disk_low: is_low(heartbeat.disk_free_bytes), report: report(&heartbeat) }
        }
        Message::Remembered(remembered) => Said::Remembered(memories(&remembered)?),
        Message::Goodbye(_) => Said::Goodbye,
    }))
}

/// Which of them the store has is filled in by whoever can read it.
fn memories(remembered: &wire::Remembered) -> Result<Memories, Status> {
    let attempts = remembered.attempts.iter().map(memory).collect::<Result<_, _>>()?;
    Ok(Memories { attempts, since: AssignSeq(remembered.since) })
}

fn memory(attempt: &wire::RememberedAttempt) -> Result<Remembered, Status> {
    use remembered_attempt::Fate as Wire;
    let fate = match attempt.fate() {
        Wire::Accepted => Fate::Accepted,
        Wire::Started => Fate::Started,
        Wire::Void => Fate::Void,
        Wire::Ended => Fate::Ended,
        Wire::Interrupted => Fate::Interrupted,
        Wire::Unspecified => return Err(unfit("a remembered attempt without its fate")),
    };
    Ok(Remembered {
        execution: execution(&attempt.execution_id)?,
        seq: AssignSeq(attempt.assign_seq),
        number: u32::try_from(attempt.attempt_number).unwrap_or_default(),
        fate,
        is_stored: true,
    })
}

fn report(heartbeat: &wire::Heartbeat) -> Report {
    let aws = heartbeat.own_role.as_ref().map(|own| {
        let identity = own.identity.clone().unwrap_or_default();
        AwsReport { role: role_of_session(&identity.arn).into(), account: identity.account, region: own.region.clone() }
    });
    Report {
        aws,
        isolated: heartbeat.isolation.as_ref().map(|isolation| isolation.holds),
        tools: equipment(heartbeat).map(|equipment| equipment.tools.into_iter().collect()),
    }
}

/// What a worker has for steps, as far as it is something that ours would say.
pub(super) fn equipment(heartbeat: &wire::Heartbeat) -> Option<wire::Equipment> {
    /// 64 characters of a version.
    const LONGEST: usize = 64;
    let mut equipment = heartbeat.equipment.clone()?;
    equipment.tools.retain(|name, version| {
        let is_version = version.is_empty() || version_in(version) == Some(version.as_str());
        version.len() <= LONGEST && is_version && TOOLS.iter().any(|tool| tool.name == name)
    });
    Some(equipment)
}

fn rejection(kind: rejected::Kind) -> Result<Rejection, Status> {
    use rejected::Kind;
    Ok(match kind {
        Kind::Void => Rejection::Void,
        Kind::Stale => Rejection::Stale,
        Kind::Busy => Rejection::Busy,
        Kind::DiskLow => Rejection::DiskLow,
        Kind::Unsupported => Rejection::Unsupported,
        Kind::Unspecified => return Err(unfit("a rejection without a kind")),
    })
}

fn exit_result(notice: ResultNotice) -> Result<ExitResult, Status> {
    let outcome = notice.outcome.ok_or_else(|| unfit("a result without an outcome"))?;
    let total: usize = notice.outputs.iter().map(output_bytes).sum();
    if total > 2 * limits::OUTPUTS_BYTES {
        return Err(unfit("more output than allowed"));
    }
    Ok(ExitResult {
        outcome: exit_outcome(outcome)?,
        final_seq: u64::try_from(notice.final_seq).map_err(|_| unfit("a negative length of a log"))?,
        digest: notice.digest.as_slice().try_into().map_err(|_| unfit("a digest that is not 32 bytes"))?,
        identity: notice.identity.map(identity),
        outputs: notice.outputs.into_iter().filter_map(output).collect(),
    })
}

fn exit_outcome(outcome: wire::Outcome) -> Result<Outcome, Status> {
    use outcome::Kind;
    let kind = match outcome.kind() {
        Kind::Succeeded => OutcomeKind::Succeeded,
        Kind::Failed => OutcomeKind::Failed,
        Kind::TimedOut => OutcomeKind::TimedOut,
        Kind::Cancelled => OutcomeKind::Cancelled,
        Kind::Unspecified => return Err(unfit("an outcome without a kind")),
    };
    let wire::Outcome { exit_code, signal, reason, detail, .. } = outcome;
    Ok(Outcome { kind, exit_code, signal, reason, detail })
}

fn output(output: wire::OutputVariable) -> Option<Output> {
    let value = match output.value? {
        output_variable::Value::Plain(value) => OutputValue::Plain(value),
        output_variable::Value::Sealed(value) => OutputValue::Sealed(value),
    };
    Some(Output { name: output.name, value })
}

fn output_bytes(output: &wire::OutputVariable) -> usize {
    match &output.value {
        Some(output_variable::Value::Plain(value)) => value.len(),
        Some(output_variable::Value::Sealed(value)) => value.len(),
        None => 0,
    }
}

fn identity(identity: StepIdentity) -> RunIdentity {
    let StepIdentity { account, arn, region, source, expires_at } = identity;
    RunIdentity { account, arn, region, source, expires_at }
}

fn unfit(what: &str) -> Status {
    to_status(&Fault::new(Reason::InvalidArgument, format!("The worker sent {what}.")))
}
