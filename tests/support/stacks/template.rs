//! As much of a template as CloudFormation's answers show of it. References between resources are found by their names, and
//! properties are compared as text: a comment that changes is a change here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stack_template::{Parameter, Template as Parsed};

use super::refusal::Refusal;

/// 51,200 bytes: the longest template in a call (AWS CloudFormation User Guide, "Understand CloudFormation quotas").
const LONGEST_BODY: usize = 51_200;

/// A template that was read.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) body: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) resources: Vec<Declared>,
    pub(super) transforms: Vec<String>,
    pub(super) capabilities: BTreeSet<&'static str>,
    json: Option<Value>,
}

/// A resource as it is declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Declared {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) is_retained: bool,
    /// Everything that is written of it.
    pub(super) definition: String,
    /// Resources that must be there before it.
    pub(super) after: Vec<String>,
}

impl Template {
    /// # Errors
    /// AWS's "Template format error".
    pub(super) fn read(body: &str) -> Result<Self, Refusal> {
        let parsed = Parsed::parse(body).map_err(|fault| {
            Refusal::validation(format!("Template format error: {} not well-formed. ({fault})", kind_of(body)))
        })?;
        let json = serde_json::from_str(body).ok();
        let declared = parsed.resources();
        if declared.is_empty() {
            let message = "Template format error: At least one Resources member must be defined.";
            return Err(Refusal::validation(message));
        }
        let names: Vec<String> = declared.iter().map(|resource| resource.logical_id.clone()).collect();
        let resources = declared.into_iter().map(|resource| {
            let definition = definition(body, json.as_ref(), "Resources", &resource.logical_id);
            let others = names.iter().filter(|name| **name != resource.logical_id);
            Declared {
                after: others.filter(|name| mentions(&definition, name)).cloned().collect(),
                id: resource.logical_id,
                kind: resource.r#type,
                is_retained: resource.deletion_policy.is_some_and(|policy| policy.starts_with("Retain")),
                definition,
            }
        });
        Ok(Self {
            body: body.to_owned(),
            parameters: parsed.parameters(),
            resources: resources.collect(),
            transforms: parsed.transforms(),
            capabilities: parsed.required_capabilities(),
            json,
        })
    }

    /// # Errors
    /// When it is too long to be part of a call.
    pub(super) fn check_length(body: &str) -> Result<(), Refusal> {
        if body.len() <= LONGEST_BODY {
            return Ok(());
        }
        Err(Refusal::validation(format!(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than \
             or equal to {LONGEST_BODY}"
        )))
    }

    pub(super) fn declared(&self, id: &str) -> Option<&Declared> {
        self.resources.iter().find(|resource| resource.id == id)
    }

    pub(super) fn description(&self) -> Option<String> {
        self.scalar("Description")
    }

    /// What a parameter is when nobody says it.
    pub(super) fn default_of(&self, parameter: &Parameter) -> Option<String> {
        if !parameter.has_default {
            return None;
        }
        let declared = definition(&self.body, self.json.as_ref(), "Parameters", &parameter.name);
        let of_json = serde_json::from_str::<Value>(&declared).ok().map(|value| text(&value["Default"]));
        Some(of_json.unwrap_or_else(|| after_key(&declared, "Default").unwrap_or_default()))
    }

    /// Values of all its parameters.
    ///
    /// # Errors
    /// When one has no value, or one is not declared.
    pub(super) fn filled(
        &self,
        given: &BTreeMap<String, Option<String>>,
        previous: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let declared = |name: &String| self.parameters.iter().any(|parameter| parameter.name == **name);
        let unknown: Vec<_> = given.keys().filter(|name| !declared(name)).cloned().collect();
        if !unknown.is_empty() {
            let message = format!("Parameters: [{}] do not exist in the template", unknown.join(", "));
            return Err(Refusal::validation(message));
        }
        let value = |parameter: &Parameter| match given.get(&parameter.name) {
            Some(Some(value)) => Some(value.clone()),
            Some(None) => previous.get(&parameter.name).cloned(),
            None => self.default_of(parameter),
        };
        let values: Vec<_> =
            self.parameters.iter().map(|parameter| (parameter.name.clone(), value(parameter))).collect();
        let missing: Vec<_> =
            values.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
        if !missing.is_empty() {
            return Err(Refusal::validation(format!("Parameters: [{}] must have values", missing.join(", "))));
        }
        Ok(values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// # Errors
    /// When it makes what the caller did not acknowledge.
    pub(super) fn check_capabilities(&self, given: &[String], with_change_set: bool) -> Result<(), Refusal> {
        let has = |needed: &str| match needed {
            "CAPABILITY_IAM" => given.iter().any(|given| given.ends_with("IAM")),
            // A change set shows what a macro makes, so that it need not be acknowledged before.
            "CAPABILITY_AUTO_EXPAND" if with_change_set => true,
            needed => given.iter().any(|given| given == needed),
        };
        let missing: Vec<_> = self.capabilities.iter().filter(|needed| !has(needed)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("Requires capabilities : [{}]", missing.join(", "));
        Err(Refusal::new(400, "InsufficientCapabilitiesException", message))
    }

    fn scalar(&self, key: &str) -> Option<String> {
        match &self.json {
            Some(json) => json[key].as_str().map(str::to_owned),
            None => {
                self.body.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned()))
            }
        }
    }
}

/// Whether a definition names another resource. A type ends in words that resources are often called by: what follows a colon
/// without a blank is none of them.
pub(super) fn mentions(definition: &str, name: &str) -> bool {
    definition.match_indices(name).any(|(start, _)| {
        let before = definition[..start].chars().next_back().unwrap_or(' ');
        let after = definition[start + name.len()..].chars().next().unwrap_or(' ');
        let is_joined = |character: char| character.is_alphanumeric() || matches!(character, ':' | '-' | '_' | '/');
        !(is_joined(before) || after.is_alphanumeric() || matches!(after, '-' | '_'))
    })
}

fn definition(body: &str, json: Option<&Value>, section: &str, key: &str) -> String {
    match json {
        Some(json) => json[section][key].to_string(),
        None => block(body, section, key).unwrap_or_default(),
    }
}

/// The lines under a key of a section, by their indentation.
fn block(body: &str, section: &str, key: &str) -> Option<String> {
    let mut lines = body.lines().skip_while(|line| line.split(':').next() != Some(section)).skip(1);
    let is_key = |line: &str| line.trim_start().trim_start_matches(['"', '\'']).starts_with(key);
    let named = |line: &&str| line.starts_with(' ') && is_key(line) && line.contains(':') && key_of(line) == key;
    let first = lines.find(named)?;
    let under = lines.take_while(|line| line.trim().is_empty() || indentation(line) > indentation(first));
    let inline = first.split_once(':').map(|(_, rest)| rest.to_owned());
    Some(inline.into_iter().chain(under.map(str::to_owned)).collect::<Vec<_>>().join("\n"))
}

fn key_of(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\''])
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn after_key(block: &str, key: &str) -> Option<String> {
    let (_, rest) = block.split_once(&format!("{key}:"))?;
    let value = rest.split(['\n', ',', '}']).next().unwrap_or_default();
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn kind_of(body: &str) -> &'static str {
    if body.trim_start().starts_with('{') { "JSON" } else { "YAML" }
}
