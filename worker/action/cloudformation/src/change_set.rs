//! A change set: what AWS would do, all pages of it and what is nested in it.

use action::Failure;
use aws_sdk_cloudformation::{
    error::SdkError,
    operation::{describe_change_set::DescribeChangeSetOutput, get_template::GetTemplateError},
    types::{ChangeSetStatus, ExecutionStatus, ResourceChange, TemplateStage},
};
use serde_json::Value;

use crate::{
    errors::{failure, is_no_change_set},
    json,
    stacks::Stacks,
};

/// 10 stacks within each other: nobody nests more, and a loop in AWS's answers ends.
const DEPTH: usize = 10;

/// A change set as AWS describes it.
#[derive(Clone, Debug)]
pub(crate) struct ChangeSet {
    /// Its ARN.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) stack_id: String,
    pub(crate) stack_name: String,
    pub(crate) status: ChangeSetStatus,
    /// Why it failed.
    pub(crate) reason: String,
    pub(crate) execution: Option<ExecutionStatus>,
    /// As it was given; AWS's refusal to tell it, otherwise.
    pub(crate) template: String,
    /// `Size=2`; AWS hides those that are secret.
    pub(crate) parameters: Vec<String>,
    /// Capabilities, tags, topics, rollback triggers, and what becomes of a failure.
    pub(crate) options: Vec<String>,
    pub(crate) changes: Vec<Change>,
}

/// What becomes of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) resource: ResourceChange,
    /// The same, in AWS's words.
    pub(crate) json: Value,
    /// Of a nested stack.
    pub(crate) nested: Vec<Change>,
}

impl Change {
    fn new(resource: ResourceChange, nested: Vec<Change>) -> Self {
        Self { json: json::change(&resource), resource, nested }
    }

    /// How many resources change, nested ones included and nested stacks themselves not.
    pub(crate) fn count(changes: &[Self]) -> usize {
        changes.iter().map(|change| if change.nested.is_empty() { 1 } else { Self::count(&change.nested) }).sum()
    }
}

impl ChangeSet {
    /// Whether AWS still works on it.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.status, ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress)
    }

    /// Whether it was executed, or is being.
    pub(crate) fn is_executed(&self) -> bool {
        matches!(self.execution, Some(ExecutionStatus::ExecuteInProgress | ExecutionStatus::ExecuteComplete))
    }

    /// Whether another update of the stack has made it useless, or somebody deletes it.
    pub(crate) fn is_void(&self) -> bool {
        self.execution == Some(ExecutionStatus::Obsolete) || self.status.as_str().starts_with("DELETE_")
    }

    /// Whether it can be executed.
    pub(crate) fn is_available(&self) -> bool {
        self.status == ChangeSetStatus::CreateComplete && self.execution == Some(ExecutionStatus::Available)
    }
}

/// The change set of that ARN, or of that name of a stack; none when there is none. `whole`: with its template.
pub(crate) async fn find(
    stacks: &Stacks<'_>,
    stack: Option<&str>,
    name: &str,
    whole: bool,
) -> Result<Option<ChangeSet>, Failure> {
    let Some((first, changes)) = pages(stacks, stack, name).await? else { return Ok(None) };
    let mut all = vec![];
    for resource in changes {
        let nested = if whole { nested(stacks, &resource, DEPTH).await? } else { vec![] };
        all.push(Change::new(resource, nested));
    }
    let id = first.change_set_id().unwrap_or(name).to_owned();
    let template = if whole { template(stacks, &id).await? } else { String::new() };
    Ok(Some(ChangeSet {
        name: first.change_set_name().unwrap_or(name).to_owned(),
        stack_id: first.stack_id().unwrap_or_default().to_owned(),
        stack_name: first.stack_name().unwrap_or_default().to_owned(),
        status: first.status().cloned().unwrap_or(ChangeSetStatus::CreatePending),
        reason: first.status_reason().unwrap_or_default().to_owned(),
        execution: first.execution_status().cloned(),
        template,
        parameters: parameters(&first),
        options: options(&first),
        changes: all,
        id,
    }))
}

async fn pages(
    stacks: &Stacks<'_>,
    stack: Option<&str>,
    name: &str,
) -> Result<Option<(DescribeChangeSetOutput, Vec<ResourceChange>)>, Failure> {
    let (mut first, mut changes, mut page) = (None, vec![], None);
    loop {
        let call = stacks.client.describe_change_set().change_set_name(name).set_stack_name(stack.map(str::to_owned));
        let mut answer = match call.set_next_token(page).send().await {
            Ok(answer) => answer,
            Err(error) if is_no_change_set(&error) => return Ok(None),
            Err(error) => return Err(failure(stacks.scene, "DescribeChangeSet", &error).await),
        };
        changes
            .extend(answer.changes.take().unwrap_or_default().into_iter().filter_map(|change| change.resource_change));
        page = answer.next_token.take().filter(|token| !token.is_empty());
        first.get_or_insert(answer);
        if page.is_none() {
            return Ok(first.map(|first| (first, changes)));
        }
    }
}

/// Changes of the nested stack that a change is about.
async fn nested(stacks: &Stacks<'_>, change: &ResourceChange, depth: usize) -> Result<Vec<Change>, Failure> {
    let Some(id) = change.change_set_id().filter(|id| !id.is_empty() && depth > 0) else { return Ok(vec![]) };
    let Some((_, changes)) = pages(stacks, None, id).await? else { return Ok(vec![]) };
    let mut all = vec![];
    for resource in changes {
        let nested = Box::pin(nested(stacks, &resource, depth - 1)).await?;
        all.push(Change::new(resource, nested));
    }
    Ok(all)
}

/// A template that may not be read is told apart from every other one by what AWS said instead.
async fn template(stacks: &Stacks<'_>, id: &str) -> Result<String, Failure> {
    let call = stacks.client.get_template().change_set_name(id).template_stage(TemplateStage::Original);
    match call.send().await {
        Ok(answer) => Ok(answer.template_body.unwrap_or_default()),
        Err(SdkError::ServiceError(error)) if !error.raw().status().is_server_error() => Ok(refused(error.err())),
        Err(error) => Err(failure(stacks.scene, "GetTemplate", &error).await),
    }
}

fn refused(error: &GetTemplateError) -> String {
    let code = error.meta().code().unwrap_or("no code");
    format!("GetTemplate was refused with {code}")
}

fn parameters(answer: &DescribeChangeSetOutput) -> Vec<String> {
    let parameters = answer.parameters().iter().map(|parameter| {
        let value = if parameter.use_previous_value() == Some(true) { None } else { parameter.parameter_value() };
        format!("{}={}", parameter.parameter_key().unwrap_or_default(), value.unwrap_or("as before"))
    });
    parameters.collect()
}

fn options(answer: &DescribeChangeSetOutput) -> Vec<String> {
    let capabilities = answer.capabilities().iter().map(|capability| format!("capability {}", capability.as_str()));
    let tags = answer.tags().iter();
    let tags = tags.map(|tag| format!("tag {}={}", tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
    let topics = answer.notification_arns().iter().map(|arn| format!("topic {arn}"));
    let rollback = answer.rollback_configuration();
    let alarms = rollback.into_iter().flat_map(|rollback| rollback.rollback_triggers());
    let alarms = alarms.map(|alarm| format!("alarm {}", alarm.arn().unwrap_or_default()));
    let monitored = rollback.and_then(|rollback| rollback.monitoring_time_in_minutes());
    let monitored = monitored.map(|minutes| format!("monitored for {minutes} minutes"));
    let on_failure = answer.on_stack_failure().map(|what| format!("on failure {}", what.as_str()));
    capabilities.chain(tags).chain(topics).chain(alarms).chain(monitored).chain(on_failure).collect()
}

#[cfg(test)]
pub(crate) mod tests;
