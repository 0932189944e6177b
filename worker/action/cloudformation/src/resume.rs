//! Finds an operation that an earlier attempt of this step began, or that AWS began without saying so.

use std::time::Duration;

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::sleep;

use crate::{
    errors::{Refusal, failure, is_absent, is_denied, is_repetition, may_be_done},
    follow::Operation,
    own::{self, Own},
    patience::{Patience, Trouble},
    stacks::{self, Stacks, chance},
};

/// 6 looks, a second apart: AWS may show the first event of an operation a moment after it took it.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// 3 more times a call is made whose answer was lost; the SDK has made it 5 times each time.
const REPETITIONS: u32 = 3;

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

/// How an operation was begun.
#[derive(Debug)]
pub(crate) enum Begun<T> {
    /// AWS said so.
    Anew(T),
    /// AWS did not say so, but the stack's events do.
    Found(Operation),
}

/// Asks for an operation until AWS says, or the events of the stack do, that it was begun. `stack`: its name or id.
///
/// # Errors
/// AWS's refusal; a failure when AWS does not tell what became of it.
pub(crate) async fn begin<T, E, Asking>(
    stacks: &Stacks<'_>,
    stack: &str,
    token: &str,
    ask: impl Fn() -> Asking,
) -> Result<Result<Begun<T>, Refusal<E>>, Failure>
where
    E: ProvideErrorMetadata,
    Asking: Future<Output = Result<T, Refusal<E>>>,
{
    let mut repetitions = 0;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(Ok(Begun::Anew(answer))),
            Err(error) => error,
        };
        let is_lost = may_be_done(&error);
        if !is_lost && !is_repetition(&error) {
            return Ok(Err(error));
        }
        if let Some(found) = after_doubt(stacks, stack, token).await? {
            return Ok(Ok(Begun::Found(found)));
        }
        repetitions += 1;
        if !is_lost || repetitions > REPETITIONS || stacks.scene.cancelled.is_cancelled() {
            return Ok(Err(error));
        }
    }
}

/// The operation with that token, after AWS did not say whether it began it. Looks several times, and as long as AWS is away.
pub(crate) async fn after_doubt(stacks: &Stacks<'_>, stack: &str, token: &str) -> Result<Option<Operation>, Failure> {
    let mut patience = Patience::default();
    let mut looks = 0;
    loop {
        let pause = match look(stacks, stack, token).await {
            Ok(Some(operation)) => return Ok(Some(operation)),
            Ok(None) => {
                looks += 1;
                BETWEEN_LOOKS
            }
            Err(failure) => match Trouble::behind(&failure).and_then(|trouble| patience.bear(trouble)) {
                Some(_) if !stacks.scene.cancelled.is_cancelled() => patience.pause(chance()),
                _ => return Err(failure),
            },
        };
        if looks >= LOOKS {
            return Ok(None);
        }
        sleep(pause).await;
    }
}

async fn look(stacks: &Stacks<'_>, stack: &str, token: &str) -> Result<Option<Operation>, Failure> {
    let Some(stack) = stacks.find(stack).await? else { return Ok(None) };
    let stack_id = stacks::id(&stack);
    match stacks.recent_events(stack_id, token).await {
        Ok(events) => Ok(own::operation(&events, token).map(|own| found(stack_id, token, own))),
        Err(error) if is_denied(&error) || is_absent(&error) => Ok(None),
        Err(error) => Err(failure(stacks.scene, "DescribeStackEvents", &error).await),
    }
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
