//! Finds an operation that an earlier attempt of this step began, or that AWS began without saying so.

use std::time::Duration;

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use tokio::time::sleep;

use crate::{
    errors::{failure, is_absent, is_denied},
    follow::Operation,
    own::{self, Own},
    stacks::{self, Stacks},
};

/// 6 looks, a second apart: AWS may show the first event of an operation a moment after it took it.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The operation with that token in a stack's events. With events that may not be read nobody can tell: that is said.
pub(crate) async fn operation(
    stacks: &Stacks<'_>,
    stack: &Stack,
    token: &str,
    speech: &mut Speech,
) -> Result<Option<Operation>, Failure> {
    let stack_id = stacks::id(stack);
    match stacks.recent_events(stack_id, token).await {
        Ok(events) => Ok(own::operation(&events, token).map(|own| found(stack_id, token, own))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) if is_denied(&error) => {
            let why = failure(stacks.scene, "DescribeStackEvents", &error).await.sentence;
            speech.warning(&format!("{why} Whether an earlier attempt of this step began something cannot be seen."));
            Ok(None)
        }
        Err(error) => Err(failure(stacks.scene, "DescribeStackEvents", &error).await),
    }
}

/// The operation with that token, after AWS did not say whether it began it. Looks several times.
pub(crate) async fn after_doubt(stacks: &Stacks<'_>, name: &str, token: &str) -> Result<Option<Operation>, Failure> {
    for look in 0..LOOKS {
        if look > 0 {
            sleep(BETWEEN_LOOKS).await;
        }
        let Some(stack) = stacks.find(name).await? else { continue };
        let stack_id = stacks::id(&stack);
        if let Ok(events) = stacks.recent_events(stack_id, token).await
            && let Some(own) = own::operation(&events, token)
        {
            return Ok(Some(found(stack_id, token, own)));
        }
    }
    Ok(None)
}

/// The operation with that token in a stack of that name that is deleted already: one that could not be created, and was to be deleted
/// then.
pub(crate) async fn of_deleted(stacks: &Stacks<'_>, name: &str, token: &str) -> Result<Option<Operation>, Failure> {
    let call = stacks.client.list_stacks().stack_status_filter(StackStatus::DeleteComplete);
    let mut summaries = call.into_paginator().items().send();
    while let Some(summary) = summaries.next().await {
        let summary = match summary {
            Ok(summary) => summary,
            Err(error) if is_denied(&error) => return Ok(None),
            Err(error) => return Err(failure(stacks.scene, "ListStacks", &error).await),
        };
        let Some(stack_id) = summary.stack_id().filter(|_| summary.stack_name() == Some(name)) else { continue };
        if let Ok(events) = stacks.recent_events(stack_id, token).await
            && let Some(own) = own::operation(&events, token)
        {
            return Ok(Some(found(stack_id, token, own)));
        }
    }
    Ok(None)
}

fn found(stack_id: &str, token: &str, own: Own) -> Operation {
    Operation { stack_id: stack_id.into(), token: token.into(), floor: own.floor, total: None, change_set: None }
}
