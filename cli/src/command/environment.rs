//! `longshore environment`.

use clap::Subcommand;
use proto::deployment as d;

use super::request_id;
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::EnvironmentView,
};

#[derive(Subcommand, Debug)]
pub(super) enum Environment {
    /// Add an environment
    Create {
        /// Name of the environment
        name: String,
        /// What it is for
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// All environments
    List,
    /// Remove an environment; its deployments stay readable
    Delete {
        /// Name of the environment
        name: String,
    },
}

impl Environment {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        let mut client = connection.environments();
        match self {
            Self::Create { name, description } => {
                let request = d::CreateEnvironmentRequest { request_id: request_id(), name, description };
                let environment = connection.answer(client.create_environment(request)).await?;
                screen.show(&EnvironmentView::from(environment))?;
            }
            Self::List => {
                let answer = connection.answer(client.list_environments(d::ListEnvironmentsRequest {})).await?;
                screen.list(&answer.environments.into_iter().map(EnvironmentView::from).collect::<Vec<_>>())?;
            }
            Self::Delete { name } => {
                let request = d::DeleteEnvironmentRequest { name: name.clone() };
                connection.answer(client.delete_environment(request)).await?;
                talk(&format!("Environment \"{name}\" is removed."));
            }
        }
        Ok(Exit::Ok)
    }
}
