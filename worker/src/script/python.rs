//! Variables as Python reads them.

use proto::worker::SpecVariable;

/// A JSON object; the last variable of a name counts.
pub(super) fn write_variables(variables: &[SpecVariable], _warnings: &mut Vec<String>) -> Vec<u8> {
    let object: serde_json::Map<_, _> =
        variables.iter().map(|variable| (variable.name.clone(), variable.value.clone().into())).collect();
    serde_json::Value::Object(object).to_string().into_bytes()
}
