//! Waits for what somebody else does to a stack.

use std::time::Duration;

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::reason::Reason;
use tokio::time::{Instant, sleep};

use crate::{
    errors::{failure, is_absent},
    event::Event,
    follow::{Operation, follow},
    own,
    patience::{Patience, Trouble},
    stacks::{self, Stacks, chance},
    state::is_in_progress,
    tell,
};

/// 60 seconds without a line: then it is said that it is still waited.
const SILENCE: Duration = Duration::from_secs(60);

/// Waits until nothing goes on with a stack. What this step itself began is followed, what others began is only waited for.
///
/// # Errors
/// `STACK_CANCELLED` when the step is cancelled meanwhile; when AWS refuses to tell.
pub(crate) async fn until_idle(
    stacks: &Stacks<'_>,
    name: &str,
    stack: &Stack,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let stack_id = stacks::id(stack);
    let operation = &stacks.scene.operation;
    let events = stacks.recent_events(stack_id, operation).await.unwrap_or_default();
    for token in ["-delete", "-continue"].map(|part| format!("{operation}{part}")) {
        if let Some(own) = own::operation(&events, &token).filter(|own| own.ended.is_none()) {
            speech.line(&format!(
                "An earlier attempt of this step began what goes on with stack \"{name}\"; it is followed."
            ));
            let operation =
                Operation { stack_id: stack_id.into(), token, floor: own.floor, total: None, change_set: None };
            return follow(stacks, name, operation, speech).await.map(drop);
        }
    }
    let status = stack.stack_status().map_or("an unknown state", StackStatus::as_str);
    let by = by_whom(&events, operation);
    speech.wait(&format!("Stack \"{name}\" is in {status}: {by}. It is waited for."));
    until_others_end(stacks, name, stack_id, &by, speech).await
}

/// `somebody else began that at 12:00:01 UTC with the token Console-CreateStack-1`.
fn by_whom(events: &[Event], operation: &str) -> String {
    let Some(begin) = events.iter().find(|event| event.is_begin_of_operation()) else {
        return "somebody else is at work on it".into();
    };
    let time = begin.time();
    match begin.token.as_str() {
        "" => format!("somebody else began that at {time} UTC, without a token"),
        token if token.starts_with(step(operation)) => {
            format!("an earlier attempt of this step, which ended before that did, began it at {time} UTC")
        }
        token => format!("somebody else began that at {time} UTC with the token {token}"),
    }
}

/// What the names of all operations of a step have in common: what follows says which attempts go on with one another.
fn step(operation: &str) -> &str {
    operation.rsplit_once('-').map_or(operation, |(step, _)| step)
}

async fn until_others_end(
    stacks: &Stacks<'_>,
    name: &str,
    stack_id: &str,
    by: &str,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let mut patience = Patience::default();
    let (begun, mut heard) = (Instant::now(), Instant::now());
    loop {
        match stacks.client.describe_stacks().stack_name(stack_id).send().await {
            Ok(answer) => {
                patience.answered(false);
                let stack = answer.stacks().first();
                if !stack.and_then(Stack::stack_status).is_some_and(is_in_progress) {
                    return Ok(());
                }
            }
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => match patience.bear(Trouble::of(&error)) {
                Some(true) => speech.wait(&format!("{} It is asked again.", aws::explain("DescribeStacks", &error))),
                Some(false) => {}
                None => return Err(failure(stacks.scene, "DescribeStacks", &error).await),
            },
        }
        if heard.elapsed() >= SILENCE {
            heard = Instant::now();
            let waited = tell::lasting(begun.elapsed());
            speech.wait(&format!("Stack \"{name}\" is still waited for, since {waited}: {by}."));
        }
        tokio::select! {
            () = sleep(patience.pause(chance())) => {}
            () = stacks.scene.cancelled.cancelled() => return Err(cancelled(name)),
        }
    }
}

fn cancelled(name: &str) -> Failure {
    Failure::new(
        Reason::StackCancelled,
        format!(
            "The step was cancelled while it waited for others to be done with stack \"{name}\"; it began nothing."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{ROOT, event, own};

    #[test]
    fn whoever_is_at_work_is_told_by_the_token_and_the_time() {
        let mut begin = own(ROOT, 43_201, "UPDATE_IN_PROGRESS", "");
        begin.token = "Console-UpdateStack-1".into();
        let events = [event(ROOT, 43_202, "Assets", "UPDATE_IN_PROGRESS", ""), begin.clone()];
        assert_eq!(
            by_whom(&events, "longshore-7-01"),
            "somebody else began that at 12:00:01 UTC with the token Console-UpdateStack-1"
        );
        begin.token.clear();
        assert_eq!(
            by_whom(&[begin.clone()], "longshore-7-01"),
            "somebody else began that at 12:00:01 UTC, without a token"
        );
        begin.token = "longshore-7-00".into();
        assert!(by_whom(&[begin], "longshore-7-01").starts_with("an earlier attempt of this step"));
        assert_eq!(by_whom(&[], "longshore-7-01"), "somebody else is at work on it");
    }
}
