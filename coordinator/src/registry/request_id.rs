//! Request ids: a creating call that is repeated answers what the first one made.

use aws_lc_rs::digest;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shared::reason::{Fault, Reason};
use uuid::Uuid;

use crate::store::Stored;

/// 30 days: nobody repeats a call after that.
const KEPT: i64 = 30 * 24 * 3600 * 1000;

/// Forgets the ids of calls long ago.
///
/// # Errors
/// Those of the store.
pub fn forget_old(connection: &Connection, at: i64) -> Result<(), Fault> {
    connection
        .execute("DELETE FROM request_id WHERE created_at < ?1", [at - KEPT])
        .stored("forgetting request ids")
        .map(drop)
}

/// A creating call, as it is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId {
    id: Option<String>,
    method: &'static str,
    digest: Vec<u8>,
}

impl RequestId {
    /// `id` is empty, or a UUID. `content` is the request without id and secrets: another request under the same id is
    /// refused. It must not hold a map, whose order in bytes may differ from call to call.
    ///
    /// # Errors
    /// [`Reason::InvalidArgument`] when the id is no UUID.
    pub fn new(id: &str, method: &'static str, content: &impl Message) -> Result<Self, Fault> {
        let id = match id {
            "" => None,
            text => Some(Uuid::parse_str(text).map_err(|_| {
                Fault::new(
                    Reason::InvalidArgument,
                    format!("`request_id` is \"{text}\", which is not a UUID; leave it out or make one anew."),
                )
            })?),
        };
        let digest = digest::digest(&digest::SHA256, &content.encode_to_vec()).as_ref().to_vec();
        Ok(Self { id: id.map(|id| id.to_string()), method, digest })
    }

    /// What the first call with this id made; `None` when this is the first, or it has no id.
    ///
    /// # Errors
    /// [`Reason::RequestIdReused`] when the first call was another one; those of the store.
    pub fn made_before(&self, connection: &Connection) -> Result<Option<String>, Fault> {
        let Some(id) = &self.id else { return Ok(None) };
        let found = connection
            .prepare_cached("SELECT method, digest, made FROM request_id WHERE id = ?1")
            .and_then(|mut query| {
                query
                    .query_row([id], |row| {
                        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, String>(2)?))
                    })
                    .optional()
            })
            .stored("looking for a request id")?;
        match found {
            None => Ok(None),
            Some((method, digest, made)) if method == self.method && digest == self.digest => Ok(Some(made)),
            Some((method, ..)) => Err(Fault::new(
                Reason::RequestIdReused,
                format!(
                    "The request_id {id} was used for another request ({method}): make a new one for each request."
                ),
            )),
        }
    }

    /// Remembers what this call made, in its transaction.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remember(&self, connection: &Connection, made: &str, at: i64) -> Result<(), Fault> {
        let Some(id) = &self.id else { return Ok(()) };
        connection
            .prepare_cached("INSERT INTO request_id (id, method, digest, made, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut insert| insert.execute(params![id, self.method, self.digest, made, at]))
            .stored("remembering a request id")
            .map(drop)
    }
}
