//! What a data folder must have before anything can be served: store, master key, authorities, the default pool and a first
//! admin token; made at the first start, read at all others.

use std::{path::Path, sync::Arc};

use rusqlite::Connection;
use shared::reason::Fault;

use crate::{
    audit::{self, Entry},
    clock,
    config::Config,
    data_dir::DataDir,
    exit::Exit,
    pki::Pki,
    registry::{authority, pool, request_id, token as tokens},
    seal::Seal,
    store::{Store, Stored},
    token::{Role, Token},
};

/// File of the first admin token, in the data folder.
pub const ADMIN_TOKEN: &str = "admin.token";
/// File of the authority that CLIs trust, in the data folder.
pub const CA: &str = "ca.pem";

/// An opened data folder.
pub struct Vault {
    /// Rows.
    pub store: Store,
    /// Opens secrets.
    pub seal: Seal,
    /// Issues certificates.
    pub pki: Arc<Pki>,
    /// Of the store.
    pub store_id: Arc<str>,
}

impl Vault {
    /// Opens it, and makes what is missing. Blocks.
    ///
    /// # Errors
    /// Exit 70 for a store of a newer Longshore, 73 or 74 when files cannot be written, 78 for a missing or wrong master key.
    pub fn open(data_dir: &DataDir, config: &Config) -> Result<Self, Exit> {
        let store = Store::open(data_dir.path())?;
        let seal = open_seal(&store, &config.master_key_file)?;
        let store_id = store_id(&store)?;
        let (pki, first_token) = {
            let (seal, store_id) = (seal.clone(), store_id.clone());
            store.write_blocking(move |connection| furnish(connection, &seal, &store_id, clock::now()))?
        };
        data_dir.write(CA, pki.server_authority_pem(), false)?;
        if let Some(token) = first_token {
            data_dir.write(ADMIN_TOKEN, &format!("{}\n", token.reveal().as_str()), true)?;
        }
        Ok(Self { store, seal, pki: Arc::new(pki), store_id: store_id.into() })
    }
}

/// The seal of a store that was furnished before, or a new one for a store that has no secrets yet.
fn open_seal(store: &Store, key_file: &Path) -> Result<Seal, Fault> {
    let id = store_id(store)?;
    if store.read_blocking(authority::is_any)? { Seal::read(key_file, &id) } else { Seal::make(key_file, &id) }
}

/// The UUID that was made with the store.
///
/// # Errors
/// Those of the store.
pub fn store_id(store: &Store) -> Result<String, Fault> {
    store.read_blocking(|connection| {
        connection.query_row("SELECT store_id FROM store_meta", [], |row| row.get(0)).stored("reading the store's id")
    })
}

fn furnish(connection: &Connection, seal: &Seal, store_id: &str, at: i64) -> Result<(Pki, Option<Token>), Fault> {
    let is_first_start = !authority::is_any(connection)?;
    // Opening the authorities' keys is also the proof that the master key is the right one.
    let pki = Pki::load_or_make(connection, seal, store_id, at)?;
    pool::ensure_default(connection, at)?;
    request_id::forget_old(connection, at)?;
    if !is_first_start {
        return Ok((pki, None));
    }
    let token = make_token(connection, seal, "first-admin", Role::Admin, None, at)?;
    Ok((pki, Some(token)))
}

/// Makes an API token on the coordinator's host, with its audit line.
///
/// # Errors
/// [`shared::reason::Reason::AlreadyExists`]; those of the store.
pub fn make_token(
    connection: &Connection,
    seal: &Seal,
    name: &str,
    role: Role,
    expires_at: Option<i64>,
    at: i64,
) -> Result<Token, Fault> {
    let token = Token::generate()?;
    let row = tokens::Row {
        id: token.id.clone(),
        name: name.to_owned(),
        role,
        digest: token.digest(seal).to_vec(),
        created_at: at,
        expires_at,
        revoked_at: None,
    };
    tokens::insert(connection, &row)?;
    audit::record(connection, at, &on_host("token.create", name, &format!("Role {}.", role.name())))?;
    Ok(token)
}

/// The audit line for something done on the coordinator's own host.
#[must_use]
pub fn on_host(action: &'static str, target: &str, detail: &str) -> Entry {
    Entry {
        actor: "coordinator".into(),
        address: String::new(),
        action,
        target: target.to_owned(),
        refusal: None,
        detail: detail.to_owned(),
    }
}
