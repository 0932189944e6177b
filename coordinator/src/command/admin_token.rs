//! API tokens, on the data folder itself: works while the coordinator runs, and when nobody can log in any more.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use coordinator::{
    audit, clock,
    config::{Config, Settings},
    exit::Exit,
    registry::token::{self, Row},
    seal::Seal,
    store::{FILE, Store},
    token::Role,
    vault::{make_token, on_host, store_id},
};
use shared::{limits, plan::check_name};

use super::say;

#[derive(Subcommand)]
pub(super) enum AdminToken {
    /// Make a token and write it to stdout, this once
    Create {
        /// Name for the audit log
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t = RoleName::Admin)]
        role: RoleName,
        /// How long it is good for, e.g. 90d; for ever when left out
        #[arg(long, value_parser = humantime::parse_duration)]
        ttl: Option<Duration>,
        #[command(flatten)]
        place: Place,
    },
    /// Show all tokens, without their secrets
    List {
        #[command(flatten)]
        place: Place,
    },
    /// End a token at once
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

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

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    Viewer,
    Deployer,
    Admin,
}

impl AdminToken {
    pub(super) fn run(self) -> Result<(), Exit> {
        match self {
            Self::Create { name, role, ttl, place } => create(name, role.into(), ttl, &place),
            Self::List { place } => list(&place),
            Self::Revoke { name, place } => revoke(name, &place),
        }
    }
}

impl Place {
    fn config(&self) -> Result<Config, Exit> {
        let (data_dir, master_key_file) = (self.data_dir.clone(), self.master_key_file.clone());
        Config::resolve(Settings { data_dir, master_key_file, ..Settings::default() })
    }

    /// The store of a data folder that is there: a mistyped folder must not become a new, empty one.
    fn store(&self) -> Result<(Store, Config), Exit> {
        let config = self.config()?;
        if !config.data_dir.join(FILE).exists() {
            return Err(Exit::data_folder(format!(
                "{} is not a coordinator's data folder: name it with --data-dir, or make one with `longshore-coordinator init`.",
                config.data_dir.display()
            )));
        }
        Ok((Store::open(&config.data_dir)?, config))
    }
}

fn create(name: String, role: Role, ttl: Option<Duration>, place: &Place) -> Result<(), Exit> {
    check_name(&name, limits::NAME_CHARS).map_err(|why| Exit::usage(format!("The token's name {why}.")))?;
    let (store, config) = place.store()?;
    let seal = Seal::read(&config.master_key_file, &store_id(&store)?)?;
    let token = store.write_blocking(move |connection| {
        let at = clock::now();
        let expires_at = ttl.map(|ttl| at.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        make_token(connection, &seal, &name, role, expires_at, at)
    })?;
    say(token.reveal().as_str())
}

fn list(place: &Place) -> Result<(), Exit> {
    let (store, _) = place.store()?;
    let now = clock::now();
    for row in store.read_blocking(token::list)? {
        say(&line(&row, now))?;
    }
    Ok(())
}

fn revoke(name: String, place: &Place) -> Result<(), Exit> {
    let (store, _) = place.store()?;
    Ok(store.write_blocking(move |connection| {
        let at = clock::now();
        token::revoke(connection, &name, at)?;
        audit::record(connection, at, &on_host("token.revoke", &name, ""))
    })?)
}

fn line(row: &Row, now: i64) -> String {
    let state = match (row.revoked_at, row.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(end)) if end <= now => "expired".to_owned(),
        (None, Some(end)) => format!("until {}", shown(end)),
        (None, None) => "for ever".to_owned(),
    };
    format!("{}\t{}\t{}\t{state}", row.id, row.name, row.role.name())
}

fn shown(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Deployer => Self::Deployer,
            RoleName::Admin => Self::Admin,
        }
    }
}
