//! Creates a CloudFormation stack and tells what happens to it until it stands or has failed.

mod follow;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::{
    Client,
    types::{Capability, Parameter, Stack, StackStatus, Tag},
};
use proto::worker::DeployStackAction;

use self::follow::Follower;
use super::{Failure, speech::Speech};

/// Sets the stack's outputs as `AwsOutputs[…]`, and its id as `AwsOutputs[StackId]`.
pub(super) async fn run(action: &DeployStackAction, config: &SdkConfig, speech: &mut Speech) -> Result<(), Failure> {
    let client = Client::new(config);
    let stack_id = match create(action, &client).await? {
        Some(stack_id) => stack_id,
        None => own_operation(action, &client, speech).await?,
    };
    let mut follower = Follower::new(&client, &stack_id);
    let stack = follower.follow(speech).await?;
    match stack.stack_status() {
        Some(StackStatus::CreateComplete) => {
            tell_outputs(&stack, &stack_id, speech);
            Ok(())
        }
        status => Err(follower.failure(&action.stack, status.map_or("an unknown state", StackStatus::as_str))),
    }
}

/// The new stack's id; `None` when there is a stack of that name.
async fn create(action: &DeployStackAction, client: &Client) -> Result<Option<String>, Failure> {
    let parameters = action.parameters.iter();
    let parameters =
        parameters.map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
    let tags = action.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let capabilities = action.capabilities.iter().map(|name| Capability::from(name.as_str()));
    let token = Some(&action.client_request_token).filter(|token| !token.is_empty()).cloned();
    let created = client
        .create_stack()
        .stack_name(&action.stack)
        .template_body(&action.template)
        .set_parameters(Some(parameters.collect()))
        .set_tags(Some(tags.collect()))
        .set_capabilities(Some(capabilities.collect()))
        .set_client_request_token(token)
        .send()
        .await;
    match created {
        Ok(created) => created
            .stack_id()
            .map(|id| Some(id.to_owned()))
            .ok_or_else(|| Failure("AWS accepted CreateStack and named no stack id.".into())),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_already_exists_exception()) => Ok(None),
        Err(error) => Err(Failure(aws::explain("CreateStack", &error).sentence)),
    }
}

/// The stack that is there, if an earlier attempt of this very step asked for it.
async fn own_operation(action: &DeployStackAction, client: &Client, speech: &mut Speech) -> Result<String, Failure> {
    let events = client.describe_stack_events().stack_name(&action.stack).send().await;
    let events = events.map_err(|error| Failure(aws::explain("DescribeStackEvents", &error).sentence))?;
    let token = Some(action.client_request_token.as_str()).filter(|token| !token.is_empty());
    let newest = events.stack_events().first();
    let own = newest.filter(|event| token.is_some() && event.client_request_token() == token);
    let stack_id = own.and_then(|event| event.stack_id()).ok_or_else(|| {
        Failure(format!(
            "There is a stack \"{}\" already, and this step only creates stacks. Delete that stack, or name another one.",
            action.stack
        ))
    })?;
    speech
        .line(&format!("Stack \"{}\" was asked for by an earlier attempt of this step; it is followed.", action.stack));
    Ok(stack_id.to_owned())
}

fn tell_outputs(stack: &Stack, stack_id: &str, speech: &mut Speech) {
    for output in stack.outputs() {
        if let (Some(key), Some(value)) = (output.output_key(), output.output_value()) {
            speech.output(&format!("AwsOutputs[{key}]"), value);
        }
    }
    speech.output("AwsOutputs[StackId]", stack_id);
}
