//! `longshore deployment`.

mod resolve;

use clap::{Args, Subcommand, ValueEnum};
use proto::deployment as d;

use super::{deploy::Follow, request_id};
use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    live::{Following, Reading, follow, read_logs},
    screen::{Screen, talk},
    view::DeploymentView,
};

/// As many as the coordinator gives at once.
const PAGE: u32 = 1000;

#[derive(Subcommand, Debug)]
pub(super) enum Deployment {
    List(List),
    /// One deployment: what ran where as whom, and why a step does not run
    Show {
        /// Id of the deployment, or its beginning
        id: String,
    },
    /// Follow a deployment from its beginning until it ends
    Watch {
        /// Id of the deployment, or its beginning
        id: String,
        /// Print every line as it comes instead of a live view
        #[arg(long)]
        plain: bool,
    },
    Logs(Logs),
    /// Ask for a deployment's end
    Cancel {
        /// Id of the deployment, or its beginning
        id: String,
        /// Why; goes to the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    Resolve(resolve::Resolve),
    Answer(Answer),
    Retry(Retry),
}

/// Deployments, newest first
#[derive(Args, Debug)]
pub(super) struct List {
    /// Only this project's
    #[arg(long, default_value = "", hide_default_value = true)]
    project: String,
    /// Only to this environment
    #[arg(long, short, default_value = "", hide_default_value = true)]
    environment: String,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: u32,
}

/// Logs of a deployment's steps
///
/// The log of one step goes to a pipe or file byte for byte; a terminal gets it with control characters made visible.
#[derive(Args, Debug)]
pub(super) struct Logs {
    /// Id of the deployment, or its beginning
    id: String,
    /// Only this step's newest attempt
    #[arg(long)]
    step: Option<String>,
    /// Go on until the log is complete
    #[arg(long)]
    follow: bool,
}

/// Answer a step that asks for approval, or what becomes of it after it failed
#[derive(Args, Debug)]
pub(super) struct Answer {
    /// Id of the deployment, or its beginning
    id: String,
    /// What becomes of the step
    #[arg(value_enum)]
    answer: Word,
    /// Name of the step, when more than one asks
    #[arg(long, default_value = "", hide_default_value = true)]
    step: String,
    /// Why; goes to the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// What becomes of a step that asks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// It may begin
    Approve,
    /// It may not begin, and has failed
    Reject,
    /// After it failed: it is tried once more
    Retry,
    /// After it failed: the deployment goes on as if it had succeeded
    Ignore,
    /// After it failed: it has failed
    Abort,
}

/// Go on from a deployment that failed or was cancelled, without the steps that have done their work
///
/// Starts a deployment of the same process with the same values. The steps before the first that failed are not run again; their
/// outputs count.
#[derive(Args, Debug)]
pub(super) struct Retry {
    /// Id of the deployment, or its beginning
    id: String,
    /// Take the project's variables as they are now, instead of as they were
    #[arg(long)]
    update_variables: bool,
    #[command(flatten)]
    follow: Follow,
}

impl Deployment {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        match self {
            Self::List(it) => it.run(&connection, screen).await,
            Self::Show { id } => {
                let deployment = get(&connection, id).await?;
                screen.show(&DeploymentView::from(deployment))?;
                Ok(Exit::Ok)
            }
            Self::Watch { id, plain } => {
                let deployment = get(&connection, id).await?;
                follow(connection, deployment, Following { screen, plain }).await
            }
            Self::Logs(it) => {
                let deployment = get(&connection, it.id).await?;
                read_logs(connection, deployment, Reading { screen, step: it.step, follow: it.follow }).await
            }
            Self::Cancel { id, reason } => cancel(&connection, id, reason, screen).await,
            Self::Resolve(it) => it.run(&connection, screen).await,
            Self::Answer(it) => it.run(&connection, screen).await,
            Self::Retry(it) => it.run(connection, screen).await,
        }
    }
}

impl List {
    async fn run(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        let mut client = connection.deployments();
        let mut deployments = Vec::new();
        let mut page_token = String::new();
        while deployments.len() < self.limit as usize {
            let left = self.limit - deployments.len() as u32;
            let request = d::ListDeploymentsRequest {
                project: self.project.clone(),
                environment: self.environment.clone(),
                page_size: left.min(PAGE) as i32,
                page_token,
            };
            let answer = connection.answer(client.list_deployments(request)).await?;
            deployments.extend(answer.deployments.into_iter().map(DeploymentView::listed));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        screen.list(&deployments)?;
        Ok(Exit::Ok)
    }
}

impl Answer {
    async fn run(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        use d::answer_step_request::Answer as Wire;
        let answer = match self.answer {
            Word::Approve => Wire::Approve,
            Word::Reject => Wire::Reject,
            Word::Retry => Wire::Retry,
            Word::Ignore => Wire::Ignore,
            Word::Abort => Wire::Abort,
        };
        let request = d::AnswerStepRequest {
            deployment_id: get(connection, self.id).await?.id,
            step: self.step,
            answer: answer.into(),
            reason: self.reason,
        };
        let mut client = connection.deployments();
        let deployment = connection.answer(client.answer_step(request)).await?;
        screen.show(&DeploymentView::from(deployment))?;
        Ok(Exit::Ok)
    }
}

impl Retry {
    async fn run(self, connection: Connection, screen: Screen) -> Result<Exit, Failure> {
        let request = d::RetryDeploymentRequest {
            request_id: request_id(),
            id: self.id,
            update_variables: self.update_variables,
        };
        let mut client = connection.deployments();
        let deployment = connection.answer(client.retry_deployment(request)).await?;
        self.follow.on(connection, deployment, screen).await
    }
}

async fn cancel(connection: &Connection, id: String, reason: String, screen: Screen) -> Result<Exit, Failure> {
    let id = get(connection, id).await?.id;
    let mut client = connection.deployments();
    let request = d::CancelDeploymentRequest { id: id.clone(), reason };
    let deployment = connection.answer(client.cancel_deployment(request)).await?;
    talk(&format!("The end of deployment {id} is asked for; a running step counts as cancelled on its worker's word."));
    screen.show(&DeploymentView::from(deployment))?;
    Ok(Exit::Ok)
}

/// Only GetDeployment takes the beginning of an id, so every other call is made with the whole one.
async fn get(connection: &Connection, id: String) -> Result<d::Deployment, Failure> {
    let mut client = connection.deployments();
    connection.answer(client.get_deployment(d::GetDeploymentRequest { id })).await
}
