//! Creates or updates a stack without a change set.

use action::Failure;
use aws_sdk_cloudformation::types::{OnFailure as OnCreateFailure, Stack};
use shared::{plan::stack::OnFailure, reason::Reason};

use crate::{
    errors::{code, failure, message, says_no_change},
    follow::Operation,
    input::Input,
    record::Floor,
    request::{Request, minutes},
    resume::{Begun, begin},
    stacks::{self, Stacks},
};

/// Asks AWS to create the stack.
///
/// # Errors
/// As AWS refuses; `STACK_GONE` when somebody else made one meanwhile.
pub(crate) async fn create(stacks: &Stacks<'_>, input: &Input<'_>) -> Result<Operation, Failure> {
    let (order, request, token) = (input.order, Request::from(input.order), &stacks.scene.operation);
    let on_failure = match order.on_failure {
        OnFailure::Rollback => None,
        OnFailure::Delete => Some(OnCreateFailure::Delete),
        OnFailure::DoNothing => Some(OnCreateFailure::DoNothing),
    };
    let call = stacks
        .client
        .create_stack()
        .stack_name(&order.stack)
        .client_request_token(token)
        .set_template_body(input.template.body())
        .set_template_url(input.template.url())
        .set_parameters(request.parameters)
        .set_capabilities(request.capabilities)
        .set_tags(request.tags)
        .set_role_arn(request.role_arn)
        .set_notification_arns(request.notification_arns)
        .set_rollback_configuration(request.rollback)
        .set_on_failure(on_failure)
        .set_timeout_in_minutes(order.creation_timeout.map(minutes))
        .set_stack_policy_body(input.policy.clone())
        .set_enable_termination_protection(order.termination_protection);
    match begin(stacks, &order.stack, token, || call.clone().send()).await? {
        Ok(Begun::Anew(answer)) => {
            let stack_id = answer.stack_id.unwrap_or_else(|| order.stack.clone());
            Ok(operation(stack_id, token, Floor::All, input.resources))
        }
        Ok(Begun::Found(found)) => Ok(Operation { total: input.resources, ..found }),
        Err(error) if code(&error).starts_with("AlreadyExists") => Err(taken(&order.stack)),
        Err(error) => Err(failure(stacks.scene, "CreateStack", &error).await),
    }
}

/// Asks AWS to update the stack; none when there is nothing to update.
///
/// # Errors
/// As AWS refuses.
pub(crate) async fn update(
    stacks: &Stacks<'_>,
    input: &Input<'_>,
    stack: &Stack,
) -> Result<Option<Operation>, Failure> {
    let (order, request, token) = (input.order, Request::from(input.order), &stacks.scene.operation);
    let stack_id = stacks::id(stack);
    let floor = stacks.floor(stack_id).await?;
    let call = stacks
        .client
        .update_stack()
        .stack_name(stack_id)
        .client_request_token(token)
        .set_template_body(input.template.body())
        .set_template_url(input.template.url())
        .set_parameters(request.parameters)
        .set_capabilities(request.capabilities)
        .set_tags(request.tags)
        .set_role_arn(request.role_arn)
        .set_notification_arns(request.notification_arns)
        .set_rollback_configuration(request.rollback)
        .set_disable_rollback((order.on_failure == OnFailure::DoNothing).then_some(true));
    match begin(stacks, stack_id, token, || call.clone().send()).await? {
        Ok(Begun::Anew(_)) => Ok(Some(operation(stack_id.into(), token, floor, None))),
        Ok(Begun::Found(found)) => Ok(Some(found)),
        Err(error) if says_no_change(message(&error)) => Ok(None),
        Err(error) => Err(failure(stacks.scene, "UpdateStack", &error).await),
    }
}

fn operation(stack_id: String, token: &str, floor: Floor, total: Option<usize>) -> Operation {
    Operation { stack_id, token: token.into(), floor, total, change_set: None }
}

fn taken(name: &str) -> Failure {
    let sentence = format!(
        "Somebody else created a stack \"{name}\" meanwhile, and this step began nothing. Run it again: it then updates that."
    );
    Failure::new(Reason::StackGone, sentence)
}
