//! One event of a stack, and what can be concluded from it alone.

use aws_sdk_cloudformation::types::StackEvent;
use aws_smithy_types::{DateTime, date_time::Format};

/// The type of a stack, and of one within another.
pub(crate) const STACK: &str = "AWS::CloudFormation::Stack";

/// An event. Empty texts are what AWS did not say.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) stack_id: String,
    pub(crate) at: DateTime,
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) logical_id: String,
    pub(crate) physical_id: String,
    pub(crate) reason: String,
    pub(crate) token: String,
}

impl Event {
    /// Whether it is about the stack that it is an event of.
    pub(crate) fn is_about_the_stack(&self) -> bool {
        self.kind == STACK && self.physical_id == self.stack_id
    }

    /// The stack that is a resource of this one.
    pub(crate) fn nested_stack(&self) -> Option<&str> {
        let is_nested = self.kind == STACK && self.physical_id.starts_with("arn:") && self.physical_id != self.stack_id;
        is_nested.then_some(self.physical_id.as_str())
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }

    /// Whether what is going on with the resource has come to an end.
    pub(crate) fn is_end(&self) -> bool {
        !self.status.ends_with("_IN_PROGRESS")
    }

    /// Whether somebody began something with the stack.
    pub(crate) fn is_begin_of_operation(&self) -> bool {
        const BEGINS: [&str; 4] =
            ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
        self.is_about_the_stack() && BEGINS.contains(&self.status.as_str())
    }

    /// Whether the resource was only stopped because another one failed.
    pub(crate) fn is_cancellation(&self) -> bool {
        let reason = self.reason.trim_end_matches('.');
        self.is_failure() && reason.starts_with("Resource ") && reason.ends_with(" cancelled")
    }

    /// Whether it only repeats that something else failed.
    pub(crate) fn is_consequence(&self) -> bool {
        self.is_cancellation()
            || self.reason.contains("The following resource(s) failed to ")
            || self.reason.starts_with("Embedded stack ") && self.reason.contains(" was not successfully ")
            || self.reason.starts_with("Rollback requested")
            || self.reason.starts_with("User Initiated")
    }

    /// Logical ids from the outermost stack to what it is about, e.g. `Storage/Assets`. `around`: those of the stacks around it.
    pub(crate) fn path(&self, around: &[String]) -> String {
        // A nested stack is known by the logical id that its parent gave it, not by the name that AWS made up.
        let is_known = self.is_about_the_stack() && !around.is_empty();
        if is_known { around.join("/") } else { path(around, &self.logical_id) }
    }

    /// `12:00:01`, UTC.
    pub(crate) fn time(&self) -> String {
        let text = self.at.fmt(Format::DateTime).ok();
        text.and_then(|text| text.get(11..19).map(str::to_owned)).unwrap_or_else(|| "--:--:--".into())
    }
}

/// `Storage/Assets`.
pub(crate) fn path(around: &[String], logical_id: &str) -> String {
    around.iter().map(String::as_str).chain([logical_id]).collect::<Vec<_>>().join("/")
}

impl From<StackEvent> for Event {
    fn from(event: StackEvent) -> Self {
        let reason = event.resource_status_reason.or_else(|| {
            let hook = event.hook_type?;
            Some(format!("hook {hook}: {}", event.hook_status_reason.unwrap_or_default()))
        });
        Self {
            id: event.event_id.unwrap_or_default(),
            stack_id: event.stack_id.unwrap_or_default(),
            at: event.timestamp.unwrap_or_else(|| DateTime::from_secs(0)),
            status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            kind: event.resource_type.unwrap_or_default(),
            logical_id: event.logical_resource_id.unwrap_or_default(),
            physical_id: event.physical_resource_id.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            token: event.client_request_token.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ROOT: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1";

    /// An event of the stack with that id, `at` seconds after the epoch. The physical id of a stack is its own logical id's.
    pub(crate) fn event(stack_id: &str, at: i64, logical_id: &str, status: &str, reason: &str) -> Event {
        Event {
            id: format!("{stack_id}|{at}|{logical_id}|{status}"),
            stack_id: stack_id.into(),
            at: DateTime::from_secs(at),
            status: status.into(),
            kind: "AWS::S3::Bucket".into(),
            logical_id: logical_id.into(),
            physical_id: logical_id.to_lowercase(),
            reason: reason.into(),
            token: String::new(),
        }
    }

    /// An event of a stack about itself.
    pub(crate) fn own(stack_id: &str, at: i64, status: &str, reason: &str) -> Event {
        let event = event(stack_id, at, stack_id.split('/').nth(1).unwrap_or_default(), status, reason);
        Event { kind: STACK.into(), physical_id: stack_id.into(), ..event }
    }

    /// An event about a stack within a stack.
    pub(crate) fn nested(
        stack_id: &str,
        at: i64,
        logical_id: &str,
        nested_id: &str,
        status: &str,
        reason: &str,
    ) -> Event {
        let event = event(stack_id, at, logical_id, status, reason);
        Event { kind: STACK.into(), physical_id: nested_id.into(), ..event }
    }

    #[test]
    fn an_event_is_about_the_stack_or_about_one_within() {
        let inner = "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-inner/2";
        assert!(own(ROOT, 1, "CREATE_IN_PROGRESS", "").is_begin_of_operation());
        assert!(!own(ROOT, 1, "REVIEW_IN_PROGRESS", "").is_begin_of_operation());
        assert_eq!(own(ROOT, 1, "CREATE_IN_PROGRESS", "").nested_stack(), None);
        assert_eq!(nested(ROOT, 1, "Inner", inner, "CREATE_IN_PROGRESS", "").nested_stack(), Some(inner));
        assert!(!nested(ROOT, 1, "Inner", inner, "CREATE_IN_PROGRESS", "").is_about_the_stack());
        assert!(!nested(ROOT, 1, "Inner", "", "CREATE_IN_PROGRESS", "").is_about_the_stack());
    }

    #[test]
    fn what_follows_from_a_failure_is_none_of_its_own() {
        for reason in [
            "Resource creation cancelled",
            "Resource update cancelled.",
            "The following resource(s) failed to create: [Assets, Queue]. Rollback requested by user.",
            "Embedded stack arn:aws:x was not successfully created: The following resource(s) failed to create: [Assets].",
        ] {
            assert!(event(ROOT, 1, "Queue", "CREATE_FAILED", reason).is_consequence(), "{reason}");
        }
        assert!(!event(ROOT, 1, "Queue", "CREATE_FAILED", "The order was cancelled by its owner").is_consequence());
        assert!(!event(ROOT, 1, "Queue", "CREATE_COMPLETE", "Resource creation cancelled").is_cancellation());
    }
}
