//! The variables of a script: one of each name, whatever its case.

use std::collections::BTreeMap;

use proto::worker::SpecVariable;

/// Variables by lower-case name, in the order of its bytes.
pub(super) struct Variables<'v>(BTreeMap<String, &'v SpecVariable>);

impl<'v> Variables<'v> {
    /// The last of a name counts; one without a name can never be read.
    pub(super) fn of(variables: &'v [SpecVariable]) -> Self {
        let named = variables.iter().filter(|variable| !variable.name.is_empty());
        Self(named.map(|variable| (variable.name.to_lowercase(), variable)).collect())
    }

    /// Lower-case name and variable.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'v SpecVariable)> {
        self.0.iter().map(|(key, variable)| (key.as_str(), *variable))
    }

    /// The value of one, by its lower-case name.
    pub(super) fn value(&self, key: &str) -> Option<&'v str> {
        self.0.get(key).map(|variable| variable.value.as_str())
    }

    /// A warning for each that holds a NUL byte, which somebody cannot have.
    pub(super) fn with_nul(&self, who: &str) -> Vec<String> {
        let with = self.iter().filter(|(_, variable)| variable.name.contains('\0') || variable.value.contains('\0'));
        let warning = |name: &str| {
            format!(
                "Variable \"{}\" holds a NUL byte, which {who} cannot; the script sees it without.",
                without_nul(name)
            )
        };
        with.map(|(_, variable)| warning(&variable.name)).collect()
    }
}

/// A text without its NUL bytes.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
