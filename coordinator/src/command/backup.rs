//! Copies of a data folder, and the way back, on the coordinator's own host.

use std::path::PathBuf;

use clap::Args;
use coordinator::{backup, data_dir::DataDir, exit::Exit};

use super::{complain, place::Place};

/// Copy the data folder, also while the coordinator serves
///
/// The copy has the store, logs, files and artifacts. The master key is not in it: keep that one elsewhere.
#[derive(Args)]
pub(super) struct Backup {
    /// Folder to make
    #[arg(value_name = "DIR")]
    into: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Make the data folder out of a backup, and put the coordinator on hold
///
/// Workers have gone on since the backup was made. Until somebody lifts the hold (`longshore hold`) nothing is offered or granted;
/// workers tell what they did, and what cannot be told stays in doubt. The coordinator must not be running.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup; left out when the data folder itself was put back, e.g. with a snapshot of its disk
    #[arg(value_name = "DIR")]
    backup: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Exit> {
        let config = self.place.config()?;
        // Whether it is one, before anything is made.
        self.place.store()?;
        backup::back_up(&config.data_dir, &self.into)?;
        complain(&format!(
            "{} is a backup. The master key {} is not in it, and it is of no use without: keep a copy of that one elsewhere.",
            self.into.display(),
            config.master_key_file.display()
        ));
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Exit> {
        let config = self.place.config()?;
        let data_dir = DataDir::hold(&config.data_dir)?;
        backup::restore(&data_dir, self.backup.as_deref())?;
        complain(&format!("{} is restored, and the coordinator on hold.", config.data_dir.display()));
        if !config.master_key_file.exists() {
            complain(&format!("Put the master key there before you start it: {}.", config.master_key_file.display()));
        }
        complain(
            "Start it, wait until the workers are heard (`longshore hold show`), and lift the hold (`longshore hold lift`).",
        );
        Ok(())
    }
}
