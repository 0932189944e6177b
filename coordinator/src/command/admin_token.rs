//! API tokens, on the data folder itself: works while the coordinator runs, and when nobody can log in any more.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use coordinator::{
    audit, clock,
    exit::Exit,
    registry::token::{self, Row},
    token::Role,
    vault::{make_token, on_host},
};
use shared::{limits, plan::check_name};

use super::{place::Place, say};

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

fn create(name: String, role: Role, ttl: Option<Duration>, place: &Place) -> Result<(), Exit> {
    check_name(&name, limits::NAME_CHARS).map_err(|why| Exit::usage(format!("The token's name {why}.")))?;
    let (store, seal) = place.store_and_seal()?;
    let token = store.write_blocking(move |connection| {
        let at = clock::now();
        let expires_at = ttl.map(|ttl| at.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        make_token(connection, &seal, &name, role, expires_at, at)
    })?;
    say(token.reveal().as_str())
}

fn list(place: &Place) -> Result<(), Exit> {
    let store = place.store()?;
    let now = clock::now();
    for row in store.read_blocking(token::list)? {
        say(&line(&row, now))?;
    }
    Ok(())
}

fn revoke(name: String, place: &Place) -> Result<(), Exit> {
    let store = place.store()?;
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
