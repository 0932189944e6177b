//! Why an operation failed: the first resource that failed by itself, however deep it is nested.

use std::collections::BTreeMap;

use crate::event::{Event, STACK};

/// What failed, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cause {
    /// Logical ids from the outermost stack to the resource, e.g. `Storage/Assets`; the stack's name for the stack itself.
    pub(crate) path: String,
    /// Its type.
    pub(crate) kind: String,
    /// AWS's words.
    pub(crate) reason: String,
}

impl Cause {
    /// Of an event, with the logical ids of the stacks around it.
    pub(crate) fn of(event: &Event, around: &[String]) -> Self {
        Self { path: event.path(around), kind: event.kind.clone(), reason: event.reason.clone() }
    }

    /// `Storage/Assets (AWS::S3::Bucket): why`.
    pub(crate) fn sentence(&self) -> String {
        let reason = if self.reason.is_empty() { "AWS gives no reason" } else { self.reason.trim_end_matches('.') };
        format!("{} ({}): {reason}.", self.path, self.kind)
    }
}

/// Failures of an operation, in the order in which they were told.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    all: Vec<(Event, Vec<String>)>,
    rollback_at: BTreeMap<String, usize>,
}

impl Failures {
    /// Takes note of an event, whatever it is about.
    pub(crate) fn see(&mut self, event: &Event, around: &[String]) {
        let turns_back = event.is_about_the_stack()
            && (event.status.ends_with("ROLLBACK_IN_PROGRESS") || event.status == "DELETE_IN_PROGRESS");
        if turns_back {
            self.rollback_at.insert(event.stack_id.clone(), self.all.len());
        }
        if event.is_failure() || turns_back && !event.reason.is_empty() {
            self.all.push((event.clone(), around.to_vec()));
        }
    }

    /// The first failure that does not follow from another one; the deepest, when it is a nested stack's.
    pub(crate) fn first_cause(&self) -> Option<Cause> {
        let own = |(event, _): &&(Event, Vec<String>)| !event.is_consequence();
        let (event, around) = self.deepest(self.all.iter().find(own)?);
        Some(Cause::of(event, around))
    }

    /// The first failure, even if it follows from another one.
    pub(crate) fn first(&self) -> Option<Cause> {
        self.all.iter().find(|(event, _)| event.is_failure()).map(|(event, around)| Cause::of(event, around))
    }

    /// What failed after the stack had turned back or was to be deleted: what keeps it from the end of that. Each resource once.
    pub(crate) fn blocking(&self, stack_id: &str) -> Vec<Cause> {
        let from = self.rollback_at.get(stack_id).copied().unwrap_or_default();
        let late = self.all.iter().skip(from).filter(|(event, _)| event.is_failure() && !event.is_about_the_stack());
        let mut causes: Vec<Cause> = Vec::new();
        for (event, around) in late.filter(|(event, _)| !event.is_consequence()) {
            let cause = Cause::of(event, around);
            if !causes.iter().any(|known| known.path == cause.path) {
                causes.push(cause);
            }
        }
        causes
    }

    fn deepest<'a>(&'a self, found: &'a (Event, Vec<String>)) -> &'a (Event, Vec<String>) {
        let Some(nested) = found.0.nested_stack().filter(|_| found.0.kind == STACK) else { return found };
        let within = self.all.iter().find(|(event, _)| event.stack_id == nested && !event.is_consequence());
        within.map_or(found, |within| self.deepest(within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{ROOT, event, nested, own};

    const INNER: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-inner/2";
    const INMOST: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-inmost/3";

    fn failures(events: &[(Event, &[&str])]) -> Failures {
        let mut failures = Failures::default();
        for (event, around) in events {
            failures.see(event, &around.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        }
        failures
    }

    fn first(events: &[(Event, &[&str])]) -> String {
        let failures = failures(events);
        failures.first_cause().or_else(|| failures.first()).map(|cause| cause.sentence()).unwrap_or_default()
    }

    #[test]
    fn the_first_that_failed_by_itself_is_the_cause() {
        let told = first(&[
            (event(ROOT, 1, "Queue", "CREATE_FAILED", "Resource creation cancelled"), &[]),
            (event(ROOT, 2, "Assets", "CREATE_FAILED", "The name is taken."), &[]),
            (event(ROOT, 3, "Topic", "CREATE_FAILED", "No permission"), &[]),
            (own(ROOT, 4, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Assets]."), &[]),
        ]);
        assert_eq!(told, "Assets (AWS::S3::Bucket): The name is taken.");
    }

    #[test]
    fn a_nested_stack_leads_to_the_resource_that_failed_in_it() {
        let told = first(&[
            (nested(ROOT, 1, "Inner", INNER, "CREATE_FAILED", "it went wrong"), &[]),
            (nested(INNER, 1, "Inmost", INMOST, "CREATE_FAILED", "it went wrong"), &["Inner"]),
            (event(INMOST, 1, "Queue", "CREATE_FAILED", "Resource creation cancelled"), &["Inner", "Inmost"]),
            (event(INMOST, 2, "Assets", "CREATE_FAILED", "The name is taken"), &["Inner", "Inmost"]),
        ]);
        assert_eq!(told, "Inner/Inmost/Assets (AWS::S3::Bucket): The name is taken.");
    }

    #[test]
    fn an_alarm_that_turned_the_stack_back_is_the_cause() {
        let told = first(&[
            (own(ROOT, 1, "UPDATE_ROLLBACK_IN_PROGRESS", "Alarm shop-errors is in ALARM state"), &[]),
            (event(ROOT, 2, "Queue", "UPDATE_FAILED", "Resource update cancelled"), &[]),
        ]);
        assert_eq!(told, "shop (AWS::CloudFormation::Stack): Alarm shop-errors is in ALARM state.");
    }

    #[test]
    fn when_all_follow_from_others_the_first_is_told_anyway() {
        let told = first(&[(event(ROOT, 1, "Queue", "CREATE_FAILED", "Resource creation cancelled"), &[])]);
        assert_eq!(told, "Queue (AWS::S3::Bucket): Resource creation cancelled.");
        assert_eq!(first(&[(event(ROOT, 1, "Queue", "CREATE_COMPLETE", ""), &[])]), "");
        assert_eq!(
            first(&[(event(ROOT, 1, "Q", "CREATE_FAILED", ""), &[])]),
            "Q (AWS::S3::Bucket): AWS gives no reason."
        );
    }

    #[test]
    fn what_blocks_a_rollback_is_what_failed_after_it_began() {
        let failures = failures(&[
            (event(ROOT, 1, "Assets", "UPDATE_FAILED", "The name is taken"), &[]),
            (own(ROOT, 2, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Assets]."), &[]),
            (event(ROOT, 3, "Queue", "UPDATE_FAILED", "The queue is gone"), &[]),
            (event(ROOT, 4, "Queue", "UPDATE_FAILED", "The queue is gone"), &[]),
            (own(ROOT, 5, "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [Queue]."), &[]),
        ]);
        let blocking: Vec<_> = failures.blocking(ROOT).iter().map(Cause::sentence).collect();
        assert_eq!(blocking, ["Queue (AWS::S3::Bucket): The queue is gone."]);
        assert_eq!(failures.first_cause().expect("a cause").path, "Assets");
    }
}
