//! Opens connections the one way this store is used.

use std::{
    fs::{DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use shared::reason::{Fault, Reason};

/// Only a backup program or a person's shell ever makes us wait: five seconds of it.
const BUSY: Duration = Duration::from_secs(5);

/// 256 statements: more than the program has, so each is prepared once.
const STATEMENTS: usize = 256;

/// The connection that writes; makes the folder and the file when they are not there.
pub(super) fn open(path: &Path) -> Result<Connection, Fault> {
    make_private(path).map_err(|error| unavailable(path, &error))?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| unavailable(path, &error))?;
    pragmas(&connection).map_err(|error| unavailable(path, &error))?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, Fault> {
    // Read-write, because a reader of a WAL needs its shared memory; `query_only` is what keeps it from writing.
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| unavailable(path, &error))?;
    connection.pragma_update(None, "query_only", true).map_err(|error| unavailable(path, &error))?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // One thread owns each connection, so SQLite need not lock.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    // A statement is planned once, and not again whenever its values change: a fifth of the writer's time otherwise.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn pragmas(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // FULL syncs the WAL at each commit: what was answered survives a power cut. NORMAL would not.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // 16 MiB of pages in memory (negative is KiB): what a busy minute touches, so that it is not read and freed all the time.
    connection.pragma_update(None, "cache_size", -16_384)?;
    // What SQLite sets aside while it works holds rows, too: never in a file of /tmp.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // 16 MiB of WAL between checkpoints: fewer syncs of the main file under load; cut back to that after a long reader.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)
}

/// The store holds sealed secrets and everybody's deployments: nobody else may read it. SQLite gives its WAL the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(())
}

pub(super) fn unavailable(path: &Path, error: &dyn std::error::Error) -> Fault {
    Fault::new(
        Reason::StoreUnavailable,
        format!(
            "The store {} cannot be opened: {error}. See that its folder is there, belongs to the coordinator's user and has room.",
            path.display()
        ),
    )
}
