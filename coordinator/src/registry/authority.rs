//! Certificate authorities, and the certificates they issued to workers.

use rusqlite::{Connection, OptionalExtension, params};
use shared::{id::WorkerId, reason::Fault};

use crate::{pki::WorkerCertificate, store::Stored};

/// An authority as it is stored.
pub struct Row {
    /// Its certificate.
    pub cert_pem: String,
    /// Its key, sealed.
    pub sealed_key: Vec<u8>,
    /// Milliseconds since 1970.
    pub not_after: i64,
}

/// # Errors
/// Those of the store.
pub fn find(connection: &Connection, name: &str) -> Result<Option<Row>, Fault> {
    connection
        .query_row("SELECT cert_pem, sealed_key, not_after FROM authority WHERE name = ?1", [name], |row| {
            Ok(Row { cert_pem: row.get(0)?, sealed_key: row.get(1)?, not_after: row.get(2)? })
        })
        .optional()
        .stored("reading a certificate authority")
}

/// # Errors
/// Those of the store.
pub fn insert(connection: &Connection, name: &str, row: &Row) -> Result<(), Fault> {
    connection
        .execute(
            "INSERT INTO authority (name, cert_pem, sealed_key, not_after) VALUES (?1, ?2, ?3, ?4)",
            params![name, row.cert_pem, row.sealed_key, row.not_after],
        )
        .stored("writing a certificate authority")
        .map(drop)
}

/// Whether the store has secrets of its own already, so that a missing master key must not be replaced by a new one.
///
/// # Errors
/// Those of the store.
pub fn is_any(connection: &Connection) -> Result<bool, Fault> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM authority)", [], |row| row.get(0))
        .stored("reading the certificate authorities")
}

/// Notes a certificate that was issued.
///
/// # Errors
/// Those of the store.
pub fn note_issued(
    connection: &Connection,
    worker: WorkerId,
    issued: &WorkerCertificate,
    via: &str,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO issued_certificate (serial, worker_id, spki, not_before, not_after, issued_via) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut insert| {
            insert.execute(params![issued.serial, worker.to_string(), issued.spki, issued.not_before, issued.not_after, via])
        })
        .stored("noting a certificate")
        .map(drop)
}
