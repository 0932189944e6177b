//! The first word of a session: who this worker is and what it holds.

use std::{io, sync::Arc, time::SystemTime};

use prost::Message;
use proto::{
    PROTOCOL_VERSION,
    worker::{HeldAttempt, Hello, held_attempt::Phase},
};
use shared::{id::ExecutionId, limits};
use tokio::task::spawn_blocking;
use tracing::error;
use worker_core::{Greeting, Standing};

use crate::{
    failure::{Exit, Failure},
    home::Home,
    host::Host,
    result, wire,
};

/// Puts a Hello together; reads the results of ended attempts from their folders.
///
/// # Errors
/// With exit code 70, when the runtime is stopping.
pub(super) async fn hello(host: &Arc<Host>, journal_id: &str, greeting: Greeting) -> Result<Hello, Failure> {
    let Greeting { hwm, held } = greeting;
    let files = host.clone();
    let held = spawn_blocking(move || held.iter().filter_map(|standing| told(&files.home, standing)).collect())
        .await
        .map(within_a_message)
        .map_err(|error| Failure::new(Exit::Internal, format!("What is held cannot be read: {error}.")))?;
    Ok(Hello {
        protocol_min: PROTOCOL_VERSION,
        protocol_max: PROTOCOL_VERSION,
        version: env!("CARGO_PKG_VERSION").into(),
        journal_id: journal_id.into(),
        boot_id: host.boot_id.clone(),
        slots: i32::try_from(host.slots).unwrap_or(i32::MAX),
        assign_hwm: hwm.0,
        held,
        clock: Some(SystemTime::now().into()),
        disk_free_bytes: i64::try_from(host.home.disk_free()).unwrap_or(i64::MAX),
    })
}

/// A Hello is one message. Results that do not fit are said after the Welcome, as every result is until it is acknowledged.
fn within_a_message(mut held: Vec<HeldAttempt>) -> Vec<HeldAttempt> {
    let mut room = limits::MESSAGE_BYTES / 2;
    for attempt in &mut held {
        match room.checked_sub(attempt.encoded_len()) {
            Some(rest) => room = rest,
            None if attempt.result.take().is_some() => attempt.set_phase(Phase::Running),
            None => {}
        }
    }
    held
}

fn told(home: &Home, standing: &Standing) -> Option<HeldAttempt> {
    let mut held = wire::held(standing)?;
    if let Err(error) = add_files(home, standing.execution, &mut held) {
        error!(execution = %standing.execution, %error, "an attempt's files cannot be read");
    }
    if held.phase() == Phase::Ended && held.result.is_none() {
        // The record was there once. Its loss is not success, and not failure either.
        held.set_phase(Phase::Interrupted);
        held.evidence = "Its exit record was there and cannot be read any more.".into();
    }
    Some(held)
}

fn add_files(home: &Home, execution: ExecutionId, held: &mut HeldAttempt) -> io::Result<()> {
    let exec = home.exec(execution);
    let produced = match held.phase() {
        Phase::Ended => {
            held.result = result::notice(&exec, execution)?;
            held.result.as_ref().map_or(0, |result| result.final_seq)
        }
        Phase::Interrupted => i64::try_from(result::frames(&exec)?).unwrap_or(i64::MAX),
        // A long log would have to be read whole, and the number is old when it arrives.
        _ => 0,
    };
    held.produced_seq = produced;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::worker::{OutputVariable, ResultNotice, output_variable::Value};

    use super::*;

    /// With a megabyte of outputs less a little, as one attempt may have.
    fn ended() -> HeldAttempt {
        let value = "x".repeat(limits::OUTPUT_BYTES - 8);
        let output = |at: usize| OutputVariable { name: format!("o{at}"), value: Some(Value::Plain(value.clone())) };
        let result = ResultNotice { outputs: (0..15).map(output).collect(), ..ResultNotice::default() };
        HeldAttempt { phase: Phase::Ended.into(), result: Some(result), ..HeldAttempt::default() }
    }

    #[test]
    fn results_that_do_not_fit_one_message_are_left_to_be_said_after_the_welcome() {
        let held = within_a_message(vec![ended(), ended(), ended()]);
        let phases: Vec<Phase> = held.iter().map(HeldAttempt::phase).collect();
        assert_eq!(phases, [Phase::Ended, Phase::Running, Phase::Running]);
        assert!(Hello { held, ..Hello::default() }.encoded_len() < limits::MESSAGE_BYTES);
    }
}
