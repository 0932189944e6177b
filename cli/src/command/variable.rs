//! `longshore variable`.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use proto::deployment::{self as d, variable::Type};

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    secret::Secret,
    view::VariableView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Variable {
    Set(Set),
    /// All variables of a project; sensitive values are never shown
    List {
        /// Name of the project
        project: String,
    },
    /// Remove the value that a scope has
    Delete {
        /// Name of the project
        project: String,
        /// Name of the variable
        name: String,
        #[command(flatten)]
        scope: Scope,
    },
}

/// Set a variable's value; a sensitive one comes from stdin or a file, never from the command line
#[derive(Args, Debug)]
pub(super) struct Set {
    /// Name of the project
    project: String,
    /// Name of the variable
    name: String,
    /// The value; without it, and without --from-file, it is read from stdin
    #[arg(conflicts_with_all = ["sensitive", "from_file"])]
    value: Option<String>,
    /// Keep it encrypted and mask it in logs
    #[arg(long, conflicts_with = "kind")]
    sensitive: bool,
    /// Kind of value; what the project has it as when absent
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// Read the value from a file, every byte of it
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    #[command(flatten)]
    scope: Scope,
}

/// Where a value counts; nothing of it means the unscoped value.
#[derive(Args, Debug)]
pub(super) struct Scope {
    /// Environment in which the variable has this value; may be given several times
    #[arg(long = "environment", value_name = "NAME")]
    environments: Vec<String>,
    /// Step in which the variable has this value; may be given several times
    #[arg(long = "step", value_name = "NAME")]
    steps: Vec<String>,
    /// Pool in whose steps the variable has this value; may be given several times
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<String>,
}

/// Kind of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    /// Text that may hold #{Name}
    Text,
    /// Text that is kept encrypted and masked in logs
    Sensitive,
    /// Name of an account
    AwsAccount,
}

impl Variable {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        let mut client = connection.projects();
        match self {
            Self::Set(it) => it.run(&connection, screen).await?,
            Self::List { project } => {
                let answer = connection.answer(client.list_variables(d::ListVariablesRequest { project })).await?;
                screen.list(&answer.variables.into_iter().map(VariableView::from).collect::<Vec<_>>())?;
            }
            Self::Delete { project, name, scope: Scope { environments, steps, pools } } => {
                let request = d::DeleteVariableRequest { project, name: name.clone(), environments, steps, pools };
                connection.answer(client.delete_variable(request)).await?;
                talk(&format!("The value of variable \"{name}\" is removed."));
            }
        }
        Ok(Exit::Ok)
    }
}

impl Set {
    async fn run(self, connection: &Connection, screen: Screen) -> Result<(), Failure> {
        let r#type = match self.asked_type() {
            Some(asked) => asked,
            None => self.known_type(connection).await?,
        };
        let value = self.read_value(r#type)?;
        let variable = d::Variable {
            name: self.name,
            r#type: r#type.into(),
            value: Some(value),
            environments: self.scope.environments,
            steps: self.scope.steps,
            pools: self.scope.pools,
            ..Default::default()
        };
        let mut client = connection.projects();
        let request = d::SetVariableRequest { project: self.project, variable: Some(variable) };
        let variable = connection.answer(client.set_variable(request)).await?;
        screen.show(&VariableView::from(variable))
    }

    fn asked_type(&self) -> Option<Type> {
        let kind = if self.sensitive { Some(Kind::Sensitive) } else { self.kind };
        kind.map(|kind| match kind {
            Kind::Text => Type::Text,
            Kind::Sensitive => Type::Sensitive,
            Kind::AwsAccount => Type::AwsAccount,
        })
    }

    /// What the project has it as; text when it does not have it.
    async fn known_type(&self, connection: &Connection) -> Result<Type, Failure> {
        let mut client = connection.projects();
        let request = d::ListVariablesRequest { project: self.project.clone() };
        let answer = connection.answer(client.list_variables(request)).await?;
        let same = |variable: &&d::Variable| variable.name.to_lowercase() == self.name.to_lowercase();
        Ok(answer.variables.iter().find(same).map_or(Type::Text, d::Variable::r#type))
    }

    fn read_value(&self, r#type: Type) -> Result<String, Failure> {
        if let Some(value) = &self.value {
            // It stood in the process list already, but must not be taken for safe from here on.
            return match r#type {
                Type::Sensitive => Err(Failure::usage(format!(
                    "Variable \"{}\" is sensitive: pipe its value in or use --from-file, and change the value that you \
                     just typed, since others on this host could see it.",
                    self.name
                ))),
                _ => Ok(value.clone()),
            };
        }
        let secret = match &self.from_file {
            Some(file) if r#type == Type::Sensitive => Secret::from_file("value", file)?,
            Some(file) => {
                return fs::read_to_string(file).map_err(|error| {
                    Failure::usage(format!("The value's file {} cannot be read: {error}.", file.display()))
                });
            }
            None => Secret::from_stdin("value")?,
        };
        Ok(secret.expose().to_owned())
    }
}
