//! SQLite's errors as faults.

use rusqlite::ErrorCode;
use shared::reason::{Fault, Reason};

/// Turns SQLite's answer into a fault that says what was being done.
pub trait Stored<T> {
    /// `doing` ends the sentence "The store failed while …", e.g. "reading the pools".
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`] when the disk is full or failing, else [`Reason::Internal`].
    fn stored(self, doing: &str) -> Result<T, Fault>;
}

impl<T> Stored<T> for rusqlite::Result<T> {
    fn stored(self, doing: &str) -> Result<T, Fault> {
        self.map_err(|error| {
            let (reason, advice) = if is_unavailable(&error) {
                (Reason::StoreUnavailable, "see that its disk has room and is well")
            } else {
                (Reason::Internal, "the coordinator's log has more")
            };
            tracing::warn!(%error, doing, "store operation failed");
            Fault::new(reason, format!("The store failed while {doing}: {error}; {advice}."))
        })
    }
}

/// Whether an insert or update failed because another row has its key.
#[must_use]
pub fn is_duplicate(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    error
        .sqlite_error()
        .is_some_and(|e| matches!(e.extended_code, SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
}

/// Whether the world is at fault (disk, permissions, another process), and not what was asked.
fn is_unavailable(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
        )
    )
}

/// Whether SQLite could not sync: what of the transaction is on disk is not known until the file is opened again.
pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    error.sqlite_error().is_some_and(|e| matches!(e.extended_code, SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC))
}
