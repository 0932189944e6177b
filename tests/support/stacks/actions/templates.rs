//! `GetTemplate`, `GetTemplateSummary`, `ValidateTemplate`.

use super::{Result, stack_of};
use crate::stacks::{account::Account, form::Form, refusal::Refusal, template::Template, xml::Xml};

impl Account {
    pub(super) fn get_template(&mut self, form: &Form) -> Result {
        let name = stack_of(form)?;
        let stack = self.find(name).ok_or_else(|| Refusal::unknown(name))?;
        let change_set = form
            .get("ChangeSetName")
            .map(|name| self.find_change_set(name, Some(stack)).ok_or_else(|| Refusal::change_set_absent(name)));
        let configuration = match change_set.transpose()? {
            Some(place) => &self.change_sets[place].wanted,
            None => &self.stacks[stack].configuration,
        };
        let mut xml = Xml::default();
        xml.maybe("TemplateBody", configuration.template.as_ref().map(|template| template.body.as_str()));
        xml.texts("StagesAvailable", &["Original".to_owned(), "Processed".to_owned()]);
        Ok(xml)
    }

    pub(super) fn get_template_summary(&mut self, form: &Form) -> Result {
        let stack = match form.get("StackName") {
            Some(name) => Some(self.find(name).ok_or_else(|| Refusal::unknown(name))?),
            None => None,
        };
        let template = self.template_of(form, stack)?;
        let mut xml = Xml::default();
        write_parameters(&mut xml, &template);
        write_needs(&mut xml, &template);
        let mut kinds: Vec<String> = template.resources.iter().map(|resource| resource.kind.clone()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        xml.texts("ResourceTypes", &kinds);
        xml.texts("DeclaredTransforms", &template.transforms);
        Ok(xml)
    }

    pub(super) fn validate_template(&mut self, form: &Form) -> Result {
        let template = self.template_of(form, None)?;
        let mut xml = Xml::default();
        write_parameters(&mut xml, &template);
        write_needs(&mut xml, &template);
        xml.texts("DeclaredTransforms", &template.transforms);
        Ok(xml)
    }
}

fn write_parameters(xml: &mut Xml, template: &Template) {
    xml.members("Parameters", &template.parameters, |xml, parameter| {
        xml.text("ParameterKey", &parameter.name);
        xml.maybe("DefaultValue", template.default_of(parameter).as_deref());
        xml.text("ParameterType", &parameter.r#type);
        xml.text("NoEcho", if parameter.no_echo { "true" } else { "false" });
        xml.maybe("Description", parameter.description.as_deref());
        xml.inside("ParameterConstraints", |xml| xml.texts("AllowedValues", &parameter.allowed_values));
    });
}

fn write_needs(xml: &mut Xml, template: &Template) {
    xml.maybe("Description", template.description().as_deref());
    let needed: Vec<String> = template.capabilities.iter().map(|needed| (*needed).to_owned()).collect();
    xml.texts("Capabilities", &needed);
    if !needed.is_empty() {
        let makes_rights = template.resources.iter().filter(|resource| resource.kind.starts_with("AWS::IAM::"));
        let kinds: Vec<_> = makes_rights.map(|resource| resource.kind.as_str()).collect();
        let reason = format!("The following resource(s) require capabilities: [{}]", kinds.join(", "));
        xml.text("CapabilitiesReason", &reason);
    }
    xml.text("Version", "2010-09-09");
}
