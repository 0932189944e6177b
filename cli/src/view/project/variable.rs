//! Variables.

use proto::deployment as d;
use serde::Serialize;

use super::super::{View, word};

/// A variable and one of its values.
#[derive(Serialize)]
pub(crate) struct VariableView {
    name: String,
    r#type: String,
    value: Option<String>,
    environments: Vec<String>,
    steps: Vec<String>,
    pools: Vec<String>,
    is_set: bool,
    from_file: bool,
    prompt: String,
}

impl From<d::Variable> for VariableView {
    fn from(it: d::Variable) -> Self {
        Self {
            r#type: word(it.r#type().as_str_name(), "TYPE_").replace('_', "-"),
            name: it.name,
            value: it.value,
            environments: it.environments,
            steps: it.steps,
            pools: it.pools,
            is_set: it.is_set,
            from_file: it.from_file,
            prompt: it.prompt,
        }
    }
}

impl VariableView {
    /// For a table.
    fn scope(&self) -> String {
        let of = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}{}", names.join(", ")));
        let parts = [of("", &self.environments), of("step ", &self.steps), of("pool ", &self.pools)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl View for VariableView {
    const MANY: &'static str = "variables";
    const COLUMNS: &'static [&'static str] = &["variable", "type", "value", "for", "from"];

    fn cells(&self) -> Vec<String> {
        let value = match (&self.value, self.is_set) {
            (Some(value), _) => value.clone(),
            (None, true) => "********".to_owned(),
            (None, false) if self.prompt.is_empty() => "(not set)".to_owned(),
            (None, false) => format!("(asked: {})", self.prompt),
        };
        let from = if self.from_file { "project file" } else { "variable set" };
        vec![self.name.clone(), self.r#type.clone(), value, self.scope(), from.to_owned()]
    }
}
