//! Stack policies, as the AWS CloudFormation User Guide has them in "Prevent updates to stack resources". Of conditions only
//! `StringEquals` and `StringLike` on `ResourceType` are known; `NotAction` and `NotResource` are not.

use serde_json::Value;

/// Why a policy does not allow an action on a resource; none when it does.
pub(super) fn refusal(policy: &str, action: &str, id: &str, kind: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = many(&policy["Statement"]);
    let resource = format!("LogicalResourceId/{id}");
    let applies = |statement: &Value| {
        many(&statement["Action"]).iter().any(|pattern| matches(pattern, action))
            && many(&statement["Resource"]).iter().any(|pattern| matches(pattern, &resource))
            && is_of_kind(&statement["Condition"], kind)
    };
    let mut numbered = statements.iter().zip(1..).filter(|(statement, _)| applies(statement));
    let denial = numbered.clone().find(|(statement, _)| statement["Effect"] == "Deny");
    match denial {
        Some((_, number)) => Some(format!(
            "Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource [{resource}];"
        )),
        None if numbered.any(|(statement, _)| statement["Effect"] == "Allow") => None,
        None => Some(format!("Action not allowed by stack policy: no statement allows [{action}] for [{resource}];")),
    }
}

fn is_of_kind(condition: &Value, kind: &str) -> bool {
    let kinds = ["StringEquals", "StringLike"].map(|operator| many(&condition[operator]["ResourceType"])).concat();
    condition.is_null() || kinds.iter().any(|pattern| matches(pattern, kind))
}

fn many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// A `*` stands for any end.
fn matches(pattern: &Value, text: &str) -> bool {
    let pattern = pattern.as_str().unwrap_or_default();
    pattern == text || pattern.strip_suffix('*').is_some_and(|beginning| text.starts_with(beginning))
}
