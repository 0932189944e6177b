//! The words for how things stand, shared by the live view and the plain one.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use proto::deployment::{
    self as d,
    log_frame::{Level, Source},
    step_run::State,
};

use super::lines::Line;
use crate::{
    sanitise,
    screen::paint,
    view::{RunView, deployment_word, step_word, time, took},
};

/// What is said first.
pub(super) fn opening(deployment: &d::Deployment) -> String {
    let what = match deployment.project.as_str() {
        "" => "a command".to_owned(),
        project => format!("{project} #{} to {}", deployment.number, deployment.environment),
    };
    sanitise::cell(&format!("Deployment {} of {what}", deployment.id))
}

/// Whether it is an ad-hoc command rather than a run of a project's process.
pub(super) fn is_command(deployment: &d::Deployment) -> bool {
    deployment.project.is_empty()
}

/// How to read what the live view folded away; nothing when nothing ran, or when all of a command's output was shown.
pub(super) fn way_to_logs(deployment: &d::Deployment) -> Option<String> {
    let ran = deployment.steps.iter().any(|step| !step.attempts.is_empty());
    (ran && !is_command(deployment)).then(|| format!("The whole logs: longshore deployment logs {}", deployment.id))
}

/// What is said last: what ran where as whom, and how it ended.
pub(super) fn closing(deployment: &d::Deployment, colored: bool) -> String {
    use d::deployment::State;
    let style = match deployment.state() {
        State::Succeeded => color(AnsiColor::Green),
        State::Unknown => color(AnsiColor::Yellow),
        _ => color(AnsiColor::Red),
    };
    let word = match deployment.state() {
        State::Unknown => "needs a decision".to_owned(),
        state => deployment_word(state),
    };
    let span = match (time(deployment.create_time), time(deployment.end_time)) {
        (Some(begin), Some(end)) => format!(" after {}", took(end.duration_since(begin))),
        _ => String::new(),
    };
    let verdict = paint(colored, style.bold(), &format!("Deployment {} {word}{span}.", deployment.id));
    format!("\n{}\n\n{verdict}", RunView(deployment).table())
}

/// What a person has to do about steps whose outcome is unknown; empty when there are none.
pub(super) fn decisions(deployment: &d::Deployment) -> Vec<String> {
    let unknown = deployment.steps.iter().filter(|step| step.state() == State::Unknown);
    unknown
        .map(|step| {
            let detail = if step.detail.is_empty() { String::new() } else { format!(" {}", step.detail) };
            format!(
                "Whether step \"{name}\" did its work is not known.{detail}\nWhat is known, and what can be done: longshore \
                 deployment resolve {id} --step {quoted}",
                name = step.name,
                id = deployment.id,
                quoted = quoted(&step.name),
            )
        })
        .collect()
}

/// One line for a step that has come to rest: mark, name, duration, worker, identity, and why if it is not well.
pub(super) fn settled(step: &d::StepRun, colored: bool) -> String {
    let (mark, hue) = match step.state() {
        State::Succeeded => ("✓", AnsiColor::Green),
        State::Failed => ("✗", AnsiColor::Red),
        State::Cancelled => ("■", AnsiColor::Yellow),
        State::Unknown => ("?", AnsiColor::Yellow),
        _ => ("-", AnsiColor::BrightBlack),
    };
    let mut parts =
        vec![paint(colored, color(hue), mark), paint(colored, Style::new().bold(), &sanitise::cell(&step.name))];
    if step.state() != State::Succeeded {
        parts.push(paint(colored, color(hue), &step_word(step.state())));
    }
    if let Some(attempt) = step.attempts.last() {
        parts.extend(ran(attempt).into_iter().map(|part| sanitise::cell(&part)));
        if step.attempts.len() > 1 {
            parts.push(format!("{} attempts", step.attempts.len()));
        }
    }
    let mut line = parts.join("  ");
    if step.state() != State::Succeeded && !step.detail.is_empty() {
        line.push_str(&format!("  {}", sanitise::cell(&step.detail)));
    }
    line
}

/// How long, where, as whom.
fn ran(attempt: &d::Attempt) -> Vec<String> {
    let mut parts = Vec::new();
    if let (Some(begin), Some(end)) = (time(attempt.start_time), time(attempt.end_time)) {
        parts.push(took(end.duration_since(begin)));
    }
    parts.push(attempt.worker.clone());
    if let Some(identity) = &attempt.identity {
        parts.push(format!("{} ({})", identity.arn, identity.source));
    }
    parts
}

/// How a step stands that has not come to rest, in a few words; nothing when there is nothing to say yet.
pub(super) fn standing(step: &d::StepRun) -> Option<String> {
    match step.state() {
        State::Queued if step.queue_reason.is_empty() => Some("queued".to_owned()),
        State::Queued => Some(format!("queued: {}", step.queue_reason)),
        State::Running => {
            let attempt = step.attempts.last().filter(|attempt| attempt.state == "RUNNING")?;
            let again = if attempt.number > 1 { format!(", attempt {}", attempt.number) } else { String::new() };
            let lost = if attempt.contact_lost { "; contact with it is lost" } else { "" };
            Some(format!("running on {}{again}{lost}", attempt.worker))
        }
        State::Asking => Some(format!("asks: {}", step.queue_reason)),
        State::Unknown => Some("unknown: whether it did its work is not known".to_owned()),
        _ => None,
    }
}

/// Since when the newest attempt has been running.
pub(super) fn running_since(step: &d::StepRun) -> Option<Timestamp> {
    time(step.attempts.last()?.start_time)
}

/// A log line, safe and coloured by how loud it is.
pub(super) fn log_line(line: &Line, colored: bool) -> String {
    let safe = sanitise::line(&line.text, colored);
    let style = match (line.level, line.source) {
        (Level::Verbose, _) => Some(Style::new().dimmed()),
        (Level::Highlight, _) => Some(color(AnsiColor::Cyan).bold()),
        (Level::Wait, _) => Some(color(AnsiColor::Blue)),
        (Level::Warning, _) => Some(color(AnsiColor::Yellow)),
        (Level::Error, _) => Some(color(AnsiColor::Red)),
        (_, Source::System) => Some(color(AnsiColor::BrightBlack)),
        _ => None,
    };
    match style {
        Some(style) => paint(colored, style, &safe),
        None => safe,
    }
}

/// Whether a line is worth keeping in sight when its step is done.
pub(super) fn stands_out(line: &Line) -> bool {
    matches!(line.level, Level::Highlight | Level::Warning | Level::Error)
}

/// The name before each of a step's lines.
pub(super) fn prefix(step: &str, colored: bool) -> String {
    paint(colored, Style::new().dimmed(), &format!("[{}]", sanitise::cell(step)))
}

fn color(hue: AnsiColor) -> Style {
    hue.on_default()
}

/// As a shell reads it back unchanged.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn step(state: State) -> d::StepRun {
        let mut step = d::StepRun {
            name: "Network".into(),
            detail: "The process ended with exit code 3.".into(),
            attempts: vec![d::Attempt {
                worker: "worker-2".into(),
                start_time: at(100),
                end_time: at(142),
                identity: Some(d::RunIdentity {
                    arn: "arn:aws:sts::123456789012:assumed-role/shop/i-1".into(),
                    source: "worker-role".into(),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        };
        step.set_state(state);
        step
    }

    #[test]
    fn a_step_that_went_well_folds_to_one_line() {
        assert_eq!(
            settled(&step(State::Succeeded), false),
            "✓  Network  42s  worker-2  arn:aws:sts::123456789012:assumed-role/shop/i-1 (worker-role)"
        );
    }

    #[test]
    fn a_step_that_failed_says_why() {
        let line = settled(&step(State::Failed), false);
        assert!(line.starts_with("✗  Network  failed  42s"), "{line}");
        assert!(line.ends_with("The process ended with exit code 3."), "{line}");
    }

    #[test]
    fn a_queued_step_says_what_it_waits_for() {
        let mut step = d::StepRun { queue_reason: "No worker in pool \"default\".".into(), ..Default::default() };
        step.set_state(State::Queued);
        assert_eq!(standing(&step).as_deref(), Some("queued: No worker in pool \"default\"."));
    }

    #[test]
    fn an_unknown_step_comes_with_the_command_that_decides() {
        let mut deployment = d::Deployment { id: "0199".into(), ..Default::default() };
        deployment.steps.push(d::StepRun { name: "It's".into(), ..Default::default() });
        deployment.steps[0].set_state(State::Unknown);
        let told = decisions(&deployment).concat();
        assert!(told.contains(r"longshore deployment resolve 0199 --step 'It'\''s'"), "{told}");
    }

    #[test]
    fn a_decision_without_a_reason_leaves_no_blank_behind() {
        let mut deployment = d::Deployment { steps: vec![step(State::Unknown)], ..Default::default() };
        assert!(decisions(&deployment).concat().contains("is not known. The process ended with exit code 3.\n"));
        deployment.steps[0].detail.clear();
        assert!(decisions(&deployment).concat().contains("is not known.\n"));
    }

    #[test]
    fn the_way_to_the_logs_is_told_however_a_deployment_ended() {
        for state in [State::Succeeded, State::Failed] {
            let steps = vec![step(state)];
            let mut deployment =
                d::Deployment { id: "0199".into(), project: "shop".into(), steps, ..Default::default() };
            assert_eq!(way_to_logs(&deployment).as_deref(), Some("The whole logs: longshore deployment logs 0199"));
            deployment.project.clear();
            assert_eq!(way_to_logs(&deployment), None);
        }
    }

    #[test]
    fn a_hostile_name_cannot_leave_its_line() {
        let mut hostile = step(State::Failed);
        hostile.name = "x\x1b[2J\ny".into();
        hostile.detail = "d\r\x1b]0;t\x07".into();
        let line = settled(&hostile, true);
        assert!(!line.contains('\n') && !line.contains('\r') && !line.contains("\x1b[2J") && !line.contains("\x1b]"));
    }
}
