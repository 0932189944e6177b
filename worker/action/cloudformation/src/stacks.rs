//! What a step asks CloudFormation about stacks.

use std::hash::{BuildHasher, RandomState};

use action::{Failure, Scene};
use aws_sdk_cloudformation::{
    Client,
    operation::describe_stack_events::DescribeStackEventsError,
    types::{ResourceStatus, Stack},
};

use crate::{
    cause::Cause,
    errors::{Refusal, failure, is_absent, is_denied},
    event::Event,
    own::foreign_operations,
    record::Floor,
};

/// 20 operations of others: if so many came after ours, nobody waits for the end of ours any more.
const FOREIGN_OPERATIONS: usize = 20;
/// 50 pages of 100 events: the largest stacks have 1,000 events in an operation.
const RECENT_PAGES: usize = 50;

/// CloudFormation, as the step's identity sees it.
#[derive(Debug)]
pub(crate) struct Stacks<'a> {
    pub(crate) client: Client,
    pub(crate) scene: &'a Scene,
}

impl<'a> Stacks<'a> {
    pub(crate) fn new(scene: &'a Scene) -> Self {
        Self { client: Client::new(&scene.config("cloudformation")), scene }
    }

    /// The stack of that name or id; none when there is none. One that may not be seen is a failure, never none.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Stack>, Failure> {
        match self.client.describe_stacks().stack_name(name).send().await {
            Ok(answer) => Ok(answer.stacks.unwrap_or_default().into_iter().next()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failure(self.scene, "DescribeStacks", &error).await),
        }
    }

    /// A page of a stack's events, newest first, and how the next is asked for.
    pub(crate) async fn events(
        &self,
        stack_id: &str,
        page: Option<String>,
    ) -> Result<(Vec<Event>, Option<String>), Refusal<DescribeStackEventsError>> {
        let answer = self.client.describe_stack_events().stack_name(stack_id).set_next_token(page).send().await?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        Ok((answer.stack_events.unwrap_or_default().into_iter().map(Event::from).collect(), next))
    }

    /// All events that AWS still has of a stack, newest first.
    pub(crate) async fn all_events(&self, stack_id: &str) -> Result<Vec<Event>, Refusal<DescribeStackEventsError>> {
        self.events_until(stack_id, |_, _| false).await
    }

    /// Events, newest first, back to where an operation with that token must have begun, if there was one.
    pub(crate) async fn recent_events(
        &self,
        stack_id: &str,
        token: &str,
    ) -> Result<Vec<Event>, Refusal<DescribeStackEventsError>> {
        let enough = |pages: usize, events: &[Event]| {
            pages >= RECENT_PAGES || foreign_operations(events, token) >= FOREIGN_OPERATIONS
        };
        self.events_until(stack_id, enough).await
    }

    /// Where the events of an operation begin that is about to be asked for. Without the permission to read them that does not matter.
    pub(crate) async fn floor(&self, stack_id: &str) -> Result<Floor, Failure> {
        match self.events(stack_id, None).await {
            Ok((events, _)) => Ok(events.into_iter().next().map_or(Floor::All, |newest| Floor::After(newest.id))),
            Err(error) if is_denied(&error) => Ok(Floor::Unknown),
            Err(error) => Err(failure(self.scene, "DescribeStackEvents", &error).await),
        }
    }

    /// Resources in which something failed, with AWS's reasons; none when AWS does not tell.
    pub(crate) async fn failed_resources(&self, stack_id: &str) -> Vec<Cause> {
        let answer = self.client.describe_stack_resources().stack_name(stack_id).send().await;
        let resources = answer.ok().and_then(|answer| answer.stack_resources).unwrap_or_default();
        let failed = resources
            .into_iter()
            .filter(|resource| resource.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED")));
        let cause = failed.map(|resource| Cause {
            path: resource.logical_resource_id.unwrap_or_default(),
            kind: resource.resource_type.unwrap_or_default(),
            reason: resource.resource_status_reason.unwrap_or_default(),
        });
        cause.collect()
    }

    /// Resources that still exist, e.g. `Assets (AWS::S3::Bucket)`; none when AWS does not tell.
    pub(crate) async fn existing_resources(&self, stack_id: &str) -> Vec<String> {
        let mut pages = self.client.list_stack_resources().stack_name(stack_id).into_paginator().items().send();
        let mut existing = vec![];
        while let Some(Ok(resource)) = pages.next().await {
            let is_gone = matches!(resource.resource_status(), Some(ResourceStatus::DeleteComplete));
            if !is_gone && resource.physical_resource_id().is_some_and(|id| !id.is_empty()) {
                let id = resource.logical_resource_id().unwrap_or_default();
                existing.push(format!("{id} ({})", resource.resource_type().unwrap_or_default()));
            }
        }
        existing
    }

    async fn events_until(
        &self,
        stack_id: &str,
        enough: impl Fn(usize, &[Event]) -> bool,
    ) -> Result<Vec<Event>, Refusal<DescribeStackEventsError>> {
        let (mut all, mut page, mut pages) = (vec![], None, 0);
        loop {
            let (events, next) = self.events(stack_id, page).await?;
            all.extend(events);
            pages += 1;
            page = next;
            if page.is_none() || enough(pages, &all) {
                return Ok(all);
            }
        }
    }
}

/// The stack's id; its name where AWS does not say it.
pub(crate) fn id(stack: &Stack) -> &str {
    stack.stack_id().or(stack.stack_name()).unwrap_or_default()
}

/// A number that nobody can foretell.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(0_u8)
}
