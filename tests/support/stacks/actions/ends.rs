//! `DeleteStack`, the actions that turn updates back, and those that only set something.

use super::{Result, id_of, stack_of};
use crate::stacks::{
    account::Account,
    form::Form,
    operation::{Act, Work, works_of},
    plan::Kind,
    refusal::Refusal,
    xml::Xml,
};

impl Account {
    pub(super) fn delete_stack(&mut self, form: &Form) -> Result {
        let name = stack_of(form)?;
        let token = form.get("ClientRequestToken");
        // What is not there needs no deletion: AWS says nothing.
        let Some(stack) = self.find(name).filter(|stack| !self.stacks[*stack].is_deleted()) else {
            return Ok(Xml::default());
        };
        if self.repeated(token, "DeleteStack", name)?.is_some() || self.stacks[stack].status == "DELETE_IN_PROGRESS" {
            return Ok(Xml::default());
        }
        self.check_deletable(stack, form)?;
        let plan = self.take_plan(&self.stacks[stack].name.clone(), Kind::Delete);
        let wanted = self.stacks[stack].configuration.clone();
        let mut operation = self.operation(stack, plan, &wanted, token);
        let retained = form.list("RetainResources");
        let is_forced = form.get("DeletionMode") == Some("FORCE_DELETE_STACK");
        for work in &mut operation.works {
            let is_stuck = self.stacks[stack].resource(&work.id).is_some_and(|resource| resource.stuck.is_some());
            work.is_retained |= retained.contains(&work.id) || (is_forced && is_stuck);
        }
        self.begin(stack, operation, "DELETE_IN_PROGRESS");
        self.use_token(token, "DeleteStack", stack);
        if let Some(export) = self.export_in_use(stack) {
            self.stacks[stack].operation = None;
            self.set_status(stack, "DELETE_FAILED", Some(export));
        }
        Ok(Xml::default())
    }

    fn check_deletable(&self, stack: usize, form: &Form) -> std::result::Result<(), Refusal> {
        let known = &self.stacks[stack];
        let refused = |message: String| Err(Refusal::validation(message));
        if known.is_protected {
            return refused(format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", known.name));
        }
        if known.is_in_progress() && known.status != "CREATE_IN_PROGRESS" {
            return refused(format!("Stack [{}] cannot be deleted while in status {}", known.id, known.status));
        }
        let is_failed = known.status == "DELETE_FAILED";
        if form.has("RetainResources") && !is_failed {
            return refused(format!(
                "Invalid operation on stack [{}]. When you delete a stack, specify which resources to retain only when the stack \
                 is in the DELETE_FAILED state.",
                known.id
            ));
        }
        if form.get("DeletionMode") == Some("FORCE_DELETE_STACK") && !is_failed {
            return refused(format!(
                "Invalid operation on stack [{}]. You can activate DeletionMode FORCE_DELETE_STACK in a delete stack operation \
                 only when the stack is in the DELETE_FAILED state.",
                known.id
            ));
        }
        Ok(())
    }

    fn export_in_use(&self, stack: usize) -> Option<String> {
        let exports = self.stacks[stack].configuration.outputs.iter().filter_map(|output| output.export.as_ref());
        let mut used = exports.flat_map(|export| {
            let importers = self.stacks.iter().filter(|other| !other.is_deleted() && other.imports.contains(export));
            importers.map(move |other| format!("Export {export} cannot be deleted as it is in use by {}", other.name))
        });
        used.next()
    }

    pub(super) fn cancel_update_stack(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        let token = form.get("ClientRequestToken");
        if self.repeated(token, "CancelUpdateStack", stack_of(form)?)?.is_some() {
            return Ok(Xml::default());
        }
        let known = &self.stacks[stack];
        if known.status != "UPDATE_IN_PROGRESS" {
            let message = "CancelUpdateStack cannot be called from current stack status";
            return Err(Refusal::validation(message));
        }
        let is_ignored = known.operation.as_ref().is_some_and(|operation| operation.plan.ignores_cancel);
        self.use_token(token, "CancelUpdateStack", stack);
        if !is_ignored {
            self.cancel(stack);
        }
        Ok(Xml::default())
    }

    pub(super) fn continue_update_rollback(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        let token = form.get("ClientRequestToken");
        if self.repeated(token, "ContinueUpdateRollback", stack_of(form)?)?.is_some() {
            return Ok(Xml::default());
        }
        if self.stacks[stack].status != "UPDATE_ROLLBACK_FAILED" {
            let message = "ContinueUpdateRollback cannot be called from current stack status";
            return Err(Refusal::validation(message));
        }
        let skipped = form.list("ResourcesToSkip");
        self.check_skipped(stack, &skipped)?;
        self.use_token(token, "ContinueUpdateRollback", stack);
        self.roll_back(stack, "UPDATE_ROLLBACK_IN_PROGRESS", token, skipped);
        Ok(Xml::default())
    }

    fn check_skipped(&self, stack: usize, skipped: &[String]) -> std::result::Result<(), Refusal> {
        let is_failed = |id: &&String| {
            let own = id.rsplit('.').next().unwrap_or_default();
            let resources = self.stacks.iter().flat_map(|known| &known.resources);
            self.stacks[stack].resource(id).is_some_and(|found| found.status == "UPDATE_FAILED")
                || (id.contains('.') && resources.into_iter().any(|found| found.id == own))
        };
        match skipped.iter().find(|id| !is_failed(id)) {
            Some(id) => {
                let message = format!("Resource [{id}] is not in a failed state and cannot be skipped");
                Err(Refusal::validation(message))
            }
            None => Ok(()),
        }
    }

    pub(super) fn rollback_stack(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        let token = form.get("ClientRequestToken");
        let status = match self.stacks[stack].status.as_str() {
            "CREATE_FAILED" => "ROLLBACK_IN_PROGRESS",
            "UPDATE_FAILED" => "UPDATE_ROLLBACK_IN_PROGRESS",
            other => {
                let message = format!("Stack [{}] cannot be rolled back from status {other}", self.stacks[stack].name);
                return Err(Refusal::validation(message));
            }
        };
        if self.repeated(token, "RollbackStack", stack_of(form)?)?.is_none() {
            self.use_token(token, "RollbackStack", stack);
            self.roll_back(stack, status, token, Vec::new());
        }
        Ok(id_of(&self.stacks[stack].id))
    }

    fn roll_back(&mut self, stack: usize, status: &str, token: Option<&str>, skipped: Vec<String>) {
        let plan = self.take_plan(&self.stacks[stack].name.clone(), Kind::Rollback);
        let wanted = self.stacks[stack].configuration.clone();
        let mut operation = self.operation(stack, plan, &wanted, token);
        for id in &skipped {
            if let Some(resource) = self.stacks[stack].resource_mut(id) {
                resource.status = "UPDATE_COMPLETE".into();
            }
        }
        operation.done = self.unfinished(stack);
        operation.works = works_of(status, &operation.done, &skipped);
        operation.skipped = skipped;
        if let Some(previous) = self.stacks[stack].previous.take() {
            self.stacks[stack].configuration = previous;
        }
        self.begin(stack, operation, status);
    }

    /// What the last operation did and nobody has undone yet.
    fn unfinished(&self, stack: usize) -> Vec<Work> {
        let known = &self.stacks[stack];
        let is_continued = known.status == "UPDATE_ROLLBACK_FAILED";
        let is_back = |id: &str| known.resource(id).is_some_and(|resource| resource.status == "UPDATE_COMPLETE");
        let is_left = |work: &&Work| !is_continued || work.act == Act::Create || !is_back(&work.id);
        known.rest.iter().filter(is_left).cloned().collect()
    }

    pub(super) fn set_stack_policy(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        self.stacks[stack].policy = form.owned("StackPolicyBody");
        Ok(Xml::default())
    }

    pub(super) fn get_stack_policy(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        let mut xml = Xml::default();
        xml.maybe("StackPolicyBody", self.stacks[stack].policy.as_deref());
        Ok(xml)
    }

    pub(super) fn update_termination_protection(&mut self, form: &Form) -> Result {
        let stack = self.living(stack_of(form)?)?;
        self.stacks[stack].is_protected = form.is_true("EnableTerminationProtection");
        Ok(id_of(&self.stacks[stack].id))
    }
}
