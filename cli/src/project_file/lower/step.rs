//! Steps and scripts.

use shared::{limits, plan};

use super::{
    super::{
        fault::{Fault, Place},
        files::Supply,
        format,
    },
    aws, stack, upload,
};

/// A step, with what was found beside the project file for it.
///
/// # Errors
/// Its first fault; more of them may be said before.
pub(super) fn step(
    step: &format::Step,
    scripts: &format::Scripts,
    supply: &Supply,
    faults: &mut Vec<Fault>,
) -> Result<plan::Step, Fault> {
    Ok(plan::Step {
        name: step.name.value.clone(),
        pool: step.pool.clone(),
        requires: step.requires.clone(),
        condition: condition(&step.condition),
        start: match step.start {
            format::Start::AfterPrevious => plan::Start::AfterPrevious,
            format::Start::WithPrevious => plan::Start::WithPrevious,
        },
        environments: step.environments.clone(),
        timeout: step.timeout.map_or(limits::DEFAULT_TIMEOUT, |span| span.0),
        waits: plan::Waits {
            queue_timeout: step.queue_timeout.map(|span| span.0),
            no_output_timeout: step.no_output_timeout.map(|span| span.0),
            cancel_grace: step.cancel_grace.map(|span| span.0),
        },
        asks: plan::Asks {
            approval: step.approval.clone(),
            on_failure: match step.on_failure {
                format::StepOnFailure::Fail => plan::OnFailure::Fail,
                format::StepOnFailure::Ask => plan::OnFailure::Ask,
            },
            timeout: step.answer_timeout.map(|span| span.0),
        },
        retries: step.retries.as_ref().map(retries).unwrap_or_default(),
        retry_safe: step.retry_safe,
        locks: step.locks.clone(),
        aws: aws::aws(step)?,
        action: action(step, scripts, supply, faults)?,
    })
}

fn retries(it: &format::Retries) -> plan::Retries {
    let usual = plan::Retries::default();
    plan::Retries {
        count: it.count,
        backoff: it.backoff.map_or(usual.backoff, |span| span.0),
        exit_codes: it.exit_codes.iter().copied().collect(),
    }
}

fn condition(text: &str) -> plan::Condition {
    match text.trim() {
        "success" => plan::Condition::Success,
        "failure" => plan::Condition::Failure,
        "always" => plan::Condition::Always,
        expression => plan::Condition::Expression(expression.to_owned()),
    }
}

fn action(
    step: &format::Step,
    scripts: &format::Scripts,
    supply: &Supply,
    faults: &mut Vec<Fault>,
) -> Result<plan::Action, Fault> {
    match (&step.script, &step.cloudformation, &step.s3_upload) {
        (Some(it), None, None) => script(step, it, scripts).map(plan::Action::Script),
        (None, Some(it), None) => stack::action(step, it, supply, faults),
        (None, None, Some(it)) => Ok(plan::Action::UploadToS3(Box::new(upload::upload(it)))),
        (None, None, None) => Err(fault(step, "it does nothing: give it `script`, `cloudformation` or `s3_upload`.")),
        _ => {
            Err(fault(step, "it has more than one of `script`, `cloudformation` and `s3_upload`: make a step of each."))
        }
    }
}

fn script(step: &format::Step, script: &format::Script, usual: &format::Scripts) -> Result<plan::Script, Fault> {
    let source = match (&script.body, &script.file) {
        (Some(body), None) => plan::Source::Body(body.clone()),
        (None, Some(file)) => plan::Source::File(file.value.clone()),
        (None, None) => return Err(fault(step, "its script has no text: give it `body` or `file`.")),
        (Some(_), Some(_)) => return Err(fault(step, "its script has both `body` and `file`: keep one of them.")),
    };
    let shell = match script.shell {
        format::Shell::Bash => plan::Shell::Bash,
        format::Shell::Python => plan::Shell::Python,
        format::Shell::Powershell => plan::Shell::PowerShell,
    };
    Ok(plan::Script { shell, source, substitute: true, strict: script.strict.unwrap_or(usual.strict) })
}

/// A fault at a step's name.
pub(super) fn fault(step: &format::Step, what: &str) -> Fault {
    Fault::at(Place::of(step.name.referenced), format!("Step \"{}\": {what}", step.name.value))
}
