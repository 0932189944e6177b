//! How an attempt ended, in the words of its outcome.

use std::os::unix::process::ExitStatusExt;

use shared::{
    outcome::{Outcome, OutcomeKind},
    reason::Reason,
};

use crate::shim::{
    pump::{Ended, Stop},
    recorder::Recorder,
};

/// Whose last words a summary is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    Script,
    Action,
}

/// The outcome of a process that ran.
pub(super) fn outcome(ended: &Ended, recorder: &Recorder, speaker: Speaker) -> Outcome {
    let last_words = || recorder.summary().filter(|_| speaker == Speaker::Action);
    let with_last_words = |detail: &str| match last_words() {
        // What it says became of the stack is what a person wants to know.
        Some(summary) => format!("{detail} {}", recorder.masked(&summary.message)),
        None => detail.to_owned(),
    };
    let natural = match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => Outcome::exited(code),
        (None, signal) => Outcome::signalled(signal.unwrap_or_default()),
    };
    if !ended.empty {
        return because(
            natural,
            OutcomeKind::Failed,
            "PROCESSES_LEFT",
            "Some processes of the step could not be killed and may still be running on the worker.".into(),
        );
    }
    match ended.stop {
        Some(Stop::TimedOut) => because(
            natural,
            OutcomeKind::TimedOut,
            "TIMED_OUT",
            with_last_words("The step ran longer than its timeout; all its processes were ended."),
        ),
        Some(Stop::Silent) => because(
            natural,
            OutcomeKind::TimedOut,
            Reason::NoOutput.code(),
            with_last_words("The step said nothing for its no_output_timeout; all its processes were ended."),
        ),
        Some(Stop::Cancelled) => because(
            natural,
            OutcomeKind::Cancelled,
            "CANCELLED",
            with_last_words("The step was cancelled; all its processes were ended."),
        ),
        None => by_itself(natural, recorder, speaker),
    }
}

/// The outcome of an attempt that was cancelled while it was being prepared.
pub(super) fn cancelled_before_start() -> Outcome {
    Outcome {
        kind: OutcomeKind::Cancelled,
        exit_code: None,
        signal: None,
        reason: "CANCELLED".into(),
        detail: "The step was cancelled before its process was started.".into(),
    }
}

fn by_itself(natural: Outcome, recorder: &Recorder, speaker: Speaker) -> Outcome {
    if let Some(error) = recorder.output_error() {
        let detail = recorder.masked(&error.to_string());
        return because(natural, OutcomeKind::Failed, "OUTPUT_REFUSED", detail);
    }
    match recorder.summary() {
        Some(summary) if natural.kind == OutcomeKind::Failed => {
            let is_code =
                speaker == Speaker::Action && Reason::ALL.iter().any(|reason| reason.code() == summary.reason);
            let reason = if is_code { summary.reason.clone() } else { natural.reason };
            Outcome { reason, detail: recorder.masked(&summary.message), ..natural }
        }
        _ => natural,
    }
}

fn because(natural: Outcome, kind: OutcomeKind, reason: &str, detail: String) -> Outcome {
    Outcome { kind, reason: reason.into(), detail, ..natural }
}
