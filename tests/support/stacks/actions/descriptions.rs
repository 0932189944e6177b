//! Stacks, their events and their resources, as they are described. A look at a stack or at its newest events lets the stack take
//! its next step first.

use super::{Result, page, stack_of, token, token_of};
use crate::stacks::{
    account::Account,
    form::Form,
    plan::Output,
    refusal::Refusal,
    stack::{Event, Stack, StackResource, written},
    xml::Xml,
};

impl Account {
    /// Somebody looks at a stack.
    fn look(&mut self, stack: usize) {
        if !self.is_manual {
            self.advance(self.root(stack));
        }
    }

    pub(super) fn describe_stacks(&mut self, form: &Form) -> Result {
        let shown: Vec<usize> = match form.get("StackName") {
            Some(name) => {
                let stack = self.find(name).ok_or_else(|| Refusal::unknown(name))?;
                self.look(stack);
                // Its name may just have become free.
                vec![self.find(name).ok_or_else(|| Refusal::unknown(name))?]
            }
            None => (0..self.stacks.len()).filter(|stack| !self.stacks[*stack].is_deleted()).collect(),
        };
        let (shown, next) = page(&shown, form, self.page)?;
        let mut xml = Xml::default();
        xml.members("Stacks", shown, |xml, stack| self.write_stack(xml, &self.stacks[*stack]));
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }

    fn write_stack(&self, xml: &mut Xml, stack: &Stack) {
        let configuration = &stack.configuration;
        xml.text("StackId", &stack.id);
        xml.text("StackName", &stack.name);
        xml.maybe("ChangeSetId", stack.change_set_id.as_deref());
        let template = configuration.template.as_ref();
        xml.maybe("Description", template.and_then(|template| template.description()).as_deref());
        write_times(xml, stack);
        xml.text("StackStatus", &stack.status);
        xml.maybe("StackStatusReason", stack.reason.as_deref());
        xml.text("DisableRollback", if stack.disable_rollback { "true" } else { "false" });
        xml.text("EnableTerminationProtection", if stack.is_protected { "true" } else { "false" });
        xml.maybe("RoleARN", configuration.role.as_deref());
        xml.maybe("TimeoutInMinutes", configuration.timeout.as_deref());
        xml.texts("NotificationARNs", &configuration.notifications);
        xml.texts("Capabilities", &configuration.capabilities);
        let is_secret = |name: &str| {
            let declared = template.iter().flat_map(|template| &template.parameters);
            declared.into_iter().any(|parameter| parameter.name == name && parameter.no_echo)
        };
        xml.members("Parameters", &configuration.parameters, |xml, (name, value)| {
            xml.text("ParameterKey", name);
            xml.text("ParameterValue", if is_secret(name) { "****" } else { value });
        });
        xml.members("Tags", &configuration.tags, |xml, (key, value)| {
            xml.text("Key", key);
            xml.text("Value", value);
        });
        xml.members("Outputs", &configuration.outputs, write_output);
        xml.inside("DriftInformation", |xml| xml.text("StackDriftStatus", "NOT_CHECKED"));
        if let Some(parent) = stack.parent {
            xml.text("ParentId", &self.stacks[parent].id);
            xml.text("RootId", &self.stacks[self.root(parent)].id);
        }
    }

    pub(super) fn describe_stack_events(&mut self, form: &Form) -> Result {
        let name = stack_of(form)?;
        let stack = self.find(name).ok_or_else(|| Refusal::absent(name))?;
        let place = token_of(form)?;
        if place.is_none() {
            self.look(stack);
        }
        let known = &self.stacks[stack];
        // What happens between two pages moves none of the older ones.
        let end = place.unwrap_or(known.events.len()).min(known.events.len());
        let start = end.saturating_sub(self.page);
        let mut xml = Xml::default();
        xml.members("StackEvents", known.events[start..end].iter().rev(), |xml, event| write_event(xml, known, event));
        xml.maybe("NextToken", (start > 0).then(|| token(start)).as_deref());
        Ok(xml)
    }

    fn known(&self, form: &Form) -> std::result::Result<&Stack, Refusal> {
        let name = match form.get("StackName") {
            Some(name) => name,
            None => stack_of(form)?,
        };
        self.find(name).map(|stack| &self.stacks[stack]).ok_or_else(|| Refusal::unknown(name))
    }

    pub(super) fn describe_stack_resources(&mut self, form: &Form) -> Result {
        let stack = self.known(form)?;
        let only = form.get("LogicalResourceId");
        // AWS describes the first 100 here, and has no pages.
        let shown = stack.resources.iter().filter(|resource| only.is_none_or(|only| only == resource.id)).take(100);
        let mut xml = Xml::default();
        xml.members("StackResources", shown, |xml, resource| {
            write_owner(xml, stack);
            write_resource(xml, resource);
            xml.text("Timestamp", &written(resource.at));
        });
        Ok(xml)
    }

    pub(super) fn describe_stack_resource(&mut self, form: &Form) -> Result {
        let stack = self.known(form)?;
        let id = form.get("LogicalResourceId").unwrap_or_default();
        let resource = stack
            .resource(id)
            .ok_or_else(|| Refusal::validation(format!("Resource {id} does not exist for stack {}", stack.name)))?;
        let mut xml = Xml::default();
        xml.inside("StackResourceDetail", |xml| {
            write_owner(xml, stack);
            write_resource(xml, resource);
            xml.text("LastUpdatedTimestamp", &written(resource.at));
        });
        Ok(xml)
    }

    pub(super) fn list_stack_resources(&mut self, form: &Form) -> Result {
        let stack = self.known(form)?;
        let (shown, next) = page(&stack.resources, form, self.page)?;
        let mut xml = Xml::default();
        xml.members("StackResourceSummaries", shown, |xml, resource| {
            write_resource(xml, resource);
            xml.text("LastUpdatedTimestamp", &written(resource.at));
        });
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }
}

pub(super) fn write_times(xml: &mut Xml, stack: &Stack) {
    xml.text("CreationTime", &written(stack.created));
    xml.maybe("LastUpdatedTime", stack.updated.map(written).as_deref());
    xml.maybe("DeletionTime", stack.deleted.map(written).as_deref());
}

fn write_output(xml: &mut Xml, output: &Output) {
    xml.text("OutputKey", &output.key);
    xml.text("OutputValue", &output.value);
    xml.maybe("ExportName", output.export.as_deref());
}

fn write_owner(xml: &mut Xml, stack: &Stack) {
    xml.text("StackId", &stack.id);
    xml.text("StackName", &stack.name);
}

fn write_resource(xml: &mut Xml, resource: &StackResource) {
    xml.text("LogicalResourceId", &resource.id);
    xml.text("PhysicalResourceId", &resource.physical_id);
    xml.text("ResourceType", &resource.kind);
    xml.text("ResourceStatus", &resource.status);
    xml.maybe("ResourceStatusReason", resource.reason.as_deref());
    xml.inside("DriftInformation", |xml| xml.text("StackResourceDriftStatus", "NOT_CHECKED"));
}

fn write_event(xml: &mut Xml, stack: &Stack, event: &Event) {
    write_owner(xml, stack);
    xml.text("EventId", &event.id);
    xml.text("OperationId", &event.operation_id);
    xml.text("LogicalResourceId", &event.logical_id);
    xml.text("PhysicalResourceId", &event.physical_id);
    xml.text("ResourceType", &event.kind);
    xml.text("Timestamp", &written(event.at));
    xml.text("ResourceStatus", &event.status);
    xml.maybe("ResourceStatusReason", event.reason.as_deref());
    xml.maybe("ClientRequestToken", event.token.as_deref());
}
