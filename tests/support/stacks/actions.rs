//! The actions that are answered. What is absent from a call that AWS demands is refused only where a test can care.

mod change_sets;
mod descriptions;
mod ends;
mod lists;
mod starts;
mod templates;
mod wishes;

use super::{
    account::Account,
    form::Form,
    refusal::Refusal,
    trouble::{Delivery, Trouble},
    xml::Xml,
};

/// The inside of an answer's result element.
type Result = std::result::Result<Xml, Refusal>;

impl Account {
    /// The trouble of a call, if it has any.
    pub(super) fn take_trouble(&mut self, action: &str) -> Option<Trouble> {
        let is_for = |(name, left, _): &&mut (String, usize, Trouble)| name == action && *left > 0;
        let (_, left, trouble) = self.troubles.iter_mut().find(is_for)?;
        *left -= 1;
        Some(trouble.clone())
    }

    /// Does what is asked, unless trouble comes first; answers XML or a refusal, and how to deliver it.
    pub(super) fn answer(&mut self, action: &str, form: &Form) -> (Result, Delivery) {
        self.pass();
        let trouble = self.take_trouble(action);
        let stack = form.get("StackName").unwrap_or("*");
        let instead = trouble.as_ref().and_then(|trouble| trouble.instead(action, stack));
        let delivery = trouble.as_ref().map_or(Delivery::Prompt, Trouble::delivery);
        let result = match instead {
            Some(refusal) => Err(refusal),
            None => self.perform(action, form),
        };
        (result, delivery)
    }

    fn perform(&mut self, action: &str, form: &Form) -> Result {
        match action {
            "CreateStack" => self.create_stack(form),
            "UpdateStack" => self.update_stack(form),
            "DeleteStack" => self.delete_stack(form),
            "CancelUpdateStack" => self.cancel_update_stack(form),
            "ContinueUpdateRollback" => self.continue_update_rollback(form),
            "RollbackStack" => self.rollback_stack(form),
            "SetStackPolicy" => self.set_stack_policy(form),
            "GetStackPolicy" => self.get_stack_policy(form),
            "UpdateTerminationProtection" => self.update_termination_protection(form),
            "CreateChangeSet" => self.create_change_set(form),
            "DescribeChangeSet" => self.describe_change_set(form),
            "ExecuteChangeSet" => self.execute_change_set(form),
            "DeleteChangeSet" => self.delete_change_set(form),
            "ListChangeSets" => self.list_change_sets(form),
            "DescribeStacks" => self.describe_stacks(form),
            "DescribeStackEvents" => self.describe_stack_events(form),
            "DescribeStackResources" => self.describe_stack_resources(form),
            "DescribeStackResource" => self.describe_stack_resource(form),
            "ListStackResources" => self.list_stack_resources(form),
            "ListStacks" => self.list_stacks(form),
            "ListExports" => self.list_exports(form),
            "ListImports" => self.list_imports(form),
            "GetTemplate" => self.get_template(form),
            "GetTemplateSummary" => self.get_template_summary(form),
            "ValidateTemplate" => self.validate_template(form),
            _ => {
                let message = format!("Could not find operation {action} for version 2010-05-15");
                Err(Refusal::new(400, "InvalidAction", message))
            }
        }
    }
}

/// The name or id of a stack that a call must have.
fn stack_of(form: &Form) -> std::result::Result<&str, Refusal> {
    form.get("StackName").ok_or_else(|| {
        Refusal::validation("1 validation error detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null")
    })
}

fn id_of(id: &str) -> Xml {
    let mut xml = Xml::default();
    xml.text("StackId", id);
    xml
}

/// A page of a list, and the token of the next.
fn page<'a, T>(all: &'a [T], form: &Form, size: usize) -> std::result::Result<(&'a [T], Option<String>), Refusal> {
    let start = token_of(form)?.unwrap_or(0).min(all.len());
    let end = (start + size).min(all.len());
    Ok((&all[start..end], (end < all.len()).then(|| token(end))))
}

fn token(place: usize) -> String {
    format!("page-{place:012x}")
}

fn token_of(form: &Form) -> std::result::Result<Option<usize>, Refusal> {
    let Some(token) = form.get("NextToken") else {
        return Ok(None);
    };
    let place = token.strip_prefix("page-").and_then(|digits| usize::from_str_radix(digits, 16).ok());
    place.map(Some).ok_or_else(|| Refusal::validation("The specified NextToken is not valid"))
}
