//! What all calls have in common that create or change a stack.

use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, Parameter, RollbackConfiguration, RollbackTrigger, Tag};
use shared::plan::stack::DeployStack;

/// The type of a rollback trigger (AWS CloudFormation API, RollbackTrigger).
const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Values for every call, as AWS takes them; none leaves a stack's own as it is. Parameters may be secrets: it is never printed.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) parameters: Option<Vec<Parameter>>,
    pub(crate) capabilities: Option<Vec<Capability>>,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) role_arn: Option<String>,
    pub(crate) notification_arns: Option<Vec<String>>,
    pub(crate) rollback: Option<RollbackConfiguration>,
}

impl From<&DeployStack> for Request {
    fn from(order: &DeployStack) -> Self {
        let parameters = order.parameters.iter().map(|(name, parameter)| {
            let builder = Parameter::builder().parameter_key(name);
            match parameter.use_previous {
                true => builder.use_previous_value(true).build(),
                false => builder.parameter_value(&parameter.value).build(),
            }
        });
        let tags = order.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let capabilities = order.capabilities.iter().map(|name| Capability::from(name.to_uppercase().as_str()));
        Self {
            parameters: some(parameters.collect()),
            capabilities: some(capabilities.collect()),
            tags: some(tags.collect()),
            role_arn: Some(order.role_arn.clone()).filter(|arn| !arn.is_empty()),
            notification_arns: some(order.notification_arns.clone()),
            rollback: rollback(order),
        }
    }
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

fn rollback(order: &DeployStack) -> Option<RollbackConfiguration> {
    let triggers = order.rollback.as_ref()?;
    let mut builder = RollbackConfiguration::builder().monitoring_time_in_minutes(minutes(triggers.monitoring));
    for arn in &triggers.alarms {
        builder = builder.rollback_triggers(RollbackTrigger::builder().arn(arn).r#type(ALARM).build());
    }
    Some(builder.build())
}

/// Whole minutes, rounded up.
pub(crate) fn minutes(time: Duration) -> i32 {
    i32::try_from(time.as_secs().div_ceil(60)).unwrap_or(i32::MAX)
}
