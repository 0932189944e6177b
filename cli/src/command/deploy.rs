//! `longshore deploy`.

use clap::Args;
use proto::deployment as d;

use super::{
    pair::{map, pair},
    request_id,
};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    live::{Following, follow},
    screen::{Format, Screen, encode, put, talk},
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
        let variables =
            map(self.variables).map_err(|name| Failure::usage(format!("The variable \"{name}\" is given twice.")))?;
        let request = d::CreateDeploymentRequest {
            request_id: request_id(),
            project: self.project,
            environment: self.environment,
            variables,
        };
        let connection = Connection::open()?;
        let mut client = connection.deployments();
        let deployment = connection.answer(client.create_deployment(request)).await?;
        self.follow.on(connection, deployment, screen).await
    }
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
