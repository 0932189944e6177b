//! A deployment's steps as a tree: what ran when, for how long, where and as whom.

use jiff::Timestamp;

use super::{AttemptView, StepRunView, took};
use crate::sanitise;

/// A line and what belongs below it.
struct Node {
    line: String,
    children: Vec<Node>,
}

/// The steps in order; those that start together are below one node.
pub(super) fn draw(steps: &[&StepRunView]) -> String {
    let mut nodes = Vec::new();
    for group in steps.chunk_by(|_, next| next.with_previous) {
        match group {
            [step] => nodes.push(node(step)),
            steps => {
                let children = steps.iter().map(|step| node(step)).collect();
                nodes.push(Node { line: "together".to_owned(), children });
            }
        }
    }
    let mut lines = Vec::new();
    push(&nodes, "", &mut lines);
    lines.join("\n")
}

fn push(nodes: &[Node], indent: &str, lines: &mut Vec<String>) {
    for (index, node) in nodes.iter().enumerate() {
        let is_last = index + 1 == nodes.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{indent}{branch}{}", node.line));
        push(&node.children, &format!("{indent}{below}"), lines);
    }
}

fn node(step: &StepRunView) -> Node {
    let mut parts = vec![mark(&step.state).to_owned(), step.name.clone(), step.state.clone()];
    parts.extend(span(step.begin_time, step.end_time));
    let mut children: Vec<Node> = step.attempts.iter().map(|attempt| leaf(&attempt.line())).collect();
    let why = if step.queue_reason.is_empty() { step.why() } else { step.queue_reason.clone() };
    // What the line of its last attempt says already is not said again.
    if !why.is_empty() && step.attempts.last().is_none_or(|attempt| attempt.detail != why) {
        children.push(leaf(&why));
    }
    children.extend(step.outputs.iter().map(|output| {
        let value = output.value.as_deref().unwrap_or("********");
        leaf(&format!("output {} = {value}", output.name))
    }));
    Node { line: sanitise::cell(&parts.join("  ")), children }
}

fn leaf(text: &str) -> Node {
    Node { line: sanitise::cell(text), children: Vec::new() }
}

fn mark(state: &str) -> &'static str {
    match state {
        "succeeded" => "✓",
        "failed" => "✗",
        "cancelled" => "■",
        "running" => "▶",
        "asking" | "unknown" => "?",
        "queued" => "…",
        _ => "-",
    }
}

/// When it began, and how long it took; the day stands above the tree.
fn span(begin: Option<Timestamp>, end: Option<Timestamp>) -> Vec<String> {
    let Some(begin) = begin else { return Vec::new() };
    let mut parts = vec![begin.strftime("%H:%M:%S").to_string()];
    parts.extend(end.map(|end| took(end.duration_since(begin))));
    parts
}

impl AttemptView {
    fn line(&self) -> String {
        let mut parts = vec![format!("attempt {}", self.number), self.state.clone()];
        parts.extend(span(self.start_time, self.end_time));
        parts.push(format!("on {}{}", self.worker, if self.contact_lost { " (contact lost)" } else { "" }));
        if let Some(identity) = &self.identity {
            parts.push(format!("as {} ({})", identity.arn, identity.source));
        }
        if self.state != "succeeded" && !self.detail.is_empty() {
            parts.push(self.detail.clone());
        }
        parts.join("  ")
    }
}

#[cfg(test)]
mod tests {
    use proto::deployment as d;

    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn step(name: &str, state: d::step_run::State) -> d::StepRun {
        let mut step = d::StepRun { name: name.into(), ..Default::default() };
        step.set_state(state);
        step
    }

    fn attempt(number: i32, state: &str, end: i64, detail: &str) -> d::Attempt {
        d::Attempt {
            number,
            state: state.into(),
            worker: format!("worker-{number}"),
            start_time: at(1_790_000_000),
            end_time: at(end),
            detail: detail.into(),
            ..Default::default()
        }
    }

    #[test]
    fn steps_that_start_together_stand_together_and_attempts_below_their_step() {
        use d::step_run::State::{Asking, Failed, Pending, Succeeded};
        let first = d::StepRun {
            begin_time: at(1_789_999_990),
            end_time: at(1_790_000_030),
            detail: "Exit code 3.".into(),
            reason: "EXIT_CODE".into(),
            attempts: vec![
                attempt(1, "FAILED", 1_790_000_003, "Exit code 3."),
                attempt(2, "FAILED", 1_790_000_030, "Exit code 3."),
            ],
            ..step("Build", Failed)
        };
        let output = |name: &str, value: Option<&str>| d::Output {
            name: name.into(),
            value: value.map(Into::into),
            sensitive: value.is_none(),
        };
        let second = d::StepRun {
            with_previous: true,
            attempts: vec![attempt(1, "SUCCEEDED", 1_790_000_002, "")],
            outputs: vec![output("Token", None), output("Url", Some("https://shop"))],
            ..step("Lint", Succeeded)
        };
        let asks = d::StepRun { queue_reason: "Asks for approval: look.".into(), ..step("Release", Asking) };
        let steps: Vec<StepRunView> =
            [first, second, asks, step("Tell", Pending)].into_iter().map(StepRunView::from).collect();
        insta::assert_snapshot!(draw(&steps.iter().collect::<Vec<_>>()), @r"
        ├─ together
        │  ├─ ✗  Build  failed  14:13:10  40s
        │  │  ├─ attempt 1  failed  14:13:20  3.0s  on worker-1  Exit code 3.
        │  │  └─ attempt 2  failed  14:13:20  30s  on worker-2  Exit code 3.
        │  └─ ✓  Lint  succeeded
        │     ├─ attempt 1  succeeded  14:13:20  2.0s  on worker-1
        │     ├─ output Token = ********
        │     └─ output Url = https://shop
        ├─ ?  Release  asking
        │  └─ Asks for approval: look.
        └─ -  Tell  pending
        ");
    }
}
