//! What may stand in a project file: the types that read it, and the JSON Schema made from the same types.

mod aws;
mod listing;
mod parameters;
mod span;
mod stack;
mod step;
mod upload;
mod wording;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_saphyr::{Error, Spanned};
use shared::scope::Scope;

use self::parameters::ParameterFile;
pub(super) use self::{
    aws::{AssumeRole, Identity},
    parameters::{Parameter, Parameters, Value},
    span::Span,
    stack::{
        ApplyChangeSet, Capability, ChangeSet, CloudFormation, DeleteStack, DeployStack, OnFailure, Staging, Tags,
    },
    step::{Retries, Script, Scripts, Shell, Start, Step, StepOnFailure},
    upload::{Encryption, Settings, UploadToS3},
};
use super::fault::{Fault, Place};

/// A Longshore project: the steps of a process and the variables they use.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Longshore project file")]
pub(super) struct ProjectFile {
    /// Unique name of the project, 1 to 128 characters.
    #[schemars(with = "String", length(min = 1, max = 128))]
    pub(super) project: Spanned<String>,
    /// What the project does.
    #[serde(default)]
    pub(super) description: String,
    /// Variables; one entry for each value.
    #[serde(default)]
    pub(super) variables: Vec<Variable>,
    /// What holds for all scripts that do not say otherwise.
    #[serde(default)]
    pub(super) scripts: Scripts,
    /// Projects whose variables count in this one, too; of equally specific values the project's own counts, then that of the one
    /// named last.
    #[serde(default)]
    pub(super) variables_from: Vec<String>,
    /// The steps, in order; none when it only has variables for others.
    #[serde(default)]
    pub(super) steps: Vec<Step>,
}

/// A variable and one of its values.
#[derive(Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    /// Name; case does not matter.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// Kind of value.
    #[serde(default)]
    pub(super) r#type: VariableType,
    /// The value; #{Name} in it is substituted. Sensitive values are set with `longshore variable set`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) value: Option<Spanned<String>>,
    /// Environments in which the variable has this value; none means all that no more specific value names.
    #[serde(default)]
    pub(super) environments: Vec<String>,
    /// Steps in which the variable has this value; wins over values for pools and environments.
    #[serde(default)]
    pub(super) steps: Vec<String>,
    /// Worker pools in whose steps the variable has this value; wins over values for environments.
    #[serde(default)]
    pub(super) pools: Vec<String>,
    /// What whoever deploys is asked for it; without a value of its own, they must say it.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub(super) prompt: String,
}

impl Variable {
    /// Where it has this value.
    pub(super) fn scope(&self) -> Scope {
        let set = |names: &[String]| names.iter().cloned().collect();
        Scope { environments: set(&self.environments), steps: set(&self.steps), pools: set(&self.pools) }
    }
}

/// Kind of a variable's value.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VariableType {
    /// Text that may hold #{Name}.
    #[default]
    Text,
    /// Text that is kept encrypted and masked in logs.
    Sensitive,
    /// Name of an account.
    AwsAccount,
}

/// The JSON Schema of a project file.
pub(crate) fn schema() -> Schema {
    schemars::schema_for!(ProjectFile)
}

/// Reads the text of a project file.
///
/// # Errors
/// The first fault, with its place.
pub(super) fn parse(text: &str) -> Result<ProjectFile, Fault> {
    let mut file: ProjectFile = serde_saphyr::from_str(text).map_err(|error| fault(&error))?;
    for stack in file.steps.iter_mut().filter_map(Step::deployed_mut) {
        stack.parameters.spell(text);
    }
    Ok(file)
}

/// Reads the text of a file of parameters.
///
/// # Errors
/// The first fault, with its place.
pub(super) fn parse_parameters(text: &str) -> Result<Vec<Parameter>, Fault> {
    let mut file: ParameterFile = serde_saphyr::from_str(text).map_err(|error| fault(&error))?;
    file.spell(text);
    Ok(file.0)
}

fn fault(error: &Error) -> Fault {
    Fault::at(error.location().and_then(Place::of), wording::sentence(error.without_snippet()))
}
