//! `longshore artifact`.

mod choice;
mod download;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use proto::deployment as d;
use tokio::time::Instant;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    screen::{Screen, talk},
    view::ArtifactView,
};

use self::{
    choice::{Wanted, choose, file_name},
    download::download,
};

/// 20 seconds that the coordinator waits before it answers that one is still arriving: less than a call may take.
const ASK: Duration = Duration::from_secs(20);

#[derive(Subcommand, Debug)]
pub(super) enum Artifact {
    /// The files that a deployment's steps left behind
    List {
        /// Id of the deployment, or its beginning
        id: String,
    },
    Download(Download),
}

/// Download files that a deployment's steps left behind
///
/// Of a step that was tried several times, the newest attempt's. A download that breaks goes on where it was, also when the command
/// is given again; what arrives is compared with its digest.
#[derive(Args, Debug)]
pub(super) struct Download {
    /// Id of the deployment, or its beginning
    id: String,
    /// Name of the artifact; without it all of them, each in a folder named like its step
    name: Option<String>,
    /// Only this step's
    #[arg(long)]
    step: Option<String>,
    /// Folder to put them into
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    to: PathBuf,
    /// File to write it to, for one artifact
    #[arg(long = "as", value_name = "FILE", conflicts_with = "to", requires = "name")]
    file: Option<PathBuf>,
    /// How long to wait for what is still on its way from a worker
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Duration,
}

impl Artifact {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let connection = Connection::open()?;
        match self {
            Self::List { id } => {
                let artifacts = list(&connection, &id, Duration::ZERO).await?;
                let artifacts: Vec<ArtifactView> = artifacts.into_iter().map(ArtifactView::from).collect();
                screen.list(&artifacts)?;
                Ok(Exit::Ok)
            }
            Self::Download(it) => it.run(&connection, screen).await,
        }
    }
}

impl Download {
    async fn run(self, connection: &Connection, screen: Screen) -> Result<Exit, Failure> {
        let Self { id, name, step, to, file, wait } = self;
        let wanted = Wanted { name, step };
        let found = settled(connection, &id, &wanted, wait).await?;
        let mut downloaded = Vec::new();
        for artifact in choose(found, &wanted, &id)? {
            let path = match (&file, &wanted.name) {
                (Some(file), _) => file.clone(),
                (None, Some(_)) => to.join(file_name(&artifact.name)),
                (None, None) => to.join(file_name(&artifact.step)).join(file_name(&artifact.name)),
            };
            downloaded.push(download(connection, &id, artifact, path).await?);
        }
        screen.list(&downloaded)?;
        Ok(Exit::Ok)
    }
}

/// The artifacts once none that is wanted is on its way, or the time is over.
async fn settled(
    connection: &Connection,
    id: &str,
    wanted: &Wanted,
    wait: Duration,
) -> Result<Vec<d::Artifact>, Failure> {
    let until = Instant::now() + wait;
    let mut has_told = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let found = list(connection, id, left.min(if has_told { ASK } else { Duration::ZERO })).await?;
        let arriving = found.iter().find(|artifact| wanted.takes(artifact) && choice::is_arriving(artifact));
        let Some(arriving) = arriving.filter(|_| !left.is_zero()) else { return Ok(found) };
        if !std::mem::replace(&mut has_told, true) {
            talk(&format!("Waiting for \"{}\", which is on its way from the worker.", arriving.name));
        }
    }
}

async fn list(connection: &Connection, id: &str, wait: Duration) -> Result<Vec<d::Artifact>, Failure> {
    let wait = prost_types::Duration::try_from(wait).ok();
    let request = d::ListArtifactsRequest { deployment_id: id.to_owned(), wait };
    let mut client = connection.deployments();
    Ok(connection.answer(client.list_artifacts(request)).await?.artifacts)
}
