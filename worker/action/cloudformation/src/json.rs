//! Changes in AWS's words, for scripts and for approval. Pure.

use aws_sdk_cloudformation::types::{ResourceChange, ResourceChangeDetail, ResourceTargetDefinition};
use serde_json::{Map, Value, json};

use crate::change_set::Change;

/// All changes, indented.
pub(crate) fn pretty(changes: &[Change]) -> String {
    serde_json::to_string_pretty(&all(changes)).unwrap_or_default()
}

/// All changes, as short as can be: without what exactly changes in each resource.
pub(crate) fn brief(changes: &[Change]) -> String {
    let mut all = all(changes);
    shorten(&mut all);
    all.to_string()
}

fn shorten(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(shorten),
        Value::Object(fields) => {
            fields.remove("Details");
            fields.remove("Scope");
            fields.values_mut().for_each(shorten);
        }
        _ => {}
    }
}

fn all(changes: &[Change]) -> Value {
    let one = |change: &Change| {
        let mut value = json!({ "Type": "Resource", "ResourceChange": change.json });
        if let (Value::Object(fields), false) = (&mut value, change.nested.is_empty()) {
            fields.insert("NestedChanges".into(), all(&change.nested));
        }
        value
    };
    Value::Array(changes.iter().map(one).collect())
}

/// One change, with AWS's own field names (AWS CloudFormation API, ResourceChange).
pub(crate) fn change(change: &ResourceChange) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert(name.into(), value.into());
        }
    };
    put("Action", change.action().map(|action| action.as_str()));
    put("LogicalResourceId", change.logical_resource_id());
    put("PhysicalResourceId", change.physical_resource_id());
    put("PolicyAction", change.policy_action().map(|action| action.as_str()));
    put("Replacement", change.replacement().map(|replacement| replacement.as_str()));
    put("ResourceType", change.resource_type());
    let scope: Vec<_> = change.scope().iter().map(|scope| scope.as_str()).collect();
    fields.insert("Scope".into(), scope.into());
    fields.insert("Details".into(), change.details().iter().map(detail).collect());
    Value::Object(fields)
}

fn detail(detail: &ResourceChangeDetail) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            fields.insert(name.into(), value.into());
        }
    };
    put("CausingEntity", detail.causing_entity());
    put("ChangeSource", detail.change_source().map(|source| source.as_str()));
    put("Evaluation", detail.evaluation().map(|evaluation| evaluation.as_str()));
    if let Some(target) = detail.target() {
        fields.insert("Target".into(), self::target(target));
    }
    Value::Object(fields)
}

fn target(target: &ResourceTargetDefinition) -> Value {
    json!({
        "Attribute": target.attribute().map(|attribute| attribute.as_str()),
        "Name": target.name(),
        "RequiresRecreation": target.requires_recreation().map(|recreation| recreation.as_str()),
    })
}
