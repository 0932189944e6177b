//! An operation of a stack: what it has to do in the phase it is in, and which phase follows. The phases are the stack's own
//! statuses, as in the AWS CloudFormation User Guide, "Stack status codes". Pure.

use super::plan::Plan;

/// An operation that runs.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) token: Option<String>,
    pub(super) plan: Plan,
    pub(super) on_failure: OnFailure,
    /// Of this phase.
    pub(super) works: Vec<Work>,
    /// What the phases before it did or tried.
    pub(super) done: Vec<Work>,
    pub(super) is_held: bool,
    /// Resources that a rollback leaves as they are.
    pub(super) skipped: Vec<String>,
    pub(super) change_set: Option<String>,
}

/// What follows a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnFailure {
    Rollback,
    DoNothing,
    Delete,
}

/// Something to do with one resource.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) act: Act,
    pub(super) left: usize,
    pub(super) state: WorkState,
    pub(super) after: Vec<String>,
    pub(super) fault: Option<String>,
    pub(super) is_held: bool,
    pub(super) is_retained: bool,
    pub(super) stuck: Option<String>,
    pub(super) nested: Option<Plan>,
    /// Physical id of what an update replaced, or of what is to be deleted in its place.
    pub(super) replaced: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WorkState {
    Waiting,
    Running,
    Done,
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Create,
    Update,
    Replace,
    /// Back to what it was.
    Restore,
    Delete,
    Import,
    /// Out of the stack again.
    Release,
}

impl Act {
    /// How its statuses begin.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update | Self::Replace | Self::Restore => "UPDATE",
            Self::Delete => "DELETE",
            Self::Import => "IMPORT",
            Self::Release => "IMPORT_ROLLBACK",
        }
    }

    /// How its failure is told of the stack.
    fn failure(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update | Self::Replace | Self::Restore => "update",
            Self::Delete => "delete",
            Self::Import | Self::Release => "import",
        }
    }
}

impl Operation {
    pub(super) fn is_over(&self) -> bool {
        self.works.iter().all(Work::is_over)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.works.iter().any(|work| work.state == WorkState::Failed)
    }

    /// AWS's sentence on what failed.
    pub(super) fn failures(&self) -> String {
        let mut told = String::new();
        for word in ["create", "update", "delete", "import"] {
            let failed = self.works.iter().filter(|work| work.state == WorkState::Failed && work.act.failure() == word);
            let failed: Vec<_> = failed.map(|work| work.id.as_str()).collect();
            if !failed.is_empty() {
                told.push_str(&format!("The following resource(s) failed to {word}: [{}]. ", failed.join(", ")));
            }
        }
        told
    }
}

impl Work {
    pub(super) fn new(id: &str, kind: &str, act: Act) -> Self {
        Self {
            id: id.into(),
            kind: kind.into(),
            act,
            left: 1,
            state: WorkState::Waiting,
            after: Vec::new(),
            fault: None,
            is_held: false,
            is_retained: false,
            stuck: None,
            nested: None,
            replaced: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, WorkState::Done | WorkState::Failed)
    }

    /// The same resource again, for another act.
    pub(super) fn again(&self, act: Act) -> Self {
        Self { is_retained: self.is_retained, ..Self::new(&self.id, &self.kind, act) }
    }
}

/// Whether a failure ends the phase at once, and the works that run beside it with it.
pub(super) fn stops_at_failure(status: &str) -> bool {
    matches!(status, "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "IMPORT_IN_PROGRESS")
}

/// The status that follows a phase that ended.
pub(super) fn next(status: &str, is_well: bool, on_failure: OnFailure) -> &'static str {
    match (status, is_well) {
        ("CREATE_IN_PROGRESS", true) => "CREATE_COMPLETE",
        ("CREATE_IN_PROGRESS", false) => match on_failure {
            OnFailure::Rollback => "ROLLBACK_IN_PROGRESS",
            OnFailure::DoNothing => "CREATE_FAILED",
            OnFailure::Delete => "DELETE_IN_PROGRESS",
        },
        ("ROLLBACK_IN_PROGRESS", true) => "ROLLBACK_COMPLETE",
        ("ROLLBACK_IN_PROGRESS", false) => "ROLLBACK_FAILED",
        ("UPDATE_IN_PROGRESS", true) => "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        ("UPDATE_IN_PROGRESS", false) => match on_failure {
            OnFailure::DoNothing => "UPDATE_FAILED",
            _ => "UPDATE_ROLLBACK_IN_PROGRESS",
        },
        // What cannot be cleaned up is left behind, and the update is complete all the same.
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", _) => "UPDATE_COMPLETE",
        ("UPDATE_ROLLBACK_IN_PROGRESS", true) => "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        ("UPDATE_ROLLBACK_IN_PROGRESS", false) => "UPDATE_ROLLBACK_FAILED",
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", _) => "UPDATE_ROLLBACK_COMPLETE",
        ("DELETE_IN_PROGRESS", true) => "DELETE_COMPLETE",
        ("IMPORT_IN_PROGRESS", true) => "IMPORT_COMPLETE",
        ("IMPORT_IN_PROGRESS", false) => "IMPORT_ROLLBACK_IN_PROGRESS",
        ("IMPORT_ROLLBACK_IN_PROGRESS", true) => "IMPORT_ROLLBACK_COMPLETE",
        ("IMPORT_ROLLBACK_IN_PROGRESS", false) => "IMPORT_ROLLBACK_FAILED",
        _ => "DELETE_FAILED",
    }
}

/// What a phase has to do, from what the phases before it did.
pub(super) fn works_of(status: &str, done: &[Work], skipped: &[String]) -> Vec<Work> {
    let undone = done.iter().rev();
    match status {
        "ROLLBACK_IN_PROGRESS" => {
            undone.filter(|work| work.act == Act::Create).map(|work| work.again(Act::Delete)).collect()
        }
        "UPDATE_ROLLBACK_IN_PROGRESS" => undone
            .filter(|work| matches!(work.act, Act::Update | Act::Replace) && !skipped.contains(&work.id))
            .map(|work| work.again(Act::Restore))
            .collect(),
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => {
            undone.filter(|work| matches!(work.act, Act::Create | Act::Replace)).map(Work::remains).collect()
        }
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            done.iter().filter(|work| matches!(work.act, Act::Replace | Act::Delete)).map(Work::remains).collect()
        }
        "IMPORT_ROLLBACK_IN_PROGRESS" => {
            undone.filter(|work| work.act == Act::Import).map(|work| work.again(Act::Release)).collect()
        }
        _ => Vec::new(),
    }
}

impl Work {
    /// What is to be deleted after an update or its rollback.
    fn remains(&self) -> Self {
        let replaced = (self.act == Act::Replace).then(|| self.replaced.clone().unwrap_or_default());
        Self { replaced, ..self.again(Act::Delete) }
    }
}
