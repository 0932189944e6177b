//! Variables as bash reads them.

use std::collections::BTreeSet;

use proto::worker::SpecVariable;

/// One assignment each to the two arrays that the bootstrap declared; the last variable of a name counts.
pub(super) fn write_variables(variables: &[SpecVariable], warnings: &mut Vec<String>) -> Vec<u8> {
    let mut text = String::new();
    let mut names = BTreeSet::new();
    for variable in variables.iter().rev().filter(|variable| !variable.name.is_empty()) {
        if !names.insert(variable.name.to_lowercase()) {
            continue;
        }
        if variable.name.contains('\0') || variable.value.contains('\0') {
            warnings.push(format!(
                "Variable \"{}\" holds a NUL byte, which bash cannot; the script sees it without.",
                variable.name.replace('\0', "")
            ));
        }
        let name = quoted(&variable.name);
        text.push_str(&format!("octopus_parameters[{name}]={}\n", quoted(&variable.value)));
        text.push_str(&format!("__longshore_names[{}]={name}\n", quoted(&variable.name.to_lowercase())));
    }
    text.into_bytes()
}

/// As one word that bash takes literally, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', r"'\''"))
}
