//! Variables as PowerShell reads them.

use super::variables::{Variables, without_nul};

/// Names and values by turns, each ended by a NUL byte.
pub(super) fn variables(variables: &Variables<'_>, _script: &str) -> Vec<u8> {
    let texts = variables.iter().flat_map(|(_, variable)| [&variable.name, &variable.value]);
    texts.map(|text| without_nul(text) + "\0").collect::<String>().into_bytes()
}
