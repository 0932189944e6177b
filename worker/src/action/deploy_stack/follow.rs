//! Follows a stack to the end of its operation: every event once and in order, and the first real cause of a failure.

use std::{collections::HashSet, time::Duration};

use aws_sdk_cloudformation::{
    Client,
    error::SdkError,
    operation::{describe_stack_events::DescribeStackEventsError, describe_stacks::DescribeStacksError},
    types::{Stack, StackEvent},
};
use aws_smithy_types::{date_time::Format, error::metadata::ProvideErrorMetadata};

use super::{Failure, Speech};

/// Half a second: a small stack is done in a few of these.
const SHORTEST: Duration = Duration::from_millis(500);
/// 5 seconds: a large one must not use up the account's calls.
const LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Follower<'a> {
    client: &'a Client,
    stack_id: &'a str,
    told: HashSet<String>,
    first_cause: Option<String>,
}

impl<'a> Follower<'a> {
    /// By id: a name may be another stack's tomorrow.
    pub(super) fn new(client: &'a Client, stack_id: &'a str) -> Self {
        Self { client, stack_id, told: HashSet::new(), first_cause: None }
    }

    /// Waits for the end. How long that may take is the step's timeout.
    pub(super) async fn follow(&mut self, speech: &mut Speech) -> Result<Stack, Failure> {
        let mut pause = SHORTEST;
        loop {
            // The state first: when that is an end, all events of it are there.
            let stack = patiently("DescribeStacks", self.stack().await, speech)?;
            let told = match patiently("DescribeStackEvents", self.new_events().await, speech)? {
                Some(events) => self.tell(&events, speech),
                None => 0,
            };
            if let Some(stack) = stack.filter(has_ended) {
                return Ok(stack);
            }
            pause = if told > 0 { SHORTEST } else { (pause * 3 / 2).min(LONGEST) };
            tokio::time::sleep(pause).await;
        }
    }

    /// What a person needs to know first about a stack that did not come to stand.
    pub(super) fn failure(&self, name: &str, state: &str) -> Failure {
        let cause = self.first_cause.as_deref().unwrap_or("AWS names no cause");
        Failure(format!("Stack \"{name}\" ended in {state}. First cause: {cause}."))
    }

    async fn stack(&self) -> Result<Stack, SdkError<DescribeStacksError>> {
        let answer = self.client.describe_stacks().stack_name(self.stack_id).send().await?;
        let stack = answer.stacks.unwrap_or_default().into_iter().next();
        stack.ok_or_else(|| SdkError::construction_failure("AWS named no stack"))
    }

    /// Oldest first. AWS lists the newest first, so pages are read until one has an event that was told.
    async fn new_events(&self) -> Result<Vec<StackEvent>, SdkError<DescribeStackEventsError>> {
        let mut pages = self.client.describe_stack_events().stack_name(self.stack_id).into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.try_next().await? {
            let page = page.stack_events.unwrap_or_default();
            let length = page.len();
            let new: Vec<_> = page.into_iter().filter(|event| !self.is_told(event)).collect();
            let reached = new.len() < length;
            events.extend(new);
            if reached {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }

    fn is_told(&self, event: &StackEvent) -> bool {
        event.event_id().is_some_and(|id| self.told.contains(id))
    }

    /// Answers how many.
    fn tell(&mut self, events: &[StackEvent], speech: &mut Speech) -> usize {
        for event in events {
            speech.line(&line(event));
            self.told.extend(event.event_id().map(str::to_owned));
            if self.first_cause.is_none() {
                self.first_cause = cause(event);
            }
        }
        events.len()
    }
}

/// `None` when AWS is busy or away: the stack goes on without us, so there is no reason to give up.
fn patiently<T, E>(call: &str, answer: Result<T, SdkError<E>>, speech: &mut Speech) -> Result<Option<T>, Failure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if aws::may_pass(&error) => {
            speech.wait(&format!("{} It is asked again.", aws::explain(call, &error)));
            Ok(None)
        }
        Err(error) => Err(Failure(aws::explain(call, &error).sentence)),
    }
}

/// `CREATE_IN_PROGRESS` goes on, and so does `ROLLBACK_IN_PROGRESS`; everything else stays.
fn has_ended(stack: &Stack) -> bool {
    stack.stack_status().is_some_and(|status| !status.as_str().ends_with("_IN_PROGRESS"))
}

/// `12:00:01 CREATE_IN_PROGRESS  AWS::S3::Bucket  Assets`, with the reason where there is one.
fn line(event: &StackEvent) -> String {
    let time = event.timestamp().and_then(|at| at.fmt(Format::DateTime).ok());
    let time = time.as_deref().and_then(|at| at.get(11..19)).unwrap_or("--:--:--");
    let status = event.resource_status().map_or("?", |status| status.as_str());
    let (kind, name) = described(event);
    let reason = event.resource_status_reason().unwrap_or_default();
    format!("{time} {status}  {kind}  {name}  {reason}").trim_end().to_owned()
}

/// What failed by itself, and not because something else had.
fn cause(event: &StackEvent) -> Option<String> {
    let status = event.resource_status()?.as_str();
    let reason = event.resource_status_reason()?;
    let follows = reason.contains("cancelled") || reason.starts_with("The following resource(s) failed");
    let (kind, name) = described(event);
    (status.ends_with("_FAILED") && !follows).then(|| format!("{kind} {name}: {}", reason.trim_end_matches('.')))
}

fn described(event: &StackEvent) -> (&str, &str) {
    (event.resource_type().unwrap_or("?"), event.logical_resource_id().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::ResourceStatus;
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(status: ResourceStatus, reason: &str) -> StackEvent {
        StackEvent::builder()
            .timestamp(DateTime::from_secs(43_201))
            .resource_status(status)
            .resource_type("AWS::S3::Bucket")
            .logical_resource_id("Assets")
            .resource_status_reason(reason)
            .build()
    }

    #[test]
    fn an_event_is_one_line() {
        let told = line(&event(ResourceStatus::CreateFailed, "The name is taken."));
        assert_eq!(told, "12:00:01 CREATE_FAILED  AWS::S3::Bucket  Assets  The name is taken.");
    }

    #[test]
    fn what_was_only_cancelled_is_no_cause() {
        assert_eq!(cause(&event(ResourceStatus::CreateFailed, "Resource creation cancelled")), None);
        assert_eq!(cause(&event(ResourceStatus::CreateInProgress, "Resource creation Initiated")), None);
        let failed = event(ResourceStatus::CreateFailed, "The name is taken.");
        assert_eq!(cause(&failed).as_deref(), Some("AWS::S3::Bucket Assets: The name is taken"));
    }
}
