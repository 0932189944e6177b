//! A data folder that is there, for commands on the coordinator's own host; the coordinator may serve it at the same time.

use std::path::PathBuf;

use clap::Args;
use coordinator::{
    config::{Config, Settings},
    exit::Exit,
    seal::Seal,
    store::{FILE, Store},
    vault::store_id,
};

/// Where the data folder is.
#[derive(Args)]
pub(super) struct Place {
    /// Folder for everything the coordinator keeps [default: ./longshore-data]
    #[arg(long, value_name = "DIR", env = "LONGSHORE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// File of the master key [default: master.key in the data folder]
    #[arg(long, value_name = "FILE", env = "LONGSHORE_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

impl Place {
    /// Its store. A mistyped folder must not become a new, empty one.
    pub(super) fn store(&self) -> Result<Store, Exit> {
        open(&self.config()?)
    }

    /// Its store, and what opens the secrets in it.
    pub(super) fn store_and_seal(&self) -> Result<(Store, Seal), Exit> {
        let config = self.config()?;
        let store = open(&config)?;
        let seal = Seal::read(&config.master_key_file, &store_id(&store)?)?;
        Ok((store, seal))
    }

    pub(super) fn config(&self) -> Result<Config, Exit> {
        let (data_dir, master_key_file) = (self.data_dir.clone(), self.master_key_file.clone());
        Config::resolve(Settings { data_dir, master_key_file, ..Settings::default() })
    }
}

fn open(config: &Config) -> Result<Store, Exit> {
    if !config.data_dir.join(FILE).exists() {
        return Err(Exit::data_folder(format!(
            "{} is not a coordinator's data folder: name it with --data-dir, or make one with `longshore-coordinator init`.",
            config.data_dir.display()
        )));
    }
    Ok(Store::open(&config.data_dir)?)
}
