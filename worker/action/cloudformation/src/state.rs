//! What a deployment does with a stack, by the state that it is in. Pure; the table of all states is in the tests.

use aws_sdk_cloudformation::types::StackStatus;
use shared::plan::stack::{DeployStack, OnFailure};

/// What is done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// There is none.
    Create,
    /// There is an empty one that waits for its first change set.
    CreateInShell,
    /// It can be updated.
    Update,
    /// It never was healthy: it is deleted and created anew.
    Replace,
    /// Its rollback failed and is tried again.
    ContinueRollback,
    /// Something goes on with it.
    Wait,
    /// Nothing that would be safe.
    Refuse(Refusal),
}

/// Why nothing is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// It never was healthy, and the step does not allow that it is replaced.
    MayNotReplace,
    /// It may hold what is in use, and AWS updates it no more.
    WasHealthy,
    /// Its deletion failed.
    DeletionFailed,
    /// The rollback of an update failed, and the step does not say that it is tried again.
    RollbackFailed,
    /// An update failed and was left as it is; the step does not go on from there.
    UpdateLeft,
    /// Somebody's import could not be rolled back.
    ImportFailed,
    /// A state that this version does not know.
    Unknown,
}

/// What a stack has been through, as its events tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct History {
    /// Whether it was healthy once, or nobody can tell: then it is not deleted.
    pub(crate) may_have_been_healthy: bool,
    /// Whether a project of ours created it.
    pub(crate) ours: bool,
}

/// What the step allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Leave {
    pub(crate) replace_failed: Option<bool>,
    pub(crate) continue_rollback: bool,
    /// Whether a failed operation is to be left as it is, and gone on from.
    pub(crate) do_nothing: bool,
}

impl From<&DeployStack> for Leave {
    fn from(order: &DeployStack) -> Self {
        Self {
            replace_failed: order.replace_failed,
            continue_rollback: order.continue_rollback.is_some(),
            do_nothing: order.on_failure == OnFailure::DoNothing,
        }
    }
}

/// What is done with a stack in that state; none: there is no stack.
pub(crate) fn next(status: Option<&StackStatus>, history: History, leave: Leave) -> Next {
    let Some(status) = status else { return Next::Create };
    match status {
        StackStatus::DeleteComplete => Next::Create,
        StackStatus::ReviewInProgress => Next::CreateInShell,
        StackStatus::CreateComplete
        | StackStatus::UpdateComplete
        | StackStatus::UpdateRollbackComplete
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackComplete => Next::Update,
        StackStatus::CreateFailed | StackStatus::RollbackComplete | StackStatus::RollbackFailed => {
            replace(history, leave)
        }
        StackStatus::UpdateFailed if leave.do_nothing => Next::Update,
        StackStatus::UpdateFailed => Next::Refuse(Refusal::UpdateLeft),
        StackStatus::UpdateRollbackFailed if leave.continue_rollback => Next::ContinueRollback,
        StackStatus::UpdateRollbackFailed => Next::Refuse(Refusal::RollbackFailed),
        StackStatus::DeleteFailed => Next::Refuse(Refusal::DeletionFailed),
        StackStatus::ImportRollbackFailed => Next::Refuse(Refusal::ImportFailed),
        status if is_in_progress(status) => Next::Wait,
        _ => Next::Refuse(Refusal::Unknown),
    }
}

/// Whether it will leave the state by itself. A stack that waits for its first change set does not.
pub(crate) fn is_in_progress(status: &StackStatus) -> bool {
    *status != StackStatus::ReviewInProgress && status.as_str().ends_with("_IN_PROGRESS")
}

/// Whether only its history can tell what is done with it.
pub(crate) fn depends_on_history(status: &StackStatus) -> bool {
    matches!(status, StackStatus::CreateFailed | StackStatus::RollbackComplete | StackStatus::RollbackFailed)
}

fn replace(history: History, leave: Leave) -> Next {
    match leave.replace_failed {
        _ if history.may_have_been_healthy => Next::Refuse(Refusal::WasHealthy),
        Some(true) => Next::Replace,
        None if history.ours => Next::Replace,
        _ => Next::Refuse(Refusal::MayNotReplace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line for each state; where it depends on more, one for each case of that, the same ones together.
    fn table() -> String {
        let statuses = StackStatus::values().iter().map(|&name| Some(StackStatus::from(name)));
        let mut lines = vec![];
        for status in [None].into_iter().chain(statuses).chain([Some(StackStatus::from("RESTING"))]) {
            let name = status.as_ref().map_or("absent", StackStatus::as_str);
            let nexts = cases().into_iter().map(|(what, history, leave)| (what, next(status.as_ref(), history, leave)));
            let nexts: Vec<_> = nexts.collect();
            if nexts.iter().all(|(_, next)| *next == nexts[0].1) {
                lines.push(format!("{name}: {:?}", nexts[0].1));
                continue;
            }
            lines.push(format!("{name}:"));
            lines.extend(nexts.iter().map(|(what, next)| format!("  {what}: {next:?}")));
        }
        lines.join("\n")
    }

    /// All that a step may allow, with all that a stack may have been through.
    fn cases() -> Vec<(String, History, Leave)> {
        let mut cases = vec![];
        for may_have_been_healthy in [false, true] {
            for ours in [false, true] {
                for replace_failed in [None, Some(false), Some(true)] {
                    for (continue_rollback, do_nothing) in [(false, false), (true, false), (false, true)] {
                        let mut words = vec![if may_have_been_healthy { "healthy" } else { "never healthy" }];
                        words.push(if ours { "ours" } else { "foreign" });
                        words.extend(replace_failed.map(|may| if may { "may replace" } else { "may not replace" }));
                        words.extend(continue_rollback.then_some("continue rollback"));
                        words.extend(do_nothing.then_some("do nothing"));
                        let history = History { may_have_been_healthy, ours };
                        cases.push((
                            words.join(", "),
                            history,
                            Leave { replace_failed, continue_rollback, do_nothing },
                        ));
                    }
                }
            }
        }
        cases
    }

    #[test]
    fn every_state_has_its_line_in_the_table() {
        insta::assert_snapshot!(table());
    }

    #[test]
    fn nothing_that_may_have_been_healthy_is_ever_replaced() {
        for status in StackStatus::values() {
            for (_, history, leave) in cases().into_iter().filter(|(_, history, _)| history.may_have_been_healthy) {
                assert_ne!(next(Some(&StackStatus::from(*status)), history, leave), Next::Replace, "{status}");
            }
        }
    }

    #[test]
    fn a_rollback_that_failed_after_an_update_is_never_replaced() {
        for (_, history, leave) in cases() {
            assert_ne!(next(Some(&StackStatus::UpdateRollbackFailed), history, leave), Next::Replace);
        }
    }
}
