//! What a call wants a stack to be.

use std::collections::BTreeMap;

use crate::stacks::{
    account::Account, form::Form, operation::OnFailure, refusal::Refusal, stack::Configuration, template::Template,
};

impl Account {
    /// The template of a call, from its body, its URL or the stack's own.
    ///
    /// # Errors
    /// When there is none, it cannot be got, or it is none.
    pub(super) fn template_of(&self, form: &Form, stack: Option<usize>) -> Result<Template, Refusal> {
        if let Some(body) = form.get("TemplateBody") {
            Template::check_length(body)?;
            return Template::read(body);
        }
        if let Some(url) = form.get("TemplateURL") {
            let found = self.shelf.as_ref().and_then(|shelf| shelf(url));
            let absent = "S3 error: Access Denied\nFor more information check \
                          http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html";
            return Template::read(&found.ok_or_else(|| Refusal::validation(absent))?);
        }
        let own = stack.and_then(|stack| self.stacks[stack].configuration.template.clone());
        own.ok_or_else(|| Refusal::validation("Either Template URL or Template Body must be specified."))
    }

    /// Everything a call wants; what it does not say an update leaves as it is.
    ///
    /// # Errors
    /// When parameters are missing or unknown, or a capability is not acknowledged.
    pub(super) fn wishes_of(&self, form: &Form, stack: Option<usize>) -> Result<Configuration, Refusal> {
        let with_change_set = form.get("ChangeSetName").is_some();
        let before = stack.map(|stack| self.stacks[stack].configuration.clone()).unwrap_or_default();
        let template = self.template_of(form, stack)?;
        let capabilities = form.list("Capabilities");
        let pairs = form.entries("Parameters", ["ParameterKey", "ParameterValue"]);
        let given: BTreeMap<String, Option<String>> =
            pairs.into_iter().filter_map(|[name, value]| Some((name?, value))).collect();
        let parameters = template.filled(&given, &before.parameters)?;
        template.check_capabilities(&capabilities, with_change_set)?;
        let tags = form.entries("Tags", ["Key", "Value"]);
        let tags = tags.into_iter().filter_map(|[key, value]| Some((key?, value.unwrap_or_default()))).collect();
        let notifications = form.list("NotificationARNs");
        Ok(Configuration {
            template: Some(template),
            parameters,
            tags: if form.has("Tags") { tags } else { before.tags },
            capabilities,
            outputs: before.outputs,
            role: form.owned("RoleARN").or(before.role),
            notifications: if form.has("NotificationARNs") { notifications } else { before.notifications },
            timeout: form.owned("TimeoutInMinutes").or(before.timeout),
        })
    }
}

/// # Errors
/// When both ways to say it are used.
pub(super) fn on_failure_of(form: &Form, field: &str) -> Result<Option<OnFailure>, Refusal> {
    let said = form.get(field).map(|said| match said {
        "DO_NOTHING" => OnFailure::DoNothing,
        "DELETE" => OnFailure::Delete,
        _ => OnFailure::Rollback,
    });
    match (said, form.get("DisableRollback")) {
        (Some(_), Some(_)) => {
            Err(Refusal::validation("Either DisableRollback or OnFailure can be specified, not both."))
        }
        (None, Some("true")) => Ok(Some(OnFailure::DoNothing)),
        (said, _) => Ok(said),
    }
}
