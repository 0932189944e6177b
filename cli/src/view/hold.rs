//! The hold.

use jiff::Timestamp;
use proto::deployment as d;
use serde::Serialize;

use super::{View, short, time};

/// Whether the coordinator is on hold, and what is known so far.
#[derive(Serialize)]
pub(crate) struct HoldView {
    is_on_hold: bool,
    since: Option<Timestamp>,
    why: String,
    heard: Vec<String>,
    awaited: Vec<String>,
    adopted: Vec<String>,
    orphans: Vec<OrphanView>,
    doubtful: Vec<DoubtfulStepView>,
}

/// An attempt of a deployment that the store has never heard of.
#[derive(Serialize)]
struct OrphanView {
    execution_id: String,
    worker: String,
}

/// A step that waits for a decision.
#[derive(Serialize)]
struct DoubtfulStepView {
    deployment_id: String,
    step: i32,
}

impl From<d::Hold> for HoldView {
    fn from(it: d::Hold) -> Self {
        let orphan = |it: d::hold::Orphan| OrphanView { execution_id: it.execution_id, worker: it.worker };
        let doubtful = |it: d::hold::DoubtfulStep| DoubtfulStepView { deployment_id: it.deployment_id, step: it.step };
        Self {
            is_on_hold: it.is_on_hold,
            since: time(it.since),
            why: it.why,
            heard: it.heard,
            awaited: it.awaited,
            adopted: it.adopted,
            orphans: it.orphans.into_iter().map(orphan).collect(),
            doubtful: it.doubtful.into_iter().map(doubtful).collect(),
        }
    }
}

impl View for HoldView {
    const MANY: &'static str = "holds";
    const COLUMNS: &'static [&'static str] =
        &["on hold", "since", "why", "heard", "awaited", "taken up", "orphans", "in doubt"];

    fn cells(&self) -> Vec<String> {
        let orphans = self.orphans.iter().map(|orphan| format!("{} on {}", orphan.execution_id, orphan.worker));
        let doubtful: Vec<String> =
            self.doubtful.iter().map(|it| format!("{} step {}", it.deployment_id, it.step + 1)).collect();
        vec![
            if self.is_on_hold { "yes" } else { "no" }.to_owned(),
            short(self.since),
            self.why.clone(),
            self.heard.join(" "),
            self.awaited.join(" "),
            self.adopted.join(" "),
            orphans.collect::<Vec<_>>().join(", "),
            doubtful.join(", "),
        ]
    }
}
