//! Deletes a stack, by its id, and says what keeps it.

use std::collections::BTreeSet;

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{Stack, StackStatus};
use shared::reason::Reason;

use crate::{
    cancel::Cancel,
    cause::Cause,
    ending,
    errors::failure,
    follow::{End, Operation, follow},
    resume::{Begun, begin},
    stacks::{self, Stacks},
};

/// How a stack is deleted.
#[derive(Clone, Debug)]
pub(crate) struct Removal<'a> {
    /// Its name, for people.
    pub(crate) name: &'a str,
    /// ClientRequestToken.
    pub(crate) token: String,
    pub(crate) role_arn: Option<String>,
    /// Resources that are kept if their deletion fails.
    pub(crate) retain: &'a [String],
}

/// Deletes a stack and follows that to its end.
///
/// # Errors
/// `STACK_PROTECTED`, `STACK_FAILED` with all that keeps it, `STACK_CANCELLED` when the step was cancelled before it began.
pub(crate) async fn remove(
    stacks: &Stacks<'_>,
    stack: &Stack,
    removal: &Removal<'_>,
    speech: &mut Speech,
) -> Result<(), Failure> {
    if stack.enable_termination_protection() == Some(true) {
        return Err(protected(removal.name));
    }
    if stacks.scene.cancelled.is_cancelled() {
        let sentence =
            format!("The step was cancelled before stack \"{}\" was deleted; nothing was changed.", removal.name);
        return Err(Failure::new(Reason::StackCancelled, sentence));
    }
    let stack_id = stacks::id(stack);
    let has_failed_before = stack.stack_status() == Some(&StackStatus::DeleteFailed);
    let retain =
        if has_failed_before { retained(&stacks.failed_resources(stack_id).await, removal.retain) } else { vec![] };
    let end = ask(stacks, stack_id, removal, &removal.token, retain.clone(), speech).await?;
    let retry = to_keep(stacks, removal, &end).await;
    if retry.is_empty() || retry == retain {
        return conclude(stacks, removal, &end).await;
    }
    ask_again(stacks, stack_id, removal, retry, speech).await
}

/// What comes after the end of a deletion that an earlier attempt of the step began.
///
/// # Errors
/// As [`remove`].
pub(crate) async fn go_on(
    stacks: &Stacks<'_>,
    removal: &Removal<'_>,
    end: End,
    speech: &mut Speech,
) -> Result<(), Failure> {
    let retry = to_keep(stacks, removal, &end).await;
    if retry.is_empty() || end.record.has_seen(&again(removal)) {
        return conclude(stacks, removal, &end).await;
    }
    let stack_id = end.record.tails[0].stack_id.clone();
    ask_again(stacks, &stack_id, removal, retry, speech).await
}

/// Resources without which a deletion that failed may be tried again. AWS lets a resource be kept only after its deletion has failed
/// (AWS CloudFormation API, DeleteStack, RetainResources).
async fn to_keep(stacks: &Stacks<'_>, removal: &Removal<'_>, end: &End) -> Vec<String> {
    match end.status == StackStatus::DeleteFailed && end.cancel == Cancel::No {
        true => retained(&keeping(stacks, end).await, removal.retain),
        false => vec![],
    }
}

async fn ask_again(
    stacks: &Stacks<'_>,
    stack_id: &str,
    removal: &Removal<'_>,
    retry: Vec<String>,
    speech: &mut Speech,
) -> Result<(), Failure> {
    speech.line(&format!("Stack \"{}\" is deleted again, without {}.", removal.name, retry.join(", ")));
    let end = ask(stacks, stack_id, removal, &again(removal), retry, speech).await?;
    conclude(stacks, removal, &end).await
}

/// The token of the second try.
fn again(removal: &Removal<'_>) -> String {
    format!("{}-retain", removal.token)
}

/// What the end of a deletion means.
async fn conclude(stacks: &Stacks<'_>, removal: &Removal<'_>, end: &End) -> Result<(), Failure> {
    if end.status == StackStatus::DeleteComplete {
        return Ok(());
    }
    if end.status != StackStatus::DeleteFailed {
        return Err(ending::failed(stacks, removal.name, false, end).await);
    }
    let keeping = keeping(stacks, end).await;
    Err(Failure::new(Reason::StackFailed, sentence(removal.name, &keeping, why(end))))
}

async fn ask(
    stacks: &Stacks<'_>,
    stack_id: &str,
    removal: &Removal<'_>,
    token: &str,
    retain: Vec<String>,
    speech: &mut Speech,
) -> Result<End, Failure> {
    let operation = Operation {
        stack_id: stack_id.into(),
        token: token.into(),
        floor: stacks.floor(stack_id).await?,
        total: Some(stacks.existing_resources(stack_id).await.len()),
        change_set: None,
    };
    let call = stacks.client.delete_stack().stack_name(stack_id).client_request_token(token);
    let call = call.set_role_arn(removal.role_arn.clone()).set_retain_resources((!retain.is_empty()).then_some(retain));
    let operation = match begin(stacks, stack_id, token, || call.clone().send()).await? {
        Ok(Begun::Anew(_)) => operation,
        Ok(Begun::Found(found)) => Operation { total: operation.total, ..found },
        Err(error) => return Err(failure(stacks.scene, "DeleteStack", &error).await),
    };
    follow(stacks, removal.name, operation, speech).await
}

/// What keeps a stack whose deletion failed: by its events, or else by its resources.
async fn keeping(stacks: &Stacks<'_>, end: &End) -> Vec<Cause> {
    if end.status != StackStatus::DeleteFailed {
        return vec![];
    }
    let stack_id = &end.record.tails[0].stack_id;
    let told = end.record.failures.blocking(stack_id);
    if told.is_empty() { stacks.failed_resources(stack_id).await } else { told }
}

/// Resources to keep: all that failed, if all of them may be kept; otherwise none, since the deletion would fail again.
fn retained(failed: &[Cause], allowed: &[String]) -> Vec<String> {
    let failed: BTreeSet<&str> = failed.iter().map(|cause| cause.path.as_str()).collect();
    let is_covered = failed.iter().all(|id| allowed.iter().any(|allowed| allowed == id));
    if is_covered { failed.into_iter().map(str::to_owned).collect() } else { vec![] }
}

fn why(end: &End) -> Option<Cause> {
    end.record.failures.first_cause().or_else(|| end.record.failures.first())
}

fn sentence(name: &str, keeping: &[Cause], why: Option<Cause>) -> String {
    let ids: Vec<_> = keeping.iter().map(|cause| cause.path.as_str()).collect();
    let (Some(last), false) = (keeping.last().cloned().or(why.clone()), keeping.is_empty()) else {
        let why = why.map_or("AWS names no cause.".into(), |cause| cause.sentence());
        return format!("Stack \"{name}\" could not be deleted and is in DELETE_FAILED.\n{why}");
    };
    let all = match keeping {
        [_] => String::new(),
        several => format!("\n- {}", ending::list(&several[..several.len() - 1])),
    };
    format!(
        "Stack \"{name}\" could not be deleted and is in DELETE_FAILED. Mend what keeps it and run the step again, or leave it in AWS without a \
         stack: `retain: [{}]`. What keeps it:{all}\n- {}",
        ids.join(", "),
        last.sentence()
    )
}

fn protected(name: &str) -> Failure {
    Failure::new(
        Reason::StackProtected,
        format!(
            "Stack \"{name}\" has termination protection, and nothing of it was deleted. If it is really to be deleted, take the protection \
             away first: aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {name}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(path: &str) -> Cause {
        Cause { path: path.into(), kind: "AWS::S3::Bucket".into(), reason: "The bucket is not empty".into() }
    }

    #[test]
    fn resources_are_kept_only_if_that_is_enough() {
        let allowed = ["Assets".to_owned(), "Logs".to_owned()];
        assert_eq!(retained(&[cause("Logs"), cause("Assets")], &allowed), ["Assets", "Logs"]);
        assert_eq!(retained(&[cause("Logs"), cause("Queue")], &allowed), [""; 0]);
        assert_eq!(retained(&[], &allowed), [""; 0]);
    }

    #[test]
    fn everything_that_keeps_a_stack_is_named() {
        let told = sentence("shop", &[cause("Assets"), cause("Logs")], None);
        assert!(
            told.contains("`retain: [Assets, Logs]`. What keeps it:\n- Assets (AWS::S3::Bucket): The bucket"),
            "{told}"
        );
        assert!(told.ends_with("\n- Logs (AWS::S3::Bucket): The bucket is not empty."), "{told}");
        let told = sentence("shop", &[], Some(cause("shop")));
        assert!(told.ends_with("DELETE_FAILED.\nshop (AWS::S3::Bucket): The bucket is not empty."), "{told}");
    }
}
