//! AWS accounts.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use shared::reason::{Fault, Reason};
use zeroize::Zeroizing;

use crate::{
    seal::{Place, Seal},
    store::{Stored, is_duplicate},
};

/// An account as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where its credentials come from.
    pub kind: Kind,
    /// Public half of the key pair; empty unless [`Kind::Aws`].
    pub access_key_id: String,
    /// Private half, sealed for [`place`]; empty unless [`Kind::Aws`].
    pub sealed_secret: Vec<u8>,
    /// First 8 hex digits of a keyed digest of the secret; empty unless [`Kind::Aws`].
    pub fingerprint: String,
    /// Grows with each new secret.
    pub version: i64,
    /// Default region; may be empty.
    pub region: String,
    /// Role that its sessions are of; empty for sessions of the key's own user.
    pub role_arn: String,
    /// What the role's trust policy demands; empty for none.
    pub external_id: String,
    /// Account on top of which the role is assumed; empty for the worker's own role. Only with [`Kind::AwsRole`].
    pub base_account: String,
    /// How long a session lasts, in seconds.
    pub session_seconds: i64,
    /// What a step gets of a key.
    pub delivery: Delivery,
    /// Whether scripts may read the secret key.
    pub expose_keys: bool,
    /// Whether sessions of a role carry tags and a source identity.
    pub session_tags: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// Where an account's credentials come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An access key that is kept here.
    Aws,
    /// A role, assumed on top of a worker's own role or of another account.
    AwsRole,
    /// A role that takes a token signed here.
    AwsOidc,
}

/// What a step gets of an access key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// A session made for the attempt.
    Session,
    /// The key itself.
    Raw,
}

/// An account whose secret was opened.
#[derive(Clone)]
pub struct Opened {
    /// All else.
    pub row: Row,
    /// Private half of the key pair; empty unless [`Kind::Aws`].
    pub secret_access_key: Zeroizing<String>,
}

impl Row {
    /// How long a session lasts.
    #[must_use]
    pub fn session_duration(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.session_seconds).unwrap_or(0))
    }
}

impl Kind {
    /// As people type it, and as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsRole => "aws-role",
            Self::AwsOidc => "aws-oidc",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "aws-role" => Self::AwsRole,
            "aws-oidc" => Self::AwsOidc,
            _ => Self::Aws,
        }
    }
}

impl Delivery {
    /// As people type it, and as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Raw => "raw",
        }
    }

    fn named(name: &str) -> Self {
        if name == "raw" { Self::Raw } else { Self::Session }
    }
}

/// Where an account's secret belongs.
#[must_use]
pub fn place(name: &str, version: i64) -> Place<'_> {
    Place { kind: "account", id: name, field: "secret_access_key", version }
}

/// What `AWS Account` is in scripts: the word Octopus uses, then the name in lower case with dashes.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::from("amazonwebservicesaccount");
    let mut parted = true;
    for letter in name.chars() {
        if letter.is_alphanumeric() {
            if std::mem::take(&mut parted) {
                slug.push('-');
            }
            slug.extend(letter.to_lowercase());
        } else {
            parted = true;
        }
    }
    slug
}

/// # Errors
/// [`Reason::AlreadyExists`] when the name is taken; those of the store.
pub fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    let inserted = connection.execute(
        "INSERT INTO account (name, description, access_key_id, sealed_secret, fingerprint, version, region, kind, role_arn,
         external_id, base_account, session_seconds, delivery, expose_keys, session_tags, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            row.name,
            row.description,
            row.access_key_id,
            row.sealed_secret,
            row.fingerprint,
            row.version,
            row.region,
            row.kind.name(),
            row.role_arn,
            row.external_id,
            row.base_account,
            row.session_seconds,
            row.delivery.name(),
            row.expose_keys,
            row.session_tags,
            row.created_at,
            row.updated_at
        ],
    );
    match inserted {
        Err(error) if is_duplicate(&error) => Err(Fault::new(
            Reason::AlreadyExists,
            format!(
                "There is an account named \"{}\" already: choose another name, or change it with `longshore account update`.",
                row.name
            ),
        )),
        other => other.stored("writing an account").map(drop),
    }
}

/// # Errors
/// [`Reason::AccountNotFound`]; those of the store.
pub fn get(connection: &Connection, name: &str) -> Result<Row, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))
        .and_then(|mut query| query.query_row([name], read).optional())
        .stored("reading an account")?
        .ok_or_else(|| not_found(name))
}

/// With its secret, if it has one.
///
/// # Errors
/// [`Reason::AccountNotFound`]; those of [`Seal::open`] and the store.
pub fn open(connection: &Connection, seal: &Seal, name: &str) -> Result<Opened, Fault> {
    let row = get(connection, name)?;
    let secret_access_key = match row.kind {
        Kind::Aws => seal.open_text(place(name, row.version), &row.sealed_secret)?,
        Kind::AwsRole | Kind::AwsOidc => Zeroizing::default(),
    };
    Ok(Opened { row, secret_access_key })
}

/// All, by name.
///
/// # Errors
/// Those of the store.
pub fn list(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut query = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM account ORDER BY name"))
        .stored("reading the accounts")?;
    let rows = query.query_map([], read).stored("reading the accounts")?;
    rows.collect::<Result<_, _>>().stored("reading the accounts")
}

/// Writes all of an account that is there, but its kind and what it stands on.
///
/// # Errors
/// Those of the store.
pub fn update(connection: &Connection, row: &Row) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE account SET description = ?2, access_key_id = ?3, sealed_secret = ?4, fingerprint = ?5, version = ?6,
             region = ?7, role_arn = ?8, external_id = ?9, session_seconds = ?10, delivery = ?11, expose_keys = ?12,
             session_tags = ?13, updated_at = ?14 WHERE name = ?1",
            params![
                row.name,
                row.description,
                row.access_key_id,
                row.sealed_secret,
                row.fingerprint,
                row.version,
                row.region,
                row.role_arn,
                row.external_id,
                row.session_seconds,
                row.delivery.name(),
                row.expose_keys,
                row.session_tags,
                row.updated_at
            ],
        )
        .stored("writing an account")
        .map(drop)
}

/// Removes an account that no variable names, and no account stands on.
///
/// # Errors
/// [`Reason::AccountNotFound`], [`Reason::InUse`]; those of the store.
pub fn delete(connection: &Connection, name: &str) -> Result<(), Fault> {
    get(connection, name)?;
    let user: Option<(String, String)> = connection
        .query_row(
            "SELECT project, name FROM variable WHERE kind = 'aws_account' AND value = ?1 LIMIT 1",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .stored("looking for variables")?;
    if let Some((project, variable)) = user {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The account \"{name}\" is in use: variable \"{variable}\" of project \"{project}\" names it. Change the variable first."
            ),
        ));
    }
    let on_top: Option<String> = connection
        .query_row("SELECT name FROM account WHERE base_account = ?1 LIMIT 1", [name], |row| row.get(0))
        .optional()
        .stored("looking for accounts")?;
    if let Some(on_top) = on_top {
        return Err(Fault::new(
            Reason::InUse,
            format!(
                "The account \"{name}\" is in use: account \"{on_top}\" assumes its role with it. Delete that one first."
            ),
        ));
    }
    connection.execute("DELETE FROM account WHERE name = ?1", [name]).stored("removing an account").map(drop)
}

const COLUMNS: &str = "name, description, access_key_id, sealed_secret, fingerprint, version, region, kind, role_arn, external_id, \
                       base_account, session_seconds, delivery, expose_keys, session_tags, created_at, updated_at";

fn not_found(name: &str) -> Fault {
    Fault::new(
        Reason::AccountNotFound,
        format!("There is no account named \"{name}\": `longshore account list` shows those there are."),
    )
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        name: row.get(0)?,
        description: row.get(1)?,
        access_key_id: row.get(2)?,
        sealed_secret: row.get(3)?,
        fingerprint: row.get(4)?,
        version: row.get(5)?,
        region: row.get(6)?,
        kind: Kind::named(&row.get::<_, String>(7)?),
        role_arn: row.get(8)?,
        external_id: row.get(9)?,
        base_account: row.get(10)?,
        session_seconds: row.get(11)?,
        delivery: Delivery::named(&row.get::<_, String>(12)?),
        expose_keys: row.get(13)?,
        session_tags: row.get(14)?,
        created_at: row.get(15)?,
        updated_at: row.get(16)?,
    })
}

#[cfg(test)]
impl Row {
    /// An account with a key whose secret is this.
    pub(crate) fn with_key(seal: &Seal, name: &str, secret: &str) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            kind: Kind::Aws,
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            sealed_secret: seal.seal(place(name, 1), secret.as_bytes()).expect("sealed"),
            fingerprint: String::new(),
            version: 1,
            region: String::new(),
            role_arn: String::new(),
            external_id: String::new(),
            base_account: String::new(),
            session_seconds: 3600,
            delivery: Delivery::Session,
            expose_keys: true,
            session_tags: true,
            created_at: 0,
            updated_at: 0,
        }
    }

    /// A role on top of another account; of an empty one, on top of a worker's own role.
    pub(crate) fn with_role(name: &str, role_arn: &str, base_account: &str, seal: &Seal) -> Self {
        Self {
            kind: Kind::AwsRole,
            access_key_id: String::new(),
            sealed_secret: Vec::new(),
            role_arn: role_arn.into(),
            external_id: "external-id-of-it".into(),
            base_account: base_account.into(),
            ..Self::with_key(seal, name, "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_is_what_octopus_would_make_of_the_name() {
        assert_eq!(slug("AWS Account"), "amazonwebservicesaccount-aws-account");
        assert_eq!(slug("shop-staging"), "amazonwebservicesaccount-shop-staging");
        assert_eq!(slug("  Shop (Production)! "), "amazonwebservicesaccount-shop-production");
    }
}
