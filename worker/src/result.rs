//! The end of an attempt as the coordinator is told of it: the exit record, and what its event stream says besides.

use std::io;

use prost::Message;
use proto::worker::{Artifact, Frame, OutputVariable, ResultNotice, StepIdentity, frame::Body};
use shared::{
    id::ExecutionId,
    outcome::{Outcome, OutcomeKind},
};
use tracing::error;

use crate::{
    exec_dir::{EventReader, ExecDir, ExitRecord},
    wire,
};

/// Reads how an attempt ended; none when it has no exit record.
///
/// # Errors
/// Whatever the file system says.
pub fn notice(exec: &ExecDir, execution: ExecutionId) -> io::Result<Option<ResultNotice>> {
    let Some(ExitRecord { outcome, final_seq, digest }) = exec.read_exit()? else { return Ok(None) };
    let told = Told::read(exec)?;
    Ok(Some(ResultNotice {
        execution_id: execution.to_string(),
        outcome: Some(outcome_on_the_wire(outcome)),
        final_seq: i64::try_from(final_seq).unwrap_or(i64::MAX),
        digest: unhex(&digest),
        outputs: told.outputs,
        identity: told.identity,
        artifacts: artifacts(exec, execution),
    }))
}

/// An end that is known must be told, whatever the disk did to the rest.
fn artifacts(exec: &ExecDir, execution: ExecutionId) -> Vec<Artifact> {
    let found = exec.artifacts().list().unwrap_or_else(|error| {
        error!(%execution, %error, "artifacts cannot be read");
        Vec::new()
    });
    found.into_iter().map(wire::artifact).collect()
}

/// Frames that an attempt's event stream has.
///
/// # Errors
/// Whatever the file system says.
pub fn frames(exec: &ExecDir) -> io::Result<u64> {
    let mut reader = match EventReader::open(&exec.events_path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    while reader.read()?.is_some() {}
    Ok(reader.sequence())
}

/// What the event stream says besides the log.
#[derive(Default)]
struct Told {
    outputs: Vec<OutputVariable>,
    identity: Option<StepIdentity>,
}

impl Told {
    fn read(exec: &ExecDir) -> io::Result<Self> {
        let mut told = Self::default();
        let mut reader = match EventReader::open(&exec.events_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(told),
            other => other?,
        };
        while let Some(bytes) = reader.read()? {
            match Frame::decode(bytes).map_err(io::Error::other)?.body {
                Some(Body::Output(output)) => told.outputs.push(output),
                Some(Body::Identity(identity)) => told.identity = Some(identity),
                _ => {}
            }
        }
        Ok(told)
    }
}

fn outcome_on_the_wire(outcome: Outcome) -> proto::worker::Outcome {
    use proto::worker::outcome::Kind;
    let kind = match outcome.kind {
        OutcomeKind::Succeeded => Kind::Succeeded,
        OutcomeKind::Failed => Kind::Failed,
        OutcomeKind::TimedOut => Kind::TimedOut,
        OutcomeKind::Cancelled => Kind::Cancelled,
    };
    proto::worker::Outcome {
        kind: kind.into(),
        exit_code: outcome.exit_code,
        signal: outcome.signal,
        reason: outcome.reason,
        detail: outcome.detail,
    }
}

/// Bytes of hex digits; what is no hex digit ends it.
fn unhex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks_exact(2)
        .map_while(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proto::worker::{Log, output_variable::Value};

    use super::*;
    use crate::exec_dir::{EventWriter, ExitSlot};

    #[test]
    fn a_result_carries_the_record_the_outputs_and_the_identity() {
        let folder = tempfile::tempdir().expect("a folder");
        let exec = ExecDir::new(folder.path());
        let execution = ExecutionId(uuid::Uuid::from_u128(1));
        assert_eq!(notice(&exec, execution).expect("readable"), None);

        let mut events = EventWriter::create(&exec.events_path()).expect("a stream");
        let output = |value: &str| OutputVariable { name: "Url".into(), value: Some(Value::Plain(value.into())) };
        for body in [
            Body::Identity(StepIdentity { account: "123456789012".into(), ..StepIdentity::default() }),
            Body::Log(Log { source: 1, level: 2, data: "hello\n".into() }),
            Body::Output(output("a")),
            Body::Output(output("b")),
        ] {
            events.push(&Frame { time_ms: 1, body: Some(body) });
        }
        events.flush().expect("written");
        let record = ExitRecord { outcome: Outcome::exited(3), final_seq: 4, digest: events.digest() };
        ExitSlot::create(&exec.exit_path()).and_then(|slot| slot.write(&record)).expect("written");

        let notice = notice(&exec, execution).expect("readable").expect("ended");
        assert_eq!(notice.outputs, [output("a"), output("b")]);
        assert_eq!(notice.identity.expect("an identity").account, "123456789012");
        assert_eq!((notice.final_seq, notice.digest.len()), (4, 32));
        assert_eq!(notice.outcome.expect("an outcome").exit_code, Some(3));
        assert_eq!(frames(&exec).expect("readable"), 4);
    }
}
