//! AWS accounts.

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
    /// Public half of the key pair.
    pub access_key_id: String,
    /// Private half, sealed for [`place`].
    pub sealed_secret: Vec<u8>,
    /// First 8 hex digits of a keyed digest of the secret.
    pub fingerprint: String,
    /// Grows with each new secret.
    pub version: i64,
    /// Default region; may be empty.
    pub region: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// What a step or a test of an account needs.
pub struct Keys {
    /// Public half.
    pub access_key_id: String,
    /// Private half.
    pub secret_access_key: Zeroizing<String>,
    /// Default region; may be empty.
    pub region: String,
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
        "INSERT INTO account (name, description, access_key_id, sealed_secret, fingerprint, version, region, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            row.name,
            row.description,
            row.access_key_id,
            row.sealed_secret,
            row.fingerprint,
            row.version,
            row.region,
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

/// Its keys, opened.
///
/// # Errors
/// [`Reason::AccountNotFound`]; those of [`Seal::open`] and the store.
pub fn keys(connection: &Connection, seal: &Seal, name: &str) -> Result<Keys, Fault> {
    let row = get(connection, name)?;
    let secret_access_key = seal.open_text(place(name, row.version), &row.sealed_secret)?;
    Ok(Keys { access_key_id: row.access_key_id, secret_access_key, region: row.region })
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

/// Writes all of an account that is there.
///
/// # Errors
/// Those of the store.
pub fn update(connection: &Connection, row: &Row) -> Result<(), Fault> {
    connection
        .execute(
            "UPDATE account SET description = ?2, access_key_id = ?3, sealed_secret = ?4, fingerprint = ?5, version = ?6,
             region = ?7, updated_at = ?8 WHERE name = ?1",
            params![
                row.name,
                row.description,
                row.access_key_id,
                row.sealed_secret,
                row.fingerprint,
                row.version,
                row.region,
                row.updated_at
            ],
        )
        .stored("writing an account")
        .map(drop)
}

/// Removes an account that no variable names.
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
    connection.execute("DELETE FROM account WHERE name = ?1", [name]).stored("removing an account").map(drop)
}

const COLUMNS: &str =
    "name, description, access_key_id, sealed_secret, fingerprint, version, region, created_at, updated_at";

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
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
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
