//! `CreateStack` and `UpdateStack`, as the AWS CloudFormation API Reference has them.

use super::{Result, id_of, stack_of, wishes::on_failure_of};
use crate::stacks::{
    account::Account,
    form::Form,
    operation::OnFailure,
    plan::Kind,
    refusal::Refusal,
    stack::{Configuration, Stack},
};

impl Account {
    pub(super) fn create_stack(&mut self, form: &Form) -> Result {
        let name = stack_of(form)?;
        let token = form.get("ClientRequestToken");
        if let Some(stack) = self.repeated(token, "CreateStack", name)? {
            return Ok(id_of(&self.stacks[stack].id));
        }
        if self.find(name).is_some() {
            return Err(Refusal::exists(name));
        }
        let wanted = self.wishes_of(form, None)?;
        let on_failure = on_failure_of(form, "OnFailure")?;
        let mut stack = Stack::new(name, "CREATE_IN_PROGRESS", self.now);
        stack.is_protected = form.is_true("EnableTerminationProtection");
        stack.policy = form.owned("StackPolicyBody");
        stack.disable_rollback = on_failure == Some(OnFailure::DoNothing);
        self.stacks.push(stack);
        let stack = self.stacks.len() - 1;
        self.create(stack, wanted, on_failure, token, None);
        self.use_token(token, "CreateStack", stack);
        Ok(id_of(&self.stacks[stack].id))
    }

    /// Begins the creation of a stack that is on the list already.
    pub(super) fn create(
        &mut self,
        stack: usize,
        wanted: Configuration,
        on_failure: Option<OnFailure>,
        token: Option<&str>,
        change_set: Option<String>,
    ) {
        let plan = self.take_plan(&self.stacks[stack].name.clone(), Kind::Create);
        let mut operation = self.operation(stack, plan, &wanted, token);
        operation.on_failure = on_failure.unwrap_or(operation.on_failure);
        operation.change_set = change_set;
        self.stacks[stack].configuration = wanted;
        self.begin(stack, operation, "CREATE_IN_PROGRESS");
    }

    pub(super) fn update_stack(&mut self, form: &Form) -> Result {
        let name = stack_of(form)?;
        let token = form.get("ClientRequestToken");
        if let Some(stack) = self.repeated(token, "UpdateStack", name)? {
            return Ok(id_of(&self.stacks[stack].id));
        }
        let stack = self.living(name)?;
        self.check_updatable(stack)?;
        let wanted = self.wishes_of(form, Some(stack))?;
        let plan = self.planned(&self.stacks[stack].name, Kind::Update);
        let works = self.operation(stack, plan, &wanted, token);
        let is_same = works.works.is_empty() && works.done.is_empty() && !self.is_different(stack, &wanted);
        if is_same {
            return Err(Refusal::validation("No updates are to be performed."));
        }
        let during = form.get("StackPolicyDuringUpdateBody");
        let disable_rollback = form.is_true("DisableRollback");
        self.update(stack, Kind::Update, wanted, [token, during], disable_rollback, None);
        if let Some(policy) = form.owned("StackPolicyBody") {
            self.stacks[stack].policy = Some(policy);
        }
        self.outdate(stack);
        self.use_token(token, "UpdateStack", stack);
        Ok(id_of(&self.stacks[stack].id))
    }

    /// # Errors
    /// When the stack is in a status in which AWS takes no update.
    pub(super) fn check_updatable(&self, stack: usize) -> std::result::Result<(), Refusal> {
        let known = &self.stacks[stack];
        let is_updatable = matches!(
            known.status.as_str(),
            "CREATE_COMPLETE"
                | "UPDATE_COMPLETE"
                | "UPDATE_FAILED"
                | "UPDATE_ROLLBACK_COMPLETE"
                | "IMPORT_COMPLETE"
                | "IMPORT_ROLLBACK_COMPLETE"
        );
        if is_updatable {
            return Ok(());
        }
        let message = format!("Stack:{} is in {} state and can not be updated.", known.id, known.status);
        Err(Refusal::validation(message))
    }

    /// Begins an update or an import, under a token and a stack policy for its time, if any.
    pub(super) fn update(
        &mut self,
        stack: usize,
        kind: Kind,
        wanted: Configuration,
        [token, during]: [Option<&str>; 2],
        disable_rollback: bool,
        change_set: Option<String>,
    ) {
        let plan = self.take_plan(&self.stacks[stack].name.clone(), kind);
        let policy = self.stacks[stack].policy.clone();
        if let Some(during) = during {
            self.stacks[stack].policy = Some(during.to_owned());
        }
        let mut operation = self.operation(stack, plan, &wanted, token);
        operation.on_failure = if disable_rollback { OnFailure::DoNothing } else { OnFailure::Rollback };
        operation.change_set = change_set;
        let known = &mut self.stacks[stack];
        known.policy = policy;
        known.previous = Some(std::mem::replace(&mut known.configuration, wanted));
        known.disable_rollback = disable_rollback;
        let status = if kind == Kind::Import { "IMPORT_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" };
        self.begin(stack, operation, status);
    }
}
