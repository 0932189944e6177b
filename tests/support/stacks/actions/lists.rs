//! `ListStacks`, `ListExports`, `ListImports`.

use super::{Result, page};
use crate::stacks::{account::Account, form::Form, refusal::Refusal, xml::Xml};

impl Account {
    pub(super) fn list_stacks(&mut self, form: &Form) -> Result {
        let wanted = form.list("StackStatusFilter");
        let is_wanted = |status: &String| wanted.is_empty() || wanted.contains(status);
        let all: Vec<_> = self.stacks.iter().rev().filter(|stack| is_wanted(&stack.status)).collect();
        let (shown, next) = page(&all, form, self.page)?;
        let mut xml = Xml::default();
        xml.members("StackSummaries", shown, |xml, stack| {
            xml.text("StackId", &stack.id);
            xml.text("StackName", &stack.name);
            super::descriptions::write_times(xml, stack);
            xml.text("StackStatus", &stack.status);
            xml.maybe("StackStatusReason", stack.reason.as_deref());
        });
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }

    pub(super) fn list_exports(&mut self, form: &Form) -> Result {
        let living = self.stacks.iter().filter(|stack| !stack.is_deleted());
        let exports = living.flat_map(|stack| {
            let outputs = stack.configuration.outputs.iter();
            outputs.filter_map(|output| Some((&stack.id, output.export.as_ref()?, &output.value)))
        });
        let all: Vec<_> = exports.collect();
        let (shown, next) = page(&all, form, self.page)?;
        let mut xml = Xml::default();
        xml.members("Exports", shown, |xml, (stack, name, value)| {
            xml.text("ExportingStackId", stack);
            xml.text("Name", name);
            xml.text("Value", value);
        });
        xml.maybe("NextToken", next.as_deref());
        Ok(xml)
    }

    pub(super) fn list_imports(&mut self, form: &Form) -> Result {
        let export = form.owned("ExportName").unwrap_or_default();
        let living = self.stacks.iter().filter(|stack| !stack.is_deleted());
        let names: Vec<String> =
            living.filter(|stack| stack.imports.contains(&export)).map(|stack| stack.name.clone()).collect();
        if names.is_empty() {
            return Err(Refusal::validation(format!("Export '{export}' is not imported by any stack.")));
        }
        let mut xml = Xml::default();
        xml.texts("Imports", &names);
        Ok(xml)
    }
}
