//! Which worker may connect with which certificate, in memory: asked at every call. Knows nothing of TLS or gRPC.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use shared::{
    id::WorkerId,
    reason::{Fault, Reason},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    registry::worker::{self, Row, State},
    store::{Store, hold},
};

/// The standing of all workers. Clones share it. Whoever changes a worker's certificates or adds one calls
/// [`Standings::refresh`] after the commit.
#[derive(Clone, Default)]
pub struct Standings {
    all: Arc<RwLock<HashMap<WorkerId, Standing>>>,
    /// Held from reading a row until it is learnt, so that an older row is never learnt last.
    refreshing: Arc<Mutex<()>>,
}

struct Standing {
    name: String,
    is_revoked: bool,
    serial_current: Option<Vec<u8>>,
    serial_next: Option<Vec<u8>>,
    /// Ends every connection of the worker when it is revoked or forgotten.
    end: CancellationToken,
}

/// What a certificate's number is to its worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Current,
    Next,
}

impl Standings {
    /// All workers of the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load(store: &Store) -> Result<Self, Fault> {
        let standings = Self::default();
        for row in store.read(|connection| worker::list(connection, None)).await? {
            standings.learn(&row);
        }
        Ok(standings)
    }

    /// A worker is new, or has other certificates: learns what the store says of it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn refresh(&self, store: &Store, id: WorkerId) -> Result<(), Fault> {
        let _turn = self.refreshing.lock().await;
        if let Some(row) = store.read(move |connection| worker::find(connection, &id.to_string())).await? {
            self.learn(&row);
        }
        Ok(())
    }

    /// A worker was revoked: it may not call any more, and its connections end.
    pub fn revoke(&self, id: WorkerId) {
        if let Some(standing) = self.write().get_mut(&id) {
            standing.is_revoked = true;
            standing.end.cancel();
        }
    }

    /// A worker is no more; its connections end.
    pub fn forget(&self, id: WorkerId) {
        if let Some(standing) = self.write().remove(&id) {
            standing.end.cancel();
        }
    }

    /// What ends when the worker's right to connect does. A worker nobody knows has none.
    #[must_use]
    pub fn end_of(&self, id: WorkerId) -> CancellationToken {
        self.read().get(&id).map_or_else(ended, |standing| standing.end.clone())
    }

    /// Name of a worker that may call with this certificate. The first call with its next certificate makes that one
    /// current, and the one before is refused from then on: this is how a copy of a worker's disk is noticed. `not_after`: its
    /// end, milliseconds since 1970.
    ///
    /// # Errors
    /// [`Reason::Unauthenticated`] for an unknown worker, [`Reason::WorkerRevoked`], [`Reason::CertificateNotCurrent`]; those
    /// of the store.
    pub async fn admit(&self, store: &Store, id: WorkerId, serial: &[u8], not_after: i64) -> Result<String, Fault> {
        let (name, which) = match self.judge(id, serial) {
            Err(fault) if fault.reason == Reason::CertificateNotCurrent => {
                self.take_up(store, id, serial, not_after, fault).await?
            }
            judged => judged?,
        };
        if which == Which::Next {
            self.activate(store, id, serial, &name).await?;
        }
        Ok(name)
    }

    fn judge(&self, id: WorkerId, serial: &[u8]) -> Result<(String, Which), Fault> {
        let all = self.read();
        let standing = all.get(&id).ok_or_else(|| {
            Fault::new(
                Reason::Unauthenticated,
                format!("The worker {id} is not known here: it was deleted. Invite the host anew."),
            )
        })?;
        if standing.is_revoked {
            return Err(worker::revoked(&standing.name));
        }
        let which = if standing.serial_current.as_deref() == Some(serial) {
            Which::Current
        } else if standing.serial_next.as_deref() == Some(serial) {
            Which::Next
        } else {
            return Err(not_current(&standing.name));
        };
        Ok((standing.name.clone(), which))
    }

    /// A store that was restored does not know the certificates that were issued since.
    async fn take_up(
        &self,
        store: &Store,
        id: WorkerId,
        serial: &[u8],
        not_after: i64,
        refusal: Fault,
    ) -> Result<(String, Which), Fault> {
        if store.read(hold::hold).await?.is_none() {
            return Err(refusal);
        }
        let wanted = serial.to_vec();
        let taken =
            store.write(move |connection| worker::take_up_certificate(connection, id, &wanted, not_after)).await?;
        if !taken {
            return Err(refusal);
        }
        tracing::warn!(worker = %id, "a certificate that was issued in what the store lost is taken up");
        self.refresh(store, id).await?;
        self.judge(id, serial)
    }

    async fn activate(&self, store: &Store, id: WorkerId, serial: &[u8], name: &str) -> Result<(), Fault> {
        let wanted = serial.to_vec();
        store.write(move |connection| worker::activate_next(connection, id, &wanted)).await?;
        self.refresh(store, id).await?;
        // Two first calls at once: one of them activated it, and that is as good.
        match self.judge(id, serial)? {
            (_, Which::Current) => Ok(()),
            (_, Which::Next) => Err(not_current(name)),
        }
    }

    fn learn(&self, row: &Row) {
        let mut all = self.write();
        let (was_revoked, end) = all
            .get(&row.id)
            .map_or_else(|| (false, CancellationToken::new()), |known| (known.is_revoked, known.end.clone()));
        // A row read just before a revocation does not take it back.
        let is_revoked = was_revoked || row.state == State::Revoked;
        if is_revoked {
            end.cancel();
        }
        let (serial_current, serial_next) = (row.serial_current.clone(), row.serial_next.clone());
        all.insert(row.id, Standing { name: row.name.clone(), is_revoked, serial_current, serial_next, end });
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<WorkerId, Standing>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<WorkerId, Standing>> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

fn not_current(name: &str) -> Fault {
    Fault::new(
        Reason::CertificateNotCurrent,
        format!(
            "The certificate of the worker \"{name}\" was replaced by a newer one: another host may hold a copy of its data \
             folder. Reset this host and invite it anew."
        ),
    )
}

#[cfg(test)]
mod tests {
    use shared::reason::Reason::CertificateNotCurrent;
    use uuid::Uuid;

    use super::*;
    use crate::{pki::WorkerCertificate, registry::pool};

    #[tokio::test]
    async fn only_on_hold_is_a_later_certificate_taken_up_and_never_an_older_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let id = WorkerId(Uuid::now_v7());
        let known =
            WorkerCertificate { der: Vec::new().into(), serial: vec![1], spki: vec![1], not_before: 0, not_after: 100 };
        let inserted = store.write(move |tx| {
            pool::ensure_default(tx, 0)?;
            worker::insert(tx, (id, "w1", "default", "{}"), &known, 0)
        });
        inserted.await.expect("written");
        let standings = Standings::load(&store).await.expect("loaded");
        let refused = |admitted: Result<String, Fault>| admitted.expect_err("refused").reason;
        assert_eq!(refused(standings.admit(&store, id, &[2], 200).await), CertificateNotCurrent);

        store.write(|tx| hold::begin(tx, 0, "restored")).await.expect("on hold");
        assert_eq!(refused(standings.admit(&store, id, &[3], 100).await), CertificateNotCurrent);
        assert_eq!(standings.admit(&store, id, &[2], 200).await.expect("issued since"), "w1");
        assert_eq!(standings.admit(&store, id, &[2], 200).await.expect("known now"), "w1");
        assert_eq!(refused(standings.admit(&store, id, &[1], 100).await), CertificateNotCurrent);
        assert_eq!(refused(standings.admit(&store, id, &[3], 150).await), CertificateNotCurrent);
    }
}
