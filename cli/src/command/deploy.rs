//! `longshore deploy`.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use clap::Args;
use proto::deployment::{self as d, variable::Type};

use super::{
    pair::{map, pair},
    request_id,
};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    live::{Following, follow},
    sanitise,
    screen::{Format, Screen, encode, put, talk},
    secret::Secret,
    view::DeploymentView,
};

/// Deploy a project to an environment and follow it until it ends
///
/// Ctrl-C stops following; the deployment goes on.
#[derive(Args, Debug)]
pub(super) struct Deploy {
    /// Name of the project
    project: String,
    /// Name of the environment
    #[arg(long, short)]
    environment: String,
    /// A value that wins over the project's; may be given several times; never a secret
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// The same with the value in a file, every byte of it: also of a sensitive variable with a prompt; may be given several times
    #[arg(long = "variable-file", value_name = "NAME=FILE", value_parser = pair)]
    files: Vec<(String, String)>,
    #[command(flatten)]
    follow: Follow,
}

/// Whether and how to follow.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Follow {
    /// Only start it, and print its id
    #[arg(long)]
    detach: bool,
    /// Print every line as it comes instead of a live view
    #[arg(long)]
    plain: bool,
}

impl Deploy {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let twice = |name| Failure::usage(format!("The variable \"{name}\" is given twice."));
        let variables = map(self.variables).map_err(twice)?;
        let mut secret_variables = map(self.files).map_err(twice)?;
        if let Some(name) = secret_variables.keys().find(|name| variables.contains_key(*name)) {
            return Err(twice(name.clone()));
        }
        for value in secret_variables.values_mut() {
            *value = Secret::from_file("value", Path::new(value))?.expose().to_owned();
        }
        let mut request = d::CreateDeploymentRequest {
            request_id: request_id(),
            project: self.project,
            environment: self.environment,
            variables,
            secret_variables,
        };
        let connection = Connection::open()?;
        ask(&connection, &mut request).await?;
        let mut client = connection.deployments();
        let deployment = connection.answer(client.create_deployment(request)).await?;
        self.follow.on(connection, deployment, screen).await
    }
}

/// Asks on a terminal for what must be given and was not. What is secret is not typed where it can be seen.
async fn ask(connection: &Connection, request: &mut d::CreateDeploymentRequest) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(());
    }
    let mut client = connection.projects();
    let list = d::ListVariablesRequest { project: request.project.clone() };
    let variables = connection.answer(client.list_variables(list)).await?.variables;
    let is_open = |variable: &&d::Variable| {
        let same = |name: &String| name.to_lowercase() == variable.name.to_lowercase();
        let is_given = request.variables.keys().chain(request.secret_variables.keys()).any(same);
        !variable.prompt.is_empty() && !variable.is_set && !is_given && variable.r#type() != Type::Sensitive
    };
    let open: Vec<_> = variables.iter().filter(is_open).collect();
    for variable in open {
        talk(&format!("{} ({}):", sanitise::cell(&variable.prompt), sanitise::cell(&variable.name)));
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        read.map_err(|error| Failure::usage(format!("The answer cannot be read: {error}.")))?;
        request.variables.insert(variable.name.clone(), line.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(())
}

impl Follow {
    /// Follows a deployment that was just started, or says how to.
    pub(super) async fn on(
        self,
        connection: Connection,
        deployment: d::Deployment,
        screen: Screen,
    ) -> Result<Exit, Failure> {
        if !self.detach {
            return follow(connection, deployment, Following { screen, plain: self.plain }).await;
        }
        let id = deployment.id.clone();
        match screen.output {
            Format::Table => put(&id)?,
            form => put(&encode(form, &DeploymentView::from(deployment)))?,
        }
        talk(&format!("Follow it with `longshore deployment watch {id}`."));
        Ok(Exit::Ok)
    }
}
