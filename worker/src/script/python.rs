//! Variables as Python reads them.

use super::variables::Variables;

/// A JSON object.
pub(super) fn variables(variables: &Variables<'_>, _script: &str) -> Vec<u8> {
    let object: serde_json::Map<_, _> =
        variables.iter().map(|(_, variable)| (variable.name.clone(), variable.value.clone().into())).collect();
    serde_json::Value::Object(object).to_string().into_bytes()
}
