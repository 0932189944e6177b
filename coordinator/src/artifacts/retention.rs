//! Artifacts are kept for a time after their deployment ended; then their bytes go, and what is known of them stays.

use std::{fs, io, time::Duration};

use service::{shutdown::Shutdown, task};
use shared::reason::Fault;

use super::{Artifacts, unwritable};
use crate::{
    clock,
    files::blocking,
    registry::artifact::{self, Row, State},
};

/// 1 hour between looks: nobody keeps artifacts for minutes.
const INTERVAL: Duration = Duration::from_secs(3600);

impl Artifacts {
    /// Removes what was kept long enough, now and every hour, until the end is asked for.
    pub fn keep_tidy(&self, shutdown: Shutdown) {
        let this = self.clone();
        task::spawn("artifact-retention", async move {
            loop {
                if let Err(error) = this.remove_expired(clock::now()).await {
                    tracing::warn!(error = %error, "artifacts that were kept long enough cannot be removed yet");
                }
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => {}
                    () = shutdown.requested() => return,
                }
            }
        });
    }

    /// Removes what was kept long enough at a time; answers how many that were.
    ///
    /// # Errors
    /// Those of the store and of the disk; the next look goes on from there.
    pub async fn remove_expired(&self, now: i64) -> Result<usize, Fault> {
        let retention = i64::try_from(self.0.keeping.retention.as_millis()).unwrap_or(i64::MAX);
        let before = now.saturating_sub(retention);
        let mut removed = 0;
        loop {
            let rows = self.0.store.read(move |connection| artifact::ended_before(connection, before)).await?;
            if rows.is_empty() {
                return Ok(removed);
            }
            for row in rows {
                self.remove(row).await?;
                removed += 1;
            }
        }
    }

    /// First the word, then the bytes: after a crash between the two, bytes are left that nobody asks for, and not the reverse.
    async fn remove(&self, row: Row) -> Result<(), Fault> {
        let _placing = self.0.placing.lock().await;
        let sha256 = row.told.sha256.clone();
        let written = sha256.clone();
        let is_used = self
            .0
            .store
            .write(move |tx| {
                artifact::set_state(tx, &row.told, State::Expired, "", "")?;
                artifact::uses(tx, &written)
            })
            .await?;
        let Some(path) = self.0.contents.find(&sha256).filter(|_| !is_used) else { return Ok(()) };
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(&path, &error)),
            _ => Ok(()),
        })
        .await
    }
}
