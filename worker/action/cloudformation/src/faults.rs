//! What a template asks for, and what is wrong with what it is given. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::{
    operation::get_template_summary::GetTemplateSummaryOutput,
    types::{Capability, ParameterDeclaration},
};
use shared::plan::stack::StackParameter;
use stack_template::Template;

use crate::nested::Nested;

const IAM: &str = "CAPABILITY_IAM";
const NAMED_IAM: &str = "CAPABILITY_NAMED_IAM";
const AUTO_EXPAND: &str = "CAPABILITY_AUTO_EXPAND";

/// 10 values in a sentence: more than that nobody reads.
const NAMED: usize = 10;

/// What a template asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) parameters: Vec<Declared>,
    /// Capabilities that its owner must acknowledge.
    pub(crate) capabilities: BTreeSet<String>,
    /// Why, in AWS's words or by the template's text.
    pub(crate) why: String,
    pub(crate) macros: Vec<String>,
}

/// A parameter that a template declares.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) has_default: bool,
    pub(crate) no_echo: bool,
    /// Empty for any.
    pub(crate) allowed: Vec<String>,
    /// Whether its value is several, joined by commas, each of which must be allowed.
    pub(crate) is_list: bool,
}

impl Declared {
    fn allows(&self, value: &str) -> bool {
        let is_allowed = |value: &str| self.allowed.iter().any(|allowed| allowed == value);
        self.allowed.is_empty()
            || is_allowed(value)
            || self.is_list && value.split(',').all(|one| is_allowed(one.trim()))
    }
}

/// Types of parameters that are lists (AWS CloudFormation User Guide, "CloudFormation template Parameters syntax").
fn is_list(r#type: &str) -> bool {
    r#type == "CommaDelimitedList" || r#type.starts_with("List<")
}

impl Asked {
    /// The same with what its nested stacks ask for.
    pub(crate) fn with_nested(mut self, nested: &Nested) -> Self {
        self.capabilities.extend(nested.capabilities.iter().cloned());
        if self.capabilities.contains(NAMED_IAM) {
            self.capabilities.remove(IAM);
        }
        let why: Vec<_> =
            [self.why].into_iter().filter(|why| !why.is_empty()).chain(nested.why.iter().cloned()).collect();
        Self { why: why.join("; "), ..self }
    }

    /// What AWS says counts; allowed values and secrets that only the text names are kept.
    pub(crate) fn completed_by(self, told: Self) -> Self {
        let mut parameters = told.parameters;
        for declared in &mut parameters {
            let Some(local) = self.parameters.iter().find(|local| local.name == declared.name) else { continue };
            declared.no_echo |= local.no_echo;
            declared.has_default |= local.has_default;
            declared.is_list |= local.is_list;
            if declared.allowed.is_empty() {
                declared.allowed.clone_from(&local.allowed);
            }
        }
        // An endpoint that tells no parameters at all may not know how.
        let parameters = if parameters.is_empty() { self.parameters } else { parameters };
        let why = if told.why.is_empty() { self.why } else { told.why };
        let mut capabilities: BTreeSet<_> = self.capabilities.into_iter().chain(told.capabilities).collect();
        if capabilities.contains(NAMED_IAM) {
            capabilities.remove(IAM);
        }
        let macros = if told.macros.is_empty() { self.macros } else { told.macros };
        Self { parameters, capabilities, why, macros }
    }
}

impl From<&Template> for Asked {
    fn from(template: &Template) -> Self {
        let parameters = template.parameters().into_iter().map(|parameter| Declared {
            name: parameter.name,
            has_default: parameter.has_default,
            no_echo: parameter.no_echo,
            allowed: parameter.allowed_values,
            is_list: is_list(&parameter.r#type),
        });
        let why = iam_resources(template).map(|resources| format!("it has {resources}")).unwrap_or_default();
        Self {
            parameters: parameters.collect(),
            capabilities: template.required_capabilities().into_iter().map(str::to_owned).collect(),
            why,
            macros: template.transforms(),
        }
    }
}

/// `Deployer (AWS::IAM::Role), Rights (AWS::IAM::Policy)`; none if there are none.
pub(crate) fn iam_resources(template: &Template) -> Option<String> {
    let iam = template.resources().into_iter().filter(|resource| resource.r#type.starts_with("AWS::IAM::"));
    let iam: Vec<_> = iam.map(|resource| format!("{} ({})", resource.logical_id, resource.r#type)).collect();
    Some(iam.join(", ")).filter(|_| !iam.is_empty())
}

impl From<GetTemplateSummaryOutput> for Asked {
    fn from(summary: GetTemplateSummaryOutput) -> Self {
        let capabilities = summary.capabilities().iter().map(Capability::as_str).map(str::to_owned).collect();
        Self {
            capabilities,
            why: summary.capabilities_reason.unwrap_or_default().trim_end_matches('.').to_owned(),
            macros: summary.declared_transforms.unwrap_or_default(),
            parameters: summary.parameters.unwrap_or_default().into_iter().map(Declared::from).collect(),
        }
    }
}

impl From<ParameterDeclaration> for Declared {
    fn from(parameter: ParameterDeclaration) -> Self {
        let allowed = parameter.parameter_constraints.and_then(|constraints| constraints.allowed_values);
        Self {
            name: parameter.parameter_key.unwrap_or_default(),
            has_default: parameter.default_value.is_some(),
            no_echo: parameter.no_echo.unwrap_or_default(),
            allowed: allowed.unwrap_or_default(),
            is_list: parameter.parameter_type.as_deref().is_some_and(is_list),
        }
    }
}

/// Parameters that have no value, have one that they may not have, or are none. `previous`: those that the stack has.
pub(crate) fn parameters(
    asked: &Asked,
    given: &BTreeMap<String, StackParameter>,
    previous: Option<&BTreeSet<String>>,
) -> Vec<String> {
    let missing =
        asked.parameters.iter().filter(|declared| !declared.has_default && !given.contains_key(&declared.name));
    let mut faults: Vec<_> = missing.map(|declared| missing_fault(&declared.name, previous)).collect();
    for (name, parameter) in given {
        let Some(declared) = asked.parameters.iter().find(|declared| declared.name == *name) else {
            faults.push(unknown_fault(name, asked));
            continue;
        };
        if parameter.use_previous {
            let is_known = previous.is_none_or(|previous| previous.contains(name));
            faults.extend((!is_known).then(|| {
                format!(
                    "parameter \"{name}\" has `use_previous`, and the stack has no such parameter yet: give it a value."
                )
            }));
        } else if !declared.allows(&parameter.value) {
            faults.push(value_fault(declared, parameter));
        }
    }
    faults
}

fn missing_fault(name: &str, previous: Option<&BTreeSet<String>>) -> String {
    let keep = match previous {
        Some(previous) if previous.contains(name) => ", or keep the one that the stack has: `use_previous: true`",
        _ => "",
    };
    format!("parameter \"{name}\" has no value and no default: give it one{keep}.")
}

fn unknown_fault(name: &str, asked: &Asked) -> String {
    let known = asked.parameters.iter().map(|declared| declared.name.as_str());
    let nearest = known.map(|known| (distance(name, known), known)).min().filter(|(distance, _)| *distance <= 2);
    match nearest {
        Some((_, known)) => format!("the template has no parameter \"{name}\": did you mean \"{known}\"?"),
        None => format!("the template has no parameter \"{name}\": take it out of the step, or declare it."),
    }
}

fn distance(one: &str, other: &str) -> usize {
    strsim::damerau_levenshtein(&one.to_lowercase(), &other.to_lowercase())
}

fn value_fault(declared: &Declared, parameter: &StackParameter) -> String {
    let is_secret = declared.no_echo || parameter.no_echo;
    let value = if is_secret { "a value".into() } else { format!("the value \"{}\"", parameter.value) };
    let mut allowed: Vec<_> = declared.allowed.iter().take(NAMED).map(|value| format!("\"{value}\"")).collect();
    if declared.allowed.len() > NAMED {
        allowed.push(format!("{} more", declared.allowed.len() - NAMED));
    }
    let allowed = if is_secret { "those of the template".into() } else { allowed.join(", ") };
    format!("parameter \"{}\" has {value}, and may have only {allowed}.", declared.name)
}

/// Capabilities that are needed and not given, in one sentence at most. Macros are acknowledged by approving what they made of the
/// template, which is what a change set shows; only without one AWS demands it (AWS CloudFormation API, CreateStack, Capabilities).
pub(crate) fn capabilities(asked: &Asked, given: &[String], is_direct: bool) -> Vec<String> {
    let has = |name: &str| given.iter().any(|given| given.eq_ignore_ascii_case(name));
    let is_given = |name: &str| match name {
        IAM => has(IAM) || has(NAMED_IAM),
        AUTO_EXPAND => !is_direct || has(AUTO_EXPAND),
        name => has(name),
    };
    let missing: Vec<_> = asked.capabilities.iter().filter(|name| !is_given(name)).collect();
    let sentence = |name: &&String| match name.as_str() {
        AUTO_EXPAND => {
            let macros =
                if asked.macros.is_empty() { String::new() } else { format!(" ({})", asked.macros.join(", ")) };
            format!(
                "the template has macros{macros}, which change it while it is deployed: acknowledge that with {AUTO_EXPAND} in \
                 `capabilities`, or use a change set."
            )
        }
        name => {
            let why = if asked.why.is_empty() { String::new() } else { format!(" ({})", asked.why) };
            format!("the template changes permissions{why}: acknowledge that with {name} in `capabilities`.")
        }
    };
    missing.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests;
