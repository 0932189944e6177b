//! `longshore login`.

use std::path::PathBuf;

use clap::Args;
use proto::deployment as d;

use crate::{
    connection::Connection,
    failure::{Exit, Failure},
    profile::{Profile, read_authority},
    screen::{Screen, talk},
    secret::Secret,
    view::CoordinatorView,
};

/// Keep which coordinator to talk to, and as whom
///
/// Written to ~/.config/longshore/profile.toml, readable by its owner only. LONGSHORE_COORDINATOR, LONGSHORE_TOKEN and
/// LONGSHORE_CA_FILE win over it.
#[derive(Args, Debug)]
pub(super) struct Login {
    /// Address of the coordinator, like https://host:7300
    #[arg(long, value_name = "URL")]
    coordinator: String,
    /// File with the token; - reads stdin
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The coordinator's CA, ca.pem in its data folder; without it the authorities of this system are trusted
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Login {
    pub(super) async fn run(self, screen: Screen) -> Result<Exit, Failure> {
        let token = match self.token_file.as_os_str() == "-" {
            true => Secret::from_stdin("token")?,
            false => Secret::from_file("token", &self.token_file)?,
        };
        let ca = self.ca_file.as_deref().map(read_authority).transpose()?;
        let profile = Profile { coordinator: self.coordinator, token: token.trimmed(), ca };
        // Asked before it is kept: a profile that does not work would only be found out later.
        let connection = Connection::with(&profile)?;
        let mut client = connection.coordinators();
        let coordinator = connection.answer(client.get_coordinator(d::GetCoordinatorRequest {})).await?;
        let path = profile.store()?;
        talk(&format!("Logged in to {}; kept in {}.", profile.coordinator, path.display()));
        screen.show(&CoordinatorView::from(coordinator))?;
        Ok(Exit::Ok)
    }
}
