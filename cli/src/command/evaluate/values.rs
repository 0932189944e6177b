//! Values of variables from wherever they stand, and which of them counts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proto::{
    convert::project::scope,
    deployment::{self as d, variable::Type},
};
use serde::{Deserialize, de::IgnoredAny};
use shared::{
    scope::{self, Place, Scope},
    template::Variables,
};

use crate::{connection::Connection, failure::Failure, project_file::Draft, screen::talk};

/// What a secret is shown as.
const MASK: &str = "********";

/// A value of a variable.
pub(super) struct Value {
    name: String,
    /// None when it is not set, or not to be had from here.
    value: Option<String>,
    sensitive: bool,
    scope: Scope,
    /// Where it stands.
    from: String,
}

/// All values, and where they are asked for; of equally specific ones the last counts.
pub(super) struct Values {
    by_name: BTreeMap<String, Vec<Value>>,
    environment: String,
    step: String,
    pool: Option<String>,
}

/// Where a value that was used comes from.
#[derive(serde::Serialize)]
pub(super) struct Explained {
    variable: String,
    value: String,
    #[serde(flatten)]
    at: Origin,
    won_over: Vec<Origin>,
}

/// Where a value stands, and for what.
#[derive(serde::Serialize)]
struct Origin {
    #[serde(rename = "for")]
    scope: String,
    from: String,
}

impl Values {
    pub(super) fn new(values: Vec<Value>, environment: &str, step: &str, pool: Option<&str>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for value in values {
            by_name.entry(value.name.to_lowercase()).or_default().push(value);
        }
        Self { by_name, environment: environment.into(), step: step.into(), pool: pool.map(Into::into) }
    }

    /// What counts here; what the system says of the place wins over what anybody declares.
    pub(super) fn variables(&self) -> Variables {
        let mut variables = Variables::new();
        for value in self.by_name.values().filter_map(|values| self.choose(values)) {
            if let Some(text) = &value.value {
                variables.insert(&value.name, text, value.sensitive);
            }
        }
        let pool = self.pool.as_deref().unwrap_or_default();
        for (name, value) in [
            ("Octopus.Environment.Name", self.environment.as_str()),
            ("Octopus.Step.Name", self.step.as_str()),
            ("Octopus.Action.Name", self.step.as_str()),
            ("Octopus.WorkerPool.Name", pool),
        ] {
            if !value.is_empty() {
                variables.insert_literal(name, value, false);
            }
        }
        variables.set_now(jiff::Zoned::now());
        variables
    }

    /// A text without the secrets that count here.
    pub(super) fn mask(&self, text: &str) -> String {
        let secrets = self.by_name.values().filter_map(|values| self.choose(values)).filter(|value| value.sensitive);
        let texts = secrets.filter_map(|value| value.value.as_deref()).filter(|value| !value.is_empty());
        texts.fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// Where a variable's value comes from; none for what nobody declared.
    pub(super) fn explain(&self, name: &str) -> Option<Explained> {
        let values = self.by_name.get(&name.to_lowercase())?;
        let chosen = self.choose(values)?;
        let others = values.iter().filter(|value| value.scope.covers(self.place()) && !std::ptr::eq(*value, chosen));
        let value = if chosen.sensitive { MASK } else { chosen.value.as_deref().unwrap_or_default() };
        Some(Explained {
            variable: chosen.name.clone(),
            value: value.to_owned(),
            at: chosen.origin(),
            won_over: others.map(Value::origin).collect(),
        })
    }

    fn choose<'v>(&self, values: &'v [Value]) -> Option<&'v Value> {
        scope::choose(values, |value| &value.scope, self.place())
    }

    fn place(&self) -> Place<'_> {
        Place { environment: &self.environment, step: &self.step, pool: self.pool.as_deref() }
    }
}

impl Value {
    fn origin(&self) -> Origin {
        Origin { scope: self.scope.to_string(), from: self.from.clone() }
    }

    fn of(variable: d::Variable, from: &str) -> Self {
        let sensitive = variable.r#type() == Type::Sensitive;
        // That a secret is set is known, and not what it is.
        let hidden = (sensitive && variable.is_set).then(|| MASK.to_owned());
        Self {
            scope: scope(&variable.environments, &variable.steps, &variable.pools),
            name: variable.name,
            value: variable.value.or(hidden),
            sensitive,
            from: from.to_owned(),
        }
    }
}

impl Explained {
    pub(super) fn sentence(&self) -> String {
        let Self { variable, value, at, won_over } = self;
        let over: Vec<String> = won_over.iter().map(|it| format!("{} ({})", it.scope, it.from)).collect();
        let over =
            if over.is_empty() { String::new() } else { format!("; it wins over the one for {}", over.join(", ")) };
        format!("{variable} = {value}: the value for {} ({}){over}.", at.scope, at.from)
    }
}

/// A map of names to values, or a project file, or the folder of one.
pub(super) fn of_file(path: &Path) -> Result<Vec<Value>, Failure> {
    let named = path.display().to_string();
    if path.is_dir() {
        return of_draft(path, &named);
    }
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("The variables file {named} cannot be read: {error}.")))?;
    if serde_saphyr::from_str::<LooksLikeAProject>(&text).is_ok() {
        return of_draft(path, &named);
    }
    let values: BTreeMap<String, String> = serde_saphyr::from_str(&text).map_err(|error| {
        let error = error.without_snippet();
        Failure::usage(format!("The variables file {named} is not a map of names to values: {error}."))
    })?;
    let value = |(name, value)| {
        let (scope, from) = (Scope::default(), named.clone());
        Value { name, value: Some(value), sensitive: false, scope, from }
    };
    Ok(values.into_iter().map(value).collect())
}

/// A map of names to values has no list in it.
#[derive(Deserialize)]
struct LooksLikeAProject {
    #[serde(rename = "project")]
    _project: String,
    #[serde(rename = "variables")]
    _variables: Vec<IgnoredAny>,
}

fn of_draft(path: &Path, named: &str) -> Result<Vec<Value>, Failure> {
    let project = Draft::read(&PathBuf::from(path))?.project;
    if !project.variables_from.is_empty() {
        talk(&format!(
            "The variables of {} are not here: --project asks the coordinator for them.",
            project.variables_from.join(", ")
        ));
    }
    Ok(project.variables.into_iter().map(|variable| Value::of(variable, named)).collect())
}

/// What a coordinator has: of the projects it takes variables from first, since its own count for more.
pub(super) async fn of_project(connection: &Connection, name: &str) -> Result<Vec<Value>, Failure> {
    let mut client = connection.projects();
    let request = d::GetProjectRequest { name: name.to_owned() };
    let own = connection.answer(client.get_project(request)).await?;
    let mut values = Vec::new();
    for project in own.variables_from {
        let request = d::ListVariablesRequest { project: project.clone() };
        let answer = connection.answer(client.list_variables(request)).await?;
        let from = format!("project {project}");
        values.extend(answer.variables.into_iter().map(|variable| Value::of(variable, &from)));
    }
    let from = format!("project {}", own.name);
    values.extend(own.variables.into_iter().map(|variable| Value::of(variable, &from)));
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, environments: &[&str], from: &str) -> Value {
        let scope = Scope::of_environments(environments.iter().copied());
        Value { name: "Region".into(), value: Some(text.into()), sensitive: text == "canary", scope, from: from.into() }
    }

    #[test]
    fn it_is_said_where_a_value_comes_from_and_over_which_it_wins() {
        let all = || {
            vec![
                value("one", &[], "project shared"),
                value("two", &["production"], "project shop"),
                value("three", &[], "project shop"),
                value("four", &["test"], "project shop"),
            ]
        };
        let values = Values::new(all(), "production", "", None);
        let explained = values.explain("REGION").expect("declared");
        assert_eq!(
            explained.sentence(),
            "Region = two: the value for environment production (project shop); it wins over the one for everything else (project \
             shared), everything else (project shop)."
        );
        let values = Values::new(all(), "", "", None);
        assert!(
            values
                .explain("Region")
                .expect("declared")
                .sentence()
                .starts_with("Region = three: the value for everything else")
        );
        assert!(values.explain("Octopus.Step.Name").is_none());
    }

    #[test]
    fn a_secret_is_masked_in_the_text_and_in_what_is_explained() {
        let values = Values::new(vec![value("canary", &[], "a file")], "staging", "", None);
        let evaluated = values.variables().evaluate("in #{Octopus.Environment.Name}: #{Region}").expect("evaluated");
        assert!(evaluated.sensitive);
        assert_eq!(values.mask(&evaluated.text), "in staging: ********");
        assert!(!values.explain("Region").expect("declared").sentence().contains("canary"));
    }
}
