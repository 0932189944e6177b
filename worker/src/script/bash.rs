//! Variables as bash reads them.

use super::variables::{Variables, without_nul};

/// Words that end with NUL bytes, which bash reads at once into one array: how many variables there are; their lower-case names and
/// values, sorted by name, so that one can be found without a look at the others; and, where the script mentions the array
/// `octopus_parameters`, their names as they were written. To fill that array takes bash some time for thousands.
pub(super) fn variables(variables: &Variables<'_>, script: &str) -> Vec<u8> {
    let mut words = String::new();
    let mut word = |text: &str| {
        words.push_str(&without_nul(text));
        words.push('\0');
    };
    word(&variables.iter().count().to_string());
    for (key, variable) in variables.iter() {
        word(key);
        word(&variable.value);
    }
    if script.contains("octopus_parameters") {
        variables.iter().for_each(|(_, variable)| word(&variable.name));
    }
    words.into_bytes()
}
