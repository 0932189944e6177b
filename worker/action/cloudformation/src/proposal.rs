//! Lets AWS make a change set, and waits until it is made.

use std::time::Duration;

use action::{Failure, Speech};
use aws_sdk_cloudformation::types::{ChangeSetStatus, ChangeSetType, OnStackFailure, Stack, StackStatus};
use shared::{plan::stack::OnFailure, reason::Reason};
use tokio::time::sleep;

use crate::{
    change_set::{self, ChangeSet},
    errors::{code, failure, is_repetition, may_be_done, says_no_change},
    input::Input,
    patience::{Patience, Trouble},
    request::Request,
    stacks::{self, Stacks, chance},
};

/// What became of it.
#[derive(Debug)]
pub(crate) enum Proposal {
    /// There are changes, or what counts as such: outputs, tags.
    Changes(Box<ChangeSet>),
    /// The stack is what it is to be already.
    NoChange,
}

/// Makes a change set with the operation's name, or takes the one that an earlier attempt made. `stack`: the one that is there.
///
/// # Errors
/// `CHANGE_SET_FAILED` with AWS's reason; `STACK_CANCELLED`, with nothing left behind; as AWS refuses.
pub(crate) async fn propose(
    stacks: &Stacks<'_>,
    input: &Input<'_>,
    stack: Option<&Stack>,
    speech: &mut Speech,
) -> Result<Proposal, Failure> {
    let name = &stacks.scene.operation;
    let (earlier, token) = match earlier(stacks, stack).await? {
        Some(void) if void.is_void() => {
            discard(stacks, &void, false, speech).await;
            // With the same token AWS might answer with the one that is void.
            (None, format!("{name}-again"))
        }
        earlier => (earlier, name.clone()),
    };
    let is_shell = stack.is_some_and(|stack| stack.stack_status() == Some(&StackStatus::ReviewInProgress));
    let made_shell = stack.is_none() || earlier.is_some() && is_shell;
    let id = match earlier {
        Some(earlier) => {
            speech.line(&format!("An earlier attempt of this step made the change set {name}; it is taken."));
            earlier.id
        }
        None => create(stacks, input, stack, &token, speech).await?,
    };
    let made = made(stacks, input, &id, made_shell, speech).await?;
    if made.status == ChangeSetStatus::CreateComplete {
        return Ok(Proposal::Changes(Box::new(made)));
    }
    discard(stacks, &made, made_shell, speech).await;
    if made.status == ChangeSetStatus::Failed && says_no_change(&made.reason) {
        return Ok(Proposal::NoChange);
    }
    Err(failed(&input.order.stack, &made))
}

/// The change set with the operation's name that an earlier attempt made.
async fn earlier(stacks: &Stacks<'_>, stack: Option<&Stack>) -> Result<Option<ChangeSet>, Failure> {
    match stack {
        Some(stack) => change_set::find(stacks, Some(stacks::id(stack)), &stacks.scene.operation, false).await,
        None => Ok(None),
    }
}

/// The change set's ARN.
async fn create(
    stacks: &Stacks<'_>,
    input: &Input<'_>,
    stack: Option<&Stack>,
    token: &str,
    speech: &mut Speech,
) -> Result<String, Failure> {
    let (order, request) = (input.order, Request::from(input.order));
    let is_new = stack.is_none_or(|stack| stack.stack_status() == Some(&StackStatus::ReviewInProgress));
    let kind = if is_new { ChangeSetType::Create } else { ChangeSetType::Update };
    let on_failure = match order.on_failure {
        OnFailure::DoNothing => Some(OnStackFailure::DoNothing),
        OnFailure::Delete if is_new => Some(OnStackFailure::Delete),
        _ => None,
    };
    // AWS makes no change set over nested stacks of a template with macros (AWS CloudFormation API, CreateChangeSet, Capabilities).
    let include_nested = (input.has_nested_stacks && !input.has_macros).then_some(true);
    let name = &stacks.scene.operation;
    speech.verbose(&format!("CloudFormation is asked for the change set {name} of stack \"{}\".", order.stack));
    let asked = stacks
        .client
        .create_change_set()
        .stack_name(stack.filter(|_| !is_new).map_or(order.stack.as_str(), stacks::id))
        .change_set_name(name)
        .client_token(token)
        .change_set_type(kind)
        .set_template_body(input.template.body())
        .set_template_url(input.template.url())
        .set_parameters(request.parameters)
        .set_capabilities(request.capabilities)
        .set_tags(request.tags)
        .set_role_arn(request.role_arn)
        .set_notification_arns(request.notification_arns)
        .set_rollback_configuration(request.rollback)
        .set_on_stack_failure(on_failure)
        .set_include_nested_stacks(include_nested)
        .send()
        .await;
    let error = match asked {
        Ok(answer) => return Ok(answer.id.unwrap_or_else(|| name.clone())),
        Err(error) => error,
    };
    if is_repetition(&error) || may_be_done(&error) {
        let found = change_set::find(stacks, Some(&order.stack), name, false).await?;
        if let Some(found) = found {
            return Ok(found.id);
        }
    }
    let Failure { reason, sentence } = failure(stacks.scene, "CreateChangeSet", &error).await;
    let reason = if code(&error) == "ValidationError" && reason == Reason::AwsRefused {
        Reason::ChangeSetFailed
    } else {
        reason
    };
    Err(Failure::new(reason, sentence))
}

/// The change set, when AWS is done with it.
async fn made(
    stacks: &Stacks<'_>,
    input: &Input<'_>,
    id: &str,
    made_shell: bool,
    speech: &mut Speech,
) -> Result<ChangeSet, Failure> {
    let mut patience = Patience::default();
    let stack = (!id.starts_with("arn:")).then_some(input.order.stack.as_str());
    loop {
        let found = match change_set::find(stacks, stack, id, false).await {
            Ok(found) => found.ok_or_else(|| gone(&input.order.stack))?,
            Err(failure) => {
                wait_out(&mut patience, failure, speech).await?;
                continue;
            }
        };
        if !found.is_pending() {
            return whole(stacks, stack, id, found, &input.order.stack).await;
        }
        if stacks.scene.cancelled.is_cancelled() {
            discard(stacks, &found, made_shell, speech).await;
            return Err(cancelled(&input.order.stack));
        }
        patience.answered(false);
        tokio::select! {
            () = sleep(patience.pause(chance()).min(Duration::from_secs(2))) => {}
            () = stacks.scene.cancelled.cancelled() => {}
        }
    }
}

/// Waits when AWS is away or wants fewer calls: what it makes it makes without us.
async fn wait_out(patience: &mut Patience, failure: Failure, speech: &mut Speech) -> Result<(), Failure> {
    let Some(is_new) = Trouble::behind(&failure).and_then(|trouble| patience.bear(trouble)) else {
        return Err(failure);
    };
    if is_new {
        speech.wait(&format!("{} It is asked again.", failure.sentence));
    }
    sleep(patience.pause(chance())).await;
    Ok(())
}

/// With its template and what is nested in it, where that matters.
async fn whole(
    stacks: &Stacks<'_>,
    stack: Option<&str>,
    id: &str,
    found: ChangeSet,
    name: &str,
) -> Result<ChangeSet, Failure> {
    if found.status != ChangeSetStatus::CreateComplete {
        return Ok(found);
    }
    change_set::find(stacks, stack, id, true).await?.ok_or_else(|| gone(name))
}

/// Deletes a change set, and the empty stack that was made for it if nobody else has put one there. What cannot be deleted is said.
pub(crate) async fn discard(stacks: &Stacks<'_>, change_set: &ChangeSet, made_shell: bool, speech: &mut Speech) {
    if let Err(error) = stacks.client.delete_change_set().change_set_name(&change_set.id).send().await {
        let why = failure(stacks.scene, "DeleteChangeSet", &error).await.sentence;
        speech.warning(&format!("The change set {} could not be deleted. {why}", change_set.name));
        return;
    }
    if made_shell && is_empty_shell(stacks, change_set).await {
        let token = format!("{}-shell", stacks.scene.operation);
        let call = stacks.client.delete_stack().stack_name(&change_set.stack_id).client_request_token(token);
        if let Err(error) = call.send().await {
            let why = failure(stacks.scene, "DeleteStack", &error).await.sentence;
            let name = &change_set.stack_name;
            speech
                .warning(&format!("The empty stack \"{name}\", made for the change set, could not be deleted. {why}"));
        }
    }
}

async fn is_empty_shell(stacks: &Stacks<'_>, change_set: &ChangeSet) -> bool {
    let stack = stacks.find(&change_set.stack_id).await;
    let is_shell = matches!(stack, Ok(Some(stack)) if stack.stack_status() == Some(&StackStatus::ReviewInProgress));
    if !is_shell {
        return false;
    }
    let others = stacks.client.list_change_sets().stack_name(&change_set.stack_id).send().await;
    others.is_ok_and(|others| others.summaries().iter().all(|other| other.change_set_id() == Some(&change_set.id)))
}

fn failed(stack: &str, change_set: &ChangeSet) -> Failure {
    let why =
        if change_set.reason.is_empty() { "AWS gives no reason" } else { change_set.reason.trim_end_matches('.') };
    Failure::new(
        Reason::ChangeSetFailed,
        format!(
            "AWS could not make the change set {} of stack \"{stack}\" ({}), and nothing was changed: {why}.",
            change_set.name,
            change_set.status.as_str()
        ),
    )
}

fn gone(stack: &str) -> Failure {
    let sentence = format!(
        "The change set of stack \"{stack}\" was deleted by somebody else while AWS made it; nothing was changed."
    );
    Failure::new(Reason::StackGone, sentence)
}

/// The step was cancelled before anything was begun.
pub(crate) fn cancelled(stack: &str) -> Failure {
    let sentence =
        format!("The step was cancelled before anything of stack \"{stack}\" was changed; its change set was deleted.");
    Failure::new(Reason::StackCancelled, sentence)
}
